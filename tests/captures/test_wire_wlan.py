"""802.11: data frames are opened, all others are not, and what is encrypted stays closed."""

import struct

import pytest
from scapy.layers.inet import IP, TCP

from captures.packet import decode

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


def test_the_checksum_behind_a_frame_is_no_payload() -> None:
    """With a zero total length the IP packet would else end where the frame does."""
    body = bytearray(BODY)
    body[10:12] = bytes(2)
    radiotap = struct.pack("<BBHIB", 0, 0, 9, 2, 0x10)
    packet = decode(radiotap + bytes([8, 1]) + bytes(22) + bytes(body) + b"\xde\xad\xbe\xef", 127)
    assert packet.tcp is not None
    assert (packet.tcp.payload, packet.tcp.length) == (b"", 0)
