"""Which networks are built: scenarios with their parameters, drawn with a seed so that every cause appears.

Pure: scenario files and a seed in, cells out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from netprobe.lab.scenario import Scenario, Value, load, names, options

LEFT_OUT = ("penalties", "max-startups-new")  # they need OpenSSH 9.8

# How often a parameter that every scenario has differs from its default, and the values it then has. What is not named here
# is a scenario's own: all of its values are equally likely.
SELDOM: Mapping[str, tuple[float, tuple[Value, ...]]] = {
    "delay_ms": (0.15, (5, 20)),
    "silent": (0.25, (1, 2, 6)),
    "hidden": (0.15, (1,)),
    "detour": (0.25, (1, 2, 3)),
    "init_ttl": (0.3, (128, 255)),
    "bleach": (0.15, (1,)),
    "limited": (0.25, (1,)),
}
OFTEN: Mapping[str, tuple[Value, ...]] = {"before": (0, 1, 2, 3, 4, 5), "behind": (0, 1, 2, 3)}
PLACED = ("reset", "silence", "unreachable", "closed.network", "mute.network")  # where the place is the question


@dataclass(frozen=True)
class Cell:
    """One network: a scenario and every parameter that it has."""

    scenario: str
    parameters: Mapping[str, Value]

    @property
    def id(self) -> str:
        """The scenario and what differs from its defaults, in words that `netprobe lab run` takes."""
        usual = {key: values[0] for key, values in options(self.scenario).items()}
        few = [f"{key}={value}" for key, value in self.parameters.items() if key == "family" or value != usual[key]]
        return " ".join((self.scenario, *few))

    @property
    def command(self) -> str:
        """What reproduces the cell."""
        target = "[{target}]:{port}" if self.parameters["family"] == 6 else "{target}:{port}"
        name, *chosen = self.id.split()
        return (
            f"netprobe lab run {name} {' '.join(f'--set {one}' for one in chosen)} -- netprobe diagnose -n '{target}'"
        )

    def load(self) -> Scenario:
        return load(self.scenario, **self.parameters)


def draw(seed: int, count: int, only: Sequence[str] = ()) -> list[Cell]:
    """`count` different cells: a scenario for each cause first, then any, most of them with a place to find.

    `only` names scenarios, or beginnings of causes.
    """
    random = Random(seed)
    chosen = [name for name in names() if name not in LEFT_OUT and (not only or _named(name, only))]
    if not chosen:
        return []
    by_cause: dict[str, list[str]] = {}
    for name in chosen:
        by_cause.setdefault(_cause(name), []).append(name)
    wanted = [random.choice(by_cause[cause]) for cause in sorted(by_cause)]
    random.shuffle(wanted)
    weights = [3 if load(name).truth.hop and _cause(name).startswith(PLACED) else 1 for name in chosen]
    found: dict[str, Cell] = {}
    for number in range(20 * count):  # a scenario may have fewer networks than are asked for
        if len(found) == count:
            break
        name = wanted[number] if number < len(wanted) else random.choices(chosen, weights)[0]
        cell = _vary(name, random)
        found.setdefault(cell.id, cell)
    return list(found.values())


def again(text: str) -> Cell:
    """The cell of this id."""
    name, *pairs = text.split()
    return Cell(name, load(name, **dict(pair.split("=", 1) for pair in pairs)).parameters)


def _named(name: str, only: Sequence[str]) -> bool:
    return any(name == word or f"{_cause(name)}.".startswith(f"{word}.") for word in only)


@cache
def _cause(name: str) -> str:
    return load(name).truth.cause


def _vary(name: str, random: Random) -> Cell:
    offers = options(name)
    family = random.choice(offers["family"])
    chosen: dict[str, Value] = {"family": family}
    for key, values in options(name, int(family)).items():
        if key in OFTEN:
            chosen[key] = random.choice([value for value in OFTEN[key] if value in values])
        elif key in SELDOM:
            share, others = SELDOM[key]
            others = tuple(value for value in others if value in values)
            chosen[key] = random.choice(others) if random.random() < share and others else values[0]
        elif key != "family":
            chosen[key] = random.choice(values)
    return Cell(name, chosen)
