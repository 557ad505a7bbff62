"""What was changed on the way of a SYN, and from which hop on: what ICMP errors quote against what was sent.

An error quotes the packet as it came to whoever reports it (RFC 792; RFC 1812 section 4.3.2.3; RFC 4443 section 3), so that a
difference was made before that hop, unless the quote itself is wrong. TTL and header checksum change at every hop and are
left out. A short quote shows what it holds: of TCP often no more than ports and sequence number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzers.attempts.attempt import Segment
from analyzers.attempts.echoes import Echo
from analyzers.attempts.reflection import DSCP
from analyzers.attempts.sweeps import Path
from captures.flags import flag_letters
from captures.packet import Ip, Packet, Tcp

NONE = "none"  # how an option reads that is not there
_OPTIONS = {
    2: "MSS", 3: "window scale", 4: "SACK permitted", 5: "SACK", 8: "timestamps", 19: "MD5 signature",
    29: "TCP-AO", 30: "MPTCP", 34: "Fast Open",
}  # fmt: skip
_PADDING = 1  # a removed option may leave its room filled with these


@dataclass(frozen=True, slots=True)
class Change:
    """A field that was `sent` as one value and `quoted` as another, both as people write them."""

    what: str
    sent: str
    quoted: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A change that quotes show from `hop` on. `intact` is the last hop before it that quotes the field as it was sent (0 when
    none does), so that it was made from there on; `lasting` is False when a later hop quotes what was sent, so that it was
    changed back, or is a fault of the quote."""

    change: Change
    hop: int
    intact: int
    lasting: bool
    frames: tuple[int, ...]


def changes(sent: Packet, quoted: Packet) -> tuple[Change, ...]:
    """The fields of which the quote holds another value than the packet that was sent."""
    return tuple(Change(what, mine, theirs) for what, mine, theirs in _compared(sent, quoted) if mine != theirs)


def changed(echo: Echo) -> tuple[Change, ...]:
    """What the ICMP error that a probe got back shows as changed; nothing without one."""
    quote = _quote(echo)
    return changes(echo.syn.packet, quote) if quote is not None else ()


def rewrites(path: Path) -> tuple[Rewrite, ...]:
    """Every field that a quote on this path shows as changed: once, where it first shows."""
    shown: dict[str, list[tuple[Echo, Change]]] = {}
    for echo in path.echoes:
        quote = _quote(echo)
        if quote is not None:
            for what, mine, theirs in _compared(echo.syn.packet, quote):
                shown.setdefault(what, []).append((echo, Change(what, mine, theirs)))
    return tuple(found for seen in shown.values() if (found := _rewrite(seen)) is not None)


def _rewrite(seen: list[tuple[Echo, Change]]) -> Rewrite | None:
    differs = [change.sent != change.quoted for _, change in seen]
    if not any(differs):
        return None
    first = differs.index(True)
    echo, change = seen[first]
    error = _error(echo)
    assert error is not None
    intact = seen[first - 1][0].ttl if first else 0
    return Rewrite(change, echo.ttl, intact, all(differs[first:]), (echo.syn.number, error.number))


def _error(echo: Echo) -> Segment | None:
    return echo.ran_out or (echo.answer if echo.answer is not None and echo.answer.icmp else None)


def _quote(echo: Echo) -> Packet | None:
    error = _error(echo)
    return error.packet.icmp.quoted if error is not None and error.packet.icmp is not None else None


def _compared(sent: Packet, quoted: Packet) -> Iterator[tuple[str, str, str]]:
    """Name, sent value and quoted value of every field that can be compared."""
    if sent.ip is None or quoted.ip is None or sent.ip.version != quoted.ip.version:
        return
    yield from _paired(_of_ip(sent.ip), _of_ip(quoted.ip))
    if sent.tcp is not None and quoted.tcp is not None:
        yield from _paired(_of_tcp(sent.tcp), _of_tcp(quoted.tcp))
        if sent.tcp.complete and quoted.tcp.complete:
            mine, theirs = _options(sent.tcp), _options(quoted.tcp)
            for what in dict.fromkeys((*mine, *theirs)):
                yield what, mine.get(what, NONE), theirs.get(what, NONE)


def _paired(mine: dict[str, str], theirs: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for what in mine:
        if what in theirs:
            yield what, mine[what], theirs[what]


def _of_ip(ip: Ip) -> dict[str, str]:
    found = {
        "source address": str(ip.src), "destination address": str(ip.dst), "DSCP": f"{(ip.tos & DSCP) >> 2}",
        "ECN": f"{ip.tos & ~DSCP & 0xFF}", "length": f"{ip.length}",
    }  # fmt: skip
    if ip.version == 6:
        return found | {"flow label": f"{ip.flow_label:#07x}"}
    return found | {"IP-ID": f"{ip.ip_id}", "don't fragment": "set" if ip.df else "not set"}


def _of_tcp(tcp: Tcp) -> dict[str, str]:
    found = {"source port": f"{tcp.sport}", "destination port": f"{tcp.dport}", "sequence number": f"{tcp.seq}"}
    if not tcp.complete:
        return found
    return found | {"flags": flag_letters(tcp.flags), "window": f"{tcp.window}"}


def _options(tcp: Tcp) -> dict[str, str]:
    """The options by name; of those that are no mere number the bytes."""
    found: dict[str, str] = {}
    for option in tcp.options:
        if option.kind != _PADDING:
            value = (
                str(int.from_bytes(option.value, "big")) if option.kind in (2, 3) else option.value.hex() or "present"
            )
            found.setdefault(_OPTIONS.get(option.kind, f"option {option.kind}"), value)
    return found
