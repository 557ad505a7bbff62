"""Attempts that went differently: what the difference follows."""

from pathlib import Path

import pytest

from tests.judge import by, said, verdict
from tests.notation import CLIENT4

WORKS = '+.1 > S 3000\n+.02 < S. 7000 ack 3001 ttl 60\n+.01 > . 3001 ack 7001\n+.01 < P. 7001 ack 3001 ttl 60 "SSH-2.0-x\\r\\n"\n'
REFUSED = "+.1 > S 3000 tos 0x10\n+.02 < R. 0 ack 3001 ttl {ttl} tos 0x10 win 0\n"


def series(pattern: str, ttl: int = 60) -> str:
    """`w` worked, `f` failed, in that order."""
    return "".join(by(700 + i, WORKS if how == "w" else REFUSED.format(ttl=ttl)) for i, how in enumerate(pattern))


def test_rotation_without_marks_names_no_maker(tmp_path: Path) -> None:
    assert verdict(tmp_path, series("wfwwfwwfw").replace("tos 0x10", "tos 0")).cause == "reset.backend"


@pytest.mark.parametrize(
    ("pattern", "cause", "words"),
    [
        ("wfwwfwwfw", "reset.backend.closed-port", "1 attempt in 3 fails"),
        ("wwfwfffwf", "reset", "2 worked"),  # now and then: a service that flaps, or one of several machines
        ("wwwwfff", "reset", "4 worked in 420 ms, then 3 failed in 240 ms"),
        ("fffwwww", "reset", "3 failed in 240 ms, then 4 worked in 420 ms"),
    ],
)
def test_the_order_of_outcomes(tmp_path: Path, pattern: str, cause: str, words: str) -> None:
    found = verdict(tmp_path, series(pattern))
    assert found.cause == cause
    assert words in said(found)


def test_a_machine_of_its_own_ttl(tmp_path: Path) -> None:
    assert "TTL 125, the working ones with 60" in said(verdict(tmp_path, series("wwfwfffwf", ttl=125)))


def test_one_client_refused_and_another_served_at_the_same_time(tmp_path: Path) -> None:
    from netprobe.cli.filters import Filters
    from netprobe.replay.run import replay
    from tests.notation import packets, write_pcap

    frames = packets(series("wfwfwf"))
    other = bytes([192, 0, 2, 77])
    mine = bytes(map(int, CLIENT4.split(".")))
    moved = [
        (ts, data.replace(mine, other)) if int.from_bytes(data[20:22], "big") % 2 or int.from_bytes(data[22:24], "big") % 2 else (ts, data)
        for ts, data in frames
    ]  # fmt: skip
    with replay([str(write_pcap(tmp_path / "two.pcap", moved))]) as done:
        (service,) = done.services(Filters().choose(done.ledger))
        assert "192.0.2.77 fail, none of 192.0.2.1 does" in said(done.verdict(service))


def test_answers_that_came_only_to_a_repeated_syn(tmp_path: Path) -> None:
    late = "+1 > S 9000\n+1 > S 9000\n+.02 < S. 7000 ack 9001 ttl 60\n+.01 > . 9001 ack 7001\n"
    assert "in 1 of 3 attempts only a repeated SYN" in said(verdict(tmp_path, series("wf") + by(750, late)))
