"""What quotes show as changed on the way, of which field, and from which hop on."""

from pathlib import Path

import pytest

from analyzers.attempts.quotes import NONE, Change, changes
from analyzers.attempts.route import Route
from captures.packet import Packet, decode_ip
from tests.notation import CLIENT4, CLIENT6, SERVER4, SERVER6, tcp_packet
from tests.sweeps import ran_out, renamed, reset, routed, sweep, syn

OPTIONS = bytes.fromhex("020405b4 0402 080a00000001 00000000 01 030307")


def packet(v6: bool = False, cut: int = 0, **fields: object) -> Packet:
    ends = {"src": CLIENT6 if v6 else CLIENT4, "dst": SERVER6 if v6 else SERVER4, "sport": 40000, "dport": 22}
    values = {**ends, "seq": 7, "ack": 0, "flags": 2, "tos": 0x48, "ip_id": 5, "options": OPTIONS, **fields}
    data = tcp_packet(**values)
    return decode_ip(data[:cut] if cut else data, quoted=bool(cut))


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize(
    ("seen", "change"),
    [
        ({"tos": 0}, ("DSCP", "18", "0")),
        ({"tos": 0x4B}, ("ECN", "0", "3")),
        ({"sport": 1024}, ("source port", "40000", "1024")),
        ({"dport": 2222}, ("destination port", "22", "2222")),
        ({"seq": 8}, ("sequence number", "7", "8")),
        ({"window": 512}, ("window", "64240", "512")),
        ({"flags": 0xC2}, ("flags", "S", "SEW")),
        ({"options": OPTIONS.replace(b"\x05\xb4", b"\x05\x50")}, ("MSS", "1460", "1360")),
        ({"options": OPTIONS[:4] + b"\1\1" + OPTIONS[6:]}, ("SACK permitted", "present", NONE)),
        ({"options": OPTIONS[:-4] + b"\1\1\1\1"}, ("window scale", "7", NONE)),
    ],
)
def test_a_field_that_was_changed_is_named_with_both_values(
    v6: bool, seen: dict[str, object], change: tuple[str, str, str]
) -> None:
    assert changes(packet(v6), packet(v6, ttl=1, **seen)) == (Change(*change),)


def test_ipv4_alone_has_an_ip_id_and_addresses_may_change() -> None:
    assert changes(packet(), packet(ip_id=6, src="10.0.0.1")) == (
        Change("source address", CLIENT4, "10.0.0.1"),
        Change("IP-ID", "5", "6"),
    )
    assert changes(packet(v6=True), packet(v6=True, dst="2001:db8::99")) == (
        Change("destination address", SERVER6, "2001:db8::99"),
    )


def test_options_that_leave_no_room_behind_shorten_the_packet() -> None:
    assert {change.what for change in changes(packet(), packet(options=OPTIONS[:4]))} == {
        "length", "SACK permitted", "timestamps", "window scale",
    }  # fmt: skip


@pytest.mark.parametrize("cut", [28, 40, 59])
def test_a_short_quote_says_nothing_of_what_it_does_not_hold(cut: int) -> None:
    """Eight bytes behind the IP header are the least (RFC 792)."""
    assert changes(packet(), packet(cut=cut, options=OPTIONS[:4] + b"\1" * 16, window=1)) == ()
    assert changes(packet(), packet(cut=cut, sport=9, window=1)) == (Change("source port", "40000", "9"),)


def test_ttl_and_checksum_change_at_every_hop() -> None:
    assert changes(packet(), packet(ttl=1)) == ()


def rewritten(folder: Path, *quoted_tos: int | None) -> list[tuple[int, int, bool]]:
    """Hop, last intact hop and lasting of the one field that quotes show as changed; None is a hop that keeps silent."""
    rows = [
        syn(hop) + (ran_out(hop, tos=tos) if tos is not None else "") for hop, tos in enumerate(quoted_tos, start=1)
    ]
    found: Route = routed(folder, sweep(*rows))
    return [(one.hop, one.intact, one.lasting) for flow in found.flows for one in flow.rewrites]


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ((0x48, 0x48, 0x48, 0x48), []),
        ((0x48, 0x48, 0, 0), [(3, 2, True)]),
        ((0, 0, 0, 0), [(1, 0, True)]),
        ((0x48, None, 0, 0), [(3, 1, True)]),
        ((0x48, 0, 0x48, 0x48), [(2, 1, False)]),
        ((0x48, 0x48, 0x48, 0), [(4, 3, True)]),
    ],
)
def test_a_change_shows_from_one_hop_on(
    tmp_path: Path, quoted: tuple[int | None, ...], shown: list[tuple[int, int, bool]]
) -> None:
    assert rewritten(tmp_path, *quoted) == shown


def test_a_quote_whose_port_was_changed_is_found_by_its_number(tmp_path: Path) -> None:
    """A box behind hop 1 translates ports, and not what errors quote."""
    rows = [syn(1) + ran_out(1), syn(2) + renamed(2, 1024), syn(3) + renamed(3, 1024), syn(4) + reset(4, 3)]
    (flow,) = routed(tmp_path, sweep(*rows)).flows
    assert [hop.router for hop in flow.hops] == ["10.0.0.1", "10.0.0.2", "10.0.0.3", ""]
    (found,) = flow.rewrites
    assert found.change == Change("source port", "40000", "1024")
    assert (found.hop, found.intact, found.lasting) == (2, 1, True)


def test_a_quote_with_another_number_is_none_of_ours(tmp_path: Path) -> None:
    rows = [syn(1) + ran_out(1), syn(2) + renamed(2, 1024, seq=77), syn(3) + reset(3, 2)]
    assert [hop.router for hop in routed(tmp_path, sweep(*rows)).flows[0].hops] == ["10.0.0.1", "", ""]


def test_a_number_that_several_probes_bore_tells_of_none(tmp_path: Path) -> None:
    other = "".join((syn(1) + ran_out(1), syn(2), syn(3) + reset(3, 2)))
    other = other.replace("> S", "> client-port 800 S").replace("< ", "< client-port 800 ")
    rows = [syn(1) + ran_out(1), syn(2) + renamed(2, 1024), syn(3) + reset(3, 2)]
    found = routed(tmp_path, sweep(*rows) + other)
    assert [hop.router for flow in found.flows for hop in flow.hops if hop.ttl == 2] == ["", ""]
