"""SYNs that were sent beside connections which all went well: where flows fare differently, those that fail count as attempts.

One of several machines that share the address, or one of several ways to it, is broken then, and no connection happened to be dealt
to it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analyzers.attempts.services import Group
from analyzers.attempts.spread import Spread
from analyzers.attempts.subject import Subject

_SYMPTOMS = {"rst": "reset", "syn-ack": "healthy", "": "silence"}  # by what a flow was answered


def with_flows(subject: Subject) -> Subject:
    """The subject with the first SYN of every flow as an attempt, where connections are healthy and flows are not."""
    spread = subject.spread if subject.service.probes and subject.symptom == "healthy" else None
    if spread is None or not (spread.mixed or _between("rst", spread.order) or _dead_ends(spread)):
        return subject
    found = _flows(subject)
    groups = [group for group, _ in found]
    members = np.sort(np.concatenate([subject.service.members, *(group.members for group in groups)]))
    cases = [(subject.attempt(int(group.members[0])), group) for group in groups]
    return replace(
        subject,
        service=replace(subject.service, members=members, groups=[*subject.service.groups, *groups]),
        cases=[*subject.cases, *cases],
        symptoms=[*subject.symptoms, *(symptom for _, symptom in found)],
        beside=len(found),
    )


def _between(answer: str, order: Sequence[str]) -> bool:
    """Whether a flow got this answer after which another was accepted: no guard that takes offence at so many SYNs does that."""
    return answer in order and "syn-ack" in order[order.index(answer) :]


def _dead_ends(spread: Spread) -> bool:
    """Whether several flows get no answer however often they are asked, as chance alone does not lose packets: some that it loses
    would be answered the second time."""
    silent = spread.of("")
    lossy = any(flow.lossy for flow in spread.flows)
    return len(silent) > 1 and all(flow.again == "" for flow in silent) and not lossy and _between("", spread.order)


def _flows(subject: Subject) -> list[tuple[Group, str]]:
    """The first SYN of every flow, in groups that went alike, with the symptom of each."""
    ledger, spread = subject.ledger, subject.spread
    told = {flow.echo.syn.number: flow.kind.answer for flow in spread.flows} if spread is not None else {}
    found: list[tuple[Group, str]] = []
    for group in subject.service.probes:
        parts: dict[str, list[int]] = defaultdict(list)
        for member in group.members.tolist() if group.ending.syn_rows else ():
            answer = told.get(ledger.cell("number", member, group.ending.syn_rows[0]))
            if answer in _SYMPTOMS:
                parts[_SYMPTOMS[answer]].append(member)
        found += [(Group(group.ending, np.array(members)), symptom) for symptom, members in parts.items()]
    return found
