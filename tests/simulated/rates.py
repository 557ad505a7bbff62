"""How often each piece of evidence misleads: counted over drawn networks, where the truth is known.

    python -m tests.simulated --rates netprobe/words/rates.toml --count 20000 --seed 300000

A condition of the cause table (a kind of fact with certain values) points astray where what meets it supports or proves causes
none of which is true, and rules out the truth where it excludes all that is true. A fact that tells a place misleads where the hop
is another.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from analyzers.causes import CAUSES
from analyzers.diagnose import ANALYZERS, subject_of
from analyzers.model import Cause, Fact, Match, Placed, seen
from netprobe.live.diagnosis import ask
from netprobe.live.options import Options
from netprobe.live.target import Target
from netprobe.replay.run import replay
from netprobe.words.rates import condition
from tests.simulated.cases import Case, drawn
from tests.simulated.draft import PORT
from tests.simulated.network import Simulated

# Values that are a place's precondition: with others the same kind of fact is another test.
_PRECONDITIONS = ("clear", "forwarding", "stands", "before_target", "translated")


@dataclass
class Rates:
    """By condition: in how many networks it was met, how often it pointed astray, and how often it ruled out the truth; by kind
    of place: how often one was told, and how often a wrong one."""

    networks: int = 0
    conditions: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    places: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def toml(self, seed: int) -> Iterator[str]:
        """The table as a file."""
        yield "# How often evidence misled in drawn networks: made, and explained, by tests/simulated/rates.py."
        yield f"networks = {self.networks}\nseed = {seed}\n\n[conditions]  # met, pointed astray, ruled out the truth"
        for name, count in sorted(self.conditions.items()):
            yield f'"{name}" = [{count["met"]}, {count["astray"]}, {count["excluded"]}]'
        yield "\n[places]  # told, wrong"
        for name, count in sorted(self.places.items()):
            yield f'"{name}" = [{count["told"]}, {count["wrong"]}]'


def measured(seeds: Iterable[int], path: Path) -> Rates:
    """Every network of these seeds diagnosed, with the evidence in `path`, and what was seen there held against its truth."""
    rates = Rates()
    for seed in seeds:
        case = drawn(seed)
        symptom, facts = _seen(case, path)
        rates.networks += 1
        true = {truth.cause for truth in case.told.truths}
        if not any(cause.split(".")[0] == symptom for cause in true):
            continue  # something else happened than what was to happen, as packets were lost
        for name, (points, excludes) in _roles(symptom, facts).items():
            count = rates.conditions[name]
            count["met"] += 1
            count["astray"] += bool(points) and not points & true
            count["excluded"] += bool(excludes) and true <= excludes
        hops = {truth.hop for truth in case.told.truths}
        for fact in facts:
            if isinstance(fact, Placed) and (fact.hop_min is not None or fact.hop_max is not None):
                low, high = fact.hop_min or 0, fact.hop_max if fact.hop_max is not None else 255
                count = rates.places[place(fact)]
                count["told"] += 1
                back = fact.or_back and any(truth.back for truth in case.told.truths)
                count["wrong"] += not back and not any(low <= hop <= high for hop in hops)
    return rates


def place(fact: Placed) -> str:
    """What kind of test a place comes from."""
    fields = {name: getattr(fact, name) for name in _PRECONDITIONS if hasattr(fact, name)}
    return condition(seen(type(fact), **fields))


def _roles(symptom: str, facts: list[Fact]) -> dict[str, tuple[set[str], set[str]]]:
    """The conditions that these facts meet, with all causes that a fact which meets it supports or proves, as these then share
    the verdict, and those that it rules out."""
    roles: dict[str, tuple[set[str], set[str]]] = {}
    considered = [
        c for c in CAUSES if c.id.split(".")[0] == symptom and all(_met(match, facts) for match in c.requires)
    ]
    for fact in facts:
        uses = [(match, role, cause.id) for cause in considered for match, role in _uses(cause) if match.met_by(fact)]
        for match, role, _ in uses:
            roles.setdefault(condition(match), (set(), set()))[role].update(c for _, other, c in uses if other == role)
    return roles


def _uses(cause: Cause) -> Iterator[tuple[Match, int]]:
    for match in (*cause.supports, *cause.proof):
        yield match, 0
    for match in cause.excludes:
        yield match, 1


def _met(match: Match, facts: list[Fact]) -> bool:
    return any(match.met_by(fact) for fact in facts)


def _seen(case: Case, path: Path) -> tuple[str, list[Fact]]:
    """The symptom, and all facts of a live diagnosis."""
    target = Target(case.target, case.target, PORT, (case.target,))
    list(ask(target, Options(), lambda line: None, path, lambda address: Simulated(case.world, address)))
    with replay([str(path)]) as done:
        for service in done.services(done.ledger.seen().nonzero()[0]):
            if (str(service.address), service.port) == (case.target, PORT):
                subject = subject_of(service, done.ledger, done.recall, done.watches, done.surroundings)
                return subject.symptom, [fact for analyzer in ANALYZERS for fact in analyzer(subject)]
    return "", []
