"""What a node does with a packet that comes in, in the order in which Linux does it.

Address translation, filter, route; then for another's packet the TTL, the FORWARD filter, the next hop. Hence a route's error
quotes the TTL as it came, and a FORWARD filter's one less; a node that refuses before routes never lets the TTL run out.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2s
from random import Random

from tests.simulated.filter import meets, refuse
from tests.simulated.nat import Tracking, translate
from tests.simulated.packets import ACK, SYN, Datagram, Icmp, Tcp, error, lowered, options_of, recorded
from tests.simulated.rows import Node, Rule

_SECOND_NS = 1_000_000_000
_BURST = 6

# What a route of each kind makes Linux say, in IPv4 and IPv6.
_REASONS = {
    "unreachable": ("host-unreachable", "no-route"),
    "prohibit": ("admin-prohibited", "admin-prohibited"),
    "missing": ("net-unreachable", "no-route"),
}


@dataclass
class State:
    """What a node remembers."""

    tracking: Tracking = field(default_factory=Tracking)
    spared: dict[Rule, int] = field(default_factory=dict)
    allowance: dict[str, tuple[int, int]] = field(default_factory=dict)  # to whom: nanoseconds of credit, when
    waiting: dict[str, list[Datagram]] = field(default_factory=dict)  # for the link address of whom


@dataclass(frozen=True, slots=True)
class Here:
    """The packet is for a program of this node."""

    datagram: Datagram


@dataclass(frozen=True, slots=True)
class Answer:
    """The node sends this packet of its own."""

    datagram: Datagram


@dataclass(frozen=True, slots=True)
class Onward:
    """The packet leaves towards this neighbour, "" when its destination is one that nobody has."""

    datagram: Datagram
    to: str


Deed = Here | Answer | Onward
Routing = Callable[[Node, Datagram], str]


def receive(
    node: Node, state: State, datagram: Datagram, came: str, route: Routing, random: Random, now: int
) -> Iterator[Deed]:
    """What comes of a packet from the neighbour `came`. `route` gives a neighbour's name, or "-" and the reason against it."""
    if node.strict and route(node, replace(datagram, src=datagram.dst, dst=datagram.src)) != came:
        return
    if node.maps or node.masquerades:
        datagram = translate(node, state.tracking, datagram)
    ident = random.getrandbits(16) | 1
    refused = yield from _filtered(node, state, "prerouting", datagram, ident, now)
    if refused or (datagram.options and node.options == "drop"):
        return
    if datagram.options and node.options == "record":
        looked = recorded(datagram, _leaves_by(node, route(node, datagram)))
        if looked is None:
            yield from _complaint(node, state, "bad-header", datagram, ident, now)
            return
        datagram = looked
    if datagram.dst in node.addresses:
        refused = yield from _filtered(node, state, "input", datagram, ident, now)
        if not refused:
            yield Here(datagram)
        return
    if not node.forwards:
        return
    to = route(node, datagram)
    if to.startswith("-"):
        if to[1:] in _REASONS:
            yield from _complaint(node, state, _REASONS[to[1:]][datagram.v6], datagram, ident, now)
        return
    if datagram.ttl <= 1:
        yield from _complaint(node, state, "ttl-exceeded", datagram, ident, now)
        return
    datagram = lowered(datagram)
    if node.loses and random.random() < node.loses:
        return
    refused = yield from _filtered(node, state, "forward", datagram, ident, now)
    if not refused:
        yield Onward(_altered(node, datagram), to)


def send(node: Node, state: State, datagram: Datagram) -> Datagram | None:
    """A packet of the node's own as it leaves it, None when its own filter drops it."""
    if any(meets(rule, "output", datagram, state.spared) for rule in node.rules):
        return None
    return translate(node, state.tracking, datagram) if node.maps or node.masquerades else datagram


def unresolved(node: Node, state: State, address: str, random: Random, now: int) -> Iterator[Deed]:
    """Nobody said to have the address: errors for those packets that waited."""
    for datagram in state.waiting.pop(address, []):
        kind = "address-unreachable" if datagram.v6 else "host-unreachable"
        yield from _complaint(node, state, kind, datagram, random.getrandbits(16) | 1, now)


def _filtered(
    node: Node, state: State, hook: str, datagram: Datagram, ident: int, now: int
) -> Generator[Deed, None, bool]:
    """Whether a rule of this hook refused the packet; with its answer."""
    for rule in node.rules:
        if meets(rule, hook, datagram, state.spared):
            src = datagram.dst if datagram.dst in node.addresses else node.addresses[0]
            answer = refuse(node, rule, datagram, src, ident)
            if answer is not None and (isinstance(answer.body, Tcp) or _allowed(node, state, answer, now)):
                yield Answer(answer)
            return True
    return False


def _leaves_by(node: Node, to: str) -> bytes:
    """The address that a node records: that of the interface towards where the packet goes."""
    return b"\x0a" + blake2s(f"{node.name} {to}".encode(), digest_size=3).digest()


def _complaint(node: Node, state: State, kind: str, about: Datagram, ident: int, now: int) -> Iterator[Deed]:
    """An ICMP error; never about another one."""
    if isinstance(about.body, Icmp) or kind in node.mutes:
        return
    src = about.dst if about.dst in node.addresses else node.addresses[0]
    answer = error(kind, about, src, node.ttl, node.room, ident)
    if _allowed(node, state, answer, now):
        yield Answer(answer)


def _allowed(node: Node, state: State, answer: Datagram, now: int) -> bool:
    """Linux's limit: six at once to the same peer, then one a second."""
    if node.mute:
        return False
    if not node.limited:
        return True
    credit, when = state.allowance.get(answer.dst, (_BURST * _SECOND_NS, now))
    credit = min(_BURST * _SECOND_NS, credit + now - when)
    allowed = credit >= _SECOND_NS
    state.allowance[answer.dst] = (credit - _SECOND_NS if allowed else credit, now)
    return allowed


def _altered(node: Node, datagram: Datagram) -> Datagram:
    """With what this router does to the packets that it carries."""
    if node.bleaches:
        datagram = replace(datagram, tos=datagram.tos & 3)
    tcp = datagram.body
    if node.strips and isinstance(tcp, Tcp) and tcp.flags & (SYN | ACK) == SYN:
        kept = b"".join(data for kind, data in options_of(tcp.options) if kind not in node.strips)
        kept = kept.ljust(len(tcp.options), b"\1")  # nftables fills the room with no-operations
        datagram = replace(datagram, body=replace(tcp, options=kept))
    return datagram
