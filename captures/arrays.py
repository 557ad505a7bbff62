"""The scan with whole arrays at a time, header by header: what native.c does where it was compiled, bit for bit."""

from collections import Counter
from typing import Any

import numpy as np

from captures.decoded import Columns, Sign, one_by_one
from captures.formats.window import Ints, Window, constant
from captures.numbers import (
    DECODED_LINKS,
    IS_IP,
    IS_VLAN,
    LINK_OFFSETS,
    LINK_SIZES,
    MOST_HOPS,
    PROBED_PORT,
    SLOW_PROTOCOL,
    SLOW_TYPE,
    TUNNEL_PORT,
    V4_ECHO,
    V4_ERROR,
    V6_ECHO,
    V6_ERROR,
)  # fmt: skip
from captures.table import FRAME_COLUMNS, TYPES, Array, PacketTable

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


def _headers(l3: int) -> np.dtype[Any]:
    """The start of a frame whose IP header stands at `l3`; `kind` is the EtherType and on, `what` has the protocol."""
    fields: dict[str, tuple[Any, int]] = {
        "type": (">u2", l3 - 2), "kind": ("<u4", l3 - 2), "what": ("<u4", l3 + 6),
        "ipv4": (_IPV4, l3), "ipv6": ("V40", l3), "tcp": (_TCP, l3 + 20),
    }  # fmt: skip
    formats, offsets = zip(*fields.values(), strict=True)
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": l3 + 40})


