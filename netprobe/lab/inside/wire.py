"""A piece of cable between two routers that does what Linux cannot: carry frames late, or answer in others' names.

    wire.py delay MS                    every frame arrives MS milliseconds late
    wire.py reset PORT [WAYS]...        a SYN to PORT is swallowed, and answered with a RST in the target's name

WAYS of the RST: ttl=N or ttl=copy (default 64), id=N or id=copy (0), window=N or window=copy (0); careless: it also answers SYNs
whose checksum is wrong, which a host ignores; pass: the SYN goes on as well, so that the target answers too, only later.

It forwards between the two interfaces of its namespace, says "ready" when it does, and ends when its lab does.
"""

import select
import socket
import struct
import sys
import time
from collections import deque

ETH_P_ALL, PACKET_OUTGOING, TCP = 3, 4, 6
SYN, RST, ACK = 2, 4, 16


def checksum(data: bytes) -> int:
    """The Internet checksum; over data that holds its own checksum, 0."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Injector:
    """Answers SYNs to one port."""

    def __init__(self, port: str, *ways: str) -> None:
        self.port = int(port)
        self.ways = dict(way.split("=") for way in ways if "=" in way)
        self.careless = "careless" in ways
        self.carry_on = "pass" in ways

    def answer(self, frame: bytes) -> bytes | None:
        """The RST for a frame, or None if this is none to be answered."""
        version = {b"\x08\x00": 4, b"\x86\xdd": 6}.get(frame[12:14])
        packet = frame[14:]
        if version == 4:
            length = (packet[0] & 15) * 4
            protocol, source, target = packet[9], packet[12:16], packet[16:20]
            packet = packet[: struct.unpack("!H", packet[2:4])[0]]
            ttl, ident = packet[8], struct.unpack("!H", packet[4:6])[0]
        elif version == 6:
            length, protocol, source, target = 40, packet[6], packet[8:24], packet[24:40]
            packet = packet[: 40 + struct.unpack("!H", packet[4:6])[0]]
            ttl, ident = packet[7], 0
        else:
            return None
        segment = packet[length:]
        if protocol != TCP or len(segment) < 20 or segment[13] & (SYN | ACK | RST) != SYN:
            return None
        if struct.unpack("!H", segment[2:4])[0] != self.port:
            return None
        pseudo = source + target + struct.pack("!II", len(segment), TCP)
        if not self.careless and checksum(pseudo + segment):
            return None
        sequence, window = struct.unpack("!I", segment[4:8])[0], struct.unpack("!H", segment[14:16])[0]
        window = self._value("window", window, 0)
        reset = (
            segment[2:4]
            + segment[0:2]
            + struct.pack("!IIBBHHH", 0, (sequence + 1) % 2**32, 0x50, RST | ACK, window, 0, 0)
        )
        reset = (
            reset[:16] + struct.pack("!H", checksum(target + source + struct.pack("!II", 20, TCP) + reset)) + reset[18:]
        )
        ttl, ident = self._value("ttl", ttl, 64), self._value("id", ident, 0)
        if version == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 40, ident, 0, ttl, TCP, 0) + target + source
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        else:
            head = struct.pack("!IHBB", 6 << 28, 20, TCP, ttl) + target + source
        return frame[6:12] + frame[0:6] + frame[12:14] + head + reset

    def _value(self, name: str, copy: int, usual: int) -> int:
        way = self.ways.get(name, str(usual))
        return copy if way == "copy" else int(way)


def main(what: str, *arguments: str) -> None:
    delay = int(arguments[0]) / 1000 if what == "delay" else 0.0
    injector = Injector(*arguments) if what == "reset" else None
    names = [name for _, name in socket.if_nameindex() if name.startswith("to-")]
    ends = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) for _ in names]
    for end, name in zip(ends, names, strict=True):
        end.bind((name, ETH_P_ALL))
    one, two = ends
    other = {one: two, two: one}
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    print("ready", flush=True)
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], pause)[0]:
            frame, origin = end.recvfrom(65535)
            if origin[2] == PACKET_OUTGOING:
                continue
            if injector is not None and (reset := injector.answer(frame)) is not None:
                end.send(reset)
                if not injector.carry_on:
                    continue
            waiting.append((time.monotonic() + delay, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, end, frame = waiting.popleft()
            end.send(frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
