"""Where flows take ways of their own: what is asked besides goes the way of the flow that failed, and is not taken for another's."""

from pathlib import Path
from typing import Any

import pytest

from analyzers.model import Strength, Verdict
from captures.flags import FIN, SYN
from captures.packet import decode
from netprobe.live.diagnosis import ask, judge
from netprobe.live.heard import RAW
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.chain import SERVER, client, joined, router, router_address, server
from tests.simulated.draft import EVERY
from tests.simulated.network import Simulated
from tests.simulated.rows import Link, Node, Route, Rule
from tests.simulated.world import World

SEEDS = range(14)
AT, HOST = 3, 7  # the router that only some flows meet, and the host by that way
BLACK_HOLE = {"routes": (Route(SERVER[4], reason="blackhole"),)}
RESETS = {"rules": (Rule("forward", "reset", (22,)),)}
CLOSED: dict[str, Any] = {"programs": {}}
OPEN: dict[str, Any] = {"programs": {22: "ssh"}}
ALONE = {
    **OPEN,
    "rules": (Rule("input", "drop", tuple(port for port in EVERY if port != 22)),),
}  # no other port answers


def two_ways(
    does: dict[str, Any], host: dict[str, Any], longer: int = 0, portless: bool = False
) -> tuple[list[Node], list[Link]]:
    """Six routers; the second deals flows to the third, or to one that stands beside it, with so many more behind it."""
    parts = {"routes": (Route(SERVER[4], ("w1", "r3") if portless else ("r3", "w1")),), "portless": portless}
    other = {2: parts, AT: does}
    nodes, links = joined(
        [client(4), *(router(4, hop, **other.get(hop, {})) for hop in range(1, HOST)), server(4, **host)]
    )
    beside = [f"w{number}" for number in range(1, longer + 2)]
    for number, (name, onward) in enumerate(zip(beside, [*beside[1:], "r4"], strict=True)):
        nodes.append(
            Node(name, (router_address(4, 200 + number),), forwards=True, routes=(Route(SERVER[4], (onward,)),))
        )
    links += [Link(one, two, cost=100) for one, two in zip(["r2", *beside], [*beside, "r4"], strict=True)]
    return nodes, links


def diagnosed(network: tuple[list[Node], list[Link]], seed: int, path: Path) -> tuple[Verdict, Simulated]:
    net = Simulated(World(*network, seed), SERVER[4])
    target = Target("box", SERVER[4], 22, (SERVER[4],))
    (asked,) = ask(target, Options(), lambda line: None, path, lambda at: net)
    ((_, _, verdict),) = judge(asked)
    return verdict, net


@pytest.mark.parametrize(("host", "portless"), [(OPEN, False), (ALONE, False), (ALONE, True)])
def test_a_black_hole_on_one_way_is_not_placed_beyond_it_by_what_went_the_other(
    host: dict[str, Any], portless: bool, tmp_path: Path
) -> None:
    """Also where a router chooses the way of packets with IP options without looking at ports."""
    network = two_ways(BLACK_HOLE, host, portless=portless)
    found = [diagnosed(network, seed, tmp_path / "e.pcapng")[0] for seed in SEEDS]
    lost = [one for one in found if one.cause.startswith("silence")]
    assert len(lost) >= len(SEEDS) - 1  # one of several ways may not be met at all
    assert {one.place.hop_min for one in lost} <= {AT - 1, AT}
    out = {other.cause for one in lost for other in one.alternatives if other.strength is Strength.RULED_OUT}
    assert (
        "silence.network.router.no-route" not in out
    )  # though the address answers pings, and other ports, over the other way


def test_of_ways_of_different_length_the_host_is_placed_on_that_of_the_flow(tmp_path: Path) -> None:
    network = two_ways({}, {**OPEN, "rules": (Rule("input", "drop", (22,)),)}, longer=1)
    found = [diagnosed(network, seed, tmp_path / "e.pcapng")[0] for seed in SEEDS]
    told = [one for one in found if one.cause == "silence.target.filter.drop"]
    assert len(told) >= len(SEEDS) // 3
    assert {one.place.hop for one in told} == {HOST, HOST + 1}


def test_odd_syns_by_a_way_of_another_length_do_not_rule_out_a_closed_port(tmp_path: Path) -> None:
    """One with too little room for its way would seem to be refused before it came to the host."""
    for seed in (32, 58, 85, 93):  # the flow that was swept goes the longer way
        verdict, _ = diagnosed(two_ways({}, CLOSED, longer=2), seed, tmp_path / "e.pcapng")
        others = {one.cause: one.strength for one in verdict.alternatives}
        assert others.get("reset.target.closed-port") is not Strength.RULED_OUT, (seed, verdict.evidence)


@pytest.mark.parametrize(("does", "host"), [(BLACK_HOLE, OPEN), (RESETS, CLOSED), ({}, CLOSED)])
def test_odd_syns_bear_the_ports_of_swept_flows(does: dict[str, Any], host: dict[str, Any], tmp_path: Path) -> None:
    """But those with FIN, whose RSTs bear no number that tells them from others. No number is used twice."""
    _, net = diagnosed(two_ways(does, host), 3, tmp_path / "e.pcapng")
    sent = [decode(frame.data, RAW, len(frame.data)) for frame in net.frames if frame.direction == 2]
    syns = [(got.ip, got.tcp) for got in sent if got.ip is not None and got.tcp is not None and got.tcp.flags & SYN]
    swept = {(tcp.sport, tcp.dport) for ip, tcp in syns if ip.ttl == 1}
    odd = [(ip, tcp) for ip, tcp in syns if ip.options or tcp.option(19) is not None]
    assert odd
    assert {(tcp.sport, tcp.dport) for _, tcp in odd} <= swept
    assert not {tcp.sport for _, tcp in syns if tcp.flags & FIN} & {sport for sport, _ in swept}
    raw = [(tcp.sport, tcp.dport, tcp.seq, ip.ttl) for ip, tcp in syns if ip.ttl <= 30]
    assert len(raw) - len(set(raw)) <= sum(ip.ttl < 29 for ip, _ in syns)  # silent hops are asked twice
    numbers = [(tcp.sport, tcp.dport, tcp.seq) for _, tcp in odd]
    assert len(numbers) == len(set(numbers))
