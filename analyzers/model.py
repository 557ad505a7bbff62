"""The nouns of a conclusion: Fact, Cause, Verdict, and the words for how strong a claim is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform


class Strength(IntEnum):
    """How far the evidence carries a cause. An order, not a measure: never print a percentage."""

    RULED_OUT = 0
    CONSISTENT = 1
    INDICATED = 2
    PROVEN = 3

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def fact(kind: type[T]) -> type[T]:
    """A frozen class with keyword-only fields, equal by value: what dataclass makes, without its code generation, which
    for all the facts together would cost a small capture a tenth of its time.
    """
    inherited = getattr(kind, "_fields", ())
    kind._fields = (*inherited, *(name for name in get_annotations(kind)))  # type: ignore[attr-defined]
    return kind


@fact
class Fact:
    """Something that the capture shows to have happened, or not to have happened while it was watched.

    `frames` are the numbers that show it, as Wireshark counts; `count` in how many attempts it was seen, 0 for a fact
    about the attempts taken together.
    """

    frames: tuple[int, ...] = ()
    count: int = 1

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            for name in self._fields:
                value = values.pop(name) if name in values else getattr(type(self), name)
                object.__setattr__(self, name, value)
            if values:
                raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def text(self) -> str:
        """The fact as a sentence for the evidence list, without frame numbers."""
        raise NotImplementedError


@fact
class Placed(Fact):
    """A fact that also tells where a device stands: hops from the point of capture, at least and at most, None where it
    does not say; `sender` is the address that the device gave itself, "" where it gave none. `or_back`: unless it is the answer
    that gets lost, which it may anywhere on its way back."""

    hop_min: int | None = None
    hop_max: int | None = None
    sender: str = ""
    or_back: bool = False


@fact
class Void(Fact):
    """A test that could have decided, but whose precondition this capture does not meet: it says nothing either way."""

    test: str
    why: str

    def text(self) -> str:
        return f"{self.test}: {self.why}"


@dataclass(frozen=True, slots=True)
class Match:
    """What a cause row asks for: a fact of this type, or one of these, whose fields have these values."""

    kinds: tuple[type[Fact], ...]
    fields: Mapping[str, Any] = field(default_factory=dict)

    def met_by(self, fact: Fact) -> bool:
        return isinstance(fact, self.kinds) and all(getattr(fact, name) == value for name, value in self.fields.items())


def seen(*kinds: type[Fact], **fields: Any) -> Match:
    """A `Match`, for cause rows: `seen(SynReset)`, `seen(IcmpRefusal, by_target=True)`, `seen(ThisFact, OrThat)`."""
    return Match(kinds, fields)


ACTORS = ("client-host", "router", "firewall", "nat", "load-balancer", "server-host", "backend", "unknown")


@dataclass(frozen=True, slots=True)
class Cause:
    """One row of the table. An incomplete `requires` is not considered, any `excludes` rules out, any `proof` proves,
    any `supports` indicates, else the cause is consistent with what was seen. Rows do not depend on their order.
    """

    id: str
    title: str
    actor: str
    requires: tuple[Match, ...]
    supports: tuple[Match, ...] = ()
    excludes: tuple[Match, ...] = ()
    proof: tuple[Match, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the acting device stands: hops are counted from the point of capture, None where the evidence does not say; or,
    with `or_back`, anywhere on the way back, if it is the answer that gets lost."""

    hop: int | None = None
    hop_min: int | None = None
    hop_max: int | None = None
    address: str | None = None
    actor: str = "unknown"
    or_back: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    text: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another cause that the same frames allow, or a deeper one below the verdict's prefix."""

    cause: str
    strength: Strength
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one service. `void` names tests that could have decided but whose precondition was not met."""

    outcome: str
    cause: str
    strength: Strength
    place: Place
    summary: str
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    void: tuple[str, ...] = ()
