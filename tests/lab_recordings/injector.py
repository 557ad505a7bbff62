"""A box beside the path that sees copies of the client's packets and sends resets in the server's name.

It drops nothing: the packet that it answers travels on, and the server's real answer arrives after the reset.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

FIN, SYN, RST, ACK = 1, 2, 4, 16
OWN_TTL = 64
ETHERNET = 14


@dataclass(frozen=True)
class Seen:
    """What the box reads of a TCP segment over IPv4."""

    macs: bytes
    source: bytes
    destination: bytes
    ttl: int
    ports: tuple[int, int]
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes

    @classmethod
    def read(cls, frame: bytes) -> Seen | None:
        """Read an Ethernet frame; None when it is not TCP over IPv4."""
        if frame[12:14] != b"\x08\x00" or frame[ETHERNET + 9] != socket.IPPROTO_TCP:
            return None
        packet = frame[ETHERNET:][: int.from_bytes(frame[ETHERNET + 2 : ETHERNET + 4])]
        segment = packet[(packet[0] & 15) * 4 :]
        source, destination, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", segment)
        return cls(
            macs=frame[6:12] + frame[:6],
            source=packet[12:16],
            destination=packet[16:20],
            ttl=packet[8],
            ports=(source, destination),
            sequence=sequence,
            acknowledged=acknowledged,
            flags=flags,
            payload=segment[(offset >> 4) * 4 :],
        )

    def reset(self, ttl: int) -> bytes:
        """The frame that resets this segment's sender in the name of its receiver, as a TCP stack would do it."""
        if self.flags & ACK:
            sequence, acknowledged, flags = self.acknowledged, 0, RST
        else:
            length = len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)
            sequence, acknowledged, flags = 0, (self.sequence + length) % 2**32, RST | ACK
        to_sender, to_receiver = self.ports
        tcp = struct.pack("!HHIIBBHHH", to_receiver, to_sender, sequence, acknowledged, 5 << 4, flags, 0, 0, 0)
        pseudo = self.destination + self.source + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp))
        tcp = tcp[:16] + checksum(pseudo + tcp) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, ttl, socket.IPPROTO_TCP, 0)
        ip += self.destination + self.source
        return self.macs + b"\x08\x00" + ip[:10] + checksum(ip) + ip[12:] + tcp


def checksum(data: bytes) -> bytes:
    """The Internet checksum of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)


def is_syn(segment: Seen) -> bool:
    """The client asks for a connection."""
    return segment.flags & (SYN | ACK) == SYN


def is_version(segment: Seen) -> bool:
    """The client says which SSH it speaks."""
    return segment.payload.startswith(b"SSH-")


# What sets the box off, and whether it copies the TTL that the server's packets have where it stands.
Kind = tuple[Callable[[Seen], bool], bool]
KINDS: dict[str, Kind] = {"syn": (is_syn, False), "version-copying-ttl": (is_version, True)}


def watch(interface: str, port: int, kind: Kind, ready: Callable[[], None], stop: float) -> None:
    """Watch the client's side of a router until a moment, and reset what sets the box off."""
    sets_off, copies_ttl = kind
    ttl_of: dict[bytes, int] = {}  # by server
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as box:
        box.bind((interface, 3))
        ready()
        while (left := stop - time.monotonic()) > 0:
            if not select.select([box], [], [], left)[0]:
                return
            frame, origin = box.recvfrom(65535)
            segment = Seen.read(frame)
            if segment is None:
                continue
            if origin[2] == socket.PACKET_OUTGOING:
                if segment.ports[0] == port and not segment.flags & RST:
                    ttl_of[segment.source] = segment.ttl
            elif segment.ports[1] == port and sets_off(segment):
                box.send(segment.reset(ttl_of.get(segment.destination, OWN_TTL) if copies_ttl else OWN_TTL))
