"""Connections on which old bytes, and the client's first words, were sent with rising TTLs: how far must these come to be answered
by a RST?

The words are new bytes, all copies of them lie at one place of the stream; old bytes sent before them show where the connection
ends (see `inband`), unless they draw the RST themselves. A router looks at the TTL before it filters what it forwards, as it does
with SYNs (see `sweeps`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.inband import Probe, old, probes
from captures.flags import FIN, RST

_SLACK_NS = 100_000_000
_TWICE = 2
_FACTOR = 3  # so much longer must a smaller TTL have been watched than the RST took


@dataclass(frozen=True, slots=True)
class Trigger:
    """The words with TTL `ttl` were the last before the `reset`, old bytes where `old`; with `quiet`, the largest TTL before that (0
    for none), nothing of the kind came. `watched`: for long enough that the RST cannot be a late answer to these. `end` is the TTL
    from which on old bytes on the same connection were acknowledged, 0 when that is not known.
    """

    ttl: int
    quiet: int
    watched: bool
    end: int
    old: bool
    words: Segment
    reset: Segment
    synack: Segment | None


def triggers(attempts: Iterable[Attempt]) -> list[Trigger]:
    """What each connection shows on which words were answered so."""
    return [found for attempt in attempts if (found := _trigger(attempt)) is not None]


def agreed(found: Sequence[Trigger]) -> Trigger | None:
    """One that is sure, where all of them say the same; None where it is not certain with which TTL the RST begins. Its `end` is
    the farthest of all."""
    sure = next((one for one in found if one.watched and one.quiet == one.ttl - 1), None)
    if sure is None or len({(one.ttl, one.old) for one in found}) > 1:
        return None
    return replace(sure, end=max(one.end for one in found))


def _trigger(attempt: Attempt) -> Trigger | None:
    rows = (*attempt.segments, *attempt.behind)
    small = [s for s in rows if s.client and not s.icmp and s.length and s.ttl <= MOST_HOPS and s.position is not None]
    closing = next((s for s in rows if not s.client and not s.icmp and s.flags & (FIN | RST)), None)
    sent = [s for s in small if closing is not None and s.number < closing.number]
    if closing is None or not closing.has(RST) or not sent:
        return None
    place = max((s.position or 0 for s in sent if not old(s)), default=None)
    said = [s for s in sent if s.position == place] if place is not None else sent
    last = said[-1]
    before = [s for s in said if s.ttl < last.ttl]
    if any(s.ttl > last.ttl for s in said):
        return None
    took = closing.ts_ns - last.ts_ns
    watched = last.ttl == 1 or (bool(before) and last.ts_ns - before[-1].ts_ns >= _FACTOR * took + _SLACK_NS)
    end = _end(p for p in probes(attempt) if place is not None and p.segment.number < said[0].number)
    return Trigger(
        last.ttl, before[-1].ttl if before else 0, watched, end, place is None, last, closing, attempt.synack
    )


def _end(asked: Iterable[Probe]) -> int:
    """The smallest TTL that was acknowledged, where the one before was reported, or got nothing twice; 0 otherwise."""
    asked = list(asked)
    first = min((p.ttl for p in asked if p.answer is not None), default=0)
    before = [p for p in asked if p.ttl == first - 1]
    told = any(p.kind == RAN_OUT for p in before) or len(before) >= _TWICE
    return first if first == 1 or told else 0
