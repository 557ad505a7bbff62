"""What a session asks, as the simulated network lets one see it."""

import pytest

from netprobe.live.session import CONTROL_PORT, Options, Session
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
