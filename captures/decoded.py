"""The frames that need the full decode, one by one: their rows, and the signs among those without one."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from captures.formats.window import Ints, Window
from captures.numbers import MOST_HOPS, PROBED_PORT
from captures.packet import Packet, decode
from captures.table import TYPES, row_of

Columns = dict[str, Any]  # columns by name, each an array or one number for all rows

MOST_SIGNS = 4096  # pings, and errors about others than TCP, that are decoded: nobody reads more


@dataclass(frozen=True, slots=True)
class Sign:
    """A packet without a row that may tell whether an address lives, and how far away: an ICMP echo, an ICMP error about another
    protocol than TCP, or a UDP datagram as traceroute sends it."""

    number: int
    ts_ns: int
    packet: Packet


def is_sign(packet: Packet) -> bool:
    """Whether a packet without a row is a `Sign`."""
    if packet.icmp is not None:
        return bool(packet.icmp.echo) or packet.icmp.quoted is not None
    return (
        packet.udp is not None
        and packet.ip is not None
        and packet.ip.ttl <= MOST_HOPS
        and bool(PROBED_PORT[packet.udp[1]])
    )


def one_by_one(window: Window, pending: Ints, counts: Counter[str], signs: list[Sign] | None) -> tuple[Ints, Columns]:
    """Of the frames that need the full decode, those that have a row, and the columns of these rows."""
    rows: list[tuple[int, dict[str, Any]]] = []
    for index in pending:
        start, size = int(window.start[index]), int(window.caplen[index])
        data = window.buffer[start : start + size].tobytes()
        packet = decode(data, int(window.link[index]), int(window.origlen[index]))
        counts.update(packet.tunnels)
        row = row_of(packet, start)
        if row is not None:
            rows.append((int(index), row))
            continue
        if signs is not None and is_sign(packet):
            signs.append(Sign(int(window.number[index]), int(window.ts_ns[index]), packet))
        if packet.ip is not None and packet.ip.is_later_fragment:
            counts["fragment"] += 1
        elif packet.problems:
            counts["unreadable"] += 1
        else:
            counts["other"] += 1
    columns = {name: np.array([row[name] for _, row in rows], TYPES[name]) for name in TYPES}
    return np.array([index for index, _ in rows], np.int64), columns
