"""Do SYNs get through to the target? What receipts by record route decide, and where they say nothing (all of it seen in the lab
first, but for devices in cables and what drops options)."""

from pathlib import Path

import pytest

from analyzers.model import Verdict
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.chain import SERVER, client, joined, router, server
from tests.simulated.network import Simulated
from tests.simulated.rows import Forward, Injector, Node, Route, Rule
from tests.simulated.world import World

DROPS, REFUSES = Rule("input", "drop", (22,)), Rule("input", "reset", (22,))
SSH = {"programs": {22: "ssh"}}
COPYING = {"tos": "copy", "df": True}  # RSTs as the host's own
WAY = [client(4), router(4, 1), router(4, 2)]


def diagnosed(row: list[Node | Injector], folder: Path, options: Options | None = None) -> Verdict:
    target = Target("box", SERVER[4], 22, (SERVER[4],))
    net = World(*joined(row), 5)
    (asked,) = ask(target, options or Options(), lambda line: None, folder / "e.pcapng", lambda at: Simulated(net, at))
    ((_, _, verdict),) = judge(asked)
    return verdict


def said(row: list[Node | Injector], folder: Path) -> tuple[str, int | None, int | None]:
    verdict = diagnosed(row, folder)
    return verdict.cause, verdict.place.hop_min, verdict.place.hop_max


def test_a_filter_of_the_host_that_drops_is_told_from_all_before_it(tmp_path: Path) -> None:
    assert said([*WAY, server(4, rules=(DROPS,), **SSH)], tmp_path) == ("silence.target.filter.drop", 3, 3)


def test_a_full_queue_answers_acks_and_so_may_any_filter_of_syns(tmp_path: Path) -> None:
    assert said([*WAY, server(4, full=(22,), programs={})], tmp_path) == ("silence.target", 3, 3)


def test_what_gets_lost_before_the_host_s_ip_is_between_it_and_the_last_router_that_answered(tmp_path: Path) -> None:
    last = router(4, 2, rules=(Rule("forward", "drop", (22,)),))
    early = server(4, rules=(Rule("prerouting", "drop", (22,)),), **SSH)
    assert said([*WAY[:2], last, server(4, **SSH)], tmp_path) == ("silence", 2, 3)
    assert said([*WAY, early], tmp_path) == ("silence", 2, 3)


@pytest.mark.parametrize("options", ["drop", "pass"])
def test_where_options_are_dropped_or_passed_over_nothing_is_told(options: str, tmp_path: Path) -> None:
    row = [WAY[0], router(4, 1, options=options), WAY[2], server(4, rules=(DROPS,), **SSH)]
    assert said(row, tmp_path) == ("silence", 2, None)


def test_a_box_that_passes_the_port_on_is_not_where_it_ends(tmp_path: Path) -> None:
    box = router(4, 2, (SERVER[4],), maps=(Forward(SERVER[4], ("10.0.0.1",), (22,)),))
    inside = Node("inside", ("10.0.0.1",), rules=(DROPS,), programs={22: "ssh"})
    cause, low, high = said([*WAY[:2], box, inside], tmp_path)
    assert cause == "silence"
    assert (low, high) == (1, None)


def test_a_box_that_keeps_its_errors_to_itself_and_passes_on_other_ports_may_pass_on_this_one(tmp_path: Path) -> None:
    """It reports for itself, as a host would; that another port is answered from behind it shows what it is."""
    maps = (Forward(SERVER[4], ("10.0.0.9",), (22,)), Forward(SERVER[4], ("10.0.0.1",), (2222,)))
    silent = ("ttl-exceeded", "host-unreachable")
    box = router(4, 3, (SERVER[4],), maps=maps, vacant=("10.0.0.9",), mutes=silent)
    assert said([*WAY, box, Node("inside", ("10.0.0.1",), programs={2222: "ssh"})], tmp_path) == ("silence", 3, None)


def test_a_filter_of_the_host_that_refuses_is_told_from_a_device_in_the_cable_before_it(tmp_path: Path) -> None:
    assert said([*WAY, server(4, rules=(REFUSES,), **SSH)], tmp_path)[0] == "reset.target.filter"
    assert said([*WAY, Injector((22,)), server(4, **SSH)], tmp_path)[0] == "reset"


def test_a_device_whose_rsts_are_the_host_s_in_all_is_found_out(tmp_path: Path) -> None:
    """It refuses what the host would have to report, or does not look at packets with options."""
    web = server(4, programs={22: "ssh", 80: "http"})
    assert said([*WAY, server(4, programs={80: "http"})], tmp_path)[0] == "reset.target.closed-port"
    assert said([*WAY, Injector((22,), **COPYING), web], tmp_path)[0] == "reset.network.firewall"
    assert said([*WAY, Injector((22,), **COPYING, plain=True), web], tmp_path)[0] == "reset.network.firewall"


def test_they_can_be_refused(tmp_path: Path) -> None:
    row = [*WAY, server(4, rules=(DROPS,), **SSH)]
    assert diagnosed(row, tmp_path, Options(only_syn=True)).cause == "silence"


@pytest.mark.parametrize("lost", ["at the host", "on the way back"])
def test_where_no_port_answers_they_still_tell_how_far_syns_come(lost: str, tmp_path: Path) -> None:
    """All TCP may get lost on its way back as well, where a firewall has seen no SYN: no cause, and the place says so."""
    there = {"rules": (Rule("input", "drop"),)} if lost == "at the host" else {}
    back = (Rule("forward", "drop", source=SERVER[4]),) if lost == "on the way back" else ()
    found = diagnosed([WAY[0], router(4, 1, rules=back), WAY[2], server(4, **SSH, **there)], tmp_path)
    place = found.place
    assert (found.cause, place.hop, place.hop_min, place.hop_max, place.or_back) == ("silence", None, 3, None, True)


def test_a_router_that_has_no_route_tells_that_syns_come_as_far(tmp_path: Path) -> None:
    """It drops them before it looks at their TTL, but behind their options (Linux, seen in the lab)."""
    nowhere = router(4, 2, routes=(Route(SERVER[4], reason="blackhole"),))
    assert said([*WAY[:2], nowhere, server(4, **SSH)], tmp_path) == ("silence", 2, None)
