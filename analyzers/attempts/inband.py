"""Segments with small TTLs on a connection that came up: questions about the way, inside what stateful filters let pass.

A live diagnosis repeats bytes that the other side has long acknowledged, with TTLs up to `MOST_HOPS`: routers report those
that run out, and what holds the connection acknowledges the others again. They are no part of what the connection's programs
said: its course ends before the first of them (`course`; knowledge base T19).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.icmp import kind_of
from captures.flags import ACK, RST, SYN

_SACK = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """Old bytes sent with this TTL, `size` of them; `reported` is the ICMP error about them, of this `kind`, `answer` what came
    from the other end of the connection: an acknowledgement or a RST."""

    ttl: int
    size: int
    segment: Segment
    kind: str
    reported: Segment | None
    answer: Segment | None

    @property
    def whole(self) -> bool:
        """Whether it was sent to go all the way."""
        return self.ttl == MOST_HOPS


def probes(attempt: Attempt) -> list[Probe]:
    """The old bytes that were sent on this connection, in order, each with what it got back.

    A SACK of bytes that were acknowledged before (RFC 2883) names the segment that it answers. Without one, what comes from the
    other end answers the last segment before it, if that was to go all the way.
    """
    rows = (*attempt.segments, *attempt.behind)
    asked = [s for s in rows if old(s)]
    heard: dict[int, tuple[str, Segment]] = {}
    answered: dict[int, Segment] = {}
    for segment in rows if asked else ():
        before = [s for s in reversed(asked) if s.number < segment.number]
        if segment.icmp and segment.client:
            about = next((s for s in before if s.position == segment.position), None)
            icmp = segment.packet.icmp
            if about is not None and icmp is not None:
                heard.setdefault(about.number, (kind_of(icmp.version, icmp.type, icmp.code), segment))
        elif _answers(segment) and before:
            first = _repeated(segment)
            about = next((s for s in before if s.tcp.seq == first), None)
            if about is None and first is None and before[0].ttl == MOST_HOPS:
                about = before[0]
            if about is not None:
                answered.setdefault(about.number, segment)
    out = []
    for segment in asked:
        kind, reported = heard.get(segment.number, ("", None))
        out.append(Probe(segment.ttl, segment.length, segment, kind, reported, answered.get(segment.number)))
    return out


def _answers(segment: Segment) -> bool:
    """Whether this may be the other end's answer to a probe: a SYN-ACK, said again, is none."""
    return (
        not segment.client
        and not segment.icmp
        and not segment.length
        and bool(segment.flags & (ACK | RST))
        and not segment.has(SYN)
    )


def held(attempt: Attempt) -> Segment | None:
    """The answer to an old byte on a connection whose window was shut before, so that the other end could not speak: an
    acknowledgement or a RST. None where nothing of the kind was asked, or where it had spoken before."""
    rows = (*attempt.segments, *attempt.behind)
    shut = next(
        (s for s in rows if s.client and s.has(ACK) and s.ttl <= MOST_HOPS and not s.length and not s.window), None
    )
    if shut is None or any(s.length and not s.client and s.number < shut.number for s in rows):
        return None
    asked = next((s for s in rows if old(s) and s.number > shut.number), None)
    if asked is None:
        return None
    later = (s for s in rows if s.number > asked.number and not s.client and not s.icmp)
    return next((s for s in later if s.has(RST) or _repeated(s) == asked.tcp.seq), None)


def old(segment: Segment) -> bool:
    """Whether a segment repeats nothing but old bytes, with a TTL that a program's packets do not have."""
    behind = segment.ahead is not None and segment.ahead + segment.length <= 0
    return segment.client and not segment.icmp and segment.length > 0 and segment.ttl <= MOST_HOPS and behind


def _repeated(answer: Segment) -> int | None:
    """The number of the first byte that is said to have come once more; None where none is."""
    blocks = answer.tcp.option(_SACK)
    if not blocks or len(blocks) < 8 or answer.has(RST):
        return None
    first = int.from_bytes(blocks[:4], "big")
    return first if 0 < (answer.tcp.ack - first) & 0xFFFFFFFF < 1 << 31 else None


def asked(attempts: Iterable[Attempt]) -> Iterator[tuple[Attempt, list[Probe]]]:
    """Those of these attempts on which questions were asked."""
    for attempt in attempts:
        found = probes(attempt) if attempt.behind else []
        if found:
            yield attempt, found
