"""The scan: a window of frames -> `PacketTable`, whole arrays at a time.

Frames of the common shapes (Ethernet with VLAN tags, Linux cooked, raw, loopback; IPv4 with options, plain IPv6; TCP, and
ICMP errors that quote TCP) are read as whole arrays. Everything else that may hold TCP, such as tunnels, MPLS, extension
headers, first fragments or cut headers, goes through `captures.packet.decode`, frame by frame: same columns, more time.
"""

from collections import Counter
from typing import Any

import numpy as np

from captures.formats.window import Ints, Window
from captures.packet import decode
from captures.table import FRAME_COLUMNS, TYPES, Array, PacketTable, row_of
from captures.wire.link import ETHERTYPES
from captures.wire.tunnel import UDP_TUNNELS

_IPV4 = np.dtype(
    [("version", "u1"), ("tos", "u1"), ("length", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"),
     ("protocol", "u1"), ("sum", ">u2"), ("src", ">u4"), ("dst", ">u4")]
)  # fmt: skip
_IPV6 = np.dtype(
    [("first", ">u4"), ("length", ">u2"), ("protocol", "u1"), ("ttl", "u1"), ("src_hi", ">u8"), ("src_lo", ">u8"),
     ("dst_hi", ">u8"), ("dst_lo", ">u8")]
)  # fmt: skip
_TCP = np.dtype(
    [("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4"), ("ack", ">u4"), ("offset", "u1"), ("flags", "u1"),
     ("window", ">u2"), ("sum", ">u2"), ("urgent", ">u2")]
)  # fmt: skip
_QUOTED_TCP = np.dtype([("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4")])
_ICMP = np.dtype([("type", "u1"), ("code", "u1"), ("sum", ">u2"), ("rest", ">u4")])
_WORD = np.dtype(">u2")

_IP_TYPES = [value for value, step in ETHERTYPES.items() if step == "ip"]
_VLAN_TYPES = [value for value, step in ETHERTYPES.items() if step == "vlan"]
_OTHER_TYPES = [value for value, step in ETHERTYPES.items() if step not in ("ip", "vlan")]


def _lookup(values: list[int], size: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    table = np.zeros(size, np.bool_)
    table[values] = True
    return table


_IS_IP = _lookup(_IP_TYPES, 1 << 16)
_IS_VLAN = _lookup(_VLAN_TYPES, 1 << 16)
_SLOW_TYPE = _lookup([*_OTHER_TYPES, *range(0x0600)], 1 << 16)
_TUNNEL_PORT = _lookup(list(UDP_TUNNELS), 1 << 16)
_SLOW_PROTOCOL = _lookup([0, 4, 41, 43, 44, 47, 51, 60, 135, 139, 140, 253, 254], 256)
_V4_ERROR = _lookup([3, 4, 5, 11, 12], 256)
_V6_ERROR = _lookup([1, 2, 3, 4], 256)

_LINK_OFFSETS = {1: 12, 113: 14, 276: 0}  # where the EtherType stands
_LINK_SIZES = {1: 14, 113: 16, 276: 20, 101: 0, 12: 0, 14: 0, 228: 0, 229: 0, 0: 4, 108: 4}
DECODED_LINKS = frozenset({9, 50, 51, 104, 105, 109, 119, 127, 192, 204})  # known, but always decoded frame by frame


def scan(window: Window, counts: Counter[str]) -> PacketTable:
    """The rows of one window. `counts` gains what was seen: `tcp`, `icmp-error`, `fragment`, `other`, tunnel names and
    `unreadable` frames.
    """
    scan_ = _Scan(window, counts)
    first = int(window.link[0])
    if (window.link == first).all():
        scan_.frames(np.arange(len(window)), first)
    else:
        for link in np.unique(window.link):
            scan_.frames(np.flatnonzero(window.link == link), int(link))
    return scan_.table()


class _Scan:
    def __init__(self, window: Window, counts: Counter[str]) -> None:
        self.window = window
        self.counts = counts
        self.end = window.start + window.caplen
        self.parts: list[tuple[Ints, dict[str, Array]]] = []
        self.slow: list[Ints] = []

    def read(self, at: Ints, header: np.dtype[Any]) -> Array:
        """One header per offset, gathered from the buffer."""
        buffer = self.window.buffer
        size = header.itemsize
        raw = np.ndarray((len(buffer) - size,), f"V{size}", buffer.data, strides=(1,))
        out: Array = raw[np.minimum(at, len(buffer) - size - 1)].view(header)
        return out

    def frames(self, frame: Ints, link: int) -> None:
        """Sort the frames of one link type into IPv4, IPv6, those to decode one by one, and the rest."""
        size = _LINK_SIZES.get(link)
        if size is None:
            if link in DECODED_LINKS:
                self.slow.append(frame)
            else:
                self.counts["unreadable"] += len(frame)
            return
        l3 = self.window.start[frame] + size
        if link in _LINK_OFFSETS:
            kind = self.read(self.window.start[frame] + _LINK_OFFSETS[link], _WORD).astype(np.int64)
            tagged = np.flatnonzero(_IS_VLAN[kind])
            for _ in range(4):
                if not len(tagged):
                    break
                kind[tagged] = self.read(l3[tagged] + 2, _WORD)
                l3[tagged] += 4
                tagged = tagged[_IS_VLAN[kind[tagged]]]
            cut = l3 > self.end[frame]  # inside the link header: what was read there is the next frame's
            is_ip = _IS_IP[kind] & ~cut
            if not is_ip.all():
                self._aside(frame, _SLOW_TYPE[kind] | _IS_VLAN[kind] | cut, ~is_ip)
                frame, l3 = frame[is_ip], l3[is_ip]
        short = l3 >= self.end[frame]
        version = self.window.buffer[np.minimum(l3, len(self.window.buffer) - 1)] >> 4
        v4, v6 = (version == 4) & ~short, (version == 6) & ~short
        if not (v4 | v6).all():
            self._aside(frame, ~(v4 | v6), ~(v4 | v6))
        for chosen, walk in ((v4, self._ipv4), (v6, self._ipv6)):
            if chosen.all():
                walk(frame, l3)
            elif chosen.any():
                walk(frame[chosen], l3[chosen])

    def _aside(self, frame: Ints, slow: Array, leaving: Array) -> None:
        """Of the frames that leave the fast path, those that `slow` marks are decoded, the rest counted as other."""
        self.slow.append(frame[slow & leaving])
        self.counts["other"] += int((leaving & ~slow).sum())

    def _ipv4(self, frame: Ints, l3: Ints) -> None:
        ip = self.read(l3, _IPV4)
        size = (ip["version"] & 15).astype(np.int64) * 4
        total = ip["length"].astype(np.int64)
        offloaded = total == 0
        if offloaded.any():
            wire = self.window.start[frame] + np.maximum(self.window.origlen, self.window.caplen)[frame] - l3
            total = np.where(offloaded, wire, total)
        l4 = l3 + size
        end = np.minimum(self.end[frame], l3 + total)
        later = (ip["fragment"] & 0x1FFF) != 0
        first = ((ip["fragment"] & 0x2000) != 0) & ~later
        odd = first | (size < 20) | (total < size) | (l3 + 20 > end) | (l4 > end)
        self._transport(frame, l4, end, l3 + total, ip["protocol"], odd, later, ip, 1)

    def _ipv6(self, frame: Ints, l3: Ints) -> None:
        ip = self.read(l3, _IPV6)
        length = ip["length"].astype(np.int64)
        l4 = l3 + 40
        end = np.minimum(self.end[frame], l4 + length)
        odd = (length == 0) | (l4 > end)
        self._transport(frame, l4, end, l4 + length, ip["protocol"], odd, np.zeros(len(frame), np.bool_), ip, 58)

    def _transport(
        self, frame: Ints, l4: Ints, end: Ints, wire_end: Ints, protocol: Array, odd: Array, later: Array, ip: Array,
        icmp_number: int,
    ) -> None:  # fmt: skip
        """Split by transport: whole TCP headers are nearly all of most captures, so the rest is sorted out apart."""
        tcp = (protocol == 6) & (l4 + 20 <= end) & ~(odd | later)
        if tcp.all():
            self._tcp(frame, l4, end, wire_end, ip)
            return
        rest = np.flatnonzero(~tcp)
        self._not_tcp(frame[rest], l4[rest], end[rest], protocol[rest], odd[rest], later[rest], ip[rest], icmp_number)
        if len(rest) < len(frame):
            self._tcp(frame[tcp], l4[tcp], end[tcp], wire_end[tcp], ip[tcp])

    def _not_tcp(
        self, frame: Ints, l4: Ints, end: Ints, protocol: Array, odd: Array, later: Array, ip: Array, icmp_number: int
    ) -> None:
        """ICMP, tunnels, fragments, cut headers, and what netprobe does not look at."""
        icmp = (protocol == icmp_number) & ~odd & ~later
        tunnel = _SLOW_PROTOCOL[protocol]
        udp = np.flatnonzero((protocol == 17) & ~later)
        if len(udp):
            ports = self.read(l4[udp], _QUOTED_TCP)
            tunnel[udp] = _TUNNEL_PORT[ports["sport"]] | _TUNNEL_PORT[ports["dport"]]
        short = l4 + 8 > end
        later = later & ~odd
        slow = ~later & (tunnel | odd | (icmp & short) | ((protocol == 17) & short) | (protocol == 6))
        fast = icmp & ~slow
        self.counts["fragment"] += int(later.sum())
        self._aside(frame, slow, ~(fast | later))
        if fast.any():
            self._icmp(frame[fast], l4[fast], end[fast], ip[fast])

    def _tcp(self, frame: Ints, l4: Ints, end: Ints, wire_end: Ints, ip: Array) -> None:
        tcp = self.read(l4, _TCP)
        size = (tcp["offset"] >> 4).astype(np.int64) * 4
        good = (size >= 20) & (l4 + size <= wire_end)
        if not good.all():
            self.slow.append(frame[~good])
            frame, l4, end, wire_end, ip, tcp, size = (a[good] for a in (frame, l4, end, wire_end, ip, tcp, size))
        payload = l4 + size
        self._add(
            frame, ip, ttl=ip["ttl"],
            sport=tcp["sport"], dport=tcp["dport"], seq=tcp["seq"], ack=tcp["ack"], flags=tcp["flags"],
            window=tcp["window"], length=wire_end - payload, payload_start=np.minimum(payload, end),
            payload_caplen=np.maximum(end - payload, 0),
        )  # fmt: skip

    def _icmp(self, frame: Ints, l4: Ints, end: Ints, ip: Array) -> None:
        head = self.read(l4, _ICMP)
        v6 = "src_hi" in (ip.dtype.names or ())
        error = (_V6_ERROR if v6 else _V4_ERROR)[head["type"]]
        quote = l4 + 8
        inner = self.read(quote, _IPV6 if v6 else _IPV4)
        if v6:
            size = np.full(len(frame), 40, np.int64)
            plain = (inner["first"] >> 28 == 6) & (inner["protocol"] == 6)
        else:
            size = (inner["version"] & 15).astype(np.int64) * 4
            plain = (inner["version"] >> 4 == 4) & (size >= 20) & (inner["protocol"] == 6)
            plain &= (inner["fragment"] & 0x1FFF) == 0
        fast = error & plain & (quote + size + 8 <= end)
        self._aside(frame, error, ~fast)
        if not fast.any():
            return
        frame, head, quote, inner, size, ip = (a[fast] for a in (frame, head, quote, inner, size, ip))
        tcp = self.read(quote + size, _QUOTED_TCP)
        self._add(
            frame, inner, icmp=True, ttl=ip["ttl"], tos_of=ip, sport=tcp["sport"], dport=tcp["dport"], seq=tcp["seq"],
            icmp_type=head["type"], icmp_code=head["code"], quoted_ttl=inner["ttl"],
            sender_hi=ip["src_hi"] if v6 else 0, sender_lo=ip["src_lo"] if v6 else ip["src"],
        )  # fmt: skip

    def _add(self, frame: Ints, flow: Array, tos_of: Array | None = None, **columns: Any) -> None:
        """Rows of one shape; `flow` holds the addresses, `tos_of` (else `flow`) the IP header of the frame itself."""
        own = flow if tos_of is None else tos_of
        if "src_hi" in (flow.dtype.names or ()):
            columns |= {name: flow[name] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")}
            columns |= {"family": 6, "tos": own["first"] >> 20 & 0xFF}
        else:
            columns |= {
                "family": 4,
                "src_lo": flow["src"],
                "dst_lo": flow["dst"],
                "tos": own["tos"],
                "ip_id": own["id"],
            }
        self.parts.append((frame, columns))

    def _decoded(self) -> None:
        """Rows for the frames that need the full decode."""
        pending = np.concatenate(self.slow) if self.slow else np.zeros(0, np.int64)
        rows: list[tuple[int, dict[str, Any]]] = []
        for index in np.sort(pending):
            window = self.window
            start, size = int(window.start[index]), int(window.caplen[index])
            data = window.buffer[start : start + size].tobytes()
            packet = decode(data, int(window.link[index]), int(window.origlen[index]))
            self.counts.update(packet.tunnels)
            row = row_of(packet, start)
            if row is not None:
                rows.append((int(index), row))
            elif packet.ip is not None and packet.ip.is_later_fragment:
                self.counts["fragment"] += 1
            elif packet.problems:
                self.counts["unreadable"] += 1
            else:
                self.counts["other"] += 1
        if rows:
            columns = {name: np.array([row[name] for _, row in rows], TYPES[name]) for name in TYPES}
            self.parts.append((np.array([index for index, _ in rows], np.int64), columns))

    def table(self) -> PacketTable:
        self._decoded()
        there = np.zeros(len(self.window), np.bool_)
        for frame, _ in self.parts:
            there[frame] = True
        rows = np.flatnonzero(there)
        place = np.cumsum(there) - 1  # the row of every frame that has one
        whole = len(rows) == len(there)
        columns = {
            name: getattr(self.window, name) if whole else getattr(self.window, name)[rows] for name in FRAME_COLUMNS
        }
        targets = [place[frame] for frame, _ in self.parts]
        for name, kind in TYPES.items():
            if len(self.parts) == 1 and isinstance(value := self.parts[0][1].get(name), np.ndarray):
                columns[name] = value.astype(kind, copy=False)
                continue
            columns[name] = column = np.zeros(len(rows), kind)
            for target, (_, part) in zip(targets, self.parts, strict=True):
                if name in part:
                    column[target] = part[name]
        table = PacketTable(**columns)
        errors = int(table.icmp.sum())
        self.counts["icmp-error"] += errors
        self.counts["tcp"] += len(table) - errors
        return table
