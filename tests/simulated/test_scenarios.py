"""Live diagnoses of the lab's scenarios in the simulated network: no verdict contradicts what was done, and the same run twice
gives the same evidence."""

from pathlib import Path

import pytest

from analyzers.model import Verdict
from netprobe import lab
from netprobe.lab.scenario import Scenario, options
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.accuracy.score import BY_CHANCE
from tests.simulated.network import Simulated
from tests.simulated.scenarios import Inexpressible, world

INEXPRESSIBLE = {"haproxy-no-server", "haproxy-some-down", "synproxy-closed", "synproxy-dead", "synproxy-open"}
CASES = [(name, family) for name in lab.names() if name not in INEXPRESSIBLE for family in options(name)["family"]]


def diagnosed(scenario: Scenario, path: Path, seed: int = 0) -> Verdict:
    """The verdict of a live diagnosis whose evidence is left in `path`."""
    target = Target(scenario.target, scenario.target, scenario.port, (scenario.target,))
    net = world(scenario, seed)
    (asked,) = ask(target, Options(), lambda line: None, path, lambda address: Simulated(net, address))
    ((_, _, verdict),) = judge(asked)
    return verdict


@pytest.mark.parametrize(("name", "family"), CASES)
def test_a_diagnosis_is_sound_and_the_same_again(name: str, family: int, tmp_path: Path) -> None:
    scenario = lab.load(name, family=family)
    verdict, truth = diagnosed(scenario, tmp_path / "one.pcapng"), scenario.truth
    diagnosed(scenario, tmp_path / "two.pcapng")
    assert (tmp_path / "one.pcapng").read_bytes() == (tmp_path / "two.pcapng").read_bytes()
    works = verdict.cause.startswith("healthy") and verdict.outcome in (truth.outcome, *truth.also)
    causes = [truth.cause, *BY_CHANCE.get(name, ())]
    assert works or any(f"{cause}.".startswith(f"{verdict.cause}.") for cause in causes), (verdict.cause, truth.cause)
    assert works or verdict.outcome in (truth.outcome, *truth.also) or verdict.cause == truth.cause
    assert verdict.place.actor in (truth.actor, "unknown")
    low, high = verdict.place.hop_min, verdict.place.hop_max
    assert low is None or low <= truth.hop
    assert high is None or truth.hop <= high


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_of_this_host_that_keeps_the_answer_out_stands_on_this_host(family: int, tmp_path: Path) -> None:
    verdict = diagnosed(lab.load("client-filter-input", family=family), tmp_path / "e.pcapng")
    assert (verdict.cause, verdict.place.hop) == ("half-open.origin.local-rule", 0)


@pytest.mark.parametrize("percent", [10, 30, 50])
@pytest.mark.parametrize("family", [4, 6])
def test_what_is_lost_by_chance_is_taken_for_nothing_else(percent: int, family: int, tmp_path: Path) -> None:
    """Whatever fails under loss may be blamed on it, or on nothing in particular."""
    scenario = lab.load("loss", family=family, percent=percent)
    for seed in (*range(12), 21, 26, 44, 45, 56, 111, 113, 133, 138, 140, 147):
        verdict = diagnosed(scenario, tmp_path / "e.pcapng", seed)
        blamed = any(f"{cause}.".startswith(f"{verdict.cause}.") for cause in BY_CHANCE["loss"])
        assert blamed or verdict.cause == "healthy.ssh", (seed, verdict.cause)
        assert verdict.place.hop_max is None or verdict.place.or_back, seed


@pytest.mark.parametrize("name", sorted(INEXPRESSIBLE))
def test_what_is_left_out_cannot_be_said_in_rows(name: str) -> None:
    with pytest.raises(Inexpressible):
        world(lab.load(name))
