"""What a session asks, as the simulated network lets one see it."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from analyzers.attempts.hops import MDA_FLOWS
from captures.flags import ACK, INBOUND, OUTBOUND, SYN
from captures.packet import decode
from netprobe import lab
from netprobe.lab.scenario import Scenario
from netprobe.live.diagnosis import ask, judge
from netprobe.live.heard import RAW
from netprobe.live.locate import CONTROL_PORT, MORE_PORTS
from netprobe.live.options import Options
from netprobe.live.session import Session
from netprobe.live.target import Target
from netprobe.words import advice
from tests.simulated.chain import SERVER, client, joined, router, server
from tests.simulated.clock import BEGIN_NS
from tests.simulated.network import Simulated
from tests.simulated.packets import Datagram, Tcp
from tests.simulated.scenarios import world
from tests.simulated.world import World


@pytest.mark.parametrize("family", [4, 6])
def test_a_reset_is_asked_again_at_once_in_both_families(family: int) -> None:
    """Neighbour discovery is ICMPv6 too, but no error: nothing limits how often a host resets."""
    network = Simulated(World(*joined([client(family), router(family, 1), server(family)])), SERVER[family])
    began = network.now()
    session = Session("box", SERVER[family], 22, Options(), lambda line: None, network)
    session.run()
    assert [flow.plan.port for flow in session.wire.flows] == [22, CONTROL_PORT, 22, 22, 22]
    assert network.now() - began < 0.5  # no pause for a limiter, only for signed SYNs that get no answer


def test_what_to_run_next_is_nothing_that_was_just_done(tmp_path: Path) -> None:
    network = Simulated(World(*joined([client(4), router(4, 1), server(4)])), SERVER[4])
    target = Target("box", "box", 22, (SERVER[4],))
    (asked,) = ask(target, Options(), lambda line: None, tmp_path / "e.pcapng", lambda address: network)
    ((done, service, verdict),) = judge(asked)
    assert done.live(service)
    usual, live = (advice(verdict.cause, service, live=live) for live in (False, True))
    assert any("netprobe diagnose" in step["command"] for step in usual)
    assert live[0]["why"].startswith("on the target")
    assert not any("netprobe diagnose" in step["command"] or "traceroute" in step["command"] for step in live)


def test_a_hop_that_kept_silent_is_not_waited_for_again() -> None:
    """Nothing is asked later because the first router never reports a TTL as used up, but for one wait."""
    took = []
    for silent in (0, 1):
        scenario = lab.load("router-reset", silent=silent, delay_ms=30)
        network = Simulated(world(scenario), scenario.target)
        began = network.now()
        Session("box", scenario.target, scenario.port, Options(only_syn=True), lambda line: None, network).run()
        took.append(network.now() - began)
    assert took[1] - took[0] < 0.05


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("limited", [0, 1])
def test_a_trace_ends_with_the_report_of_a_dead_host(limited: int, family: int, tmp_path: Path) -> None:
    """What is asked while the last router asks for the host waits there, and uses up the errors that it may send."""
    scenario = lab.load("dead-host", family=family, limited=limited)
    network = Simulated(world(scenario), scenario.target)
    began, target = network.now(), Target("host", "host", 22, (scenario.target,))
    options = Options(trace=True, flows=1)
    (asked,) = ask(target, options, lambda line: None, tmp_path / "e.pcapng", lambda address: network)
    ((_, _, verdict),) = judge(asked)
    assert verdict.cause == scenario.truth.cause
    assert verdict.place.hop == scenario.truth.hop
    assert network.now() - began < 3.5


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("name", "trace", "rounds"), [("router-reset", False, 4), ("closed-port", False, 3), ("router-reset", True, 2)]
)
def test_what_does_not_depend_on_an_answer_is_not_asked_after_it(
    name: str, trace: bool, rounds: int, family: int
) -> None:
    """In round trips: the connection; other ports, and the way to this one; the ways to those; and where another port's way is
    longer, other flows. A trace begins with the ways. The wait for odd SYNs that a stack ignores comes on top."""
    scenario = lab.load(name, family=family, delay_ms=60)
    network = Simulated(world(scenario), scenario.target)
    session = Session(
        "box", scenario.target, scenario.port, Options(only_syn=True, trace=trace), lambda line: None, network
    )
    session.run()
    began = [frame.ts_ns for frame in network.frames if frame.direction == OUTBOUND]
    trip_ns = session.wire.flows[0].after_ns
    assert 1 + sum(later - earlier > 0.8 * trip_ns for earlier, later in pairwise(began)) == rounds


def test_an_answer_after_all_patience_is_heard_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third connection's first two SYNs are lost: what then comes is for connect(), not kept from it by this host."""
    scenario = lab.load("healthy", delay_ms=110)
    simulated = world(scenario)
    network = Simulated(simulated, scenario.target)
    session = Session("box", scenario.target, scenario.port, Options(), lambda line: None, network)
    leave, lost = simulated.leave, []

    def lossy(name: str, datagram: Datagram, to: str) -> None:
        third = session.wire.flows[2].local_port if len(session.wire.flows) > 2 else -1
        if isinstance(datagram.body, Tcp) and datagram.body.sport == third and len(lost) < 2:
            lost.append(datagram)
        else:
            leave(name, datagram, to)

    monkeypatch.setattr(simulated, "leave", lossy)
    session.run()
    assert len(lost) == 2
    assert session.wire.flows[2].after_ns > session.wire.flows[2].plan.patience_s * 1e9
    assert session.wire.flows[2].errno == ""


