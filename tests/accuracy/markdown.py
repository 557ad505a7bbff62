"""The tables of the README: what was said of the acting device, and of the cause, by netprobe and by today's tools. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from tests.simulated.twins import TWINS

Result = dict[str, Any]


def markdown(cells: Sequence[Result]) -> Iterator[str]:
    """A row for each tool, a row for each kind of cause with the two tools that say most beside netprobe; and the confusion matrix:
    for each kind of cause what they said it was."""
    tools = list(dict.fromkeys(tool for cell in cells for tool in cell["tools"]))
    broken = [cell for cell in cells if cell["truth"]["cause"].split(".")[0] != "healthy"]
    yield f"{len(cells)} networks, {len({c['truth']['cause'] for c in cells})} causes; in {len(broken)} something is wrong."
    yield ""
    yield "| | outcome right / wrong | place: exact, named / within 2 hops / wrong | cause: whole / in part / wrong | seconds |"
    yield "|---|---|---|---|---|"
    for tool in tools:
        said = [cell["tools"][tool] for cell in cells if "error" not in cell["tools"].get(tool, {"error": ""})]
        if not said:
            continue
        outcomes, places, causes = (Counter(s["score"][what] for s in said) for what in ("outcome", "place", "cause"))
        yield (
            f"| {tool} | {outcomes['right']} / {outcomes['wrong']} | {_places(places)} | {_causes(causes)} "
            f"| {median(s['seconds'] for s in said):.1f} |"
        )
    yield ""
    yield _twins(broken)
    beside = [tool for tool in ("netprobe", "nmap -sS --reason", "traceroute -T") if tool in tools]
    yield ""
    yield f"| truth | networks | {' | '.join(f'{tool}: place; cause' for tool in beside)} |"
    yield f"|---|---|{'---|' * len(beside)}"
    for kind in sorted({_kind(cell) for cell in broken}):
        rows = [cell for cell in broken if _kind(cell) == kind]
        yield f"| {kind} | {len(rows)} | {' | '.join(_beside(rows, tool) for tool in beside)} |"
    yield ""
    yield f"| truth | networks | {' | '.join(f'{tool} says' for tool in beside)} |"
    yield f"|---|---|{'---|' * len(beside)}"
    for kind in sorted({_two(cell["truth"]["cause"]) for cell in broken}):
        rows = [cell for cell in broken if _two(cell["truth"]["cause"]) == kind]
        yield f"| {kind} | {len(rows)} | {' | '.join(_said(rows, tool) for tool in beside)} |"


def _twins(cells: Sequence[Result]) -> str:
    """How many causes netprobe said whole where they can be told, and where another would give the same packets."""
    pairs = {(name, family) for name, families, _, _ in TWINS for family in families}
    scores: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for cell in cells:
        twin = (cell.get("scenario"), cell.get("parameters", {}).get("family")) in pairs
        scores[twin][cell["tools"].get("netprobe", {}).get("score", {}).get("cause", "none")] += 1
    alone, paired = scores[False].total(), scores[True].total()
    share = f" ({100 * scores[False]['exact'] // alone} %)" if alone else ""
    return (
        f"In {paired} of these networks another cause gives the client the same packets (`tests/simulated/twins.py` builds such pairs): "
        f"there the cause is whole in {scores[True]['exact']}. In the other {alone} it is whole in {scores[False]['exact']}{share}."
    )


def _kind(cell: Result) -> str:
    """Symptom and where it is made, where the SYN was not accepted; else the symptom, and one row for what hangs."""
    symptom, where, *_ = cell["truth"]["cause"].split(".")
    if where == "origin":
        return "this host itself"
    if symptom in ("mute", "stalled"):
        return "mute, stalled"
    return f"{symptom}.{where}" if symptom in ("reset", "silence", "unreachable") else symptom


def _two(cause: str) -> str:
    """The symptom and where it is made."""
    return ".".join(cause.split(".")[:2])


def _said(cells: Sequence[Result], tool: str) -> str:
    """What a tool said these were, the most frequent first; what contradicts the truth stands out."""
    answers = [one for cell in cells if "score" in (one := cell["tools"].get(tool, {}))]
    words = Counter(
        f"**{_two(one['cause'])}**" if one["score"]["cause"] == "WRONG" else _two(one["cause"]) or "nothing"
        for one in answers
    )
    return ", ".join(f"{word} {number}" for word, number in words.most_common())


def _beside(cells: Sequence[Result], tool: str) -> str:
    scores = [said["score"] for cell in cells if "score" in (said := cell["tools"].get(tool, {}))]
    return f"{_places(Counter(s['place'] for s in scores))}; {_causes(Counter(s['cause'] for s in scores))}"


def _places(places: Counter[str]) -> str:
    return f"{places['exact'] + places['named']} / {places['within']} / {places['WRONG']}"


def _causes(causes: Counter[str]) -> str:
    return f"{causes['exact']} / {causes['prefix']} / {causes['WRONG']}"
