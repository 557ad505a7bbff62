"""The tables: what they count, and that a contrary answer is shown with the command that reproduces it."""

from typing import Any

from netprobe.lab import load, names
from tests.accuracy.markdown import markdown
from tests.accuracy.peers import PEERS
from tests.accuracy.tables import contrary, report


def cell(number: int, named: str, **scores: str) -> dict[str, Any]:
    score = {"outcome": "right", "place": "exact", "cause": "exact", "depth": 1.0, **scores}
    said = {
        "outcome": "refused-rst", "cause": named, "strength": "proven", "hop_min": 3, "hop_max": 3, "address": "",
        "score": score, "seconds": 1.0, "packets": 9,
    }  # fmt: skip
    return {
        "id": f"cell-{number}", "command": f"run {number}", "truth": {"cause": "reset.network.firewall", "hop": 3},
        "tools": {"netprobe": said, "nmap -sS --reason": {**said, "score": {**score, "place": "none", "cause": "WRONG"}}},
    }  # fmt: skip


RUN = [
    cell(1, "reset.network.firewall"),
    cell(2, "reset.network", cause="prefix", place="named"),
    cell(3, "reset.target", cause="WRONG", place="WRONG"),
]


def test_what_contradicts_the_truth_is_shown_with_its_command() -> None:
    assert [contrary(one) for one in RUN] == [False, False, True]
    lines = list(report(RUN))
    assert "proven        3 cells, 1 of them contrary to the truth" in lines
    assert "    run 3" in lines
    assert "    run 2" not in lines


def test_a_cell_without_an_answer_is_named() -> None:
    broken = {**cell(4, ""), "tools": {"netprobe": {"error": "TimeoutExpired: too long"}}}
    unbuilt = {**cell(5, ""), "tools": {}, "error": "BuildFailed: no"}
    lines = list(report([*RUN, broken, unbuilt]))
    assert "no answer: netprobe on cell-4: TimeoutExpired: too long" in lines
    assert "not built: cell-5: BuildFailed: no" in lines


def test_the_markdown_is_short_and_counts_rightly() -> None:
    lines = list(markdown(RUN))
    assert "| netprobe | 3 / 0 | 2 / 0 / 1 | 1 / 1 / 1 | 1.0 |" in lines
    assert "| reset.network | 3 | 2 / 0 / 1; 1 / 1 / 1 | 0 / 0 / 0; 0 / 0 / 3 |" in lines


def test_networks_with_a_twin_are_counted_apart() -> None:
    paired = {**cell(6, "reset", cause="prefix"), "scenario": "closed-port", "parameters": {"family": 4}}
    (line,) = [line for line in markdown([*RUN, paired]) if line.startswith("In ")]
    assert line.startswith("In 1 of these networks another cause")
    assert line.endswith("there the cause is whole in 0. In the other 3 it is whole in 1 (33 %).")


def test_the_confusion_matrix_says_what_was_said() -> None:
    lines = list(markdown(RUN))
    assert (
        "| reset.network | 3 | reset.network 2, **reset.target** 1 | **reset.network** 2, **reset.target** 1 |" in lines
    )


def test_the_markdown_of_every_kind_of_cause_is_at_most_50_lines() -> None:
    causes = {load(name).truth.cause for name in names()}
    cells = [{**cell(n, ""), "truth": {"cause": cause, "hop": 1}} for n, cause in enumerate(causes)]
    for one in cells:
        one["tools"] |= dict.fromkeys(PEERS, one["tools"]["netprobe"])
    assert 20 < len(list(markdown(cells))) <= 50