class Counting(Simulated):
    """Keeps the raw packets that were wanted to be sent."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(world(scenario), scenario.target)
        self.wanted: list[tuple[int, bytes]] = []

    def send(self, packet: bytes) -> str:
        self.wanted.append((self.now_ns(), packet))
        return super().send(packet)

    def flows(self, port: int, ttl: int) -> list[int]:
        """The source ports from which that port was asked with that TTL, in the order of the asking."""
        asked = [p for _, p in self.wanted if p[8] == ttl and int.from_bytes(p[22:24]) == port]
        return list(dict.fromkeys(int.from_bytes(p[20:22]) for p in asked))


def traced(scenario: Scenario, earlier: int = 0) -> tuple[Counting, Session]:
    """A trace of one flow, from another source port after so many `earlier` ones."""
    network = Counting(scenario)
    for _ in range(earlier):
        network.hold()
    session = Session("box", scenario.target, scenario.port, Options(trace=True, flows=0), lambda line: None, network)
    session.run()
    return network, session


@pytest.mark.parametrize("name", ["client-filter-drop", "client-filter-reset", "client-route-unreachable"])
def test_a_trace_sends_nothing_where_the_connection_did_not_leave(name: str) -> None:
    """What this host's own rules keep back is asked in no other way."""
    assert traced(lab.load(name, delay_ms=60))[0].wanted == []


@pytest.mark.parametrize(("delay_ms", "ahead"), [(60, True), (0, False)])
def test_a_trace_asks_nothing_ahead_of_an_answer_from_near(delay_ms: int, ahead: bool) -> None:
    """Whoever limits ICMP errors, and is near, is asked as little as may be."""
    network, session = traced(lab.load("router-reject", delay_ms=delay_ms))
    first = session.wire.flows[0]
    assert network.wanted
    assert (network.wanted[0][0] - BEGIN_NS < (first.started * 1e9 + first.after_ns)) is ahead


def test_a_connection_that_fared_unlike_the_way_asked_ahead_has_its_own_asked() -> None:
    """Of two ways one filters: the connection is refused there, and the flow that was asked ahead goes the other."""
    scenario = lab.load("ecmp-one-branch-filtered", delay_ms=60)
    refused = scenario.truth.hop + 1
    unlike = 0
    for earlier in range(8):
        network, session = traced(scenario, earlier)
        ahead, *more = network.flows(scenario.port, refused)
        accepted = any(
            frame.data[9] == 6 and frame.data[33] == SYN | ACK and int.from_bytes(frame.data[22:24]) == ahead
            for frame in network.frames
            if frame.direction == INBOUND
        )
        if session.wire.flows[0].errno and accepted:
            unlike += 1
            assert more[0] == session.wire.flows[0].local_port
            assert len(network.flows(CONTROL_PORT, refused)) >= MDA_FLOWS
    assert unlike


@pytest.mark.parametrize("seed", [12, 16, 30, 32, 39])
def test_where_half_of_all_packets_are_lost_it_still_ends_soon(seed: int) -> None:
    """Answers to repeated SYNs say nothing of how long the way takes."""
    nodes, links = joined([client(4), *(router(4, hop) for hop in (1, 2, 3)), server(4, programs={22: "ssh"})])
    lossy = [replace(link, loss=0.5) if link.two == "r2" else link for link in links]
    network = Simulated(World(nodes, lossy, seed), SERVER[4])
    began = network.now()
    Session("box", SERVER[4], 22, Options(), lambda line: None, network).run()
    assert network.now() - began < 40


@pytest.mark.parametrize(
    ("controls", "also", "cause"), [((), MORE_PORTS, "reset"), ((5432,), (5432,), "reset.target.closed-port")]
)
def test_ports_that_are_known_to_answer_are_asked_first(
    controls: tuple[int, ...], also: tuple[int, ...], cause: str, tmp_path: Path
) -> None:
    """What tells a closed port from a NAT box without a forward is an open one at the same hop."""
    net = World(*joined([client(4), router(4, 1), server(4, programs={5432: "http"})]))
    network = Simulated(net, SERVER[4])
    options, target = Options(controls=controls), Target("box", "box", 22, (SERVER[4],))
    (asked,) = ask(target, options, lambda line: None, tmp_path / "e.pcapng", lambda address: network)
    ((_, _, verdict),) = judge(asked)
    sent = [decode(f.data, RAW, len(f.data)).tcp for f in network.frames if f.direction == OUTBOUND]
    assert verdict.cause == cause
    assert {tcp.dport for tcp in sent if tcp} & {5432, *MORE_PORTS} == set(also)
