"""Which attempts of a capture that goes on are over, when, and what is said of them: without a network."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from captures.formats import open_capture
from netprobe.live import settle
from netprobe.live.nic import Taken
from netprobe.live.settle import Settling
from netprobe.replay.run import Replay, replay
from tests.notation import CLIENT4, SERVER4, packets, tcp_packet

RAW = 101
S = 1_000_000_000
START = 1_700_000_000 * S


class Told(NamedTuple):
    """What a test asks of a `Settled`, whose frames are gone when the next is asked for."""

    after_s: float
    port: int
    client_port: int
    outcome: str
    symptom: str
    cause: str
    strength: str
    before: str
    numbers: tuple[int, ...]


OPEN: list[Settling] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Whatever a test opened is closed behind it."""
    yield
    while OPEN:
        OPEN.pop().close()


def opened(link: int = RAW) -> Settling:
    OPEN.append(Settling(link))
    return OPEN[-1]


def frames_of(path: Path) -> tuple[int, list[Taken]]:
    """The link type of a sample and its frames."""
    with path.open("rb", buffering=0) as handle:
        reader = open_capture(handle.readinto)
        out = [
            Taken(int(ts), window.buffer[start : start + size].tobytes(), int(length))
            for window in reader
            for ts, start, size, length in zip(window.ts_ns, window.start, window.caplen, window.origlen, strict=True)
        ]
        return reader.interfaces[0].link, out


def taken(script: str) -> list[Taken]:
    return [Taken(ts, data, len(data)) for ts, data in packets(script)]


def told(settling: Settling, until_ns: int, over: bool = False) -> list[Told]:
    return [
        Told(
            (until_ns - START) / S, one.attempt.server_port, one.attempt.client_port, one.attempt.ending.outcome, one.symptom,
            one.verdict.cause, one.verdict.strength.word, one.before,
            tuple(segment.number for segment in one.attempt.segments if segment.packet.problems is not None),
        )
        for one in settling.settle(until_ns, over)
    ]  # fmt: skip


