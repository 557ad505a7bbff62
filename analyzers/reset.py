"""A SYN was answered by a RST: what does the RST itself show?

A RST bears the target's address whoever made it. Several answers to one SYN that cannot all be the host's show that
somebody else speaks in its name (knowledge base T10).
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment, asked
from analyzers.attempts.hops import initial_ttl, routers
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact
from analyzers.words import duration, times
from captures.flags import ACK, RST


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
