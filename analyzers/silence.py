"""A SYN was never answered: how often was it sent, and how long was listened?

Silence is a fact only where it was watched: the listening time is what the capture holds behind the last try.
"""

from collections.abc import Iterator

from analyzers.attempts.closes import synacks_again
from analyzers.attempts.hops import MOST_HOPS, routers
from analyzers.attempts.subject import Subject
from analyzers.attempts.surroundings import Answer
from analyzers.fingerprints import backoff
from analyzers.model import Fact, fact
from analyzers.words import duration, times

_LATELY_NS = 60_000_000_000
_ENOUGH_NS = 3_200_000_000  # a dead neighbour is reported by its router about 3.1 s after the first SYN


@fact
class Unanswered(Fact):
    """Nothing came back. `watched` is False when the capture ends too early, or says that it lost frames."""

    tries: int
    listened_ns: int
    watched: bool
    dropped: int | None
    tried_ns: tuple[int, ...] = ()  # when the SYN was repeated, from the first on

    def text(self) -> str:
        again = (
            f" (again after {', '.join(duration(ns) for ns in self.tried_ns[:6])}{backoff(self.tried_ns)})"
            if self.tried_ns
            else ""
        )
        lost = f"; the capture lost {times(self.dropped, 'frame')}" if self.dropped else ""
        return f"{times(self.tries, 'SYN')} without any answer{again}, watched for {duration(self.listened_ns)} from the first{lost}"


@fact
class SynChecksumWrong(Fact):
    """The SYN's TCP checksum is wrong on the wire: a receiver drops it, unless the sender's card corrects it later."""

    def text(self) -> str:
        return "the SYN's TCP checksum is wrong: damaged or crafted, or captured before the network card filled it in"


@fact
class AnswersElsewhere(Fact):
    """The same address answered on other ports: something is alive there. `alike`: to the same client, at about that time, and
    nothing shows that flows take different ways, or meet different machines."""

    ports: tuple[int, ...]
    alike: bool

    def text(self) -> str:
        shown = ", ".join(str(port) for port in self.ports[:6]) + (", ..." if len(self.ports) > 6 else "")
        return f"the same address answers on port {shown}"


@fact
class ListenerFull(Fact):
    """Connections to the same port whose SYN-ACK was repeated although the client had acknowledged it: the kernel answers,
    but has no room in the queue from which the program accepts."""

    def text(self) -> str:
        return (
            f"on {times(self.count, 'other connection')} to this port the SYN-ACK is repeated although the client "
            "acknowledged it: the listener's queue is full, or a SYN proxy waits for its server"
        )


@fact
class CameThisFar(Fact):
    """The SYNs had passed routers when they were captured: the capture is not the client's own."""

    ttl: int

    def text(self) -> str:
        return (
            f"the SYNs had passed {times(routers(self.ttl), 'router')} (TTL {self.ttl}) when they were captured: they came this "
            "far, and what swallows them, or the answers, stands behind this point"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """The tries and the listening time of each group, wrong checksums, and signs of life on other ports."""
    if subject.symptom == "silence":
        for attempt, group in subject.failing:
            watch = subject.watches[attempt.trace]
            listened = max(0, watch.last_ns - attempt.syns[0].ts_ns)
            rows = attempt.ending.syn_rows
            yield Unanswered(
                frames=subject.frames(group, *rows[:6], most=1 if len(rows) > 1 else 4), count=len(group), tries=len(rows),
                listened_ns=listened, watched=listened >= _ENOUGH_NS and not watch.dropped, dropped=watch.dropped,
                tried_ns=tuple(syn.ts_ns - attempt.syns[0].ts_ns for syn in attempt.syns[1:]),
            )  # fmt: skip
        yield from _full(subject)
        farthest = min((attempt.syns[0] for attempt, _ in subject.failing), key=lambda syn: syn.ttl)
        if routers(farthest.ttl) and farthest.ttl > MOST_HOPS:  # a smaller one was chosen
            yield CameThisFar(frames=(farthest.number,), count=0, ttl=farthest.ttl)
    for attempt, group in subject.failing:
        if (
            attempt.ending.outcome == "silent"
            and not _offloaded(subject)
            and all(syn.tcp.checksum_ok is False for syn in attempt.syns)
        ):
            yield SynChecksumWrong(frames=subject.frames(group, attempt.ending.syn_rows[0]), count=len(group))
    if subject.symptom in ("silence", "half-open") and subject.elsewhere:
        ports = tuple(sorted({answer.port for answer in subject.elsewhere}))
        alike = not subject.mixed and any(_alike(subject, answer) for answer in subject.elsewhere)
        yield AnswersElsewhere(frames=tuple(a.frame for a in subject.elsewhere[:3]), ports=ports, alike=alike)


def _alike(subject: Subject, answer: Answer) -> bool:
    """Whether an answer came to a client that failed, within a minute of that."""
    ip = answer.syn.packet.ip
    return ip is not None and any(
        attempt.client == ip.src and abs(attempt.first_ns - answer.syn.ts_ns) < _LATELY_NS
        for attempt, _ in subject.failing
    )


def _offloaded(subject: Subject) -> bool:
    """Whether wrong checksums are those of a capture before the network card filled them in: others were answered all the same."""
    return any(a.answer is not None and a.syns and a.syns[0].tcp.checksum_ok is False for a, _ in subject.cases) or any(
        answer.syn.tcp.checksum_ok is False for answer in subject.elsewhere
    )


def _full(subject: Subject) -> Iterator[ListenerFull]:
    frames: list[int] = []
    count = 0
    for attempt, group in subject.cases:
        again = synacks_again(attempt)
        if again and not attempt.server_bytes:  # one that is served has a place; its SYN may have come twice
            frames += [segment.number for segment in again]
            count += len(group)
    if count:
        yield ListenerFull(frames=tuple(frames[:6]), count=count)
