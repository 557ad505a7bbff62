"""Does a SYN get through to the target itself, whatever then becomes of it? A record-route option without room left is found wrong
by whoever has to write into it next, before its filters look at the packet (RFC 791; Linux net/ipv4/ip_options.c, measured).

With room for just the routers before the target it is the target that reports it: a receipt. It says nothing where options
are dropped or not written into, as the same to another port of the address shows.
"""

from dataclasses import dataclass

from analyzers.attempts.attempt import Segment
from analyzers.attempts.echoes import Echo
from analyzers.attempts.hops import routers
from analyzers.attempts.icmp import BAD_HEADER
from analyzers.attempts.sweeps import Sweeps
from captures.packet import Ip

FLOWS, _NONE = 2, 3  # receipts that tell, and SYNs without one


@dataclass(frozen=True, slots=True)
class Report:
    """A router on the way found a record-route option wrong: its `hop`, by the TTL that it quotes, and what `route` was recorded
    before it, one address a hop; nothing where some hop records none."""

    hop: int
    route: tuple[str, ...]
    echo: Echo
    answer: Segment


def reports(sweeps: Sweeps, port: int) -> list[Report]:
    """What routers say of spoilt SYNs to this port that have come to them, nearest first."""
    found = [_report(echo) for echo in sweeps.shaped(port, "spoilt") if echo.sender != sweeps.target]
    return sorted((one for one in found if one is not None), key=lambda one: one.hop)


def _report(echo: Echo) -> Report | None:
    hop, quoted = _hop(echo), _quoted(echo)
    if echo.answer is None or echo.kind != BAD_HEADER or echo.room is None or quoted is None or hop <= echo.room:
        return None  # what was to be asked, or a TTL that was rewritten on the way
    end = 3 + 4 * echo.room
    full = hop == echo.room + 1 and len(quoted.options) >= end
    places = [quoted.options[at : at + 4] for at in range(3, end, 4)] if full else []
    return Report(hop, tuple(".".join(map(str, place)) for place in places), echo, echo.answer)


def _quoted(echo: Echo) -> Ip | None:
    icmp = echo.answer.packet.icmp if echo.answer is not None else None
    return icmp.quoted.ip if icmp is not None and icmp.quoted is not None else None


def _hop(echo: Echo) -> int:
    """Where a SYN was when it was found wrong, by the TTL that it had left; 0 when no report tells."""
    quoted = _quoted(echo)
    return echo.ttl - quoted.ttl + 1 if quoted is not None else 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """SYNs to a port that the target at hop `hop` would have to report. `came`: it does. Else port `control`, 0 for none, shows that it
    does so of others, and no SYN of several to this port is reported, nor answered; or, `before`, they are refused instead.
    `closed`: the target refuses the control, else accepts it; either is made behind its way in, too. Reports came over `back` routers.
    `refused`: a SYN with a sound option is refused as plain ones are, by a RST that arrives with `ttl`; else it gets no answer.
    `ignored`: ACKs out of nothing to the port are, which the stack refuses at the control.
    """

    hop: int
    control: int
    closed: bool
    came: bool
    before: bool
    refused: bool
    ttl: int
    ignored: bool
    back: int
    frames: tuple[int, ...]


def receipt_of(sweeps: Sweeps, port: int) -> Receipt | None:
    """Whether SYNs to this port get through to the target; None where that was not asked or cannot be told."""
    if sweeps.own is not None:
        return None  # a box translates there, and what stands behind it is another matter
    sound = sweeps.shaped(port, "recorded")
    plain = {(echo.kind, echo.answer.ttl if echo.answer else 0) for echo in sound}
    if len(plain) != 1 or not {kind for kind, _ in plain} <= {"", "rst"}:
        return None
    ((kind, ttl),) = plain
    ends = sweeps.ends(port)
    mine = [echo for echo in sweeps.shaped(port, "spoilt") if echo.room is not None]
    told = [echo.room for echo in mine if echo.room is not None and _reported(sweeps, echo)]
    room = min(told, default=min((end.ttl for end in ends.values()), default=0) - 1)
    mine = [echo for echo in mine if echo.room == room]
    others = {asked for asked, echo in sweeps.singles if echo.room == room} - {port}
    theirs = [
        (other, echo)
        for other in others
        for echo in sweeps.shaped(other, "spoilt")
        if echo.room == room and _reported(sweeps, echo) and _sound(sweeps, other)
    ]
    theirs.sort(key=lambda one: one[1].syn.ts_ns)
    control, shown = theirs[-1] if theirs else (0, None)
    came = len(mine) >= FLOWS and all(_reported(sweeps, echo) for echo in mine)
    came = came and (shown is None or _passed(mine) == _passed([shown]))
    before = len(mine) >= FLOWS and all(echo.kind == "rst" and _passed([echo]) == {routers(ttl)} for echo in mine)
    before = before and _refused_from(sweeps, port) <= {room + 1}
    # Whoever limits its errors sent one later, all the same.
    lost = (
        len(mine) >= _NONE and not kind and not any(e.kind for e in mine) and shown is not None and _later(shown, mine)
    )
    hops = {_hop(echo) for echo in (mine if came else [shown]) if echo is not None}
    hop = hops.pop() if len(hops) == 1 else 0
    if hop <= room or (not came and (shown is None or not (before or lost))):
        return None
    refuses = any(echo.pushed_back for echo in sweeps.shaped(control, "recorded"))
    cited = [(echo.syn, echo.answer) for echo in (mine[0], shown) if echo is not None]
    return Receipt(
        hop=hop, control=control, came=came, before=before, refused=kind == "rst", ttl=ttl,
        closed=any(echo.kind == "rst" for echo in sweeps.shaped(control, "recorded")),
        back=max(_passed([echo for echo in (mine if came else [shown]) if echo is not None])),
        ignored=sum(e.pushed for e in sound) >= FLOWS and not any(e.pushed_back for e in sound) and refuses,
        frames=tuple(sorted(segment.number for pair in cited for segment in pair if segment is not None)),
    )  # fmt: skip


def _refused_from(sweeps: Sweeps, port: int) -> set[int]:
    """The TTLs from which on SYNs to this port are refused."""
    return {end.ttl for path in sweeps.refusable(port) if (end := path.begins("rst")) is not None}


def _sound(sweeps: Sweeps, port: int) -> bool:
    """Whether a SYN with a sound option is answered there."""
    return any(echo.kind in ("rst", "syn-ack") for echo in sweeps.shaped(port, "recorded"))


def _reported(sweeps: Sweeps, echo: Echo) -> bool:
    return echo.kind == BAD_HEADER and echo.sender == sweeps.target


def _passed(echoes: list[Echo]) -> set[int]:
    """Over how many routers the reports came back."""
    return {routers(echo.answer.ttl) for echo in echoes if echo.answer is not None}


def _later(shown: Echo, mine: list[Echo]) -> bool:
    return shown.syn.ts_ns > max(echo.syn.ts_ns for echo in mine)
