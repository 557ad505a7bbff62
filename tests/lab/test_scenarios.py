"""Every scenario against its own packets: what the client's kernel says, who really made the deciding packet, how far others got.

The truth of a scenario is checked here without netprobe's analyzers: frames of all nodes, and one kernel connect().
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from netprobe.lab.errors import Unavailable, Unsuited
from netprobe.lab.scenario import names, options
from tests.lab.expectations import EXPECTATIONS
from tests.lab.experiment import Observation, observe
from tests.lab.frames import Seen

pytestmark = pytest.mark.lab

CASES = [
    (name, variant, family)
    for name in names()
    for variant, does in enumerate(EXPECTATIONS[name])
    for family in options(name)["family"]
    if family in does.families
]
Outcome = Callable[[], Observation]


@pytest.fixture(scope="session")
def experiments(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Observation]]]:
    """The experiments of all selected tests, a few at a time: most of them wait."""
    wanted = [
        item.callspec.params["case"]
        for item in request.session.items
        if "observed" in getattr(item, "fixturenames", ())
    ]
    with ThreadPoolExecutor(4) as pool:
        yield {_label(*case): pool.submit(_experiment, *case) for case in wanted}


def _label(name: str, variant: int, family: int) -> str:
    return f"t{CASES.index((name, variant, family))}"


def _experiment(name: str, variant: int, family: int) -> Observation:
    does = EXPECTATIONS[name][variant]
    parameters = {"family": family, **does.parameters}
    return observe(name, _label(name, variant, family), parameters, does.wait, does.tries, does.ssh)


@pytest.fixture
def observed(case: tuple[str, int, int], experiments: dict[str, Future[Observation]]) -> Observation:
    try:
        return experiments[_label(*case)].result(timeout=60)
    except Unavailable as error:
        if os.environ.get("CI") and not isinstance(error, Unsuited):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-v{case[2]}")
def test_the_packets_show_what_the_scenario_claims(case: tuple[str, int, int], observed: Observation) -> None:
    name, variant, _ = case
    unsound = [f for frames in observed.frames.values() for f in frames if not f.sound]
    assert not unsound, "a checksum is wrong"
    outcome = observed.scenario.truth.outcome
    does = EXPECTATIONS[name][variant]
    judge: dict[str, Callable[[Observation], None]] = {
        "refused-rst": refused,
        "icmp-unreachable": icmp,
        "icmp-ttl-exceeded": icmp,
        "silent": silent,
        "not-sent": not_sent,
    }
    (does.instead or judge.get(outcome, accepted))(observed)
    if does.also:
        does.also(observed)


def is_syn(frame: Seen) -> bool:
    return frame.flags == "S"


def is_reset(frame: Seen) -> bool:
    return frame.kind == "tcp" and "R" in frame.flags


def beyond(observed: Observation) -> list[str]:
    """The nodes of the main row behind the acting one."""
    nodes = list(observed.scenario.topology.nodes)
    return nodes[nodes.index(observed.scenario.truth.node) + 1 :]


def refused(observed: Observation) -> None:
    """A RST came, the acting node made it, at the distance that the truth gives, and nobody behind it saw the SYN."""
    truth = observed.scenario.truth
    assert observed.call["errno"] == "ECONNREFUSED"
    port = observed.scenario.port
    (syn,) = observed.at("client", flags="S", dport=port)
    (reset,) = [f for f in observed.at("client", sport=port) if is_reset(f)]
    assert (reset.source, reset.target, reset.seq, reset.out) == (syn.target, syn.source, 0, False)
    assert observed.origin(lambda f: is_reset(f) and f.sport == port) == {truth.node}
    start = next(first for first in (32, 64, 128, 255) if first >= reset.ttl)
    assert start - reset.ttl == truth.hop - 1
    assert not set(beyond(observed)) & set(observed.reached(lambda f: is_syn(f) and f.dport == port))


def icmp(observed: Observation) -> None:
    """An ICMP error about the SYN came, and the acting node made it."""
    truth = observed.scenario.truth
    errors = observed.at("client", kind="icmp", out=False)
    assert observed.call["errno"] in ("EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED", "EACCES", "ENOPROTOOPT")
    assert errors
    assert all(e.quoted is not None and e.quoted.dport == observed.scenario.port for e in errors)
    reporter = next(n for n, a in observed.scenario.topology.addresses.items() if a == _maker(observed, errors[0]))
    assert 64 - errors[0].ttl == max(0, truth.hop - 1)
    if truth.outcome != "icmp-ttl-exceeded":
        assert reporter == truth.node
        assert not set(beyond(observed)) & set(observed.reached(is_syn))


def _maker(observed: Observation, error: Seen) -> str:
    (node,) = observed.origin(lambda f: f.icmp == error.icmp and f.kind == "icmp")
    return str(observed.scenario.topology.addresses[node])


def silent(observed: Observation) -> None:
    """Nothing came back to the client, which tried twice; the SYN ended at the acting node, or its answer did."""
    truth = observed.scenario.truth
    assert observed.call["errno"] == "ETIMEDOUT"
    port = observed.scenario.port
    assert len(observed.at("client", flags="S", dport=port, out=True)) >= 2
    assert not [f for f in observed.frames["client"] if not f.out and f.sport in (port, 0)]
    if truth.cause != "silence.network.return-path":
        assert observed.reached(lambda f: is_syn(f) and f.dport == port)[-1] == truth.node
        assert not [f for f in observed.frames[truth.node] if f.out and port in (f.sport, f.dport)]


def not_sent(observed: Observation) -> None:
    """No packet to the target left the client."""
    assert observed.call["errno"] is not None
    assert not observed.frames["client"]


def accepted(observed: Observation) -> None:
    """The handshake was completed; the deciding packet after it came from the acting node."""
    truth = observed.scenario.truth
    assert observed.call["errno"] in (None, "ETIMEDOUT")
    assert [f for f in observed.at("client", flags="SA") if not f.out]
    if observed.call["end"]:  # it was closed, and by whom the truth says
        port = observed.scenario.port
        assert truth.node in observed.origin(lambda f: f.sport == port and ("R" in f.flags or "F" in f.flags))
    if truth.cause == "healthy.ssh":
        assert observed.call["heard"].startswith("SSH-2.0-OpenSSH")
        assert observed.origin(
            lambda f: f.payload.startswith(b"SSH-2.0-OpenSSH") and f.sport != 0 and f.dport > 1024
        ) == {truth.node}
