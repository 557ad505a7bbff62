"""A SYN was answered by a RST: what can be said of who sent it?

A RST bears the target's address whoever made it. The one passive hint that stands without knowing the stacks is the TTL
with which it arrived, against that of other answers of the same address (nmap's TTL consistency; knowledge base T3).
"""

from collections.abc import Iterator

from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact
from analyzers.words import duration, times
from captures.packet import ACK

INITIAL_TTLS = (32, 64, 128, 255)


def initial_ttl(ttl: int) -> int:
    """The initial TTL that a received one most likely had: the next higher of the usual four."""
    return next(initial for initial in INITIAL_TTLS if ttl <= initial)


@fact
class SynReset(Fact):
    """SYNs were answered by RSTs that bear the target's address. `acks_syn` is False for a RST that no stack accepts."""

    ttl: int
    after_ns: int
    acks_syn: bool

    def text(self) -> str:
        odd = "" if self.acks_syn else "; it does not acknowledge the SYN, so a client would ignore it"
        start = initial_ttl(self.ttl)
        return (
            f"RST {duration(self.after_ns)} after the SYN, arriving with TTL {self.ttl} "
            f"({times(start - self.ttl, 'router')} away if it started at {start}){odd}"
        )


@fact
class ResetDistance(Fact):
    """The RST came from nearer, from as far as, or from farther than another answer of the same address; `other-stack`
    when the two cannot have started with the same TTL."""

    relation: str
    ttl: int
    other_ttl: int
    other_port: int
    other_kind: str

    def text(self) -> str:
        answer = f"the {self.other_kind.upper()} of port {self.other_port} with TTL {self.other_ttl}"
        hops = times(abs(self.ttl - self.other_ttl), "hop")
        return {
            "same": f"RST TTL {self.ttl} equals {answer}: as if from the same distance",
            "nearer": f"RST TTL {self.ttl}, but {answer}: as if made {hops} nearer (a device in front of the host, or the "
            "other port is forwarded deeper)",
            "farther": f"RST TTL {self.ttl}, but {answer}: as if made {hops} farther away (this port is forwarded deeper, "
            "or a device in front answers for the other)",
        }.get(self.relation, f"RST TTL {self.ttl}, but {answer}: not the same stack, or not the same host")


def facts(subject: Subject) -> Iterator[Fact]:
    """The RSTs, and how their TTL compares with each other answer of the address."""
    if subject.symptom != "reset":
        return
    ttls: set[int] = set()
    for attempt, group in subject.failing:
        row = attempt.ending.answer_row
        reset = attempt.answer
        if row is None or reset is None:
            continue
        syn = max(
            (s for s in attempt.syns if s.number <= reset.number), key=lambda s: s.number, default=attempt.syns[0]
        )
        ttls.add(reset.ttl)
        yield SynReset(
            frames=subject.frames(group, attempt.ending.syn_rows[0], row), count=len(group), ttl=reset.ttl,
            after_ns=max(0, reset.ts_ns - syn.ts_ns), acks_syn=reset.has(ACK) and (reset.ack_position or 0) >= 1,
        )  # fmt: skip
    if len(ttls) == 1:
        yield from _distances(subject, ttls.pop())


def _distances(subject: Subject, ttl: int) -> Iterator[Fact]:
    seen: set[tuple[str, int]] = set()
    for other in subject.elsewhere:
        if initial_ttl(ttl) != initial_ttl(other.ttl):
            relation = "other-stack"
        else:
            relation = "same" if ttl == other.ttl else "nearer" if ttl > other.ttl else "farther"
        if (relation, other.ttl) not in seen:
            seen.add((relation, other.ttl))
            yield ResetDistance(
                frames=(other.frame,),
                relation=relation,
                ttl=ttl,
                other_ttl=other.ttl,
                other_port=other.port,
                other_kind=other.kind,
            )
