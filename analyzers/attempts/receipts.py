"""Does a SYN get through to the target itself, whatever then becomes of it? A record-route option without room left is found wrong
by whoever has to write into it next, before its filters look at the packet (RFC 791; Linux net/ipv4/ip_options.c, measured).

With room for just the routers before the target it is the target that reports it: a receipt. It says nothing where options
are dropped or not written into, as the same to another port of the address shows.
"""

from dataclasses import dataclass

from analyzers.attempts.echoes import Echo
from analyzers.attempts.hops import routers
from analyzers.attempts.icmp import BAD_HEADER
from analyzers.attempts.sweeps import Sweeps

FLOWS, _NONE = 2, 3  # receipts that tell, and SYNs without one


@dataclass(frozen=True, slots=True)
class Receipt:
    """SYNs to a port that the target at hop `hop` would have to report. `came`: it does. Else port `control`, 0 for none, shows that it
    does so of others, and no SYN of several to this port is reported, nor answered; or, `before`, they are refused instead.
    `closed`: the target refuses the control, else accepts it; either is made behind its way in, too.
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
    theirs = [
        (asked, echo)
        for asked, echo in sweeps.singles
        if asked != port and echo.room == room and _reported(sweeps, echo)
    ]
    theirs = sorted((one for one in theirs if _sound(sweeps, one[0])), key=lambda one: one[1].syn.ts_ns)
    control, shown = theirs[-1] if theirs else (0, None)
    came = len(mine) >= FLOWS and all(_reported(sweeps, echo) for echo in mine)
    came = came and (shown is None or _passed(mine) == _passed([shown]))
    before = len(mine) >= FLOWS and all(echo.kind == "rst" and _passed([echo]) == {routers(ttl)} for echo in mine)
    # Whoever limits its errors sent one later, all the same.
    lost = (
        len(mine) >= _NONE and not kind and not any(e.kind for e in mine) and shown is not None and _later(shown, mine)
    )
    if not came and (shown is None or not (before or lost)):
        return None
    pushed = [echo.pushed for echo in sound]
    refuses = any(echo.pushed for echo in sweeps.shaped(control, "recorded"))
    cited = [(echo.syn, echo.answer) for echo in (mine[0], shown) if echo is not None]
    return Receipt(
        hop=room + 1, control=control, came=came, before=before, refused=kind == "rst", ttl=ttl,
        closed=any(echo.kind == "rst" for echo in sweeps.shaped(control, "recorded")),
        ignored=len(pushed) >= FLOWS and set(pushed) == {False} and refuses,
        frames=tuple(sorted(segment.number for pair in cited for segment in pair if segment is not None)),
    )  # fmt: skip


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
