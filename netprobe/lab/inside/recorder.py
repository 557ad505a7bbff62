"""Record everything on all interfaces of this namespace into a pcapng file: who saw what, and in which direction.

    recorder.py FILE

It says "ready" when it listens, and ends on SIGTERM or SIGINT after it has written what the kernel still held. Timestamps are
the kernel's, in nanoseconds; each frame says whether it came in or went out (epb_flags), each interface has its name.
"""

import os
import select
import signal
import socket
import struct
import sys
import time

ETH_P_ALL, PACKET_OUTGOING, SO_TIMESTAMPNS, SOL_PACKET, PACKET_STATISTICS = 3, 4, 35, 263, 6
FORCE_BUFFER, ETHERNET, LOOPBACK = 33, 1, "lo"


def block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def main(path: str) -> None:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setsockopt(socket.SOL_SOCKET, FORCE_BUFFER, 16 << 20)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with open(path, "wb", buffering=0) as out:
        out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        print("ready", flush=True)
        indexes: dict[str, int] = {}
        stopping = False
        tapped, woken = tap.fileno(), wake
        while True:
            ready = select.select([tapped, woken], [], [], 0 if stopping else None)[0]
            if woken in ready:
                stopping = bool(os.read(wake, 64))
            if tapped in ready:
                record(tap, out.write, indexes)
            elif stopping:
                break
        dropped = struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        if indexes:
            options = option(5, struct.pack("<Q", dropped)) + option(0, b"")  # isb_ifdrop
            now = time.time_ns()
            out.write(block(5, struct.pack("<III", 0, now >> 32, now & 0xFFFFFFFF) + options))


def record(tap, write, indexes) -> None:  # type: ignore[no-untyped-def]
    """Write one frame, and before it the interface if it is new."""
    frame, ancillary, _, origin = tap.recvmsg(65536, 64)
    name, kind = origin[0], origin[2]
    if name == LOOPBACK and kind == PACKET_OUTGOING:
        return  # loopback shows everything twice
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
    moment = seconds * 1_000_000_000 + nanoseconds
    if name not in indexes:
        indexes[name] = len(indexes)
        options = option(2, name.encode()) + option(9, b"\x09") + option(0, b"")  # if_name, if_tsresol
        write(block(1, struct.pack("<HHI", ETHERNET, 0, 0) + options))
    direction = 2 if kind == PACKET_OUTGOING else 1
    head = struct.pack("<IIIII", indexes[name], moment >> 32, moment & 0xFFFFFFFF, len(frame), len(frame))
    options = option(2, struct.pack("<I", direction)) + option(0, b"")
    write(block(6, head + frame + bytes(-len(frame) % 4) + options))


if __name__ == "__main__":
    main(sys.argv[1])
