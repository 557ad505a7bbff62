"""Drawn cases judged: path, failure and truth of a seed, the verdict of a live diagnosis of it, and how the two compare.

python -m tests.simulated --count 5000 --seed 7
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from analyzers.model import Strength, Verdict
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.draft import PORT, Truth, begun, built, detours, holding
from tests.simulated.failures import chosen
from tests.simulated.network import Simulated
from tests.simulated.world import World

# What is said wrong, by failure and verdict, and why: a row goes when its reason does.
_SILENT_BACK = "the port's answers are dropped on their way back, as if the host, which gets the SYNs, kept silent"
KNOWN = {
    (
        "injector",
        "reset.target.closed-port",
    ): "in the cable right before the host, and its RST is as the host's own are in all",
    **{("router drop", f"silence.target{rest}"): _SILENT_BACK for rest in (".filter.drop", ".filter", "")},
}
NOWHERE = -1  # as a hop
LOSSES = (
    "silence.network.path.loss", "mute.network.path.one-way", "half-open.network.path.ack-lost", "stalled.network.path.lost",
    "mute.network.path.loss", "stalled.network.path.loss",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What there is to tell of a seed: which failure it drew, what is true of it, and the rest of the path."""

    seed: int
    failure: str
    truths: tuple[Truth, ...]
    story: str


@dataclass(frozen=True)
class Case:
    """What a seed makes: a world, and the address to ask."""

    told: Told
    world: World
    target: str


@dataclass(frozen=True)
class Outcome:
    """A case's verdict. `place` is exact, within, wrong or none."""

    case: Told
    verdict: Verdict

    @property
    def true_of(self) -> tuple[Truth, ...]:
        """The truths that the verdict agrees with: those of which it is a prefix."""
        return tuple(t for t in self.case.truths if f"{t.cause}.".startswith(f"{self.verdict.cause}."))

    @property
    def place(self) -> str:
        low, high = self.verdict.place.hop_min, self.verdict.place.hop_max
        if low is None and high is None:
            return "none"
        hops = {truth.hop for truth in self.true_of or self.case.truths}
        if hops == {NOWHERE}:
            return "none"  # packets are lost anywhere
        if self.verdict.place.or_back and any(truth.back for truth in self.true_of or self.case.truths):
            return "within"
        if not any((low is None or low <= hop) and (high is None or hop <= high) for hop in hops):
            return "wrong"
        return "exact" if low == high else "within"

    @property
    def right(self) -> bool:
        """Whether the verdict contradicts nothing that is true."""
        actors = {truth.actor for truth in self.true_of}
        return bool(actors) and self.verdict.place.actor in {"unknown", *actors} and self.place != "wrong"

    @property
    def confident(self) -> bool:
        return self.verdict.strength >= Strength.INDICATED

    @property
    def explained(self) -> str:
        """Why a wrong verdict is a known one, "" when it is not."""
        return KNOWN.get((self.case.failure, self.verdict.cause), "")

    def line(self) -> str:
        """What a person needs to see it again."""
        truth, said, place = self.case.truths[0], self.verdict, self.verdict.place
        where = f"hop {place.hop_min}-{place.hop_max} {place.actor}"
        return f"seed {self.case.seed}: {truth.cause} hop {truth.hop}, said {said.cause} {said.strength.word} {where}; {self.case.story}"


def drawn(seed: int, loss: float = 0.0) -> Case:
    """The case of a seed; with `loss` one cable loses that share of the packets, else few of the paths lose a few."""
    random = Random(seed)
    draft = begun(random)
    failure = chosen(random)
    found = failure(draft)
    detours(draft)
    draft.loss = 0.05 if draft.chance(0.08, "lossy") else 0.0
    draft.loss = loss or draft.loss
    truths = holding(draft, found)
    if draft.loss:
        truths += [Truth(cause, "unknown", NOWHERE) for cause in LOSSES]
    name = failure.__name__.replace("_", " ")
    story = f"IPv{draft.family}, {draft.length} routers, {name}: {', '.join(draft.words) or 'plain'}"
    return Case(Told(seed, name, tuple(truths), story), built(draft, seed), draft.target)


def outcome(case: Case, path: Path) -> Outcome:
    """Diagnose it, with the evidence in `path`."""
    target = Target(case.target, case.target, PORT, (case.target,))
    (asked,) = ask(target, Options(), lambda line: None, path, lambda address: Simulated(case.world, address))
    ((_, _, verdict),) = judge(asked)
    return Outcome(case.told, verdict)


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """True cause by said cause, with how the place compares, most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    places: dict[tuple[str, str, str], Counter[str]] = {}
    for one in outcomes:
        truth = (one.true_of or one.case.truths)[0]
        key = (truth.cause, one.verdict.cause, one.verdict.strength.word)
        counts[key] += 1
        places.setdefault(key, Counter())[one.place] += 1
    lines = [f"{'number':>6} {'exact':>6} {'within':>6} {'wrong':>6} {'none':>6}  truth -> said"]
    for key, number in sorted(counts.items(), key=lambda item: (item[0][0], -item[1])):
        found = places[key]
        columns = " ".join(f"{found[place]:>6}" for place in ("exact", "within", "wrong", "none"))
        lines.append(f"{number:>6} {columns}  {key[0]} -> {key[1]} {key[2]}")
    return lines