def _word(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


_PLAIN = {1: _headers(14), 113: _headers(16)}
# `kind` and `what` where TCP follows an unfragmented IP header without options: mask and value of each.
_PLAIN_IPV4 = (_word("ffffff00"), _word("08004500"), _word("3fff00ff"), _word("00000006"))
_PLAIN_IPV6 = (_word("fffff000"), _word("86dd6000"), _word("0000ff00"), _word("00000600"))


def _like(head: Array, plain: tuple[int, int, int, int]) -> Array:
    kind_mask, kind, what_mask, what = plain
    out: Array = (head["kind"] & kind_mask == kind) & (head["what"] & what_mask == what)
    return out


def _ip_columns(ip: Array) -> Columns:
    if ip.dtype == _IPV6:
        return _addresses(ip) | {"ttl": ip["ttl"], "tos": ip["first"] >> 20 & 0xFF}
    return _addresses(ip) | {"ttl": ip["ttl"], "tos": ip["tos"], "ip_id": ip["id"]}


def _addresses(ip: Array) -> Columns:
    if ip.dtype == _IPV6:
        return {"family": 6} | {name: ip[name] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")}
    return {"family": 4, "src_lo": ip["src"], "dst_lo": ip["dst"]}


def _tcp_columns(tcp: Array, payload: Ints, end: Ints, wire_end: Ints) -> Columns:
    columns: Columns = {name: tcp[name] for name in ("sport", "dport", "seq", "ack", "flags", "window")}
    columns["payload_start"] = np.minimum(payload, end)
    columns["payload_caplen"] = end - columns["payload_start"]
    columns["length"] = wire_end - payload
    return columns


def _column(value: Any, kind: Any, count: int) -> Array:
    return np.ascontiguousarray(value, kind) if isinstance(value, np.ndarray) else constant(value, kind, count)


def _laid_over(below: Columns, rows: Ints, above: Columns, count: int) -> Columns:
    """Columns of which these rows are replaced; what either does not name is 0."""
    out: Columns = {}
    for name, kind in TYPES.items():
        low, high = below.get(name, 0), above.get(name, 0)
        if isinstance(low, np.ndarray) or isinstance(high, np.ndarray) or low != high:
            if not (isinstance(low, np.ndarray) and low.dtype == kind):
                low = np.full(count, low, kind)
            low[rows] = high
        out[name] = low
    return out


class Arrays:
    def __init__(self, window: Window, counts: Counter[str], signs: list[Sign] | None) -> None:
        self.window = window
        self.counts = counts
        self.signs = signs
        self.end = window.start + window.caplen
        self.parts: list[tuple[Ints, Columns]] = []
        self.slow: list[Ints] = []
        self.base: Columns = {}  # of all frames, right where `whole` says so; `parts` replace rows of it
        self.whole = np.zeros(len(window), np.bool_)

    def read(self, at: Ints, header: np.dtype[Any]) -> Array:
        """One header per offset, gathered from the buffer."""
        buffer = self.window.buffer
        size = header.itemsize
        raw = np.ndarray((len(buffer) - size,), f"V{size}", buffer.data, strides=(1,))
        out: Array = raw[np.minimum(at, len(buffer) - size - 1)].view(header)
        return out

    def frames(self, frame: Ints, link: int) -> None:
        """Sort the frames of one link type into IPv4, IPv6, those to decode one by one, and the rest."""
        size = LINK_SIZES.get(link)
        if size is None:
            if link in DECODED_LINKS:
                self.slow.append(frame)
            else:
                self.counts["unreadable"] += len(frame)
            return
        if link in _PLAIN and len(frame) == len(self.window):
            frame = self._plain(link)
            if not len(frame):
                return
        l3 = self.window.start[frame] + size
        if link in LINK_OFFSETS:
            kind = self.read(self.window.start[frame] + LINK_OFFSETS[link], _WORD).astype(np.int64)
            tagged = np.flatnonzero(IS_VLAN[kind])
            for _ in range(4):
                if not len(tagged):
                    break
                kind[tagged] = self.read(l3[tagged] + 2, _WORD)
                l3[tagged] += 4
                tagged = tagged[IS_VLAN[kind[tagged]]]
            cut = l3 > self.end[frame]  # inside the link header: what was read there is the next frame's
            is_ip = IS_IP[kind] & ~cut
            if not is_ip.all():
                self._aside(frame, SLOW_TYPE[kind] | IS_VLAN[kind] | cut, ~is_ip)
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

    def _plain(self, link: int) -> Ints:
        """Columns for all frames of the window, right for those that hold plain TCP; returns the other frames."""
        start = self.window.start
        head = self.read(start, _PLAIN[link])
        v4, v6 = _like(head, _PLAIN_IPV4), _like(head, _PLAIN_IPV6)
        rest = np.flatnonzero(~(v4 | v6))
        tagged = rest[IS_VLAN[head["type"][rest]]]
        if len(tagged):
            start = start.copy()
            start[tagged] += 4
            head = self.read(start, _PLAIN[link])
            v4, v6 = _like(head, _PLAIN_IPV4), _like(head, _PLAIN_IPV6)
        l4 = start + (LINK_SIZES[link] + 20)
        ip, tcp = _ip_columns(head["ipv4"]), head["tcp"]
        length = head["ipv4"]["length"].astype(np.int64) - 20
        six = np.flatnonzero(v6)
        if len(six):
            inner = head["ipv6"][six].view(_IPV6)
            l4[six] += 20
            length[six] = inner["length"]
            ip, tcp = _laid_over(ip, six, _ip_columns(inner), len(l4)), self.read(l4, _TCP)
        size = (tcp["offset"] >> 2 & 60).astype(np.int64)
        self.whole = (v4 | v6) & (l4 + 20 <= self.end) & (size >= 20) & (size <= length)
        self.base = ip | _tcp_columns(tcp, l4 + size, np.minimum(self.end, l4 + length), l4 + length)
        return np.flatnonzero(~self.whole)

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
            self._tcp(frame, l4, end, wire_end, ip, self.read(l4, _TCP))
            return
        rest = np.flatnonzero(~tcp)
        self._not_tcp(frame[rest], l4[rest], end[rest], protocol[rest], odd[rest], later[rest], ip[rest], icmp_number)
        if len(rest) < len(frame):
            self._tcp(frame[tcp], l4[tcp], end[tcp], wire_end[tcp], ip[tcp], self.read(l4[tcp], _TCP))

    def _not_tcp(
        self, frame: Ints, l4: Ints, end: Ints, protocol: Array, odd: Array, later: Array, ip: Array, icmp_number: int
    ) -> None:
        """ICMP, tunnels, fragments, cut headers, and what netprobe does not look at."""
        icmp = (protocol == icmp_number) & ~odd & ~later
        tunnel = SLOW_PROTOCOL[protocol]
        udp = np.flatnonzero((protocol == 17) & ~later)
        if len(udp):
            ports = self.read(l4[udp], _QUOTED_TCP)
            tunnel[udp] = TUNNEL_PORT[ports["sport"]] | TUNNEL_PORT[ports["dport"]]
            if self.signs is not None:
                tunnel[udp] |= PROBED_PORT[ports["dport"]] & (ip["ttl"][udp] <= MOST_HOPS)
        short = l4 + 8 > end
        later = later & ~odd
        slow = ~later & (tunnel | odd | (icmp & short) | ((protocol == 17) & short) | (protocol == 6))
        fast = icmp & ~slow
        self.counts["fragment"] += int(later.sum())
        self._aside(frame, slow, ~(fast | later))
        if fast.any():
            self._icmp(frame[fast], l4[fast], end[fast], ip[fast])

    def _tcp(self, frame: Ints, l4: Ints, end: Ints, wire_end: Ints, ip: Array, tcp: Array) -> None:
        size = (tcp["offset"] >> 4).astype(np.int64) * 4
        good = (size >= 20) & (l4 + size <= wire_end)
        if not good.all():
            self.slow.append(frame[~good])
            frame, l4, end, wire_end, ip, tcp, size = (a[good] for a in (frame, l4, end, wire_end, ip, tcp, size))
        self.parts.append((frame, _ip_columns(ip) | _tcp_columns(tcp, l4 + size, end, wire_end)))

    def _icmp(self, frame: Ints, l4: Ints, end: Ints, ip: Array) -> None:
        head = self.read(l4, _ICMP)
        v6 = "src_hi" in (ip.dtype.names or ())
        error = (V6_ERROR if v6 else V4_ERROR)[head["type"]]
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
        echo = (V6_ECHO if v6 else V4_ECHO)[head["type"]]
        self._aside(frame, error | echo if self.signs is not None else error, ~fast)
        if not fast.any():
            return
        frame, head, quote, inner, size, ip = (a[fast] for a in (frame, head, quote, inner, size, ip))
        tcp = self.read(quote + size, _QUOTED_TCP)
        columns = _ip_columns(ip) | _addresses(inner) | {
            "icmp": True, "icmp_type": head["type"], "icmp_code": head["code"], "quoted_ttl": inner["ttl"],
            "sport": tcp["sport"], "dport": tcp["dport"], "seq": tcp["seq"],
            "sender_hi": ip["src_hi"] if v6 else 0, "sender_lo": ip["src_lo"] if v6 else ip["src"],
        }  # fmt: skip
        self.parts.append((frame, columns))

    def table(self) -> PacketTable:
        pending = np.concatenate(self.slow) if self.slow else np.zeros(0, np.int64)
        index, decoded = one_by_one(self.window, np.sort(pending), self.counts, self.signs)
        if len(index):
            self.parts.append((index, decoded))
        columns, whole, count = self.base, self.whole, len(self.window)
        for frame, part in self.parts:
            whole[frame] = True
            columns = _laid_over(columns, frame, part, count) if len(frame) < count else part
        rows = slice(None) if whole.all() else np.flatnonzero(whole)
        table = PacketTable(
            **{name: getattr(self.window, name)[rows] for name in FRAME_COLUMNS},
            **{name: _column(columns.get(name, 0), kind, count)[rows] for name, kind in TYPES.items()},
        )
        errors = int(table.icmp.sum())
        self.counts["icmp-error"] += errors
        self.counts["tcp"] += len(table) - errors
        return table
