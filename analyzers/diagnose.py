"""diagnose(): one service's attempts -> the verdict. The only place where facts, causes and places come together."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from analyzers import (
    accepted,
    after,
    alive,
    balance,
    closed,
    device,
    handshake,
    inband,
    loss,
    maker,
    origin,
    path,
    receipts,
    reset,
    servers,
    shapes,
    silence,
    size,
    spread,
    ssh,
    stalled,
    swallowed,
    trigger,
    unreachable,
)
from analyzers.attempts.attempt import Attempt, Recall, materialise
from analyzers.attempts.beside import with_flows
from analyzers.attempts.context import Call, Context
from analyzers.attempts.ledger import Ledger
from analyzers.attempts.moments import by_time
from analyzers.attempts.services import Group, Service
from analyzers.attempts.subject import MAX_GROUPS, Subject
from analyzers.attempts.surroundings import Surroundings
from analyzers.attempts.symptoms import SYMPTOMS, Watch, symptom_of
from analyzers.causes import PREFIXES, find
from analyzers.conclude import Weighed, answer, weigh
from analyzers.model import Alternative, Evidence, Fact, Place, Placed, Strength, Verdict, Void

ANALYZERS: tuple[Callable[[Subject], Iterator[Fact]], ...] = (
    reset.facts, maker.facts, device.facts, unreachable.facts, silence.facts, alive.facts, handshake.facts, closed.facts, stalled.facts,
    size.facts, after.facts, ssh.facts, balance.facts, loss.facts, servers.facts, spread.facts, path.facts, accepted.facts, shapes.facts,
    inband.facts, swallowed.facts, trigger.facts, receipts.facts,
)  # fmt: skip


_DURATION = re.compile(r"[0-9][0-9.,]* (us|ms|s|min|h|days)\b( [0-9]+ (s|min)\b)?")
_CAUSES_OF = {symptom: find(symptom) for symptom in SYMPTOMS}


def diagnose(
    service: Service, ledger: Ledger, recall: Recall, watches: Sequence[Watch], around: Surroundings,
    waited: Mapping[int, int] = MappingProxyType({}),
) -> Verdict:  # fmt: skip
    """The verdict on one service. Pure: the same capture gives the same verdict.

    `watches` tells per trace how long it was watched; `around` what the capture shows around the service; `waited`, of a live
    diagnosis, how long each connect() that did not return was waited for, in nanoseconds, by source port.
    """
    subject = subject_of(service, ledger, recall, watches, around, waited)
    facts = [fact for analyzer in ANALYZERS for fact in analyzer(subject)]
    return _verdict(subject, facts)


def subject_of(
    service: Service, ledger: Ledger, recall: Recall, watches: Sequence[Watch], around: Surroundings,
    waited: Mapping[int, int] = MappingProxyType({}),
) -> Subject:  # fmt: skip
    """What the verdict on this service is about."""
    groups = [part for group in _chosen(service.groups) for part in by_time(ledger, group, watches)]
    cases = [(materialise(ledger, int(group.members[0]), recall), group) for group in groups]
    unheard = frozenset(attempt.client_port for attempt, _ in cases if _kept_out(attempt, waited))
    symptoms = [
        "half-open"
        if attempt.client_port in unheard and attempt.synack is not None
        else symptom_of(attempt, watches[attempt.trace])
        for attempt, _ in cases
    ]
    skipped = len(service.members) - sum(len(group) for group in groups)
    return with_flows(Subject(service, ledger, list(watches), cases, symptoms, around, recall, skipped, unheard))


def _kept_out(attempt: Attempt, waited: Mapping[int, int]) -> bool:
    """Whether an answer came while connect() still waited for one, which it was not told."""
    came = attempt.synack or attempt.answer
    longest = waited.get(attempt.client_port, 0)
    return came is not None and bool(attempt.syns) and came.ts_ns < attempt.syns[0].ts_ns + longest


def diagnose_unsent(context: Context, looped: tuple[int, ...] = (), by_error: bool = False) -> Verdict:
    """The verdict on a target to which nothing was sent; `looped` are frames that came back over the loopback interface, ICMP errors
    among them if `by_error`."""
    unasked = Call(local_port=0, port=context.port, errno=context.route or None, after_ns=0)
    call = next((call for call in context.calls if call.port == context.port), unasked)
    facts = list(origin.facts(context, call, looped))
    symptom = origin.symptom_of(call, by_error)
    found = answer(weigh(facts, _CAUSES_OF[symptom]))
    cause = found.id or symptom
    return Verdict(
        outcome="not-sent", cause=cause, strength=found.strength, place=Place(hop=0, hop_min=0, hop_max=0, actor="client-host"),
        summary=found.winners[0].cause.title if len(found.winners) == 1 else PREFIXES[cause],
        evidence=tuple(Evidence(fact.text(), fact.frames) for fact in facts),
        alternatives=tuple(_alternatives(found.winners, found.others)),
    )  # fmt: skip


def _chosen(groups: Sequence[Group]) -> list[Group]:
    """The groups to look at: the largest, but at least one of every outcome."""
    of_outcome: dict[str, Group] = {}
    for group in groups:
        of_outcome.setdefault(group.ending.outcome, group)
    first = list(of_outcome.values())
    rest = [group for group in groups if of_outcome[group.ending.outcome] is not group]
    return first + rest[: max(0, MAX_GROUPS - len(first))]


def _verdict(subject: Subject, facts: list[Fact]) -> Verdict:
    found = answer(weigh(facts, _CAUSES_OF[subject.symptom]))
    cause = found.id or subject.symptom
    title = found.winners[0].cause.title if len(found.winners) == 1 else PREFIXES[cause]
    if cause == "reset":
        title = _made({w.cause.id for w in found.winners}, facts) or title
    outcomes: Counter[str] = Counter()
    for attempt, group in subject.failing:
        outcomes[attempt.ending.outcome] += len(group)
    return Verdict(
        outcome=outcomes.most_common(1)[0][0],
        cause=cause,
        strength=found.strength,
        place=_place(subject, facts, found.winners),
        summary=_summary(subject, title),
        evidence=tuple(_evidence(subject, [fact for fact in facts if not isinstance(fact, Void)])),
        alternatives=tuple(_alternatives(found.winners, found.others)),
        void=tuple(dict.fromkeys(fact.text() for fact in facts if isinstance(fact, Void))),
    )


_MADE = {
    "stack": "refused by a RST that a TCP stack made, not a packet filter; whose stack is not decided by this capture",
    "filter": "refused by a RST that a packet filter made: the target host's own, or that of a device in the cable before it",
}


def _made(left: set[str], facts: list[Fact]) -> str:
    """What made the RST where that is known, though not where it stands; of a filter only two places are left then."""
    made_by = next((fact.made_by for fact in facts if isinstance(fact, maker.ResetMaker)), "")
    if made_by == "filter" and left != {"reset.target.filter", "reset.network.firewall"}:
        return ""
    return _MADE.get(made_by, "")


def _summary(subject: Subject, title: str) -> str:
    """The title, preceded by how many attempts it speaks of when that is not all of them."""
    total = len(subject.service.members)
    failing = sum(len(group) for _, group in subject.failing)
    if failing == total:
        return title
    rest = [f"{subject.count(s):,} {s}" for s in SYMPTOMS if s != subject.symptom and subject.count(s)]
    if subject.skipped:
        rest.append(f"{subject.skipped:,} not looked at one by one")
    return f"{failing:,} of {total:,} attempts: {title} (the others: {', '.join(rest)})"


def _evidence(subject: Subject, facts: list[Fact]) -> Iterator[Evidence]:
    """Every fact once, of each kind the most frequent first; facts that differ in times only are one line."""
    total = len(subject.service.members)
    kinds = {kind: place for place, kind in enumerate(dict.fromkeys(map(type, facts)))}
    alike: dict[str, list[Fact]] = {}
    for fact in facts:
        alike.setdefault(_DURATION.sub("T", fact.text()), []).append(fact)
    for same in sorted(alike.values(), key=lambda same: (kinds[type(same[0])], -sum(f.count for f in same))):
        same.sort(key=lambda fact: -fact.count)
        count = sum(fact.count for fact in same)
        vary = ", times vary" if len({fact.text() for fact in same}) > 1 else ""
        share = f" ({count:,} of {total:,} attempts{vary})" if total > 1 and count else ""
        frames = tuple(frame for fact in same for frame in fact.frames)
        yield Evidence(same[0].text() + share, frames[:8])
    for attempt, group in subject.failing:
        rows = attempt.ending.ignored_rst_rows[:4]
        if rows:
            ttls = sorted({attempt.segments[row].ttl for row in rows})
            shown = ", ".join(map(str, ttls))
            yield Evidence(
                f"both sides went on after a RST with TTL {shown}, which so closed nothing",
                subject.frames(group, *rows, most=1),
            )
        for note in attempt.ending.notes:
            if "after a RST" not in note:
                yield Evidence(note, subject.frames(group, 0, most=1))
        tunnels = attempt.segments[0].packet.tunnels
        if tunnels:
            yield Evidence(f"carried inside {', '.join(tunnels)}", (attempt.segments[0].number,))
            break


def _place(subject: Subject, facts: list[Fact], winners: Sequence[Weighed]) -> Place:
    actors = {w.cause.actor for w in winners}
    actor = actors.pop() if len(actors) == 1 else "unknown"
    placed = [fact for fact in facts if isinstance(fact, Placed)]
    senders = {fact.sender for fact in placed if fact.sender}
    low = max((fact.hop_min for fact in placed if fact.hop_min is not None), default=None)
    high = min((fact.hop_max for fact in placed if fact.hop_max is not None), default=None)
    if len(senders) > 1 or (low is not None and high is not None and low > high):
        return Place(actor=actor)
    address = senders.pop() if senders else None
    if address is None and actor in ("server-host", "load-balancer"):
        address = str(subject.service.address)
    said = [fact for fact in placed if fact.hop_min is not None or fact.hop_max is not None]
    or_back = bool(said) and all(fact.or_back for fact in said)
    if or_back and actor == "unknown":
        high = None  # it may be the answer that is lost, anywhere on its way back
    return Place(low if low == high else None, low, high, address, actor, or_back)


def _alternatives(winners: Sequence[Weighed], others: Sequence[Weighed]) -> Iterator[Alternative]:
    """What else the frames allow: the tied causes below a prefix, then weaker ones; ruled-out ones with the reason."""
    if len(winners) > 1:
        for w in winners:
            yield Alternative(w.cause.id, w.strength, w.cause.title)
    for w in others:
        if w.strength is Strength.RULED_OUT:
            yield Alternative(w.cause.id, w.strength, w.because[0].text())
        else:
            yield Alternative(w.cause.id, w.strength, w.cause.title)
