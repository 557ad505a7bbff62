"""What a diagnosis is about: one service, one decoded attempt of each way in which attempts to it went, and the
symptom of each; with what the same address answered elsewhere in the capture."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analyzers.attempts.attempt import Attempt, Recall, Segment, materialise
from analyzers.attempts.columns import Array
from analyzers.attempts.ends import End, end_of
from analyzers.attempts.hops import MOST_HOPS, routers
from analyzers.attempts.icmp import RAN_OUT, kind_of
from analyzers.attempts.ledger import Ledger
from analyzers.attempts.past import Past, past_of
from analyzers.attempts.pings import Pings
from analyzers.attempts.prevailing import Told, limited, prevailing
from analyzers.attempts.receipts import Receipt, receipt_of
from analyzers.attempts.reflection import reflection
from analyzers.attempts.repeats import repeats, small
from analyzers.attempts.services import Group, Service
from analyzers.attempts.spread import Fork, Spread, fork_of, spread_of
from analyzers.attempts.surroundings import Answer, Surroundings
from analyzers.attempts.sweeps import Sweeps
from analyzers.attempts.symptoms import Watch
from analyzers.attempts.trigger import Trigger, agreed, triggers
from analyzers.attempts.vanish import Vanished, vanished
from captures.flags import RST

MAX_GROUPS = 48  # groups of one service that are decoded, largest first
_AT_ONCE_NS = 1_000_000_000  # attempts this close are a burst

_MUCH = 0.2  # of small segments, that came through only when repeated
_SIGNED = 2  # flows: one that gets no answer may be lost
_MANY = 64  # connections of one kind that are looked up by their ports
_IGNORED = 3  # flows of which none is answered, where silence is what tells


@dataclass(frozen=True, slots=True)
class Signed:
    """A port that ignores signed SYNs, and the frames of those that the refused port answered, none where it ignores them too."""

    control: int
    frames: tuple[int, ...]


@dataclass
class Subject:
    """`cases` are the decoded groups, `failing` those with the verdict's `symptom`; `skipped` attempts were not decoded."""

    service: Service
    ledger: Ledger
    watches: list[Watch]
    cases: list[tuple[Attempt, Group]]
    symptoms: list[str]
    around: Surroundings
    recall: Recall
    skipped: int = 0
    unheard: frozenset[int] = frozenset()  # source ports whose connect() did not return, though its time was not over
    beside: int = 0  # cases at the end that are flows, asked beside connections which all went well

    @cached_property
    def elsewhere(self) -> tuple[Answer, ...]:
        """What the service's address answered on other ports."""
        return self.around.answers(self.service)

    @cached_property
    def sweeps(self) -> Sweeps:
        """The traceroutes to the service's address."""
        return self.around.sweeps(self.service)

    @cached_property
    def pings(self) -> Pings:
        """What pings of the service's address, and UDP to it, got back."""
        return self.around.pings(self.service)

    @cached_property
    def triggers(self) -> list[Trigger]:
        """How far the client's words had to come to be answered by a RST, on each connection that asked so."""
        return triggers(self.asking)

    @cached_property
    def drawn(self) -> Trigger | None:
        """What `triggers` agree on, if anything. Old bytes that are reset show no end: then it is the hop behind the last one that
        reported SYNs to the port. Where these are accepted tells no more: what has a connection half made answers one without SYN."""
        sure = agreed(self.triggers)
        if sure is None or not sure.old or not self.sweeps or self.sweeps.several_ways:
            return sure
        paths = self.sweeps.to(self.service.port)
        last = [
            path.last_router(end.ttl if (end := path.begins("syn-ack", "rst")) else MOST_HOPS, self.sweeps.target) for path in paths
        ]  # fmt: skip
        return replace(sure, end=max(last, default=-1) + 1)

    @cached_property
    def asking(self) -> list[Attempt]:
        """Connections to the service that were made to ask about the way."""
        asked = [index for group in self.service.probes if group.ending.limited for index in group.members[:4].tolist()]
        return [self.attempt(index) for index in asked]

    @cached_property
    def end(self) -> End | None:
        """Where the way of refused SYNs ends, if a sweep showed it."""
        answers = [a.answer for a, _ in self.failing if a.answer is not None]
        if not self.sweeps or not answers:
            return None
        if self.symptom == "reset":
            arrived = frozenset(answer.ttl for answer in answers if not answer.icmp)
            opened = frozenset(a.ttl for a in self.elsewhere if a.kind == "syn-ack" and a.segment.window)
            end = end_of(self.sweeps, self.service.port, "rst", arrived, opened, self.past is not None)
            return self._by_chance(end)
        icmp = answers[0].packet.icmp
        kind = kind_of(icmp.version, icmp.type, icmp.code) if icmp is not None else RAN_OUT
        if self.symptom != "unreachable" or kind == RAN_OUT:
            return None
        return end_of(self.sweeps, self.service.port, kind)

    @cached_property
    def repeats(self) -> list[Segment]:
        """The repeats with which what was lost on the way came through: of SYNs only where others are accepted, as a full queue takes
        some of them."""
        attempts = [attempt for attempt, _ in (*self.failing, *self.working)]
        again = [segment for attempt in attempts for segment in repeats(attempt)]
        if self.symptom in ("mute", "stalled"):
            again += [attempt.syns[-1] for attempt in attempts if len(attempt.syns) > 1 and attempt.synack is not None]
        return again

    @cached_property
    def loses_many(self) -> bool:
        """Whether so much was lost that all copies of something may be so by chance."""
        seen = sum(len(small(attempt)) + (attempt.synack is not None) for attempt, _ in (*self.failing, *self.working))
        return len(self.repeats) > 1 and len(self.repeats) >= _MUCH * seen

    @cached_property
    def past(self) -> Past | None:
        """What pings met behind the hop that refuses, if they go past it."""
        return past_of(self.sweeps, self.pings, self.service.port) if self.symptom == "reset" else None

    def _by_chance(self, end: End | None) -> End | None:
        """The end where SYNs are refused by turn or chance: any that came farther may have been spared nearer."""
        chance = self.spread is not None and self.spread.fixed is False
        return replace(end, low=1, router=None, own=False, stands="unknown") if end is not None and chance else end

    @cached_property
    def spread(self) -> Spread | None:
        """How flows to the port fared that differ in their source port, if so many were asked that it tells."""
        if not self.sweeps.singles:
            return None
        accepted = [group for group in self.service.groups if group.ending.synack_rows]
        ports = self.ledger.columns["port"]
        came = {port for group in accepted for port in ports[group.members[:_MANY], group.ending.client_side].tolist()}
        return spread_of(self.sweeps, self.service.port, came)

    @cached_property
    def fork(self) -> Fork | None:
        """Where the ways of refused and accepted flows part, if sweeps of both show it."""
        return fork_of(self.sweeps, self.spread, self.service.port) if self.spread is not None else None

    @property
    def mixed(self) -> bool:
        """Whether flows fare differently in a way that no single listener which came or went explains."""
        return self.spread is not None and self.spread.mixed

    @property
    def came_through(self) -> bool:
        """Whether other flows of the port were accepted, in attempts or beside them."""
        return bool(self.working or (self.spread is not None and self.spread.of("syn-ack")))

    @property
    def dealt(self) -> bool:
        """Whether flows meet one of several machines, some of which refuse: each the same again, with the same last router before it;
        or all in strict turn, where there is one way only."""
        if self.spread is None or not self.mixed:
            return False
        if self.spread.fixed:
            return self.fork is not None and not self.fork.hop
        return bool(self.spread.every) and not self.sweeps.several_ways

    @cached_property
    def signed(self) -> Signed | None:
        """Whether signed SYNs are answered by this port, where a closed one ignores them; None where that cannot be told."""
        for control in {answer.port for answer in self.elsewhere if answer.kind == "rst"}:
            mine, theirs = (self.sweeps.shaped(port, "signed") for port in (self.service.port, control))
            if len(mine) >= _SIGNED and len(theirs) >= _IGNORED and not any(echo.kind for echo in theirs):
                # A guard against floods may refuse what comes after the attempts: that is another RST.
                alike = {a.answer.ttl for a, _ in self.failing if a.answer is not None}
                answered = [e for e in mine if e.kind == "rst" and e.answer is not None and e.answer.ttl in alike]
                frames = [f.number for e in answered if e.answer is not None for f in (e.syn, e.answer)]
                return Signed(control, tuple(frames) if len(answered) == len(mine) else ())
        return None

    @cached_property
    def translated(self) -> tuple[Segment, Segment] | None:
        """Refusals of a SYN with FIN and of a plain SYN, by stacks both, the first over fewer routers; None without such."""
        plain = [a.answer for a, _ in self.failing if a.answer is not None and a.answer.has(RST)]
        odd = self.sweeps.shaped(self.service.port, "synfin")
        backs = {routers(echo.answer.ttl) for echo in odd if echo.answer is not None and echo.kind == "rst"}
        far = {routers(answer.ttl) for answer in plain}
        if len(odd) < _SIGNED or len(backs) != 1 or len(far) != 1 or min(backs) >= min(far):
            return None
        first = odd[0]
        if first.answer is None or reflection(first.syn, first.answer) != "copied":
            return None
        return first.answer, plain[0]

    @cached_property
    def lost(self) -> Vanished | None:
        """Where silent SYNs vanish, if a sweep showed it."""
        return vanished(self.sweeps, self.service.port, self.pings) if self.sweeps else None

    @cached_property
    def receipt(self) -> Receipt | None:
        """Whether SYNs to the port get through to the target, whatever then becomes of them, if that was asked."""
        return receipt_of(self.sweeps, self.service.port) if self.sweeps and not self.came_through else None

    @cached_property
    def symptom(self) -> str:
        """The failing symptom of most attempts; healthy only when none fails, unseen only when nothing else is known."""
        return prevailing(self._told, self.begun, sum(count for _, _, count in self.limited))

    @cached_property
    def limited(self) -> list[tuple[Attempt, Group, int]]:
        """Silent groups, with how many of their attempts began within seconds of one that an ICMP error refused."""
        return limited(self._told, self.begun)

    @property
    def _told(self) -> list[Told]:
        return [(*case, symptom) for case, symptom in zip(self.cases, self.symptoms, strict=True)]

    @cached_property
    def timeline(self) -> tuple[Array, Array]:
        """The failing and the working attempts in order of time, and which of them failed."""
        parts = [(group.members, True) for _, group in self.failing] + [
            (group.members, False) for _, group in self.working
        ]
        members = np.concatenate([members for members, _ in parts])
        failed = np.concatenate([np.full(len(members), fails) for members, fails in parts])
        order = np.argsort(self.ledger.columns["first_ts"][members], kind="stable")
        return members[order], failed[order]

    @cached_property
    def rotation(self) -> int:
        """Exactly every how manieth attempt fails, over at least three failures; 0 when there is no such order.

        Attempts that come at a steady pace cannot tell an order from a time (a service that restarts, a limit), unless they
        follow each other at once. Flows beside connections have an order of their own (`Spread.every`).
        """
        if self.beside:
            return 0
        members, failed = self.timeline
        gaps = np.diff(self.ledger.columns["first_ts"][members])
        if len(gaps) and int(gaps.max()) > _AT_ONCE_NS and int(gaps.max()) < 2 * int(gaps.min()):
            return 0
        places = np.flatnonzero(failed)
        steps = set(np.diff(places).tolist())
        if len(places) < 3 or len(steps) != 1:
            return 0
        (step,) = steps
        whole = places[0] < step and places[-1] >= len(failed) - step
        return step if step > 1 and whole else 0

    def attempt(self, index: int) -> Attempt:
        """Any attempt of the run, decoded."""
        return materialise(self.ledger, index, self.recall)

    def begun(self, group: Group) -> Array:
        """When each attempt of the group began."""
        out: Array = self.ledger.columns["first_ts"][group.members]
        return out

    @property
    def failing(self) -> list[tuple[Attempt, Group]]:
        """The groups that show the symptom (all of them when the service is healthy)."""
        return [case for case, symptom in zip(self.cases, self.symptoms, strict=True) if symptom == self.symptom]

    @property
    def working(self) -> list[tuple[Attempt, Group]]:
        return [case for case, symptom in zip(self.cases, self.symptoms, strict=True) if symptom == "healthy"]

    def count(self, symptom: str) -> int:
        return sum(len(group) for (_, group), s in zip(self.cases, self.symptoms, strict=True) if s == symptom)

    def frames(self, group: Group, *rows: int, most: int = 4) -> tuple[int, ...]:
        """The frame numbers of the given kept rows, in the first attempts of the group."""
        return tuple(self.ledger.cell("number", int(member), row) for member in group.members[:most] for row in rows)
