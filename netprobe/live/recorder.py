"""The recorder: every packet to and from one address, and every ICMP error, on all interfaces, with direction and kernel
time. Packet sockets of the kernel are used as they are: libpcap hands out neither direction nor nanoseconds in Python.

Needs CAP_NET_RAW on Linux; opening raises PermissionError without it, and OSError elsewhere.
"""

import os
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Thread
from typing import NamedTuple

from captures.flags import INBOUND, OUTBOUND
from captures.wire.checksum import ones_complement_sum

_SOL_PACKET, _PACKET_STATISTICS, _PACKET_AUXDATA = 263, 6, 8
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _ETH_P_ALL = 26, 35, 3
_OUTGOING = 4
_PACKET_KIND = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE
_CHECKSUM_PENDING = 1 << 3  # TP_STATUS_CSUMNOTREADY: the card fills the checksum in
_MOST = 65_536
_BUFFER = 4 << 20


class Frame(NamedTuple):
    """One recorded IP packet: its interface, when, INBOUND or OUTBOUND, its bytes from the IP header on."""

    device: str
    ts_ns: int
    direction: int
    data: bytes


class Recorder:
    """Records from the moment it is made; `drain` takes what has arrived, `dropped` counts what the kernel had to drop."""

    def __init__(self, address: str | None) -> None:
        """Everything about one address; with None all TCP and ICMP of this host."""
        kind = getattr(socket, "AF_PACKET", None)
        if kind is None:
            raise OSError("packet sockets are a Linux thing")
        self._socket = socket.socket(kind, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        program = _program(ip_address(address)) if address else _ANY
        filters = b"".join(struct.pack("HBBI", *line) for line in program)
        import ctypes

        memory = ctypes.create_string_buffer(filters)
        attached = struct.pack("HxxxxxxP", len(program), ctypes.addressof(memory))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._socket.setblocking(False)
        self._target = ip_address(address.partition("%")[0]).packed if address else b""
        self.frames: list[Frame] = []
        self.others: list[Frame] = []  # SYNs of this host to other addresses
        self.drain()
        self.frames.clear()  # what came before the filter was in place
        self.dropped = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def closed(self) -> bool:
        return self.fileno() < 0

    def drain(self) -> None:
        """Take everything that has arrived."""
        while True:
            try:
                data, extra, _, sender = self._socket.recvmsg(_MOST, 512)
            except BlockingIOError:
                return
            device, _, how = sender[:3]
            if device == "lo" and how == _OUTGOING:
                continue  # what loops comes in again
            ts_ns, pending = 0, False
            for level, kind, value in extra:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("ll", value[:16])
                    ts_ns = seconds * 1_000_000_000 + nanoseconds
                elif level == _SOL_PACKET and kind == _PACKET_AUXDATA:
                    pending = bool(struct.unpack("I", value[:4])[0] & _CHECKSUM_PENDING)
            direction = OUTBOUND if how == _OUTGOING else INBOUND
            frame = Frame(device, ts_ns, direction, _completed(data) if pending else data)
            (self.frames if self._concerns(data) else self.others).append(frame)

    def _concerns(self, data: bytes) -> bool:
        """Whether a packet is about the address, or an ICMP message."""
        v4 = data[0] >> 4 == 4
        ends = data[12:20] if v4 else data[8:40]
        half = len(ends) // 2
        return (
            not self._target or data[9 if v4 else 6] != socket.IPPROTO_TCP or self._target in (ends[:half], ends[half:])
        )

    def close(self) -> None:
        """Take the last packets and the kernel's count of what it dropped."""
        self.drain()
        received = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self.dropped = struct.unpack("II", received)[1]
        # The kernel waits for all its processors before it lets a packet socket go: that need not be waited for here.
        Thread(target=os.close, args=(self._socket.detach(),), daemon=True).start()


def _completed(data: bytes) -> bytes:
    """The packet with the TCP checksum that the network card is going to fill in."""
    version = data[0] >> 4
    start = (data[0] & 15) * 4 if version == 4 else 40
    if data[9 if version == 4 else 6] != socket.IPPROTO_TCP or len(data) < start + 20:
        return data
    addresses = data[12:20] if version == 4 else data[8:40]
    segment = data[start : start + 16] + b"\0\0" + data[start + 18 :]
    total = ones_complement_sum(addresses + struct.pack(">II", len(segment), socket.IPPROTO_TCP) + segment)
    return data[: start + 16] + struct.pack(">H", ~total & 0xFFFF) + data[start + 18 :]


_ANY = [  # IPv4 with TCP or ICMP, IPv6 with TCP or ICMPv6
    (0x30, 0, 0, 0), (0x74, 0, 0, 4), (0x15, 0, 4, 4), (0x30, 0, 0, 9), (0x15, 5, 0, 6), (0x15, 4, 0, 1), (0x06, 0, 0, 0),
    (0x30, 0, 0, 6), (0x15, 1, 0, 6), (0x15, 0, 1, 58), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0),
]  # fmt: skip


def _program(target: IPv4Address | IPv6Address) -> list[tuple[int, int, int, int]]:
    """A classic BPF program: TCP from and to the target, and all ICMP of its family."""
    load_byte, load_word, equal, shift, give = 0x30, 0x20, 0x15, 0x74, 0x06
    v4 = target.version == 4
    packed = target.packed
    words = [int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed), 4)]
    lines: list[tuple[int, int, int, int]] = []
    # Offsets of jumps count from the next line; 255 stands for "reject" and 254 for "accept" until the end is known.
    lines.append((load_byte, 0, 0, 0))
    lines.append((shift, 0, 0, 4))
    lines.append((equal, 0, 255, 4 if v4 else 6))
    lines.append((load_byte, 0, 0, 9 if v4 else 6))
    lines.append((equal, 254, 0, 1 if v4 else 58))
    for place in (12, 16) if v4 else (8, 24):
        for number, word in enumerate(words):
            last = number == len(words) - 1
            skip = 2 * (len(words) - 1 - number)  # the rest of this address
            lines.append((load_word, 0, 0, place + 4 * number))
            lines.append((equal, 254 if last else 0, skip, word))
    # And what leaves this host to open a TCP connection anywhere: it may be ours, sent elsewhere by this host's own NAT.
    lines.append((load_byte, 0, 0, 9 if v4 else 6))
    lines.append((equal, 0, 255, 6))
    lines.append((load_word, 0, 0, _PACKET_KIND))
    lines.append((equal, 0, 255, _OUTGOING))
    if v4:
        lines += [(0xB1, 0, 0, 0), (0x50, 0, 0, 13)]  # behind an IPv4 header, however long
    else:
        lines.append((load_byte, 0, 0, 53))
    lines.append((0x54, 0, 0, 0x12))  # SYN and ACK
    lines.append((equal, 254, 255, 0x02))
    end = len(lines)
    lines.append((give, 0, 0, 0))
    lines.append((give, 0, 0, 0x40000))
    places = {255: end, 254: end + 1}

    def jump(at: int, to: int) -> int:
        return places[to] - at - 1 if to in places else to

    return [(code, jump(at, yes), jump(at, no), value) for at, (code, yes, no, value) in enumerate(lines)]
