"""The run in tables: for people at a terminal, and as the few lines of Markdown that the README shows. Pure: text out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import mean, median
from typing import Any

Result = dict[str, Any]

PLACES = ("exact", "named", "within", "wide", "none", "WRONG")
CAUSES = ("exact", "prefix", "none", "WRONG")


def report(cells: Sequence[Result]) -> Iterator[str]:
    """Everything, as lines: cells, families beside each other, the confusion matrix, totals, and every error by name."""
    for cell in cells:
        yield from _cell(cell)
    for tool in _tools(cells):
        yield from ["", *families(cells, tool)]
    yield from ["", *confusion(cells), "", *totals(cells)]
    yield from ["", *strengths(cells)]
    for cell in cells:
        if "error" in cell:
            yield f"not built: {cell['id']}: {cell['error']}"
        for tool, said in cell["tools"].items():
            if "error" in said:
                yield f"no answer: {tool} on {cell['id']}: {said['error']}"


def strengths(cells: Sequence[Result]) -> Iterator[str]:
    """How sure netprobe was, how often it was wrong then, and each wrong answer with the command that shows it."""
    for word in ("proven", "indicated", "consistent"):
        rows = [cell for cell in cells if (said := _said(cell, "netprobe")) and said["strength"] == word]
        yield f"{word:<11}{len(rows):>4} cells, {sum(map(contrary, rows))} of them contrary to the truth"
    for cell in filter(contrary, cells):
        yield from _cell(cell)
        yield f"    {cell['command']}"


def families(cells: Sequence[Result], tool: str) -> Iterator[str]:
    """A tool's scores for each kind of cause: symptom and where."""
    head = f"{tool:<26} {'cells':>5}   outcome right/wrong/none   place {'/'.join(PLACES)}   cause {'/'.join(CAUSES)}   depth"
    yield head
    for family in _families(cells):
        scores = [s for cell, s in _scores(cells, tool) if _family(cell["truth"]["cause"]) == family]
        if not scores:
            continue
        outcome = _slashes(Counter(s["outcome"] for s in scores), ("right", "wrong", "none"))
        place = _slashes(Counter(s["place"] for s in scores), PLACES)
        cause = _slashes(Counter(s["cause"] for s in scores), CAUSES)
        yield f"  {family:<24} {len(scores):>5}   {outcome:<26} {place:<34} {cause:<30} {_depth(scores):.2f}"


def confusion(cells: Sequence[Result]) -> Iterator[str]:
    """The kind of cause that is true (rows), the kind that netprobe said (columns)."""
    found = Counter((_family(c["truth"]["cause"]), _family(s["cause"])) for c in cells if (s := _said(c, "netprobe")))
    true, said = (sorted({pair[side] for pair in found}) for side in (0, 1))
    yield "truth \\ netprobe said"
    for number, column in enumerate(said):
        yield f"{'':<24}{'    |' * number}    {column}"
    for row in true:
        yield f"{row:<24}" + "".join(f"{found.get((row, column), '.'):>5}" for column in said)


def totals(cells: Sequence[Result]) -> Iterator[str]:
    """One line a tool."""
    yield f"{'':<18} cells   outcome right/wrong   place {'/'.join(PLACES)}   cause {'/'.join(CAUSES)}   depth   seconds   packets"
    for tool in _tools(cells):
        scores = [s for _, s in _scores(cells, tool)]
        said = [s for cell in cells if (s := _said(cell, tool))]
        outcome = _slashes(Counter(s["outcome"] for s in scores), ("right", "wrong"))
        place = _slashes(Counter(s["place"] for s in scores), PLACES)
        cause = _slashes(Counter(s["cause"] for s in scores), CAUSES)
        packets = [s["packets"] for s in said if "packets" in s]
        yield (
            f"{tool:<18} {len(scores):>5}   {outcome:<21} {place:<34} {cause:<30} {_depth(scores):.2f}   "
            f"{median(s['seconds'] for s in said):>7.1f}   {median(packets) if packets else '':>7}"
        )


def _cell(cell: Result) -> Iterator[str]:
    said = _said(cell, "netprobe")
    if not said:
        return
    truth, score = cell["truth"], said["score"]
    mark = "!!" if contrary(cell) else "  "
    place = f"{_hops(said)} of {truth['hop']} {said['address']}"
    yield f"{mark} {cell['id']:<62} {truth['cause']:<46} {said['cause']:<46} {said['strength']:<10} {score['place']:<6} {place}"


def _hops(said: Result) -> str:
    low, high = said["hop_min"], said["hop_max"]
    return (
        f"{'?' if low is None else low}"
        if low == high
        else f"{'?' if low is None else low}-{'?' if high is None else high}"
    )


def _said(cell: Result, tool: str) -> Result | None:
    said = cell["tools"].get(tool)
    return said if said and "error" not in said else None


def contrary(cell: Result) -> bool:
    """Whether anything that netprobe said contradicts the truth."""
    said = _said(cell, "netprobe")
    return bool(said) and (
        said["score"]["outcome"] == "wrong" or "WRONG" in (said["score"]["place"], said["score"]["cause"])
    )


def _scores(cells: Iterable[Result], tool: str) -> list[tuple[Result, Result]]:
    return [(cell, said["score"]) for cell in cells if (said := _said(cell, tool))]


def _tools(cells: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(tool for cell in cells for tool in cell["tools"]))


def _families(cells: Sequence[Result]) -> list[str]:
    return sorted({_family(cell["truth"]["cause"]) for cell in cells})


def _family(cause: str) -> str:
    return ".".join(cause.split(".")[:2])


def _slashes(counted: Counter[str], words: Sequence[str]) -> str:
    return "/".join(str(counted[word]) for word in words)


def _depth(scores: Sequence[Result]) -> float:
    return mean(s["depth"] for s in scores if s["cause"] != "chance") if scores else 0.0
