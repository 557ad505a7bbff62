"""Nothing here touches the world."""

import select
import socket
import time

import pytest


@pytest.fixture(autouse=True)
def _no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket is opened, and nothing waits."""
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(time, "sleep", None)
    monkeypatch.setattr(select, "select", None)
