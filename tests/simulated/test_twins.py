"""Scenarios whose packets another reason would give as well: a client sees the same of both, and so the same is said."""

from pathlib import Path

import pytest

from netprobe import lab
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.network import Simulated
from tests.simulated.scenarios import world
from tests.simulated.twins import TWINS, Change, Seen, seen, twin
from tests.simulated.world import World

CASES = [(name, family, change, cause) for name, families, change, cause in TWINS for family in families]


def asked(net: World, target: str, port: int, folder: Path) -> tuple[Seen, str]:
    """What the client of a diagnosis saw, and what is said of it."""
    network = Simulated(net, target)
    (one,) = ask(
        Target(target, target, port, (target,)), Options(), lambda line: None, folder / "e.pcapng", lambda at: network
    )
    ((_, _, verdict),) = judge(one)
    return seen(network.frames), verdict.cause


@pytest.mark.parametrize(("name", "family", "change", "cause"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_twins_look_the_same_and_get_the_same_verdict(
    name: str, family: int, change: Change, cause: str, tmp_path: Path
) -> None:
    scenario = lab.load(name, family=family)
    mine, said = asked(world(scenario), scenario.target, scenario.port, tmp_path)
    theirs, also = asked(twin(scenario, change), scenario.target, scenario.port, tmp_path)
    assert mine == theirs
    assert said == also
    assert all(f"{true}.".startswith(f"{said}.") for true in (scenario.truth.cause, cause))


def test_what_differs_is_seen(tmp_path: Path) -> None:
    """Of IPv4 hosts that drop or reset, receipts tell whether it is they."""
    changes = {name: change for name, _, change, _ in TWINS}
    for name in ("host-drop", "host-reset"):
        scenario = lab.load(name, family=4)
        mine, said = asked(world(scenario), scenario.target, scenario.port, tmp_path)
        theirs, also = asked(twin(scenario, changes[name]), scenario.target, scenario.port, tmp_path)
        assert mine != theirs
        assert said == scenario.truth.cause != also
