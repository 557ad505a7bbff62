"""Connections got stuck: did one whose segments had to be small fare otherwise?

A SYN says how large the segments may be that its sender takes; Linux sends none larger itself. A live diagnosis makes the second
connection behind a stuck one with a small size.
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.closes import unacknowledged, unheard
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.attempts.talk import listen
from analyzers.model import Fact, fact
from captures.flags import RST

_SMALL = 536  # payload bytes: RFC 9293 section 3.7.1, allowed where nobody says otherwise
_LEAST = 500  # bytes of one side that got lost: fewer were not so for their size
_LARGE = 1000  # payload bytes: below this no usual path MTU is the reason
_LOOKED_AT = 4  # attempts of those that went alike: their SYNs may differ all the same


@fact
class SmallerAllowed(Fact):
    """A connection whose SYN allows small segments only went through the key exchange, and one that allows the usual ones is
    stuck: `lost` bytes of the client's, or of the server's, did not come, though that side's smaller packets did."""

    mss: int
    usual: int
    by_client: bool
    lost: int

    def text(self) -> str:
        whose, way = ("client", "towards the server") if self.by_client else ("server", "back")
        return (
            f"a connection whose SYN allows segments of {self.mss} bytes at most goes through; of one that allows {self.usual:,}, "
            f"{self.lost:,} bytes of the {whose}'s get lost, and small packets do not: the way {way} swallows large ones"
        )


@fact
class SmallStuck(Fact):
    """A connection whose SYN allows small segments only waits for the server as others do: size is not the reason."""

    mss: int

    def text(self) -> str:
        return f"a connection whose SYN allows segments of {self.mss} bytes at most is stuck as well: size is not the reason"


def facts(subject: Subject) -> Iterator[Fact]:
    """What small segments changed."""
    if subject.symptom != "stalled":
        return
    stuck = [attempt for _, group in subject.failing for attempt in _members(subject, group)]
    through = [attempt for _, group in subject.working for attempt in _members(subject, group) if _small(attempt)]
    for attempt in stuck:
        if _small(attempt) and not unacknowledged(attempt, client=True):
            yield SmallStuck(frames=(attempt.syns[0].number,), count=1, mss=_allows(attempt))
    for attempt in through:
        talk = listen(attempt)
        if talk is not None and (talk.server.host_key or talk.server.encrypted):
            yield from _otherwise(attempt, stuck)
            return


def _otherwise(through: Attempt, stuck: list[Attempt]) -> Iterator[SmallerAllowed]:
    for attempt in stuck:
        usual, mine, lost = _allows(attempt), unacknowledged(attempt, client=True), unheard(attempt)
        by_client = bool(mine) and mine[0].length >= _LARGE and _answers(attempt, mine[-1])
        if usual >= _LARGE and (by_client or lost >= _LEAST):
            yield SmallerAllowed(
                frames=(through.syns[0].number, attempt.syns[0].number), count=1, mss=_allows(through), usual=usual,
                by_client=by_client, lost=mine[0].length if by_client else lost,
            )  # fmt: skip


def _members(subject: Subject, group: Group) -> Iterator[Attempt]:
    return (subject.attempt(int(index)) for index in group.members[:_LOOKED_AT])


def _allows(attempt: Attempt) -> int:
    """The largest segment that the client's SYN allows, 0 where that is not known."""
    return (attempt.syns[0].tcp.mss or 0) if attempt.syns else 0


def _small(attempt: Attempt) -> bool:
    return 0 < _allows(attempt) <= _SMALL


def _answers(attempt: Attempt, repeated: Segment) -> bool:
    """Whether the other side still said something when this had been repeated in vain."""
    rows = (*attempt.segments, *attempt.behind)
    return any(not s.client and not s.icmp and not s.has(RST) and s.number > repeated.number for s in rows)
