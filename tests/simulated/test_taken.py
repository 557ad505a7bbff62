"""Connections that a device on the way takes in the target's name, and others that only look so."""

from pathlib import Path

import pytest

from analyzers.model import Strength, Verdict
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.chain import SERVER, client, joined, router, router_address, server
from tests.simulated.network import Simulated
from tests.simulated.rows import Forward, Link, Node
from tests.simulated.world import World

BESIDE = {4: "203.0.113.77", 6: "2001:db8:2::77"}


def diagnosed(path: Path, family: int, at: int, to: str, mute: bool = False) -> Verdict:
    """The verdict where the router at this hop sends connections to these ports elsewhere: to itself, or to a host beside it."""
    inside = router_address(family, at) if to == "itself" else BESIDE[family]
    does = {"maps": (Forward(SERVER[family], (inside,), (22,)),), "programs": {22: "closing"}, "mute": mute}
    routers = [router(family, hop, **(does if hop == at else {})) for hop in range(1, 6)]
    nodes, links = joined([client(family), *routers, server(family, programs={22: "ssh", 2222: "ssh"})])
    if to == "beside":
        nodes.append(Node("beside", (BESIDE[family],), programs={22: "closing"}))
        links.append(Link(f"r{at}", "beside"))
    target = Target(SERVER[family], SERVER[family], 22, (SERVER[family],))
    network = Simulated(World(nodes, links), SERVER[family])
    (asked,) = ask(target, Options(), lambda line: None, path / "e.pcapng", lambda address: network)
    ((_, _, verdict),) = judge(asked)
    return verdict


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("at", [1, 3])
def test_a_router_that_takes_them_itself_is_a_proxy(tmp_path: Path, family: int, at: int) -> None:
    found = diagnosed(tmp_path, family, at, "itself")
    assert (found.cause, found.strength) == ("closed.target.proxy.no-backend", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max, found.place.actor) == (at, at, "load-balancer")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("mute", [False, True])
def test_a_host_beside_the_way_is_none(tmp_path: Path, family: int, mute: bool) -> None:
    """The router before it reports in the target's name what it has translated, or nothing."""
    found = diagnosed(tmp_path, family, 2, "beside", mute=mute)
    assert found.cause == "closed.target"
    assert not any("on the way takes" in one.text for one in found.evidence)


@pytest.mark.parametrize("family", [4, 6])
def test_the_target_itself_is_none(tmp_path: Path, family: int) -> None:
    nodes, links = joined([client(family), router(family, 1), server(family, programs={22: "closing", 2222: "ssh"})])
    target = Target(SERVER[family], SERVER[family], 22, (SERVER[family],))
    network = Simulated(World(nodes, links), SERVER[family])
    (asked,) = ask(target, Options(), lambda line: None, tmp_path / "e.pcapng", lambda address: network)
    ((_, _, found),) = judge(asked)
    assert not any("on the way takes" in one.text for one in found.evidence)
