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

_FLOWS, _NONE = 2, 3  # receipts that tell, and SYNs without one


@dataclass(frozen=True, slots=True)
class Receipt:
    """SYNs to a port that the target at hop `hop` would have to report, as it does those to port `control`, which is `closed`
    where its stack refuses plain ones. `came`: it does; else no SYN of several is reported, nor answered. `refused`: a SYN with
    room in its option is refused as plain ones are, by a RST that arrives with `ttl`; else it gets no answer. `ignored`: ACKs out of
    nothing to the port are, which the stack refuses at the other. `before`: a SYN that the target would have to report is refused instead.
    """

    hop: int
    control: int
    closed: bool
    came: bool
    refused: bool
    ttl: int
    ignored: bool
    before: bool
    frames: tuple[int, ...]


def receipt_of(sweeps: Sweeps, port: int) -> Receipt | None:
    """Whether SYNs to this port get through to the target; None where that was not asked or cannot be told."""
    if sweeps.own is not None:
        return None  # a box translates there, and what stands behind it is another matter
    plain = {(echo.kind, echo.answer.ttl if echo.answer else 0) for echo in sweeps.shaped(port, "recorded")}
    if len(plain) != 1 or not {kind for kind, _ in plain} <= {"", "rst"}:
        return None
    ((kind, ttl),) = plain
    ends = sweeps.ends(port)
    hop = min((end.ttl for end in ends.values()), default=0)
    mine = _spoilt(sweeps, port, hop)
    for control in dict.fromkeys(asked for asked, _ in sweeps.singles if asked != port) if hop and mine else ():
        whole = sweeps.shaped(control, "recorded")
        theirs = [echo for echo in _spoilt(sweeps, control, hop) if _reported(sweeps, echo)]
        if not theirs or not any(echo.kind in ("rst", "syn-ack") for echo in whole):
            continue
        came = (
            len(mine) >= _FLOWS and all(_reported(sweeps, echo) for echo in mine) and _passed(mine) == _passed(theirs)
        )
        before = len(mine) >= _FLOWS and all(echo.kind == "rst" and _passed([echo]) == {routers(ttl)} for echo in mine)
        # Whoever limits its errors sent one later, all the same.
        lost = len(mine) >= _NONE and not any(echo.kind for echo in mine) and _later(theirs, mine) and not kind
        if came or before or lost:
            shown = (mine[0].syn, mine[0].answer, theirs[-1].syn, theirs[-1].answer)
            pushed = [echo.pushed for echo in sweeps.shaped(port, "recorded")]
            return Receipt(
                hop=hop, control=control, came=came, before=before, refused=kind == "rst", ttl=ttl,
                closed=any(path.port == control and end.kind == "rst" for path, end in ends.items()),
                ignored=len(pushed) >= _FLOWS and set(pushed) == {False} and any(echo.pushed for echo in whole),
                frames=tuple(sorted(segment.number for segment in shown if segment is not None)),
            )  # fmt: skip
    return None


def _spoilt(sweeps: Sweeps, port: int, hop: int) -> list[Echo]:
    """SYNs whose option has room for just the hops before this one."""
    return [echo for echo in sweeps.shaped(port, "spoilt") if echo.room == hop - 1]


def _reported(sweeps: Sweeps, echo: Echo) -> bool:
    return echo.kind == BAD_HEADER and echo.sender == sweeps.target


def _passed(echoes: list[Echo]) -> set[int]:
    """Over how many routers the reports came back."""
    return {routers(echo.answer.ttl) for echo in echoes if echo.answer is not None}


def _later(theirs: list[Echo], mine: list[Echo]) -> bool:
    return max(echo.syn.ts_ns for echo in theirs) > max(echo.syn.ts_ns for echo in mine)
