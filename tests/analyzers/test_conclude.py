"""The weighing: generic, and independent of the order of facts and causes."""

import random
from dataclasses import dataclass

from analyzers.conclude import answer, common_prefix, weigh
from analyzers.model import Cause, Fact, Strength, seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rain(Fact):
    heavy: bool = False

    def text(self) -> str:
        return "rain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprinkler(Fact):
    def text(self) -> str:
        return "sprinkler"


ROWS = (
    Cause("wet.sky.rain", "rain", "router", requires=(seen(Rain),), supports=(seen(Rain, heavy=True),)),
    Cause("wet.sky.snow", "snow", "router", requires=(seen(Rain),), excludes=(seen(Rain, heavy=True),)),
    Cause("wet.garden.sprinkler", "sprinkler", "nat", requires=(seen(Sprinkler),), proof=(seen(Sprinkler),)),
)


def test_an_incomplete_requirement_is_not_considered() -> None:
    assert weigh([], ROWS) == []


def test_rivals_that_tie_give_their_common_prefix() -> None:
    found = answer(weigh([Rain()], ROWS))
    assert (found.id, found.strength) == ("wet.sky", Strength.CONSISTENT)


def test_support_indicates_and_an_exclusion_rules_out() -> None:
    weighed = weigh([Rain(heavy=True)], ROWS)
    assert {w.cause.id: w.strength for w in weighed} == {
        "wet.sky.rain": Strength.INDICATED,
        "wet.sky.snow": Strength.RULED_OUT,
    }
    assert answer(weighed).id == "wet.sky.rain"


def test_proof_outweighs_everything_that_is_not_ruled_out() -> None:
    found = answer(weigh([Rain(heavy=True), Sprinkler()], ROWS))
    assert (found.id, found.strength) == ("wet.garden.sprinkler", Strength.PROVEN)
    assert [w.cause.id for w in found.others] == ["wet.sky.rain", "wet.sky.snow"]


def test_order_does_not_matter() -> None:
    facts: list[Fact] = [Rain(), Rain(heavy=True), Sprinkler()]
    wanted = answer(weigh(facts, ROWS)).id
    rng = random.Random(1)
    for _ in range(20):
        rows = list(ROWS)
        rng.shuffle(rows)
        rng.shuffle(facts)
        assert answer(weigh(facts, rows)).id == wanted


def test_nothing_considered_is_an_answer_too() -> None:
    assert answer([]).id == ""


def test_a_prefix_ends_at_a_dot() -> None:
    assert common_prefix(["a.bc.d", "a.bd.d"]) == "a"
    assert common_prefix(["a.b"]) == "a.b"
