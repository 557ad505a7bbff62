"""The table of how often evidence misled: about today's causes, made as it says, and without proofs that were none."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.causes import CAUSES
from netprobe.words.rates import condition, measured, table
from tests.simulated import rates
from tests.simulated.cases import Case, drawn

CONDITIONS = {condition(match) for cause in CAUSES for match in (*cause.supports, *cause.proof, *cause.excludes)}
PROOFS = {condition(match) for cause in CAUSES for match in cause.proof}


def test_every_row_is_about_a_condition_of_the_cause_table() -> None:
    assert set(table()["conditions"]) <= CONDITIONS


def test_no_proof_misled_and_hardly_any_place() -> None:
    for name, (met, astray, _) in table()["conditions"].items():
        assert met
        assert name not in PROOFS or not astray, name
    for name, (told, wrong) in table()["places"].items():
        assert wrong * 50 <= told, name


def test_drawing_again_gives_rows_of_the_same_kinds(tmp_path: Path) -> None:
    found = tomllib.loads("\n".join(rates.measured(range(60), tmp_path / "evidence.pcapng").toml(0)))
    assert found["networks"] == 60
    assert set(found["conditions"]) <= set(table()["conditions"])
    assert len(found["conditions"]) > 30
    assert not [name for name, row in found["conditions"].items() if name in PROOFS and row[1]]


def test_what_never_misleads_is_counted_as_misleading_when_the_truth_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counting itself: every network's truth replaced by one that no evidence speaks for."""
    monkeypatch.setattr(rates, "drawn", _lying)
    found = rates.measured(range(40), tmp_path / "evidence.pcapng")
    told = [count for count in found.places.values() if count["told"]]
    assert told
    assert all(count["wrong"] == count["told"] for count in told)
    assert any(count["astray"] for count in found.conditions.values())


def test_a_cause_says_how_often_its_evidence_misled() -> None:
    cause = next(cause for cause in CAUSES if cause.id == "reset.network.firewall")
    lines = measured(cause)
    assert lines[0].startswith("ResetMaker made_by=filter stands=nearer swept=True hop_is=other speaks for it: met in ")


def _lying(seed: int) -> Case:
    case = drawn(seed)
    truths = tuple(
        replace(truth, cause=f"{truth.cause.split('.')[0]}.nothing", hop=-1, back=False) for truth in case.told.truths
    )
    return replace(case, told=replace(case.told, truths=truths))
