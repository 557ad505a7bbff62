"""Diagnoses on drawn paths. NETPROBE_PATHS=5000 draws so many; `python -m tests.simulated` prints what was said of them."""

import os
from pathlib import Path

import pytest

from tests.simulated.cases import drawn, outcome, table
from tests.simulated.failures import FAILURES

COUNT = int(os.environ.get("NETPROBE_PATHS", "300"))


def test_what_is_said_of_drawn_paths_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """But for what is known to be wrong, at most one verdict in a thousand contradicts what was done."""
    outcomes = [outcome(drawn(seed), tmp_path / "evidence.pcapng") for seed in range(COUNT)]
    wrong = [one for one in outcomes if not one.right]
    unknown = [one for one in wrong if not one.explained]
    if COUNT > 300:
        with capsys.disabled():
            print("\n" + "\n".join(table(outcomes)))
    assert len(unknown) * 1000 < COUNT, "\n".join(one.line() for one in unknown)
    assert len(wrong) * 33 < COUNT, "\n".join(one.line() for one in wrong)


@pytest.mark.parametrize("loss", [0.1, 0.2])
def test_what_is_said_of_paths_that_lose_packets_is_true(loss: float, tmp_path: Path) -> None:
    """Sometimes all packets that decide are lost, however often they are sent: that may mislead in fewer than one of a hundred."""
    outcomes = [outcome(drawn(seed, loss), tmp_path / "evidence.pcapng") for seed in range(COUNT)]
    wrong = [one.line() for one in outcomes if not one.right and not one.explained]
    assert len(wrong) * 100 < COUNT, "\n".join(wrong)


@pytest.mark.parametrize(
    ("seed", "loss"),
    [
        (951250, 0.2), (952524, 0.2), (954013, 0.2), (955306, 0.2), (951049, 0.2), (953163, 0.2), (952415, 0.2), (964806, 0.1),
        (964372, 0.1), (962311, 0.1), (960582, 0.1),
    ],
)  # fmt: skip
def test_what_was_lost_once_misled_no_longer_does(seed: int, loss: float, tmp_path: Path) -> None:
    """All SYNs of the TTL that would be refused first; words, and old bytes, with that TTL; greetings and closes of connections that
    said nothing; SYNs of the last hop where another port's arrived."""
    assert outcome(drawn(seed, loss), tmp_path / "evidence.pcapng").right


def test_every_failure_is_drawn() -> None:
    told = [drawn(seed).told for seed in range(300)]
    assert {one.failure for one in told} == {failure.__name__.replace("_", " ") for failure in FAILURES}
    assert {one.story[:4] for one in told} == {"IPv4", "IPv6"}


@pytest.mark.parametrize("seed", range(12))
def test_a_seed_gives_the_same_packets_again(seed: int, tmp_path: Path) -> None:
    first, second = tmp_path / "first.pcapng", tmp_path / "second.pcapng"
    assert outcome(drawn(seed), first).verdict == outcome(drawn(seed), second).verdict
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("seed", [41650, 603570, 701629, 172627, 192586, 830801, 1315915])
def test_what_once_misled_no_longer_does(seed: int, tmp_path: Path) -> None:
    """RSTs that arrive like another port's though that is answered farther on; pings that all go one way, and TCP another; RSTs
    that arrive like another port's because the ways back differ, or like a router's of another way; SYNs that came twice; other
    ports whose flows all went a longer way, where pings came to the host at the next hop."""
    assert outcome(drawn(seed), tmp_path / "evidence.pcapng").right
