"""Record everything on all interfaces of this namespace into a file: who saw what, and in which direction.

    recorder.py FILE

It says "ready" when it listens, and ends on SIGTERM or SIGINT after it has written what the kernel still held. Timestamps are
the kernel's, in nanoseconds. A FILE whose name ends in .pcapng says of each frame whether it came in or went out (epb_flags) and
on which interface, and in the end how many frames were lost; any other is a plain pcap, which cannot say that.
"""

import os
import select
import signal
import socket
import struct
import sys
import time
from typing import IO

ETH_P_ALL, PACKET_OUTGOING, SO_TIMESTAMPNS, SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 3, 4, 35, 263, 6, 33
ETHERNET, LOOPBACK = 1, "lo"


class Pcap:
    """A plain pcap file with nanoseconds."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, ETHERNET))

    def write(self, moment: int, name: str, outgoing: bool, frame: bytes) -> None:
        self.out.write(struct.pack("<IIII", *divmod(moment, 1_000_000_000), len(frame), len(frame)) + frame)

    def close(self, dropped: int) -> None:
        pass


class Pcapng:
    """A pcapng file: interfaces by name, directions, the count of lost frames."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out
        self.indexes: dict[str, int] = {}
        self._block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))

    def write(self, moment: int, name: str, outgoing: bool, frame: bytes) -> None:
        if name not in self.indexes:
            self.indexes[name] = len(self.indexes)
            named = _option(2, name.encode()) + _option(9, b"\x09") + _option(0, b"")  # if_name, if_tsresol
            self._block(1, struct.pack("<HHI", ETHERNET, 0, 0) + named)
        head = struct.pack("<IIIII", self.indexes[name], moment >> 32, moment & 0xFFFFFFFF, len(frame), len(frame))
        direction = _option(2, struct.pack("<I", 2 if outgoing else 1)) + _option(0, b"")
        self._block(6, head + frame + bytes(-len(frame) % 4) + direction)

    def close(self, dropped: int) -> None:
        now = time.time_ns()
        lost = _option(5, struct.pack("<Q", dropped)) + _option(0, b"")  # isb_ifdrop, of all interfaces together
        if self.indexes:
            self._block(5, struct.pack("<III", 0, now >> 32, now & 0xFFFFFFFF) + lost)

    def _block(self, kind: int, body: bytes) -> None:
        length = len(body) + 12
        self.out.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def main(path: str) -> None:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with open(path, "wb", buffering=0) as out:
        file: Pcap | Pcapng = Pcapng(out) if path.endswith(".pcapng") else Pcap(out)
        print("ready", flush=True)
        stopping = False
        tapped = tap.fileno()
        while True:
            ready = select.select([tapped, woken], [], [], 0 if stopping else None)[0]
            if woken in ready:
                stopping = bool(os.read(woken, 64))
            if tapped in ready:
                record(tap, file)
            elif stopping:
                break
        file.close(struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])


def record(tap: socket.socket, file: Pcap | Pcapng) -> None:
    """Write one frame."""
    frame, ancillary, _, origin = tap.recvmsg(65536, 64)
    name, outgoing = origin[0], origin[2] == PACKET_OUTGOING
    if name == LOOPBACK and outgoing:
        return  # loopback shows everything twice
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
    file.write(seconds * 1_000_000_000 + nanoseconds, name, outgoing, frame)


if __name__ == "__main__":
    main(sys.argv[1])
