"""Who refuses, and where: what the marks and the ways of other ports decide, and what they leave open."""

from pathlib import Path

import pytest

from analyzers.model import Strength, Verdict
from netprobe.live.diagnosis import ask, judge
from netprobe.live.locate import CONTROL_PORT
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.chain import PUBLIC, SERVER, client, joined, router, server
from tests.simulated.network import Simulated
from tests.simulated.rows import Forward, Injector, Node, Route, Rule
from tests.simulated.world import World

BOTH = pytest.mark.parametrize("family", [4, 6])
EARLY = Rule("prerouting", "reset", (22,))


def diagnosed(family: int, row: list[Node | Injector], folder: Path, address: str = "") -> Verdict:
    address = address or SERVER[family]
    net = World(*joined([client(family), *row]), 5)
    target = Target("box", address, 22, (address,))
    (asked,) = ask(target, Options(), lambda line: None, folder / "e.pcapng", lambda at: Simulated(net, at))
    ((_, _, verdict),) = judge(asked)
    return verdict


def place(verdict: Verdict) -> tuple[int | None, int | None]:
    return verdict.place.hop_min, verdict.place.hop_max


@BOTH
def test_what_answers_a_wrong_checksum_is_no_box_that_translates(family: int, tmp_path: Path) -> None:
    device = Injector((22,), careless=True)
    row = [router(family, 1), device, router(family, 2), server(family, ttl=255)]
    found = diagnosed(family, row, tmp_path)
    assert (found.cause, place(found)) == ("reset.network.firewall", (2, 2))
    ruled_out = {other.cause for other in found.alternatives if other.strength is Strength.RULED_OUT}
    assert "reset.network.nat.no-mapping" in ruled_out


@BOTH
def test_a_router_that_passes_other_ports_on_in_its_own_name_is_no_box_of_the_address(
    family: int, tmp_path: Path
) -> None:
    row = [router(family, 1, rules=(EARLY,)), router(family, 2), router(family, 3), server(family, ttl=255)]
    assert diagnosed(family, row, tmp_path).cause == "reset.network.firewall"


@BOTH
@pytest.mark.parametrize("virtual", [False, True])
def test_a_box_that_passes_all_but_this_port_on_is_not_ruled_out(family: int, virtual: bool, tmp_path: Path) -> None:
    """Its stack is not Linux's, as its RST shows."""
    address = PUBLIC[family] if virtual else router(family, 1).addresses[0]
    inside = Forward(address, (SERVER[family],), (CONTROL_PORT, 80))
    box = router(family, 1, (address,) if virtual else (), maps=(inside,), reflects=False, signs=False, ttl=255)
    found = diagnosed(family, [box, router(family, 2), server(family)], tmp_path, address)
    assert "reset.network.nat.no-mapping".startswith(found.cause)


@BOTH
def test_a_router_s_words_are_a_filter_s_where_it_passes_another_port_on(family: int, tmp_path: Path) -> None:
    kind = "address-unreachable" if family == 6 else "host-unreachable"
    early = router(family, 2, rules=(Rule("prerouting", kind, (22,)),))
    found = diagnosed(family, [router(family, 1), early, router(family, 3), server(family)], tmp_path)
    assert (found.cause, place(found)) == (f"unreachable.network.firewall.{kind}", (2, 2))
    route = router(family, 2, routes=(Route(SERVER[family], reason="unreachable"),))
    found = diagnosed(family, [router(family, 1), route, router(family, 3), server(family)], tmp_path)
    assert found.cause.startswith("unreachable.network.router")


@BOTH
def test_a_dead_host_behind_a_box_is_reported_where_the_box_itself_is(family: int, tmp_path: Path) -> None:
    """Its errors come over as many routers as its own report about the same port's SYN."""
    address, dead = router(family, 2).addresses[0], "10.0.0.9" if family == 4 else "2001:db8:9::9"
    box = router(family, 2, maps=(Forward(address, (dead,), (22,)),), vacant=(dead,))
    found = diagnosed(family, [router(family, 1), box], tmp_path, address)
    assert found.cause.startswith("unreachable.network.nat.")
    assert place(found) == (2, 2)


@BOTH
def test_with_no_router_on_the_way_silence_is_at_the_only_hop(family: int, tmp_path: Path) -> None:
    found = diagnosed(family, [server(family, rules=(Rule("input", "drop", (22,)),), programs={80: "http"})], tmp_path)
    assert found.cause.startswith("silence")
    assert place(found) == (1, 1)


@BOTH
@pytest.mark.parametrize("hook", ["forward", "prerouting"])
def test_a_filter_that_refuses_all_of_tcp_is_passed_by_pings(family: int, hook: str, tmp_path: Path) -> None:
    row = [router(family, 1), router(family, 2, rules=(Rule(hook, "reset"),)), router(family, 3), server(family)]
    found = diagnosed(family, row, tmp_path)
    assert (found.cause, place(found)) == ("reset.network.firewall", (2, 2))


@BOTH
def test_a_host_that_refuses_all_of_tcp_and_answers_pings_is_not_passed(family: int, tmp_path: Path) -> None:
    row = [router(family, 1), router(family, 2), server(family, rules=(Rule("input", "reset"),))]
    found = diagnosed(family, row, tmp_path)
    assert (found.cause, place(found)) == ("reset", (3, 3))
