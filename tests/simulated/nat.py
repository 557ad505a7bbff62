"""Address translation with connection tracking, as Linux does it: destinations forwarded, sources hidden, errors rewritten."""

from dataclasses import dataclass, field, replace
from hashlib import blake2s

from tests.simulated.packets import ACK, FIN, PSH, RST, SYN, Datagram, Icmp, Other, Tcp
from tests.simulated.rows import Forward, Node

Ends = tuple[str, int, str, int]
_VALID = frozenset({SYN, SYN | ACK, RST, RST | ACK, FIN | ACK, ACK})  # nf_conntrack_proto_tcp.c: tcp_valid_flags


@dataclass
class Entry:
    """One connection: its ends as the originator sees them, and as they are behind the box."""

    outside: Ends
    inside: Ends
    closed: bool = False


@dataclass
class Tracking:
    """What a box remembers; `turns` counts for each row that deals by turn."""

    entries: dict[Ends, Entry] = field(default_factory=dict)
    replies: dict[Ends, Entry] = field(default_factory=dict)
    turns: dict[Forward, int] = field(default_factory=dict)


def ends_of(datagram: Datagram) -> Ends:
    tcp = datagram.body
    assert isinstance(tcp, Tcp)
    return datagram.src, tcp.sport, datagram.dst, tcp.dport


def turned(ends: Ends) -> Ends:
    return ends[2], ends[3], ends[0], ends[1]


def flow_hash(ends: Ends, salt: str = "") -> int:
    """The same for all packets of a flow, and another for each node that hashes."""
    return int.from_bytes(blake2s(f"{salt} {ends}".encode(), digest_size=4).digest(), "big")


def translate(node: Node, tracking: Tracking, datagram: Datagram) -> Datagram:
    """The packet as it goes on from the box."""
    if isinstance(datagram.body, Icmp):
        return _error(node, tracking, datagram, datagram.body)
    if isinstance(datagram.body, Other):
        return datagram  # only ports are forwarded here
    ends, tcp = ends_of(datagram), datagram.body
    if tcp.spoil or tcp.flags & ~PSH not in _VALID:
        return datagram  # for nobody's connection: it is for whoever has the address
    entry = tracking.entries.get(ends)
    if entry is not None and entry.closed and tcp.flags & (SYN | ACK) == SYN:
        entry = None  # a SYN on a closed connection is a new one
    if entry is None and (back := tracking.replies.get(ends)) is not None:
        back.closed |= bool(tcp.flags & RST)
        return _renamed(datagram, turned(back.outside))
    if entry is None:
        entry = _new(node, tracking, ends, tcp)
    if entry is None:
        return datagram
    entry.closed |= bool(tcp.flags & RST)
    return _renamed(datagram, entry.inside)


def _new(node: Node, tracking: Tracking, ends: Ends, tcp: Tcp) -> Entry | None:
    """A new connection, which a SYN begins, or an ACK in the middle of one; None where nothing is translated."""
    if tcp.flags & (FIN | RST):
        return None
    src, sport, dst, dport = ends
    for row in node.maps:
        if row.address == dst and (not row.ports or dport in row.ports):
            count = tracking.turns.get(row, 0)
            number = {"turn": count, "chance": flow_hash(ends, str(count))}.get(row.pick, flow_hash(ends))
            tracking.turns[row] = count + 1
            dst = row.inside[number % len(row.inside)]
            break
    if src in node.masquerades:
        src = node.addresses[0]
    if (src, dst) == (ends[0], ends[2]):
        return None
    entry = Entry(ends, (src, sport, dst, dport))
    tracking.entries[ends] = tracking.replies[turned(entry.inside)] = entry
    return entry


def _renamed(datagram: Datagram, ends: Ends) -> Datagram:
    assert isinstance(datagram.body, Tcp)
    body = replace(datagram.body, sport=ends[1], dport=ends[3])
    return replace(datagram, src=ends[0], dst=ends[2], body=body)


def _error(node: Node, tracking: Tracking, datagram: Datagram, icmp: Icmp) -> Datagram:
    """An error about a translated packet bears the public address, and quotes what the originator sent."""
    if not isinstance(icmp.quoted.body, Tcp):
        return datagram
    quoted = ends_of(icmp.quoted)
    entry = tracking.replies.get(turned(quoted))
    if entry is None:
        return datagram
    src = entry.outside[2] if entry.outside[2] != entry.inside[2] else datagram.src
    body = replace(icmp, quoted=_renamed(icmp.quoted, entry.outside))
    return replace(datagram, src=src, dst=entry.outside[0], body=body)
