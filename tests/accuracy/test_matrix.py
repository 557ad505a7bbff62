"""A small part of the matrix, drawn with a fixed seed: nothing that netprobe says contradicts what was done."""

import pytest

from tests.accuracy.cells import draw
from tests.accuracy.measure import Run, ask_netprobe

pytestmark = pytest.mark.lab

CELLS = 20
SEED = 7


def test_no_answer_contradicts_the_truth() -> None:
    results = list(Run({"netprobe": ask_netprobe}).results(draw(SEED, CELLS), jobs=3))
    assert len(results) == CELLS
    failed = [(r["id"], r.get("error") or r["tools"]["netprobe"]["error"]) for r in results if _failed(r)]
    assert not failed
    wrong = [
        (r["command"], r["truth"]["cause"], r["truth"]["hop"], said)
        for r in results
        if {"wrong", "WRONG"} & set((said := r["tools"]["netprobe"])["score"].values())
    ]
    assert not wrong


def _failed(result: dict[str, dict[str, object]]) -> bool:
    return "error" in result or "error" in result["tools"]["netprobe"]
