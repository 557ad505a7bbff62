"""802.11: data frames are opened, all others are not, and what is encrypted stays closed."""

import struct

import pytest
from scapy.layers.inet import IP, TCP

from captures.packet import decode
from tests.captures.carriers import radiotap

BODY = b"\xaa\xaa\x03\0\0\0\x08\0" + bytes(IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=5, dport=6))


def frame(kind: int, flags: int = 1, more: int = 0) -> bytes:
    return bytes([kind, flags]) + bytes(22 + more) + BODY


@pytest.mark.parametrize("kind", [0x00, 0x40, 0x80, 0xB4, 0xD4, 0x48, 0xC8, 0x0C])
def test_frames_that_hold_no_data_are_not_opened(kind: int) -> None:
    packet = decode(frame(kind), 105)
    assert (packet.ip, packet.problems, packet.layers) == (None, (), ("wlan",))


@pytest.mark.parametrize("kind", [0x08, 0x88])
def test_encrypted_data_stays_closed_and_says_so(kind: int) -> None:
    packet = decode(frame(kind, 0x41, 2 if kind == 0x88 else 0), 105)
    assert packet.ip is None
    assert packet.problems == ("encrypted 802.11 data",)


@pytest.mark.parametrize("direction", range(4))
@pytest.mark.parametrize("quality", [False, True])
def test_all_directions_and_both_header_lengths_are_read(direction: int, quality: bool) -> None:
    packet = decode(
        frame(0x88 if quality else 0x08, direction, (6 if direction == 3 else 0) + (2 if quality else 0)), 105
    )
    assert packet.tcp is not None
    assert packet.tcp.dport == 6


@pytest.mark.parametrize("length", [0, 1, 7, 200, 65_535])
def test_a_radiotap_header_of_impossible_length_gives_no_packet(length: int) -> None:
    packet = decode(struct.pack("<BBHI", 0, 0, length, 0) + frame(0x08), 127)
    assert packet.tcp is None
    assert packet.problems


@pytest.mark.parametrize("length", [0, 7, 2000, 2**31])
def test_a_prism_header_of_impossible_length_gives_no_packet(length: int) -> None:
    assert decode(struct.pack("<II", 0x44, length) + bytes(136) + frame(0x08), 119).tcp is None


@pytest.mark.parametrize("timer", [False, True])
@pytest.mark.parametrize("words", range(4))
@pytest.mark.parametrize(("flags", "payload"), [(0x10, b""), (0x00, b"\xde\xad\xbe\xef"), (None, b"\xde\xad\xbe\xef")])
def test_the_checksum_behind_a_frame_is_no_payload(flags: int | None, payload: bytes, timer: bool, words: int) -> None:
    """The radiotap flags say whether it is there; with a zero total length the IP packet ends where the frame does."""
    packet = decode(
        bytes(radiotap(flags, timer, words, b"\xde\xad\xbe\xef")(IP(src="192.0.2.1", dst="192.0.2.2", len=0) / TCP())),
        127,
    )
    assert packet.tcp is not None
    assert (packet.tcp.payload, packet.tcp.length) == (payload, len(payload))


def test_a_checksum_that_was_cut_off_takes_no_payload_with_it() -> None:
    whole = bytes(
        radiotap(0x10, False, 0, b"payload!\xde\xad\xbe\xef")(IP(src="192.0.2.1", dst="192.0.2.2", len=0) / TCP())
    )
    for size, payload in ((len(whole) - 1, b"payload!"), (len(whole) - 4, b"payload!"), (len(whole) - 6, b"payloa")):
        packet = decode(whole[:size], 127, len(whole))
        assert packet.tcp is not None
        assert (packet.tcp.payload, packet.tcp.length) == (payload, 8)
