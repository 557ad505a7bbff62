"""Which symptom a verdict is about, where attempts at one service failed in several ways, or only some of them."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.columns import Array
from analyzers.attempts.services import Group
from analyzers.attempts.symptoms import SYMPTOMS, ran_out_on_purpose

_LIMIT_NS = 2_000_000_000  # devices send a few ICMP errors at once, then about one a second

Told = tuple[Attempt, Group, str]
"""A group, the first of its attempts, and their symptom."""

Begun = Callable[[Group], Array]
"""When each attempt of a group began, in nanoseconds."""


def prevailing(told: Sequence[Told], begun: Begun, limited: int) -> str:
    """The failing symptom of most attempts; healthy only when none fails, unseen only when nothing else is known. So many silent ones
    do not count as are `limited`."""
    counts: Counter[str] = Counter()
    probes = 0
    for attempt, group, symptom in told:
        counts[symptom] += len(group)
        probes += len(group) if ran_out_on_purpose(attempt) else 0
    if counts.total() > probes:
        counts["unreachable"] -= probes
    counts["silence"] -= limited
    if _silenced(told, begun):
        counts["silence"] = 0
    if _waits_for_words(told):
        counts["mute"] = 0
    failing = [s for s in SYMPTOMS if counts[s] > 0 and s not in ("healthy", "unseen")]
    if failing:
        return max(failing, key=lambda s: (counts[s], -SYMPTOMS.index(s)))
    symptoms = [symptom for _, _, symptom in told]
    if counts["healthy"] or "unseen" in symptoms:
        return "healthy" if counts["healthy"] else "unseen"
    return Counter(symptoms).most_common(1)[0][0]  # probes only, whose silence a limit on errors may explain


def limited(told: Sequence[Told], begun: Begun) -> list[tuple[Attempt, Group, int]]:
    """Silent groups, with how many of their attempts began within seconds of one that an ICMP error refused."""
    refused = [begun(group) for _, group, symptom in told if symptom == "unreachable"]
    if not refused:
        return []
    errors = np.sort(np.concatenate(refused))
    out = []
    for attempt, group, symptom in told:
        if symptom == "silence":
            near = np.searchsorted(errors, begun(group))
            gap = np.minimum(
                np.abs(errors[np.minimum(near, len(errors) - 1)] - begun(group)),
                np.abs(errors[np.maximum(near - 1, 0)] - begun(group)),
            )
            if count := int((gap <= _LIMIT_NS).sum()):
                out.append((attempt, group, count))
    return out


def _waits_for_words(told: Sequence[Told]) -> bool:
    """Whether it keeps silent only where the client does, and answers or closes where it speaks, as any ssh does."""
    spoke = {(symptom, attempt.client_bytes > 0) for attempt, _, symptom in told}
    return bool(spoke & {("closed", True), ("wrong-service", True)}) and ("mute", True) not in spoke


def _silenced(told: Sequence[Told], begun: Begun) -> bool:
    """Whether the first attempt was refused, and silence began right behind it: with what was asked besides, as of a guard that bans
    whoever asks too much. Then the first tells what anybody gets."""
    silent = [begun(group) for _, group, symptom in told if symptom == "silence"]
    refused = [begun(group) for _, group, symptom in told if symptom in ("reset", "unreachable")]
    if not silent or not refused:
        return False
    since, last = int(np.concatenate(silent).min()), int(np.concatenate(refused).max())
    return last < since <= last + _LIMIT_NS
