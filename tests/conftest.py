"""Fixtures, and which tests need what: the corpus lies beside the checkout, never inside it."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without ../shared, corpus tests fail in CI and are deselected by name elsewhere."""
    if SHARED.is_dir() or os.environ.get("CI"):
        return
    gone = [item for item in items if item.get_closest_marker("corpus")]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]
        names = ", ".join(sorted({item.nodeid.split("[")[0] for item in gone}))
        print(f"\ndeselected, for want of {SHARED.name}/ beside the checkout: {names}")


@pytest.fixture(scope="session")
def corpus() -> Path:
    path = SHARED / "corpus"
    assert path.is_dir(), f"{path} is missing"
    return path


@pytest.fixture
def samples() -> Path:
    return ROOT / "captures" / "samples"