def lived(frames: list[Taken], link: int = RAW, step_ns: int = S // 10, after_ns: int = 40 * S) -> list[Told]:
    """All that is told while these frames come one after the other, asked ten times a second of the capture's own time."""
    settling, out, next_ns = opened(link), [], frames[0].ts_ns
    waiting = [*frames, Taken(frames[-1].ts_ns + after_ns, b"", 0)]
    for number, frame in enumerate(waiting, 1):
        while next_ns < frame.ts_ns:
            if settling.next_ns is None or settling.next_ns <= next_ns or number == 1:
                out += told(settling, next_ns)
            next_ns += step_ns
        if frame.data:
            settling.add([frame], [number])
            out += told(settling, frame.ts_ns)
    return out + told(settling, waiting[-1].ts_ns, over=True)


@pytest.fixture
def stayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room: attempts are let go all the time."""
    monkeypatch.setattr(settle, "_STAY", 4)


# ------------------------------------------------------------------------------------------------ when it is over


def test_a_refusal_is_told_at_once_and_once() -> None:
    found = lived(taken("0 > S 1000\n+.02 < R. 0 ack 1001 ttl 61"))
    (one,) = found
    assert (one.outcome, one.symptom, one.cause) == ("refused-rst", "reset", "reset")
    assert 0.3 <= one.after_s <= 0.5
    assert one.numbers == (1, 2)


def test_an_icmp_error_is_told_at_once() -> None:
    (one,) = lived(taken("0 > S 1000\n+.01 < icmp 3/13 from 203.0.113.1 quotes S 1000 quoted-ttl 62"))
    assert (one.symptom, one.after_s < 0.5) == ("unreachable", True)


def test_silence_is_told_after_its_listening_time() -> None:
    (one,) = lived(taken("0 > S 1000\n+1 > S 1000\n+2 > S 1000\n+4 > S 1000\n+8 > S 1000"))
    assert (one.symptom, one.cause) == ("silence", "silence")
    assert 4.5 <= one.after_s < 4.8


def test_a_lone_syn_at_the_end_is_no_silence_yet() -> None:
    settling = opened()
    settling.add(taken("0 > S 1000"), [1])
    assert told(settling, START + 2 * S, over=True) == []
    assert (settling.attempts, settling.failures) == (1, 0)


def test_an_answer_that_comes_late_is_told_as_well() -> None:
    script = '0 > S 1000\n+6 < S. 5000 ack 1001\n+.01 > . 1001 ack 5001\n+.1 < P. 5001 ack 1001 "SSH-2.0-x\\r\\n"'
    script += "\n+.1 > F. 1001 ack 5012\n+.01 < F. 5012 ack 1002\n+.01 > . 1002 ack 5013"
    silent, works = lived(taken(script))
    assert (silent.symptom, silent.before) == ("silence", "")
    assert (works.symptom, works.before) == ("healthy", "silence")


def test_a_close_is_told_when_it_was_closed() -> None:
    script = (
        "0 > S 1000\n+.01 < S. 5000 ack 1001\n+.01 > . 1001 ack 5001\n+2 < F. 5001 ack 1001\n+.01 > F. 1001 ack 5002"
    )
    (one,) = lived(taken(script + "\n+.01 < . 5002 ack 1002"))
    assert (one.symptom, 2.3 < one.after_s < 2.6) == ("closed", True)


def test_a_connection_that_stays_open_is_judged_when_it_has_been_quiet() -> None:
    (one,) = lived(taken("0 > S 1000\n+.01 < S. 5000 ack 1001\n+.01 > . 1001 ack 5001"))
    assert (one.symptom, 15 <= one.after_s < 15.3) == ("mute", True)


def test_lost_packets_weaken_a_silence_that_began_before() -> None:
    texts = []
    for when, dropped in ((0, 0), (START - 60 * S, 7), (START + S, 7)):
        settling = opened()
        settling.lost(when, dropped)
        settling.add(taken("0 > S 1000"), [1])
        (one,) = [one.verdict.evidence[0].text for one in settling.settle(START + 5 * S)]
        texts.append("the capture lost 7 frames" in one)
    assert texts == [False, False, True]


def test_a_traceroute_is_no_failure_but_the_attempt_behind_it_is() -> None:
    """Some hops answer, one is silent, and the target refuses what arrives there."""
    lines = []
    for n in (1, 2, 3, 4):
        flow = f"client-port {40000 + n}"
        lines.append(f"+.1 > {flow} S 1000 ttl {n}")
        if n < 3:
            lines.append(f"+.01 < {flow} icmp 11/0 from 203.0.113.{n} quotes S 1000 quoted-ttl 1")
        elif n == 4:
            lines.append(f"+.01 < {flow} R. 0 ack 1001 ttl 61")
    assert lived(taken("\n".join(lines))) == []
    (one,) = lived(
        taken("\n".join([*lines, "+1 > client-port 50000 S 7", "+.01 < client-port 50000 R. 0 ack 8 ttl 61"]))
    )
    assert (one.client_port, one.symptom) == (50000, "reset")


def test_errors_about_packets_that_are_not_in_the_capture_are_nobodys_attempt() -> None:
    frames = taken("0 < icmp 3/13 from 203.0.113.1 quotes S 1000 quoted-ttl 62")
    settling = opened()
    settling.add(frames, [1])
    assert told(settling, START + 60 * S) == []
    assert settling.next_ns is None


def test_one_that_failed_otherwise_than_the_others_gets_a_verdict_of_its_own() -> None:
    script = "\n".join(
        f"1 > client-port {port} S 1000\n+.01 < client-port {port} R. 0 ack 1001" for port in range(40000, 40005)
    )
    refused = "1 > client-port 50000 S 7\n+.01 < client-port 50000 icmp 3/13 from 203.0.113.1 quotes S 7 quoted-ttl 62"
    found = lived(taken(f"{script}\n{refused}"))
    assert Counter(one.cause.partition(".")[0] for one in found) == {"reset": 5, "unreachable": 1}
    assert all(one.cause.startswith(one.symptom) for one in found)


def test_silence_beside_icmp_errors_is_a_limit_on_errors() -> None:
    """As replay has it: who sends one error a second lets the other attempts wait."""
    script = "0 > client-port 40000 S 1\n+.01 < client-port 40000 icmp 3/13 from 203.0.113.1 quotes S 1 quoted-ttl 62"
    script += "".join(f"\n+.1 > client-port {port} S 1" for port in range(40001, 40004))
    found = lived(taken(script))
    assert {one.cause.partition(".")[0] for one in found} == {"unreachable"}
    assert {one.symptom for one in found} == {"unreachable", "silence"}


# ---------------------------------------------------------------------------------------------- as replay says it


def verdicts(done: Replay) -> dict[int, tuple[str, str]]:
    chosen = np.flatnonzero(done.ledger.seen())
    found = {s.port: done.verdict(s) for s in done.services(chosen)}
    return {port: (verdict.cause, verdict.strength.word) for port, verdict in found.items()}


def samples_list() -> list[str]:
    return sorted(path.stem for path in (Path(settle.__file__).parents[2] / "captures" / "samples").glob("*.pcap"))


@pytest.mark.parametrize("name", samples_list())
def test_a_sample_told_at_its_end_has_the_verdict_of_the_replay(name: str, samples: Path) -> None:
    path = samples / f"{name}.pcap"
    link, frames = frames_of(path)
    settling = opened(link)
    settling.add(frames, range(1, len(frames) + 1))
    found = told(settling, frames[-1].ts_ns, over=True)
    with replay([str(path)]) as done:
        expected = verdicts(done)
    for port, verdict in expected.items():
        assert verdict in {(one.cause, one.strength) for one in found if one.port == port}
    for one in found:
        cause, strength = expected[one.port]
        assert (one.cause, one.strength) == (cause, strength) or cause.partition(".")[0] != one.symptom


@pytest.mark.parametrize("name", samples_list())
def test_a_sample_told_as_it_goes_never_contradicts_the_replay(name: str, samples: Path, stayed: None) -> None:
    path = samples / f"{name}.pcap"
    link, frames = frames_of(path)
    found = lived(frames, link)
    with replay([str(path)]) as done:
        expected = verdicts(done)
    for one in found:
        cause, _ = expected[one.port]
        if cause.partition(".")[0] == one.symptom:
            assert f"{cause}.".startswith(f"{one.cause}.") or f"{one.cause}.".startswith(f"{cause}."), (one, cause)
    first = [one for one in found if not one.before]
    assert len({(one.port, one.client_port, one.numbers[0]) for one in first}) == len(first)


# ------------------------------------------------------------------------------------------------- what is let go


def refusals(first: int, count: int, apart_ns: int) -> list[Taken]:
    out = []
    for n in range(first, first + count):
        ends = (f"10.{n >> 14 & 255}.{n >> 7 & 127}.1", SERVER4, 1024 + (n & 127), 22)
        back = (ends[1], ends[0], ends[3], ends[2])
        for delay, data in ((0, tcp_packet(*ends, 1000, 0, 2, b"")), (1_000_000, tcp_packet(*back, 0, 1001, 20, b""))):
            out.append(Taken(START + n * apart_ns + delay, data, len(data)))
    return out


def test_what_was_judged_is_let_go_after_a_while(stayed: None) -> None:
    settling, heard, most = opened(), 0, 0
    for first in range(0, 6000, 100):
        frames = refusals(first, 100, S // 2)
        settling.add(frames, range(1 + 2 * first, 1 + 2 * first + len(frames)))
        heard += len(told(settling, frames[-1].ts_ns + S))
        most = max(most, settling._tracker.state.size)
    assert (heard, settling.attempts, settling.failures, settling.unjudged) == (6000, 6000, 6000, 0)
    assert most < 1000
    assert settling._shelf._end < 100_000


def test_what_is_open_stays_whole_while_others_are_let_go(stayed: None) -> None:
    script = '0 > S 1000\n+.01 < S. 5000 ack 1001\n+.01 > . 1001 ack 5001\n+.1 < P. 5001 ack 1001 "SSH-2.0-x\\r\\n"'
    settling = opened()
    settling.add(refusals(0, 100, 1000), range(1, 201))
    settling.add(taken(script), range(201, 205))
    sizes = []
    for first in range(100, 3000, 100):
        settling.add(refusals(first, 100, S // 2), range(5 + 2 * first, 205 + 2 * first))
        told(settling, START + first * S // 2)
        sizes.append(settling._tracker.state.size)
    assert sizes != sorted(sizes)  # some were let go
    late = Taken(START + 1600 * S, packets("0 < R. 5012 ack 1001")[0][1], 40)
    settling.add([late], [10_000])
    (one,) = [
        (one.attempt.ending.outcome, one.attempt.stream(client=False), one.attempt.segments[-1].number)
        for one in settling.settle(late.ts_ns + S)
        if one.attempt.client_port == 40000
    ]
    assert one == ("reset-by-server", b"SSH-2.0-x\r\n", 10_000)


def test_a_flood_is_bounded_and_what_was_not_judged_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "MOST_ATTEMPTS", 1000)
    monkeypatch.setattr(settle, "_MOST_AT_ONCE", 10)
    settling = opened()
    for first in range(0, 10_000, 500):
        frames = refusals(first, 500, 1000)
        settling.add(frames, range(1 + 2 * first, 1 + 2 * first + len(frames)))
        told(settling, START + first * 1_000_000 + 5 * S)
        assert settling._tracker.state.size <= 1500
    left = settling._tracker.state.size
    told(settling, START + 3600 * S, over=True)
    assert settling.attempts + settling.unjudged == 10_000
    assert 0 < left <= 1500


def test_a_flood_of_resets_to_one_port_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "MOST_OF_ONE", 50)
    settling = opened()
    reset = tcp_packet(SERVER4, CLIENT4, 22, 40000, 1, 0, 4, b"")
    for n in range(100):
        settling.add([Taken(START + n * S + i, reset, len(reset)) for i in range(20)], range(1 + 20 * n, 21 + 20 * n))
        told(settling, START + n * S)
        assert settling._tracker.rows.size <= 80
