"""A connection is stuck: where on the way does what is stuck vanish, that other segments of the same connection pass?

Asked with as many old bytes as are stuck, or with the very bytes where these are few, with rising TTLs, and at once with a single old
byte behind each (`attempts.inband`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.echoes import sender_of
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.inband import Probe, asked
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, Placed, fact
from analyzers.words import times

_SURE = 2  # tries: one answer may be lost
_LARGE = 512  # bytes of a probe that asks for the size


@fact
class SizeLimit(Placed):
    """On the stuck connection large segments are reported up to hop `last` and not from the next on, small ones sent at once
    behind them are."""

    size: int
    last: int
    beyond: int  # the smallest TTL at which only small ones were heard of, 0 when only those that go all the way tell
    tries: int

    def text(self) -> str:
        small = "single bytes sent right behind them are acknowledged"
        if not self.beyond:
            return f"{times(self.tries, 'segment')} of {self.size} bytes got no answer, {small}"
        upto = f"get as far as hop {self.last}" if self.last else "do not even get to hop 1"
        return f"segments of {self.size} bytes {upto}, with TTL {self.beyond} and above they vanish ({times(self.tries, 'try')}); {small}"


@fact
class WordsVanish(Placed):
    """On the stuck connection the very bytes that are stuck are reported up to hop `last` and not from the next on, old ones sent at
    once behind them are. `nearer` when a router reports these from where the others vanish: that is not where they are accepted."""

    size: int
    last: int
    beyond: int
    tries: int
    nearer: bool

    def text(self) -> str:
        upto = f"get as far as hop {self.last}" if self.last else "do not even get to hop 1"
        behind = f"are reported by hop {self.beyond}" if self.nearer else "are acknowledged"
        return (
            f"the {self.size} bytes that are stuck {upto}, with TTL {self.beyond} and above they vanish ({times(self.tries, 'try')}); "
            f"old bytes sent right behind them {behind}"
        )


@fact
class LargePassed(Fact):
    """A segment as large as the one that is stuck was acknowledged: its size is not the reason."""

    size: int

    def text(self) -> str:
        return f"old bytes in a segment of {self.size} bytes are acknowledged: large ones pass"


def facts(subject: Subject) -> Iterator[Fact]:
    """How far what is stuck comes on each connection that was asked so."""
    if subject.symptom not in ("mute", "stalled"):
        return
    for attempt, probes in asked(attempt for attempt, _ in subject.failing):
        yield from _sizes(probes, bool(subject.repeats))
        yield from _words(attempt, probes, bool(subject.repeats))


def _sizes(probes: Sequence[Probe], lossy: bool) -> Iterator[Fact]:
    """Where the way is `lossy`, nobody knows of any two probes why they were lost: no place."""
    size = max((probe.size for probe in probes), default=0)
    large = [probe for probe in probes if probe.size == size]
    passed = next((probe for probe in large if probe.answer is not None), None)
    if size < _LARGE:
        return
    if passed is not None and passed.answer is not None:
        yield LargePassed(frames=(passed.segment.number, passed.answer.number), size=size)
        return
    found = _limit(large, [probe for probe in probes if probe.size < size and _heard(probe)])
    if found is not None:
        yield SizeLimit(
            frames=found.frames, size=size, last=found.last, beyond=found.beyond, tries=found.tries,
            hop_min=found.last if found.sure and not lossy else None, hop_max=found.beyond if found.sure and not lossy else None,
        )  # fmt: skip


def _words(attempt: Attempt, probes: Sequence[Probe], lossy: bool) -> Iterator[Fact]:
    """All copies of the words have one number: a report is of the copy that the same router has reported a single byte behind."""
    words = [probe for probe in probes if probe.segment.position == attempt.client_acked and probe.size > 1]
    small = [probe for probe in probes if probe.size == 1 and _heard(probe)]
    if any(probe.answer is not None or not _alike(probe, _behind(probe, small)) for probe in words):
        return
    found = _limit(words, small)
    if found is not None and found.sure and not lossy:
        yield WordsVanish(
            frames=found.frames, count=0, size=words[0].size, last=found.last, beyond=found.beyond, tries=found.tries,
            nearer=found.nearer, hop_min=found.last, hop_max=found.beyond,
        )  # fmt: skip


def _alike(words: Probe, behind: Probe | None) -> bool:
    """Whether who reported the words, if anybody, reported also what was sent behind them."""
    here, there = words.reported, behind.reported if behind is not None else None
    return here is None or (there is not None and sender_of(here) == sender_of(there))


class _Limit(NamedTuple):
    """How far segments come: to hop `last`, and not to `beyond` (0: only of those that go all the way it is known), to which small
    ones do; `nearer` when a router reports these there. `sure` when that was seen often enough to be a place."""

    last: int
    beyond: int
    tries: int
    nearer: bool
    sure: bool
    frames: tuple[int, ...]


def _limit(large: Sequence[Probe], small: Sequence[Probe]) -> _Limit | None:
    """Where these vanish that small ones pass, which were heard of; None where none do."""
    last = max((probe.ttl for probe in large if _heard(probe)), default=0)
    # Whoever limits errors reports the first of two: a small one heard of behind a large one that is not.
    lost = [probe for probe in large if probe.ttl > last and _behind(probe, small) is not None]
    beyond = min((probe.ttl for probe in lost if not probe.whole), default=0)
    whole = next((probe for probe in small if probe.whole and probe.answer is not None), None)
    if len(lost) < _SURE or whole is None:
        return None
    there = [probe for probe in lost if probe.ttl == beyond]
    reports = [probe.reported for probe in large if probe.ttl == last and probe.reported is not None]
    witness = _behind(there[0], small) if there else whole
    assert witness is not None
    if there and witness.answer is not None:  # so far it is, and all that go farther end there as well
        there = [probe for probe in lost if (other := _behind(probe, small)) and other.answer is not None]
    heard = witness.answer or witness.reported
    frames = [*(r.number for r in reports[:1]), lost[0].segment.number, *((heard.number,) if heard else ())]
    return _Limit(last, beyond, len(lost), witness.answer is None, len(there) >= _SURE, tuple(sorted(frames)))


def _heard(probe: Probe) -> bool:
    return probe.answer is not None or probe.kind == RAN_OUT


def _behind(large: Probe, small: Sequence[Probe]) -> Probe | None:
    """The small one that was sent at once behind a large one, with the same TTL."""
    return next((p for p in small if p.ttl == large.ttl and p.segment.number > large.segment.number), None)
