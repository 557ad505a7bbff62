"""What a live command does before its first packet: no more than that takes."""

import subprocess
import sys
from pathlib import Path

import pytest

UNTIL_CONNECT = """
import sys

def leave(event, arguments):
    if event == "socket.connect" and arguments[1][1] == 1:
        print(*sys.modules)
        sys.stdout.flush()
        import os
        os._exit(0)

sys.addaudithook(leave)
from netprobe.cli import main
main()
"""
LATER = {"numpy", "pathlib", "json", "pickle", "captures.packet", "analyzers.attempts.context", "netprobe.live.trace"}


def modules(command: list[str]) -> set[str]:
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())


@pytest.mark.parametrize("written", [True, False])
def test_what_the_first_packet_does_not_need_is_imported_later(
    written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    given = ["-w", str(tmp_path / "e.pcapng")] if written else []
    command = [sys.executable, "-c", UNTIL_CONNECT, "diagnose", "-n", *given, "127.0.0.1:1"]
    imported = modules(command) - modules([sys.executable, "-c", "import click, sys; print(*sys.modules)"])
    assert "netprobe.live.session" in imported
    assert not imported & LATER
