"""A SYN was answered by a RST: what does the RST itself show?

A RST bears the target's address whoever made it. Several answers to one SYN that cannot all be the host's show that
somebody else speaks in its name (knowledge base T10).
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.hops import initial_ttl, routers
from analyzers.attempts.services import Group
from analyzers.attempts.subject import MOST_HOPS, Subject, ran_out_on_purpose
from analyzers.attempts.surroundings import asked
from analyzers.model import Fact, Placed, fact
from analyzers.words import duration, times
from captures.packet import ACK, RST


@fact
class SynReset(Fact):
    """SYNs were answered by RSTs that bear the target's address. `acks_syn` is False for a RST that no stack accepts."""

    ttl: int
    after_ns: int
    acks_syn: bool

    def text(self) -> str:
        odd = "" if self.acks_syn else "; it does not acknowledge the SYN, so a client would ignore it"
        return (
            f"RST {duration(self.after_ns)} after the SYN, arriving with TTL {self.ttl} "
            f"({times(routers(self.ttl), 'router')} away if it started at {initial_ttl(self.ttl)}){odd}"
        )


@fact
class ResetsDisagree(Fact):
    """One SYN was answered by RSTs that arrived with different TTLs, so they were not all made in one place."""

    ttls: tuple[int, ...]

    def text(self) -> str:
        return f"one SYN was answered by RSTs with TTL {' and '.join(map(str, self.ttls))}: they have several makers"


@fact
class AcceptedToo(Fact):
    """The SYN that a RST refused was accepted as well: whoever sent the RST, it was not the host that sent the SYN-ACK."""

    ttl: int
    other_ttl: int

    def text(self) -> str:
        return (
            f"the RST (TTL {self.ttl}) refused a SYN that a SYN-ACK (TTL {self.other_ttl}) accepts: two machines answered, "
            "and the port is open on one of them"
        )


@fact
class ResetWithin(Placed):
    """A SYN with a small TTL was refused: who made the RST stands no farther away than that TTL reaches."""

    hops: int
    beyond: int  # the largest TTL that ran out on the way, 0 when none was seen; a router looks at the TTL before its filter

    def text(self) -> str:
        less = f", one with TTL {self.beyond} ran out before" if self.beyond else ""
        return f"a SYN with TTL {self.hops} was refused{less}: the RST was made at hop {self.hops} or before"


@fact
class ResetFromHop(Placed):
    """The RST arrived with the TTL of the time-exceeded error of a router that stands before the target (T3). Misleads when
    the ways back differ in length, or when the two did not start with the same TTL."""

    hop: int
    ttl: int

    def text(self) -> str:
        return (
            f"the RST arrived with TTL {self.ttl}, just as what {self.sender} at hop {self.hop} itself sent: as if made there, "
            "and the target stands farther away"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """The RSTs of every group that was refused by one, and what contradicts them."""
    for attempt, group in subject.failing if subject.symptom == "reset" else ():
        rst = next((attempt.segments[row] for row in attempt.ending.rst_rows if not attempt.segments[row].client), None)
        if rst is None or not attempt.syns:
            continue
        syn = asked(attempt.syns, rst)
        yield SynReset(
            frames=subject.frames(group, attempt.segments.index(syn), attempt.segments.index(rst)), count=len(group),
            ttl=rst.ttl, after_ns=max(0, rst.ts_ns - syn.ts_ns), acks_syn=rst.has(ACK) and (rst.ack_position or 0) >= 1,
        )  # fmt: skip
        yield from _contradictions(attempt, group, rst)
    yield from _within(subject)
    yield from _from_hop(subject)


def _contradictions(attempt: Attempt, group: Group, rst: Segment) -> Iterator[Fact]:
    """Answers to the same SYN that the maker of the RST did not send."""
    synack = attempt.synack
    if synack is not None:
        yield AcceptedToo(
            frames=tuple(sorted((rst.number, synack.number))), count=len(group), ttl=rst.ttl, other_ttl=synack.ttl
        )
    resets = [s for s in attempt.segments if s.has(RST) and not s.client]
    ttls = tuple(sorted({s.ttl for s in resets}))
    copies = len({s.ttl for s in attempt.syns}) > 1  # the SYN too was captured on both sides of a router
    if len(ttls) > 1 and not copies:
        yield ResetsDisagree(frames=tuple(s.number for s in resets[:4]), count=len(group), ttls=ttls)


def _within(subject: Subject) -> Iterator[ResetWithin]:
    """The smallest TTL whose SYN was refused, where one was sent that tells something."""
    refused = [
        (asked(a.syns, a.answer), a.answer) for a, _ in subject.failing if subject.symptom == "reset" and a.answer
    ]
    least = min(refused, key=lambda pair: pair[0].ttl, default=None)
    if least is None or least[0].ttl > MOST_HOPS:
        return
    ran_out = [(a.syns[0].ttl, a.syns[0].number) for a, _ in subject.cases if ran_out_on_purpose(a)]
    below = max((pair for pair in ran_out if pair[0] < least[0].ttl), default=(0, 0))
    frames = (least[0].number, least[1].number) + ((below[1],) if below[0] else ())
    yield ResetWithin(
        frames=tuple(sorted(frames)), hops=least[0].ttl, beyond=below[0], hop_min=below[0] or None, hop_max=least[0].ttl
    )


def _from_hop(subject: Subject) -> Iterator[ResetFromHop]:
    """The one router on the way whose own answers have the TTL of the RSTs."""
    rsts = [a.answer for a, _ in subject.failing if subject.symptom == "reset" and a.answer is not None]
    if len({rst.ttl for rst in rsts}) != 1:
        return
    ttl = rsts[0].ttl
    hops: dict[tuple[str, int], Segment] = {}
    for attempt, _ in subject.cases:
        error = attempt.answer
        if not ran_out_on_purpose(attempt) or error is None or error.packet.ip is None:
            continue
        if error.ttl == ttl and error.packet.ip.src != attempt.server:
            hops[str(error.packet.ip.src), attempt.syns[0].ttl] = error
    if len(hops) == 1:
        (((sender, hop), error),) = hops.items()
        yield ResetFromHop(
            frames=(error.number, rsts[0].number), count=0, hop=hop, ttl=ttl, hop_min=hop, hop_max=hop, sender=sender
        )
