"""The way hop by hop: what each TTL got back, when, over how many routers, and where rejection begins."""

import struct
from pathlib import Path

import pytest

from analyzers.attempts.route import Hop, Route
from tests.notation import CLIENT4, SERVER4, icmp_error, packets, tcp_packet
from tests.sweeps import REFUSED, ran_out, reset, routed, routes, sweep, syn


def hops(found: Route) -> tuple[Hop, ...]:
    (flow,) = found.flows
    return flow.hops


def test_every_hop_with_its_answer_its_time_and_its_way_back(tmp_path: Path) -> None:
    """A filter at hop 2 that refuses what it forwards."""
    rows = (syn(1) + ran_out(1), syn(2) + ran_out(2, wait=0.025), syn(3) + reset(3, 1), syn(4) + reset(4, 1))
    found = routed(tmp_path, sweep(*rows, first=REFUSED.replace("ttl 62", "ttl 63")))
    assert [(hop.kind, hop.router, hop.sender) for hop in hops(found)] == [
        ("ttl-exceeded", "10.0.0.1", "10.0.0.1"), ("ttl-exceeded", "10.0.0.2", "10.0.0.2"), ("rst", "", SERVER4), ("rst", "", SERVER4),
    ]  # fmt: skip
    assert [hop.trip_ns for hop in hops(found)] == [10_000_000, 25_000_000, 10_000_000, 10_000_000]
    assert [(hop.back, hop.uneven) for hop in hops(found)] == [(0, False), (1, False), (1, False), (1, False)]
    assert (found.refused_from, found.vanish_beyond, found.control) == (3, None, 0)


@pytest.mark.parametrize(("back", "uneven"), [(0, True), (1, False), (2, True), (5, True)])
def test_a_report_over_another_number_of_routers_than_the_syn_passed_is_marked(
    tmp_path: Path, back: int, uneven: bool
) -> None:
    found = routed(tmp_path, sweep(syn(1) + ran_out(1), syn(2) + ran_out(2, back), syn(3) + reset(3, 1)))
    assert [hop.uneven for hop in hops(found)] == [False, uneven, False]


@pytest.mark.parametrize(("back", "uneven"), [(0, True), (1, False), (2, False), (3, True)])
def test_a_refusal_may_come_from_the_hop_before(tmp_path: Path, back: int, uneven: bool) -> None:
    found = routed(tmp_path, sweep(syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3) + reset(3, back)))
    assert [hop.uneven for hop in hops(found)] == [False, False, uneven]


def test_the_time_counts_from_the_syn_that_was_answered(tmp_path: Path) -> None:
    """The hop kept silent, and was asked again a second later."""
    rows = (syn(1) + ran_out(1), syn(2), syn(3) + reset(3, 2), syn(2, wait=1.0) + ran_out(2, wait=0.004))
    again = hops(routed(tmp_path, sweep(*rows)))[1]
    assert (again.tries, again.trip_ns, again.router) == (2, 4_000_000, "10.0.0.2")


def test_a_silent_hop_is_there_with_nothing(tmp_path: Path) -> None:
    silent = hops(routed(tmp_path, sweep(syn(1) + ran_out(1), syn(2), syn(3) + reset(3, 2))))[1]
    assert (silent.kind, silent.router, silent.sender, silent.trip_ns, silent.back) == ("", "", "", None, None)


def test_where_syns_vanish(tmp_path: Path) -> None:
    lost = "0 > client-port 900 S 1\n+1 > client-port 900 S 1\n+2 > client-port 900 S 1\n"
    found = routed(tmp_path, sweep(syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3), syn(4), syn(5, 3.0), first=lost))
    assert (found.refused_from, found.vanish_beyond) == (None, 2)


def test_another_port_is_there_to_compare_with(tmp_path: Path) -> None:
    rows = [syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3) + reset(3, 1)]
    control = [syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3) + ran_out(3), syn(4) + reset(4, 3)]
    there = "".join(control).replace("> S", "> client-port 800 port 9 S").replace("< ", "< client-port 800 port 9 ")
    found = routed(tmp_path, sweep(*rows) + there)
    assert [(flow.port, flow.client_port, flow.end) for flow in found.flows] == [(22, 40000, 3), (9, 800, 4)]
    assert found.control == 9


def test_nothing_without_a_sweep(tmp_path: Path) -> None:
    assert routes(tmp_path, packets(REFUSED)) == {22: None}


def test_labels_and_extensions_of_errors_are_shown(tmp_path: Path) -> None:
    """RFC 4950 behind a quote of 128 bytes, as routers did before RFC 4884 had a length field."""
    mpls = struct.pack(">HBBI", 8, 1, 1, 24_001 << 12 | 3 << 9 | 1 << 8 | 1)
    other = struct.pack(">HBBI", 8, 2, 5, 0)
    extension = b"\x20\0\0\0" + mpls + other
    probe = tcp_packet(CLIENT4, SERVER4, 40000, 22, 2000, 0, 2, ttl=1, tos=0x48, ip_id=2)
    error = icmp_error("10.0.0.2", CLIENT4, 11, 0, probe.ljust(128, b"\0") + extension, ttl=63)
    frames = packets(sweep(syn(1) + ran_out(1), syn(2), syn(3) + reset(3, 1)))
    frames.insert(5, (frames[4][0] + 1_000_000, error))
    found = routes(tmp_path, frames)[22]
    assert found is not None
    assert [(hop.mpls, hop.extensions) for hop in hops(found)] == [((), ()), (((24_001, 3, 1),), ((2, 5),)), ((), ())]
    assert hops(found)[1].changed == ()
