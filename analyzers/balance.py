"""Attempts to one service went differently: what does the difference follow, time or source?"""

from collections.abc import Iterator
from itertools import groupby, pairwise

import numpy as np

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact
from analyzers.words import duration, times

_MOST_RUNS = 9
_COPY_NS = 100_000_000  # no stack repeats a SYN sooner
_ALTERNATING = 3  # changes between working and failing that no single repair or breakdown explains


@fact
class Turns(Fact):
    """How working and failing attempts follow each other. `alternates` when no single breakdown or repair explains it."""

    alternates: bool
    runs: tuple[tuple[bool, int, int], ...]  # worked, how many attempts, over how many ns

    def text(self) -> str:
        told = [
            f"{count:,} {'worked' if worked else 'failed'}" + (f" in {duration(span)}" if count > 1 else "")
            for worked, count, span in self.runs[:_MOST_RUNS]
        ]
        more = f", and so on ({len(self.runs)} turns)" if len(self.runs) > _MOST_RUNS else ""
        return f"in order of time {', then '.join(told)}{more}"


@fact
class Rotation(Fact):
    """Exactly every so manieth attempt fails, over all that were made."""

    every: int

    def text(self) -> str:
        return f"1 attempt in {self.every} fails, in strict rotation: as a balancer deals them out to {self.every} machines"


@fact
class BySource(Fact):
    """Some client addresses always fail and others never do, in the same time."""

    failing: tuple[str, ...]
    working: tuple[str, ...]

    def text(self) -> str:
        return (
            f"it depends on the client: all attempts of {_named(self.failing)} fail, none of {_named(self.working)} does, in the "
            "same time"
        )


@fact
class OwnTtl(Fact):
    """The failing attempts were answered with a TTL that no working attempt was answered with."""

    ttls: tuple[int, ...]
    others: tuple[int, ...]

    def text(self) -> str:
        return (
            f"all failing attempts were answered with TTL {_ttls(self.ttls)}, the working ones with {_ttls(self.others)}: "
            "not the same machine, or not the same way"
        )


@fact
class LateAnswers(Fact):
    """Attempts whose first SYN stayed unanswered though a later one was answered."""

    total: int

    def text(self) -> str:
        return f"in {self.count:,} of {self.total:,} attempts only a repeated SYN was answered: packets are lost on the way, or limited"


def facts(subject: Subject) -> Iterator[Fact]:
    """What separates the failing attempts from those that worked."""
    if subject.symptom in ("healthy", "unseen"):
        return
    yield from _late(subject)
    failing, working = subject.failing, subject.working
    if not working:
        return
    yield from _turns(subject)
    yield from _sources(subject)
    ttls, others = _answered(failing), _answered(working)
    if ttls and others and not set(ttls) & set(others):
        frames = tuple(s.number for a, _ in (failing[0], working[0]) if (s := a.answer) is not None)
        yield OwnTtl(frames=frames, count=sum(len(group) for _, group in failing), ttls=ttls, others=others)


def _turns(subject: Subject) -> Iterator[Fact]:
    members, failed = subject.timeline
    began = subject.ledger.columns["first_ts"][members]
    runs, heads, at = [], [], 0
    for fails, run in groupby(failed.tolist()):
        count = len(list(run))
        runs.append((not fails, count, int(began[at + count - 1] - began[at])))
        heads.append(subject.ledger.cell("number", int(members[at]), 0))
        at += count
    yield Turns(
        frames=tuple(heads[:_MOST_RUNS]),
        count=0,
        alternates=len(runs) > _ALTERNATING or subject.mixed,
        runs=tuple(runs),
    )
    if subject.rotation:
        frames = tuple(subject.ledger.cell("number", int(member), 0) for member in members[failed][:4])
        yield Rotation(frames=frames, count=0, every=subject.rotation)


def _sources(subject: Subject) -> Iterator[BySource]:
    failing, working = (_spans(subject, cases) for cases in (subject.failing, subject.working))
    together = max(min(span[0] for span in side.values()) for side in (failing, working)) <= min(
        max(span[1] for span in side.values()) for side in (failing, working)
    )
    if not set(failing) & set(working) and together:
        frames = tuple(attempt.segments[0].number for attempt, _ in (subject.failing[0], subject.working[0]))
        yield BySource(frames=frames, count=0, failing=tuple(failing)[:20], working=tuple(working)[:20])


def _spans(subject: Subject, cases: list[tuple[Attempt, Group]]) -> dict[str, tuple[int, int]]:
    """First and last time at which each client's attempts of these groups began."""
    out: dict[str, tuple[int, int]] = {}
    for attempt, group in cases:
        side = attempt.ending.client_side
        begun = subject.begun(group)
        high, low = (subject.ledger.columns[name][group.members, side] for name in ("end_hi", "end_lo"))
        _, first = np.unique(np.stack([high, low]), axis=1, return_index=True)
        for i in first.tolist():
            mine = begun[(high == high[i]) & (low == low[i])]
            name = str(subject.ledger.address(int(group.members[i]), side))
            a, b = out.get(name, (int(mine.min()), int(mine.max())))
            out[name] = (min(a, int(mine.min())), max(b, int(mine.max())))
    return out


def _answered(cases: list[tuple[Attempt, Group]]) -> tuple[int, ...]:
    """The TTLs of the first answers that bear the server's address."""
    return tuple(sorted({a.answer.ttl for a, _ in cases if a.answer is not None and not a.answer.icmp}))


def _late(subject: Subject) -> Iterator[LateAnswers]:
    late = [
        (attempt, group) for attempt, group in subject.cases
        if attempt.answer is not None and _tries_before(attempt) > 1
        and attempt.answer.has(2)
    ]  # fmt: skip
    if late:
        total = sum(len(group) for _, group in subject.cases)
        count = sum(len(group) for _, group in late)
        attempt, group = late[0]
        yield LateAnswers(frames=subject.frames(group, *attempt.ending.syn_rows[:2], most=2), count=count, total=total)


def _tries_before(attempt: Attempt) -> int:
    """SYNs sent before the answer; one that was captured on both sides of a router is one."""
    answer = attempt.answer
    sent = [s.ts_ns for s in attempt.syns if answer is not None and s.number < answer.number]
    return sum(1 for before, after in pairwise([-_COPY_NS, *sent]) if after - before >= _COPY_NS)


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {times(len(names) - 3, 'other')}" if len(names) > 3 else "")


def _ttls(ttls: tuple[int, ...]) -> str:
    return " or ".join(map(str, ttls))
