"""Do flows that differ in their source port only fare differently, and do those that are refused go another way?"""

from collections import Counter
from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.spread import Fork, Kind, Spread, nearest
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, Placed, fact
from analyzers.words import times

_SAID = {"rst": "refused by a RST", "syn-ack": "accepted", "": "not answered"}
_TOLD = ("reset", "silence", "unreachable", "closed", "mute", "stalled", "healthy")


@fact
class FlowsAlike(Fact):
    """So many flows from different source ports got the same answer that none is dealt elsewhere, if others were dealt evenly.
    `unlike`: some attempts fared otherwise nevertheless."""

    flows: int
    answer: str
    ttl: int
    unlike: bool

    def text(self) -> str:
        said = f"{self.flows} flows, each from a source port of its own, are all {_said(self.answer, self.ttl)}"
        if self.unlike:
            return f"{said}, though not all connections were: few flows are dealt elsewhere, or something changed meanwhile"
        return f"{said}: nothing deals them out by ports (95 % sure, if it dealt evenly); what deals by source address alone would not show"


@fact
class FlowsDiffer(Fact):
    """Flows from different source ports got different answers. `fixed`: each gets the same again ("yes"), does not ("no"), or that
    is not known (""); `alternates`: as no single listener that comes or goes explains (`Spread.mixed`); `every` and `whole` as in
    `Spread`. `kinds` are answer, TTL and how many flows got it.
    """

    flows: int
    kinds: tuple[tuple[str, int, int], ...]
    fixed: str
    every: int
    alternates: bool
    whole: bool

    def text(self) -> str:
        told = "; ".join(
            f"{count} of {times(self.flows, 'flow')} {_are(count)} {_said(a, ttl)}" for a, ttl, count in self.kinds
        )
        dealt = {
            "yes": "; asked again each fares the same: its source port decides",
            "turn": f"; in strict turn every {self.every} flows the same comes again, as a balancer deals them out",
            "no": "; asked again some fare otherwise: not the source port decides, but turn, time or chance",
        }.get("turn" if self.every else self.fixed, "")
        more = (
            "other kinds would have shown with 95 %, if flows are dealt evenly"
            if self.whole
            else "there may be more kinds"
        )
        return f"from source ports of their own {told}{dealt} ({more})"


@fact
class WaysPart(Fact):
    """Refused flows meet another router than accepted ones at this hop, the first at which they differ."""

    hop: int
    router: str
    others: tuple[str, ...]
    refused: int
    accepted: int
    lost: bool

    def text(self) -> str:
        failed = times(self.refused, "lost flow" if self.lost else "refused flow")
        return (
            f"the ways part by hop {self.hop}: {failed} met {self.router} there, "
            f"{times(self.accepted, 'accepted one')} {' or '.join(self.others)}"
        )


@fact
class OneWay(Fact):
    """A failing and an accepted flow met the same last router: what tells them apart stands behind it. `dealt`: flows in general
    are dealt out, each always to the same machine, or in turn; `translated`: a box on the way translates, as balancers do."""

    dealt: bool
    translated: bool

    def text(self) -> str:
        return (
            "a failing and an accepted flow met the same last router, behind which the one fails and the other does not"
        )


@fact
class RefusedFrom(Placed):
    """SYNs are refused by turn or chance from this TTL on; `spared` with one less were not."""

    ttl: int
    spared: int

    def text(self) -> str:
        return f"some SYNs are refused with TTL {self.ttl}, and none of {self.spared} with TTL {self.ttl - 1}: by turn or chance, and there"


@fact
class ConnectionsWell(Fact):
    """Every connection went well; the attempts that fail are SYNs that were sent beside them."""

    connections: int
    failed: int

    def text(self) -> str:
        return (
            f"all {times(self.connections, 'connection')} went well; of the SYNs that were sent beside them, each from a source port "
            f"of its own, {self.failed} did not"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """What flows with other source ports add to how the attempts failed."""
    spread = subject.spread
    if spread is None or subject.symptom not in _TOLD:
        return
    if subject.beside:
        well = sum(len(group) for _, group in subject.cases[: -subject.beside])
        failed = sum(len(group) for _, group in subject.failing)
        first = subject.failing[0][0].segments[0].number
        yield ConnectionsWell(frames=(first,), count=0, connections=well, failed=failed)
    if len(spread.kinds) > 1:
        yield _differ(spread)
    elif spread.whole and not spread.torn:
        (kind,) = spread.kinds
        if kind.answer:
            unlike = any(not _like(attempt, kind) for attempt, _ in subject.cases)
            yield FlowsAlike(
                frames=_frames(spread),
                count=0,
                flows=len(spread.flows),
                answer=kind.answer,
                ttl=kind.ttl,
                unlike=unlike,
            )
    found = nearest(subject.sweeps, spread, subject.service.port) if subject.symptom == "reset" else None
    if found is not None and found.hops[0] > 1:
        yield RefusedFrom(
            frames=found.frames,
            count=0,
            ttl=found.ttl,
            spared=found.spared,
            hop_min=found.hops[0],
            hop_max=found.hops[-1],
        )
    fork = subject.fork
    if fork is not None:
        yield _ways(subject, fork)


def _like(attempt: Attempt, kind: Kind) -> bool:
    """Whether an attempt was answered as all flows were, and from as far."""
    return attempt.ending.answer == kind.answer and (attempt.answer is None or attempt.answer.ttl == kind.ttl)


def _differ(spread: Spread) -> FlowsDiffer:
    counts: Counter[tuple[str, int]] = Counter()
    for kind, count in spread.kinds.items():
        counts[kind.answer, kind.ttl] += count
    kinds = sorted(counts.items(), key=lambda one: (one[0][0] == "syn-ack", -one[1], one[0]))
    return FlowsDiffer(
        frames=_frames(spread), count=0, flows=len(spread.flows), kinds=tuple((*kind, count) for kind, count in kinds),
        fixed={True: "yes", False: "no", None: ""}[spread.fixed], every=spread.every, alternates=spread.mixed, whole=spread.whole,
    )  # fmt: skip


def _frames(spread: Spread) -> tuple[int, ...]:
    """Question and answer of the first flow of every kind."""
    first: dict[Kind, tuple[int, ...]] = {}
    for flow in spread.flows:
        echo = flow.echo
        first.setdefault(flow.kind, (echo.syn.number, *([echo.answer.number] if echo.answer is not None else [])))
    return tuple(sorted(number for numbers in first.values() for number in numbers))


def _ways(subject: Subject, fork: Fork) -> Fact:
    if not fork.hop:
        return OneWay(frames=fork.frames, count=0, dealt=subject.dealt, translated=subject.sweeps.own is not None)
    return WaysPart(
        frames=fork.frames, count=0, hop=fork.hop, router=fork.router, others=fork.others, refused=fork.refused,
        accepted=fork.accepted, lost=fork.lost,
    )  # fmt: skip


def _said(answer: str, ttl: int) -> str:
    how = _SAID.get(answer, f"refused with ICMP {answer}")
    return how + (f" with TTL {ttl}" if ttl else "")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
