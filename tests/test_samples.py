"""The captures that ship: every verdict is a prefix of the truth that stands beside the recording, and reads as agreed."""

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analyzers.model import Verdict
from netprobe.cli import commands
from netprobe.cli.filters import Filters
from netprobe.cli.samples import catalogue
from netprobe.replay.run import replay

GOLDEN = Path(__file__).parent / "golden"
CATALOGUE = catalogue()


def verdict_of(path: Path, truth: dict[str, Any]) -> Verdict:
    address, port = truth["server"].split()
    with replay([str(path)]) as done:
        services = done.services(Filters().choose(done.ledger))
        (service,) = [s for s in services if (str(s.address), s.port) == (address, int(port))]
        return done.verdict(service)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_verdict_is_sound(name: str, samples: Path) -> None:
    truth = CATALOGUE[name]["truth"]
    verdict = verdict_of(samples / CATALOGUE[name]["file"], truth)
    assert f"{truth['cause']}.".startswith(f"{verdict.cause}."), "contrary verdict"
    assert verdict.outcome == truth["outcome"]
    assert verdict.place.actor in (truth["actor"], "unknown")
    assert verdict.place.hop in (truth["hop"], None)
    low, high = verdict.place.hop_min, verdict.place.hop_max
    assert low is None or high is None or low <= truth["hop"] <= high
    assert verdict.evidence
    assert all(evidence.frames for evidence in verdict.evidence)


def test_how_deep_the_verdicts_go() -> None:
    """The number to push up: how much of the true id the verdicts say, over all samples. It falls only for soundness."""
    samples = Path(__file__).parent.parent / "captures" / "samples"
    depths = []
    for entry in CATALOGUE.values():
        truth = entry["truth"]["cause"].split(".")
        found = verdict_of(samples / entry["file"], entry["truth"]).cause.split(".")
        depths.append(len(found) / len(truth))
    assert sum(depths) / len(depths) >= 0.72


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_report_reads_as_agreed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden report a sample; NETPROBE_GOLDEN=write rewrites them, to be reviewed as a diff."""
    monkeypatch.chdir(Path(__file__).parent.parent / "captures" / "samples")
    text = CliRunner().invoke(commands, ["replay", f"{name}.pcap"]).output
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("NETPROBE_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_samples_are_small_and_all_listed(samples: Path) -> None:
    files = {p.name for p in samples.glob("*.pcap")}
    assert files == {entry["file"] for entry in CATALOGUE.values()}
    assert all((samples / name).stat().st_size < 40_000 for name in files)
