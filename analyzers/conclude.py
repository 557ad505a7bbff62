"""Facts x causes -> the weighed causes, and the one answer that they allow. Knows no cause and no fact by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyzers.model import Cause, Fact, Match, Strength


@dataclass(frozen=True, slots=True)
class Weighed:
    """A considered cause with its strength and the facts that gave it."""

    cause: Cause
    strength: Strength
    because: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The deepest id that all of the strongest causes share; "" when no cause was considered at all."""

    id: str
    strength: Strength
    winners: tuple[Weighed, ...]
    others: tuple[Weighed, ...]


def weigh(facts: Sequence[Fact], causes: Iterable[Cause]) -> list[Weighed]:
    """Every cause whose requirements are all met, with its strength. The order of facts and causes does not matter."""
    out = []
    for cause in causes:
        required = [_meeting(match, facts) for match in cause.requires]
        if not all(required):
            continue
        excluding = [fact for match in cause.excludes for fact in _meeting(match, facts)]
        proving = [fact for match in cause.proof for fact in _meeting(match, facts)]
        supporting = [fact for match in cause.supports for fact in _meeting(match, facts)]
        if excluding:
            out.append(Weighed(cause, Strength.RULED_OUT, tuple(excluding)))
        elif proving:
            out.append(Weighed(cause, Strength.PROVEN, tuple(proving)))
        elif supporting:
            out.append(Weighed(cause, Strength.INDICATED, tuple(supporting)))
        else:
            out.append(Weighed(cause, Strength.CONSISTENT, tuple(fact for met in required for fact in met)))
    return out


def _meeting(match: Match, facts: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in facts if match.met_by(fact)]


def answer(weighed: Sequence[Weighed]) -> Answer:
    """The strongest cause; of several equally strong ones their longest common prefix, as deep as all of them agree.

    Which it is does not depend on the order; the winners and the others are listed in the order given.
    """
    standing = sorted((w for w in weighed if w.strength > Strength.RULED_OUT), key=lambda w: -w.strength)
    if not standing:
        return Answer("", Strength.CONSISTENT, (), tuple(weighed))
    top = standing[0].strength
    winners = tuple(w for w in standing if w.strength == top)
    others = tuple(w for w in standing if w.strength < top) + tuple(
        w for w in weighed if w.strength == Strength.RULED_OUT
    )
    return Answer(common_prefix([w.cause.id for w in winners]), top, winners, others)


def common_prefix(ids: Sequence[str]) -> str:
    """The longest dotted prefix that all ids share."""
    shared: list[str] = []
    for parts in zip(*(name.split(".") for name in ids), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)
