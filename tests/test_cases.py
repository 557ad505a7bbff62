"""Captures of failures with known truth: no verdict contradicts what was really done, and how deep the verdicts go.

The truth (tests/cases/*.toml) was written from what was done to the network; the captures lie beside the checkout.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.model import Strength, Verdict
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.conftest import SHARED

pytestmark = pytest.mark.corpus

HERE = Path(__file__).parent / "cases"
FOLDERS = {"made-failures": "ssh-failures", "public": "captures"}
LEAST_DEPTH = {"made-failures": 0.58, "public": 0.92}  # the number to push up; it falls only for soundness


@dataclass(frozen=True)
class Case:
    """One service of a capture, or some attempts to it, and what was done."""

    table: str
    capture: str
    truth: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.capture}-{self.truth.get('service', 'nothing').replace(' ', '-')}-{self.truth['cause']}"


@cache
def cases() -> tuple[Case, ...]:
    out = []
    for table in FOLDERS:
        for capture, entry in tomllib.loads((HERE / f"{table}.toml").read_text("utf-8")).items():
            out += [Case(table, capture, truth) for truth in (entry, *entry.get("also", ()))]
    return tuple(out)


def verdict_on(case: Case) -> Verdict | None:
    """The verdict on the attempts of the case; None when the capture holds no such service."""
    path = SHARED / "corpus" / FOLDERS[case.table] / f"{case.capture}.pcap"
    if not path.exists():
        (path,) = path.parent.glob(f"{case.capture}.*")
    ports = case.truth.get("client_ports") or ([case.truth["client_port"]] if "client_port" in case.truth else None)
    with replay([str(path)]) as done:
        chosen = Filters().choose(done.ledger)
        if ports:
            chosen = np.array([i for i in chosen.tolist() if done.attempt(i).client_port in ports], np.int64)
        for service in done.services(chosen):
            if f"{service.address} {service.port}" == case.truth.get("service"):
                return done.verdict(service)
    return None


def agrees(said: str, truth: str) -> bool:
    """Whether one is a prefix of the other: some truths are themselves no deeper than what is certain. That the capture
    shows too little contradicts nothing, and says nothing."""
    return f"{truth}.".startswith(f"{said}.") or f"{said}.".startswith(f"{truth}.") or said.startswith("unseen.")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_no_verdict_contradicts_what_was_done(case: Case, corpus: Path) -> None:
    verdict = verdict_on(case)
    if case.truth.get("nothing"):
        assert verdict is None
        return
    assert verdict is not None
    assert agrees(verdict.cause, case.truth["cause"]), f"{verdict.cause} ({verdict.strength.word})"
    assert verdict.place.actor in (case.truth["actor"], "unknown")
    low, high, hop = verdict.place.hop_min, verdict.place.hop_max, case.truth.get("hop")
    assert hop is None or ((low is None or low <= hop) and (high is None or hop <= high))


def scores() -> Iterator[tuple[str, str, float, Strength]]:
    """Table, symptom, depth and strength of every case that has packets."""
    for case in cases():
        if not case.truth.get("nothing"):
            verdict = verdict_on(case)
            assert verdict is not None
            truth, said = case.truth["cause"].split("."), verdict.cause.split(".")
            shared = sum(1 for a, b in zip(said, truth, strict=False) if a == b)
            yield case.table, truth[0], shared / len(truth), verdict.strength


def test_how_deep_the_verdicts_go(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How much of the true id the verdicts say, by symptom; the table is printed."""
    rows: dict[tuple[str, str], list[tuple[float, Strength]]] = defaultdict(list)
    for table, symptom, depth, strength in scores():
        rows[table, symptom].append((depth, strength))
        rows[table, "all"].append((depth, strength))
    lines = [f"{'cases':<14} {'symptom':<14} {'number':>6} {'indicated or proven':>20} {'mean depth':>11}"]
    for (table, symptom), found in sorted(rows.items(), key=lambda item: (item[0][0], item[0][1] == "all", item[0][1])):
        sure = sum(strength >= Strength.INDICATED for _, strength in found)
        depth = sum(depth for depth, _ in found) / len(found)
        lines.append(f"{table:<14} {symptom:<14} {len(found):>6} {sure:>20} {depth:>11.2f}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    for table, least in LEAST_DEPTH.items():
        found = rows[table, "all"]
        assert sum(depth for depth, _ in found) / len(found) >= least
