"""TCP: every field and option as scapy reads it, checksums judged where they can be, headers cut or wrong."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, IPOption, IPOption_LSRR, IPOption_NOP, IPOption_SSRR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrRouting
from scapy.packet import Raw

from captures.packet import Tcp, decode, decode_ip
from tests.craft import ip, law, tcp

SEEDS = st.integers(0, 2**32)
VERSIONS = st.sampled_from([4, 6])


def segment_of(data: bytes, quoted: bool = False) -> Tcp:
    segment = decode_ip(data, quoted).tcp
    assert segment is not None
    return segment


def options_by_scapy(segment: TCP) -> list[tuple[int, Any]]:
    """(kind, value) of each option but the end and what is behind it."""
    kinds = {"NOP": 1, "MSS": 2, "WScale": 3, "SAckOK": 4, "SAck": 5, "Timestamp": 8, "MD5": 19, "TFO": 34}
    return [(kinds.get(name, name), value) for name, value in segment.options if name != "EOL"]


def by_number(kind: int, value: bytes) -> Any:
    """An option's value in scapy's terms."""
    if kind in (5, 8, 34):
        return tuple(int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4))
    return {1: None, 2: int.from_bytes(value, "big"), 3: int.from_bytes(value, "big")}.get(kind, value)


@law(400)
@given(SEEDS, VERSIONS)
def test_every_field_is_what_scapy_reads(seed: int, version: int) -> None:
    random = Random(seed)
    data = bytes(ip(random, version) / tcp(random))
    theirs = (IP if version == 4 else IPv6)(data)[TCP]
    ours = segment_of(data)
    assert (ours.sport, ours.dport, ours.seq, ours.ack) == (theirs.sport, theirs.dport, theirs.seq, theirs.ack)
    assert (ours.flags, ours.window, ours.urgent) == (int(theirs.flags) & 0xFF, theirs.window, theirs.urgptr)
    assert (ours.payload, ours.length) == (bytes(theirs.payload), len(theirs.payload))
    assert [(o.kind, by_number(o.kind, o.value)) for o in ours.options] == options_by_scapy(theirs)
    assert (ours.complete, ours.checksum_ok) == (True, True)


# ------------------------------------------------------------------------------------------------ checksum


@law(200)
@given(SEEDS, VERSIONS, st.integers(0, 2**16))
def test_a_checksum_is_wrong_as_soon_as_one_bit_is(seed: int, version: int, bit: int) -> None:
    random = Random(seed)
    header = ip(random, version)
    segment = tcp(random)
    data = bytearray(bytes(header / segment))
    start = len(data) - len(bytes(segment))
    places = [*range(start, start + 12), *range(start + 13, len(data))]  # all but the header length
    data[places[bit // 8 % len(places)]] ^= 1 << bit % 8
    assert segment_of(bytes(data)).checksum_ok is False


@law(100)
@given(SEEDS, VERSIONS)
def test_the_addresses_are_part_of_the_checksum(seed: int, version: int) -> None:
    random = Random(seed)
    data = bytearray(
        bytes((IP(src="192.0.2.1", dst="192.0.2.2") if version == 4 else IPv6(src="::1", dst="::2")) / tcp(random))
    )
    data[(12 if version == 4 else 8) + random.randrange(8 if version == 4 else 32)] ^= 1 << random.randrange(8)
    assert segment_of(bytes(data)).checksum_ok is False


@pytest.mark.parametrize("version", [4, 6])
def test_a_checksum_is_not_judged_where_bytes_are_missing_or_quoted(version: int) -> None:
    data = bytes(ip(Random(1), version) / tcp(Random(2), b"payload"))
    for size in range(len(data) - 7, len(data)):
        cut = decode(data[:size], 101, len(data)).tcp
        assert cut is not None
        assert cut.checksum_ok is None
        assert cut.length == 7
    assert segment_of(data, quoted=True).checksum_ok is None


def test_a_payload_of_odd_length_is_summed_as_if_a_zero_followed() -> None:
    for size in range(1, 40, 2):
        data = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP() / Raw(b"\xff" * size))
        assert segment_of(data + b"\xff").checksum_ok is True


ROUTES = {
    "a routing header": IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=1),
    "a loose source route": IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_LSRR(routers=["192.0.2.9"])]),
    "a strict source route": IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_SSRR(routers=["192.0.2.9"])]),
    "a source route behind other options": IP(
        src="192.0.2.1", dst="192.0.2.2",
        options=[IPOption_NOP(), IPOption(option=20, value=b"\0\0"), IPOption_LSRR(routers=["192.0.2.9", "192.0.2.8"], pointer=8)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUTES)
def test_on_a_source_route_the_checksum_is_never_called_wrong_when_it_is_right(name: str) -> None:
    """It is made with the last address of the route (RFC 8200 section 8.1, RFC 791), which scapy does too."""
    assert segment_of(bytes(ROUTES[name] / TCP() / Raw(b"x"))).checksum_ok is not False


def test_at_the_end_of_a_source_route_it_is_judged_as_ever() -> None:
    six = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=0)
    four = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_LSRR(routers=["192.0.2.9"], pointer=8)])
    for header in (six, four):
        data = bytearray(bytes(header / TCP(chksum=0) / Raw(b"x")))
        assert segment_of(bytes(data)).checksum_ok is False


def test_a_source_route_of_the_carrier_says_nothing_of_the_packet_inside() -> None:
    outer = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=1)
    inner = IP(src="192.0.2.1", dst="192.0.2.2")
    assert segment_of(bytes(outer / inner / TCP())).checksum_ok is True
    assert segment_of(bytes(outer / inner / TCP(chksum=1))).checksum_ok is False


# ------------------------------------------------------------------------------------------------ cut and damaged


PLAIN = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6, seq=7, ack=8, flags="SA", window=9))


@pytest.mark.parametrize("left", range(20))
def test_of_a_cut_header_what_is_there_is_told(left: int) -> None:
    for quoted in (False, True):
        packet = decode_ip(PLAIN[: 20 + left], quoted)
        if left < 8:
            assert packet.tcp is None
        else:
            assert packet.tcp is not None
            assert (packet.tcp.sport, packet.tcp.dport, packet.tcp.seq) == (5, 6, 7)
            assert packet.tcp.ack == (8 if left >= 12 else 0)
            assert packet.tcp.flags == (18 if left >= 14 else 0)
            assert (packet.tcp.complete, packet.tcp.checksum_ok) == (False, None)
        assert packet.problems == (() if quoted else (f"TCP header cut after {left} bytes",))


def with_size(words: int, body: bytes) -> bytes:
    data = bytearray(bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(dataofs=5) / Raw(body)))
    data[32] = words << 4 | data[32] & 15
    return bytes(data)


@pytest.mark.parametrize("words", range(5))
def test_a_header_length_below_twenty_is_a_problem_but_the_ports_stand(words: int) -> None:
    packet = decode_ip(with_size(words, b"x"))
    assert packet.tcp is not None
    assert (packet.tcp.sport, packet.tcp.options) == (20, ())
    assert packet.problems == (f"TCP header length {words * 4}",)


@pytest.mark.parametrize("words", range(6, 16))
def test_a_header_longer_than_its_packet_is_a_problem_and_has_no_payload(words: int) -> None:
    packet = decode_ip(with_size(words, b"\1" * (words * 4 - 21)))
    assert packet.tcp is not None
    assert (packet.tcp.length, packet.tcp.payload, packet.tcp.complete) == (0, b"", False)
    assert "TCP header longer than its packet" in packet.problems


@pytest.mark.parametrize(
    ("raw", "kinds", "damaged"),
    [
        (b"\1\1\1\1", [1, 1, 1, 1], False),
        (b"\2\4\5\xb4", [2], False),
        (b"\0\2\4\5", [], False),
        (b"\3\3\7\0", [3], False),
        (b"\2\0\5\xb4", [], True),
        (b"\2\1\5\xb4", [], True),
        (b"\2\5\5\xb4", [], True),
        (b"\1\1\1\2", [1, 1, 1], True),
        (b"\4\2\xff\2", [4, 255], False),
    ],
)
def test_options_are_read_up_to_the_first_that_cannot_be(raw: bytes, kinds: list[int], damaged: bool) -> None:
    packet = decode_ip(with_size(6, raw))
    assert packet.tcp is not None
    assert [option.kind for option in packet.tcp.options] == kinds
    assert bool(packet.problems) is damaged
