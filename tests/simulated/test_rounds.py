"""What a session asks, as the simulated network lets one see it."""

from pathlib import Path

import pytest

from netprobe.live.diagnosis import ask, judge
from netprobe.live.session import CONTROL_PORT, Options, Session
from netprobe.live.target import Target
from netprobe.words import advice
from tests.simulated.chain import SERVER, client, joined, router, server
from tests.simulated.network import Simulated
from tests.simulated.world import World


@pytest.mark.parametrize("family", [4, 6])
def test_a_reset_is_asked_again_at_once_in_both_families(family: int) -> None:
    """Neighbour discovery is ICMPv6 too, but no error: nothing limits how often a host resets."""
    network = Simulated(World(*joined([client(family), router(family, 1), server(family)])), SERVER[family])
    began = network.now()
    session = Session("box", SERVER[family], 22, Options(), lambda line: None, network)
    session.run()
    assert [flow.plan.port for flow in session.flows] == [22, CONTROL_PORT, 22, 22, 22]
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
