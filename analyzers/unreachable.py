"""A SYN was answered by an ICMP error: which one, from whom, how far away?

An ICMP error names its sender (which NAT may rewrite) and quotes the SYN with the TTL that it had there: the difference
to the TTL with which the SYN passed the point of capture counts the hops between. Linux quotes the TTL after the
decrement when a forwarding filter rejects, before it when a route or the receiving host does: hence an interval of one.
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.echoes import sender_of
from analyzers.attempts.hops import MOST_HOPS, routers
from analyzers.attempts.icmp import kind_of
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, Placed, fact
from analyzers.words import duration, times

ROUTING = frozenset(
    {"net-unreachable", "host-unreachable", "net-unknown", "host-unknown", "net-unreachable-for-tos",
     "host-unreachable-for-tos", "no-route", "address-unreachable", "beyond-scope", "reject-route"}
)  # fmt: skip
_LATE_NS = 2_500_000_000  # neighbour resolution gives up after about 3 s; a filter or a route answers at once
_PROMPT_NS = 900_000_000
_TOGETHER_NS = 50_000_000  # and then all SYNs that waited for it fail together
_SAME_TIME_NS = 30_000_000_000


@fact
class IcmpRefusal(Placed):
    """ICMP errors refused the SYN. `hop_min` to `hop_max`: where the sender stands, counted from the point of capture."""

    kind: str
    reporter: str
    by_target: bool
    after_ns: int
    forwarding: str  # yes when the next router had counted the SYN's hop, as filters on forwarded packets have; no; ""
    others: str  # "pass" when other ports of the address are answered; ""
    over: bool  # what is sent to one of those is answered, having passed the sender itself, at the same time
    stands: str  # against those, see `ends.End`; "" without a sweep
    prompt: bool  # too soon after the SYN for a router to have asked for a neighbour in vain
    late: bool  # as after a neighbour that does not answer: seconds later, for several SYNs at once

    def text(self) -> str:
        who = f"the target's address {self.reporter}" if self.by_target else self.reporter
        where = ""
        if self.hop_min is not None:
            span = f"{self.hop_min}" if self.hop_min == self.hop_max else f"{self.hop_min} or {self.hop_max}"
            where = f"; by the quoted TTL it stands at hop {span}"
        if self.kind == "ttl-exceeded" and self.hop_min is None:
            where = "; the SYN had used up all its hops, as in a routing loop"
        if self.forwarding and not self.stands:
            how = "as one that it was forwarding" if self.forwarding == "yes" else "as it arrived, before forwarding it"
            where = f"; it is the next router, and quotes the SYN {how}"
        late = ", for all waiting SYNs together" if self.late else ""
        over = "; it passes SYNs to another port on, which are answered" if self.over else ""
        return f"ICMP {self.kind} from {who}, {duration(self.after_ns)} after the SYN{late}{where}{over}"


@fact
class ErrorsLimited(Fact):
    """SYNs that got no error, sent within seconds of others that did: devices limit how many errors they send."""

    refused: int

    def text(self) -> str:
        return (
            f"{times(self.count, 'attempt')} without an answer fell within 2 s of {self.refused} that got an error: a limit on "
            "errors (Linux: 6 at once, then 1/s), not a drop"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """One refusal per way in which the groups were refused."""
    if subject.symptom == "unreachable":
        for attempt, group in subject.failing:
            fact = _refusal(subject, attempt, group)
            if fact is not None:
                yield fact
        yield from _limited(subject)


def _limited(subject: Subject) -> Iterator[ErrorsLimited]:
    for attempt, group, count in subject.limited:
        refused = sum(len(group) for _, group in subject.failing)
        rows = attempt.ending.syn_rows[:1]
        yield ErrorsLimited(frames=subject.frames(group, *rows), count=count, refused=refused)


def _refusal(subject: Subject, attempt: Attempt, group: Group) -> IcmpRefusal | None:
    row, answer = attempt.ending.answer_row, attempt.answer
    if row is None or answer is None or answer.packet.icmp is None or answer.packet.ip is None:
        return None
    icmp = answer.packet.icmp
    first_syn = attempt.syns[0]
    kind = kind_of(icmp.version, icmp.type, icmp.code)
    hop_min = hop_max = None
    quoted = icmp.quoted.ip if icmp.quoted else None
    if quoted is not None and 0 <= first_syn.ttl - quoted.ttl <= 64:
        used = first_syn.ttl - quoted.ttl
        hop_min, hop_max = max(1, used), used + 1
        if kind == "ttl-exceeded":  # the quote has TTL 1 (or 0) wherever it is made
            probe = first_syn.ttl <= MOST_HOPS  # a larger one ran out in a loop, which says nothing of the place
            hop_min = hop_max = first_syn.ttl if probe else None
    by_target = answer.packet.ip.src == attempt.server
    reporter = str(answer.packet.ip.src)
    lost = kind == "ttl-exceeded" and first_syn.ttl > MOST_HOPS  # where it ran out is not where it went astray
    forwarding = ""
    if hop_min == 1 and not routers(answer.ttl) and not routers(first_syn.ttl) and not by_target:
        hop_max = 1  # the error passed no router: its sender is the next one
        if quoted is not None and kind != "ttl-exceeded":
            forwarding = "yes" if quoted.ttl < first_syn.ttl else "no"
    end = subject.end
    if end is not None and end.forwarding:
        forwarding = end.forwarding
    after = max(0, answer.ts_ns - first_syn.ts_ns)
    return IcmpRefusal(
        frames=subject.frames(group, attempt.ending.syn_rows[0], row), count=len(group), kind=kind,
        sender="" if lost else reporter, reporter=reporter, by_target=by_target,
        hop_min=hop_min, hop_max=hop_max, forwarding=forwarding, after_ns=after, prompt=after < _PROMPT_NS,
        others="pass" if subject.elsewhere else "", over=_passes(subject, answer), stands=end.stands if end is not None else "",
        late=after >= _LATE_NS and (_together(attempt) > 1 or _waited(subject, attempt, answer.ts_ns)),
    )  # fmt: skip


def _waited(subject: Subject, attempt: Attempt, at_ns: int) -> bool:
    """Whether another SYN to the address, of this port or another, that was sent only once got its error at this time, as late."""
    waits = subject.around.waits(subject.service, at_ns - _TOGETHER_NS, at_ns + _TOGETHER_NS)
    return any(wait >= _LATE_NS and index != attempt.index for _, wait, index in waits)


def _passes(subject: Subject, refusal: Segment) -> bool:
    """Whether the sender of a refusal passes on what is sent to another port, which is answered behind it, at about the same time."""
    end = subject.end
    if end is None or end.router is None or end.router.address != sender_of(refusal):
        return False
    report = subject.sweeps.passes(subject.service.port, end.router)
    return report is not None and abs(report.ts_ns - refusal.ts_ns) < _SAME_TIME_NS


def _together(attempt: Attempt) -> int:
    """How many ICMP errors about this attempt arrived with the first one."""
    times = [attempt.segments[row].ts_ns for row in attempt.ending.icmp_rows]
    return sum(1 for ts in times if ts - times[0] <= _TOGETHER_NS)
