"""Fixtures, and which tests need what: the corpus lies beside the checkout, never inside it."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import netprobe.replay
import netprobe.report.live  # noqa: F401 -- so that commands called by tests judge in this process

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a test needs and this machine lacks fails it in CI; elsewhere the test is deselected by name."""
    if os.environ.get("CI"):
        return
    lacking = {}
    if not SHARED.is_dir():
        lacking["corpus"] = f"{SHARED.name}/ beside the checkout"
    if os.geteuid() or not all(map(shutil.which, ("ip", "nft", "tcpdump", "sshd"))):
        lacking["lab"] = "root and the tools of the lab"
    if find_spec("pcapy") is None:
        lacking["listens"] = "pcapy-ng"
    if not shutil.which("gcc"):
        lacking["compiler"] = "gcc"
    for marker, need in lacking.items():
        gone = [item for item in items if item.get_closest_marker(marker)]
        if gone:
            config.hook.pytest_deselected(items=gone)
            items[:] = [item for item in items if item not in gone]
            names = ", ".join(sorted({item.nodeid.split("[")[0] for item in gone}))
            print(f"\ndeselected for want of {need}: {names}")


@pytest.fixture(scope="session")
def corpus() -> Path:
    path = SHARED / "corpus"
    assert path.is_dir(), f"{path} is missing"
    return path


@pytest.fixture
def samples() -> Path:
    return ROOT / "captures" / "samples"
