"""Two runs beside each other: in which cells netprobe's answer got better or worse. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

Result = dict[str, Any]

_RANKS = {
    "outcome": ("wrong", "none", "right"),
    "place": ("WRONG", "none", "wide", "within", "named", "exact"),
    "cause": ("WRONG", "none", "chance", "prefix", "exact"),
}


def compare(old: Sequence[Result], new: Sequence[Result]) -> Iterator[str]:
    """A line for each cell and tool whose scores differ, then how many got better, worse, or are in one run only."""
    before, after = _answers(old), _answers(new)
    counts = {"better": 0, "worse": 0, "mixed": 0}
    for key in sorted(before.keys() & after.keys()):
        was, now = before[key], after[key]
        steps = {what: (_rank(was, what), _rank(now, what)) for what in (*_RANKS, "depth")}
        moves = {1 if b > a else -1 for a, b in steps.values() if a != b}
        if not moves:
            continue
        word = "mixed" if len(moves) == 2 else "better" if moves == {1} else "worse"
        counts[word] += 1
        yield f"{word:<6} {key[1]}: {key[0]}"
        yield f"       {_told(was)}  ->  {_told(now)}"
    only = len(before.keys() ^ after.keys())
    yield f"{counts['better']} better, {counts['worse']} worse, {counts['mixed']} both; {only} answers in one run only"


def _answers(cells: Sequence[Result]) -> dict[tuple[str, str], Result]:
    return {(cell["id"], tool): said for cell in cells for tool, said in cell["tools"].items() if "error" not in said}


def _rank(said: Result, what: str) -> float:
    value = said["score"][what]
    return float(value if what == "depth" else _RANKS[what].index(value))


def _told(said: Result) -> str:
    score = said["score"]
    hops = f"{said['hop_min']}-{said['hop_max']}"
    return f"{said['outcome']} {said['cause']} ({score['cause']}) hop {hops} ({score['place']})"
