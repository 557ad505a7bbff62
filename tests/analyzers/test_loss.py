"""What shows that packets get lost, whatever they hold: and what only looks so."""

from pathlib import Path

import pytest

from analyzers.attempts.repeats import repeats
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.notation import packets, write_pcap

BEGIN = """
0     > S 1000
+.010 < S. 5000 ack 1001
+.001 > . 1001 ack 5001
"""
SAID = f"{BEGIN}+.001 > P. 1001 ack 5001 len 24\n"


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize(
    ("script", "frames"),
    [
        (f"{SAID}+.300 > P. 1001 ack 5001 len 24\n+.010 < . 5001 ack 1025", [5]),
        (f"{SAID}+.300 > P. 1001 ack 5001 len 24", []),  # not known to have come
        (f"{SAID}+.020 > P. 1001 ack 5001 len 24\n+.010 < . 5001 ack 1025", []),  # perhaps too hasty
        (f"{SAID}+.300 > P. 1001 ack 5001 len 24\n+.010 < . 5001 ack 1025 sack 1001-1025", []),  # it came twice
        (f"{BEGIN}+.001 > . 1001 ack 5001 len 1400\n+.300 > . 1001 ack 5001 len 1400\n+.010 < . 5001 ack 2401", []),  # large
        (f"{BEGIN}+.001 < P. 5033 ack 1001 len 64\n+.300 < P. 5001 ack 1001 len 32", [5]),
        (f"{BEGIN}+.001 < P. 5033 ack 1001 len 64\n+.001 < P. 5001 ack 1001 len 32", []),  # another order
        (f"{BEGIN}+.001 < P. 5001 ack 1001 len 32\n+.300 < P. 5033 ack 1001 len 64", []),
    ],
)  # fmt: skip
def test_small_segments_that_came_through_only_when_repeated(
    tmp_path: Path, script: str, frames: list[int], v6: bool
) -> None:
    path = write_pcap(tmp_path / "script.pcap", packets(script, v6))
    with replay([str(path)]) as done:
        (attempt,) = [done.attempt(i) for i in Filters().choose(done.ledger).tolist()]
        assert [segment.number for segment in repeats(attempt)] == frames
