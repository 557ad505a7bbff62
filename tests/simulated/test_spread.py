"""Which flows a live diagnosis asks beside its connections, and what comes of it, in networks that deal them out."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analyzers.attempts.hops import FAR_TTLS
from captures.flags import OUTBOUND, SYN
from captures.packet import decode
from netprobe import lab
from netprobe.live.flow import Flow
from netprobe.live.heard import RAW
from netprobe.live.options import Options
from netprobe.live.session import Session
from netprobe.live.spread import MOST_FLOWS
from tests.simulated.chain import SERVER, client, joined, router, server
from tests.simulated.network import Simulated
from tests.simulated.rows import Forward, Link, Node, Rule
from tests.simulated.scenarios import world
from tests.simulated.test_scenarios import diagnosed
from tests.simulated.world import World

REFUSES = Rule("input", "reset", (22,))
ERRS = Rule("input", "admin-prohibited", (22,))


def asked(net: World, family: int = 4) -> dict[int, set[int]]:
    """The source ports of SYNs to port 22 by each of the TTLs that only flows are asked with."""
    network = Simulated(net, SERVER[family])
    Session("box", SERVER[family], 22, Options(), lambda line: None, network).run()
    out: dict[int, set[int]] = {ttl: set() for ttl in FAR_TTLS}
    for frame in network.frames:
        got = decode(frame.data, RAW, len(frame.data))
        plain = (
            got.tcp is not None
            and got.tcp.option(19) is None
            and got.tcp.flags == SYN
            and got.tcp.checksum_ok is not False
            and not (got.ip and got.ip.options)
        )
        if frame.direction == OUTBOUND and got.ip is not None and got.tcp is not None and plain and got.tcp.dport == 22:
            out.get(got.ip.ttl, set()).add(got.tcp.sport)
    return out


class Watched(Simulated):
    """Sends no SYN from the port of a connection that came up, or that still may."""

    of: Sequence[Flow] = ()

    def send(self, packet: bytes) -> str:
        if packet[9] == 6 and packet[33] & SYN:
            waits = [flow for flow in self.of if flow.errno == "" or (flow.errno is None and not flow.finished)]
            assert int.from_bytes(packet[20:22]) not in [flow.local_port for flow in waits]
        return super().send(packet)


def single(**does: object) -> World:
    return World(*joined([client(4), router(4, 1), server(4, **does)]))


def several(count: int, *refusing: int, seed: int) -> World:
    """A box that deals port 22 of the address out to so many machines, each with an initial TTL of its own."""
    inside = [f"10.0.0.{number}" for number in range(1, count + 1)]
    box = router(4, 2, (SERVER[4],), maps=(Forward(SERVER[4], tuple(inside), (22,)),))
    nodes, links = joined([client(4), router(4, 1), box])
    for number, address in enumerate(inside):
        programs = {} if number in refusing else {22: "ssh"}
        nodes.append(
            Node(f"m{number}", (address,), ttl=(64, 128, 255, 64 - 1, 128 - 1, 255 - 1)[number], programs=programs)
        )
        links.append(Link("r2", f"m{number}"))
    return World(nodes, links, seed)


@pytest.mark.parametrize(
    ("does", "flows"),
    [
        ({"programs": {22: "ssh"}}, 8),  # beside three connections
        ({}, 6),
        ({"programs": {22: "ssh"}, "rules": (REFUSES,)}, 6),
        ({"rules": (ERRS,)}, 0),  # each would cost an error of a sender that limits them
        ({"programs": {22: "closing"}}, 0),  # each would be accepted
    ],
)
def test_flows_are_asked_where_they_may_change_the_verdict(does: dict[str, object], flows: int) -> None:
    far = asked(single(**does))
    assert (len(far[FAR_TTLS[1]]), len(far[FAR_TTLS[0]])) == (flows, 0)


@pytest.mark.parametrize(("machines", "flows"), [(2, 11), (3, 16), (4, 21), (6, MOST_FLOWS)])
def test_more_are_asked_the_more_kinds_of_answers_come(machines: int, flows: int) -> None:
    far = [asked(several(machines, 0, seed=seed)) for seed in range(12)]
    counts = [len(found[FAR_TTLS[1]]) for found in far]
    assert max(counts) == flows
    assert all(found[FAR_TTLS[0]] <= found[FAR_TTLS[1]] for found in far)
    assert max(len(found[FAR_TTLS[0]]) for found in far) <= 8


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", ["balancer-by-flow-closed", "ecmp-one-branch-filtered", "ecmp-one-branch-drops"])
def test_what_is_said_of_flows(name: str, family: int, tmp_path: Path) -> None:
    """What fails is met though every connection may be dealt elsewhere."""
    scenario = lab.load(name, family=family)
    failed = [diagnosed(scenario, tmp_path / f"{seed}.pcapng", seed) for seed in range(8)]
    told = [" ".join(evidence.text for evidence in verdict.evidence) for verdict in failed]
    assert all(f"{scenario.truth.cause}.".startswith(f"{verdict.cause}.") for verdict in failed)
    assert sum(verdict.cause == scenario.truth.cause for verdict in failed) >= len(failed) - 2
    assert sum("its source port decides" in words for words in told) >= len(told) - 1
    assert not any("nothing deals them out" in words for words in told)
    for words in told:
        if "its source port decides" in words:
            assert ("met the same last router" in words) == name.startswith("balancer")
            assert (f"met {scenario.topology.addresses.get('filtered')} there" in words) == name.startswith("ecmp")


def test_machines_are_told_by_their_host_keys(tmp_path: Path) -> None:
    """Where connections fare differently, one more hears the host key out."""
    scenario = lab.load("balancer-by-flow-filtered")
    found = [diagnosed(scenario, tmp_path / f"{seed}.pcapng", seed) for seed in range(32)]
    told = [
        " ".join(evidence.text for evidence in verdict.evidence)
        for verdict in found
        if verdict.outcome == "refused-rst"
    ]
    assert any(
        "several machines share this address: the working attempts met 2 host keys (SHA256:" in words for words in told
    )
    assert any("met one host key (SHA256:" in words for words in told)
    assert {verdict.cause for verdict in found} <= {"reset.backend", "reset.backend.filter", "healthy.ssh"}


@pytest.mark.parametrize("name", ["balancer-by-chance", "ecmp-one-branch-drops", "loss"])
def test_no_connection_of_ours_is_disturbed_by_syns_from_its_port(name: str) -> None:
    """One that became a connection may have been accepted now, or may yet be."""
    scenario = lab.load(name)
    met = set()
    for seed in range(12):
        network = Watched(world(scenario, seed), scenario.target)
        session = Session("box", scenario.target, scenario.port, Options(), lambda line: None, network)
        network.of = session.wire.flows
        session.run()
        met |= {flow.errno for flow in session.wire.flows if flow.plan.sport}
    assert met


def test_a_flow_that_fails_where_connections_do_not_becomes_a_connection() -> None:
    """From the same source port, so that it is dealt to the same machine; behind a guard against so many SYNs none does."""
    tried = []
    for net in (several(3, 1, seed=1), single(programs={22: "ssh"}, rules=(Rule("input", "drop", (22,), spare=6),))):
        network = Simulated(net, SERVER[4])
        session = Session("box", SERVER[4], 22, Options(), lambda line: None, network)
        session.run()
        tried.append([(flow.errno, flow.plan.sport == flow.local_port) for flow in session.wire.flows])
    well = [("", False)] * 3
    assert tried[1] == well
    assert tried[0][:4] == [*well, ("ECONNREFUSED", True)]
