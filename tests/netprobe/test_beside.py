"""A process beside this one answers for a module that this one has not imported; without one the same comes from here."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netprobe.cli.beside import Beside

MODULE = "called_by_test_beside"
SOURCE = """
import os
import signal

def process() -> int:
    return os.getpid()

def process_or_end(here: int) -> int:
    if os.getpid() != here:
        os._exit(1)
    return here

def longer(text: str) -> str:
    return f"{text}."

def opened() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]

def interrupted() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "went on"

def wrong() -> float:
    return 1 / 0
"""


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    made = Beside(MODULE)
    made.begin()
    yield made
    sys.modules.pop(MODULE, None)


def test_another_process_imports_and_answers(beside: Beside) -> None:
    here = os.getpid()
    there = [beside("process") for _ in range(2)]
    assert there[0] == there[1] != here
    assert MODULE not in sys.modules
    assert beside("longer", "x" * 300_000) == "x" * 300_000 + "."


def test_it_has_nothing_open_and_ignores_ctrl_c(beside: Beside) -> None:
    read, write = os.pipe()
    try:
        other = Beside(MODULE)
        other.begin()
        assert not {read, write} & set(other("opened"))
        assert other("interrupted") == "went on"
    finally:
        os.close(read)
        os.close(write)


def test_where_it_ends_this_one_answers(beside: Beside) -> None:
    assert beside("process_or_end", os.getpid()) == os.getpid()
    assert beside("process") == os.getpid()


def test_what_goes_wrong_there_goes_wrong_here(beside: Beside) -> None:
    with pytest.raises(ZeroDivisionError):
        beside("wrong")


def test_what_was_imported_before_is_called_here(beside: Beside) -> None:
    importlib.import_module(MODULE)
    late = Beside(MODULE)
    late.begin()
    assert late("process") == os.getpid()


def test_what_was_never_begun_is_called_here(beside: Beside) -> None:
    assert Beside(MODULE)("process") == os.getpid()
