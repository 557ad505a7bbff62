"""Laws: what may be changed about a capture without changing what is said of it, and what may only weaken it."""

import gzip
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzers.attempts import track
from analyzers.model import Strength, Verdict
from captures.formats import stream
from netprobe.cli.filters import Filters
from netprobe.cli.samples import catalogue
from netprobe.replay.run import replay
from netprobe.report.document import attempt_object
from tests.conftest import ROOT
from tests.notation import packets, tcp_packet, write_pcap

CATALOGUE = catalogue()
SAMPLES = ROOT / "captures" / "samples"
Frame = tuple[int, bytes, int]  # nanoseconds, captured bytes, length on the wire


def frames_of(name: str) -> list[Frame]:
    """The frames of a shipped sample (nanosecond pcap, little-endian, Ethernet)."""
    data, at, out = (SAMPLES / CATALOGUE[name]["file"]).read_bytes(), 24, []
    while at < len(data):
        seconds, rest, captured, length = struct.unpack_from("<IIII", data, at)
        out.append((seconds * 10**9 + rest, data[at + 16 : at + 16 + captured], length))
        at += 16 + captured
    return out


def write(path: Path, frames: list[Frame], endian: str = "<") -> Path:
    head = struct.pack(endian + "IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
    body = (struct.pack(endian + "IIII", ts // 10**9, ts % 10**9, len(data), wire) + data for ts, data, wire in frames)
    path.write_bytes(head + b"".join(body))
    return path


def verdicts(path: Path) -> dict[tuple[str, int], Verdict]:
    with replay([str(path)]) as done:
        return {(str(s.address), s.port): done.verdict(s) for s in done.services(Filters().choose(done.ledger))}


def objects(path: Path) -> list[dict[str, Any]]:
    with replay([str(path)]) as done:
        return [attempt_object(done.attempt(i), ["capture"]) for i in Filters().choose(done.ledger).tolist()]


def unrelated(frames: list[Frame]) -> list[Frame]:
    """The frames with a refused connection between two other hosts in front."""
    ends = ("192.0.2.200", "192.0.2.201")
    extra = [tcp_packet(*ends, 5, 6, 1, 0, 2), tcp_packet(ends[1], ends[0], 6, 5, 0, 2, 20)]
    ethernet = bytes(12) + b"\x08\x00"
    return [(frames[0][0], ethernet + data, len(data) + 14) for data in extra] + frames


def pcapng(frames: list[Frame]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHBxxxHH", 9, 1, 9, 0, 0))
    for ts, data, wire in frames:
        out += block(
            6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, len(data), wire) + data + bytes(-len(data) % 4)
        )
    return out


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_container_changes_nothing(name: str, tmp_path: Path) -> None:
    frames = frames_of(name)
    wanted = verdicts(write(tmp_path / "little.pcap", frames))
    others = {"big.pcap": write(tmp_path / "big.pcap", frames, ">").read_bytes(), "a.pcapng": pcapng(frames)}
    others["a.pcap.gz"] = gzip.compress(others["big.pcap"])
    for file, data in others.items():
        (tmp_path / file).write_bytes(data)
        assert verdicts(tmp_path / file) == wanted, file


@pytest.mark.parametrize("name", CATALOGUE)
def test_shifting_time_changes_nothing(name: str, tmp_path: Path) -> None:
    frames = frames_of(name)
    shifted = [(ts + 123_456_789_012_345, data, wire) for ts, data, wire in frames]
    assert verdicts(write(tmp_path / "a.pcap", frames)) == verdicts(write(tmp_path / "b.pcap", shifted))


@pytest.mark.parametrize("name", CATALOGUE)
def test_unrelated_flows_change_no_cause(name: str, tmp_path: Path) -> None:
    frames = frames_of(name)
    alone, beside = (
        verdicts(write(tmp_path / "a.pcap", frames)),
        verdicts(write(tmp_path / "b.pcap", unrelated(frames))),
    )
    for service, verdict in alone.items():
        assert (beside[service].cause, beside[service].strength) == (verdict.cause, verdict.strength)


# Before attempts stay unanswered, others that wait in the same queue are seen.
FIRST_SEEN_AS = {"silence.target.listener.queue-full": "mute"}


def not_contrary(verdict: Verdict, truth: str) -> bool:
    """Whether a verdict on a mutilated capture is still sound: a prefix of the truth, a bare symptom that was all there
    was to see, or the word that there was too little to see."""
    if f"{truth}.".startswith(f"{verdict.cause}."):
        return True
    if verdict.cause.startswith(("unseen.", "healthy.")):
        return True
    if verdict.cause == FIRST_SEEN_AS.get(truth):
        return True
    return "." not in verdict.cause and verdict.strength is Strength.CONSISTENT


@pytest.mark.parametrize("name", CATALOGUE)
def test_cutting_the_end_only_weakens_a_verdict(name: str, tmp_path: Path) -> None:
    frames, truth = frames_of(name), CATALOGUE[name]["truth"]
    address, port = truth["server"].split()
    for count in range(1, len(frames)):
        found = verdicts(write(tmp_path / "cut.pcap", frames[:count])).get((address, int(port)))
        assert found is None or not_contrary(found, truth["cause"]), (count, found)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("snaplen", [40, 54, 60, 68, 80, 96, 128, 200, 400])
def test_cutting_the_frames_only_weakens_a_verdict(name: str, snaplen: int, tmp_path: Path) -> None:
    frames, truth = frames_of(name), CATALOGUE[name]["truth"]
    address, port = truth["server"].split()
    cut = [(ts, data[:snaplen], wire) for ts, data, wire in frames]
    found = verdicts(write(tmp_path / "cut.pcap", cut)).get((address, int(port)))
    assert found is None or not_contrary(found, truth["cause"]), found


def conversation(rng: random.Random, port: int) -> list[tuple[float, bytes]]:
    """One TCP connection with repeated, lost, reordered segments, an odd ending, and sometimes the same port again."""
    client, server = "192.0.2.1", "198.51.100.1"
    isn = [rng.getrandbits(32), rng.getrandbits(32)]
    at = rng.random() * 5
    out: list[tuple[float, bytes]] = []

    def send(mine: bool, seq: int, ack: int, flags: int, payload: bytes = b"") -> None:
        ends = (client, server, port, 22) if mine else (server, client, 22, port)
        out.append((at, tcp_packet(*ends, seq, ack, flags, payload)))

    send(True, isn[0], 0, 2)
    if rng.random() < 0.2:
        return out
    send(False, isn[1], isn[0] + 1, 18)
    send(True, isn[0] + 1, isn[1] + 1, 16)
    position = [isn[0] + 1, isn[1] + 1]
    for _ in range(rng.choice([0, 3, 40, 400])):
        at += rng.random() * 0.01
        mine = rng.random() < 0.3
        size = rng.choice([0, 1, 100, 1400])
        seq = max(isn[not mine] + 1, position[not mine] - rng.choice([0, 0, 0, 0, size, 700]))
        if rng.random() > 0.03:  # else the capture lost it
            send(mine, seq, position[mine], 24 if size else 16, bytes(size))
        if seq + size > position[not mine]:
            position[not mine] = seq + size
        if rng.random() < 0.01:
            send(not mine, position[mine], 0, 4)
    if rng.random() < 0.6:
        send(True, position[0], position[1], 17)
        send(False, position[1], position[0] + 1, 17)
    if rng.random() < 0.3:
        at += 1
        send(True, rng.getrandbits(32), 0, 2)
    return out


@pytest.mark.parametrize("seed", range(6))
def test_how_packets_fall_into_batches_changes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    sent = sorted((item for port in range(2000, 2030) for item in conversation(rng, port)), key=lambda item: item[0])
    path = write_pcap(tmp_path / "mix.pcap", [(round(at * 1e9) + 10**18, data) for at, data in sent])
    wanted = objects(path)
    original: Callable[..., Any] = stream.ByteStream.__init__
    for batch, window in ((1, 1 << 12), (7, 1 << 14), (100, 1 << 16)):
        monkeypatch.setattr(track, "_BATCH", batch)
        monkeypatch.setattr(stream.ByteStream, "__init__", lambda self, read, size=window: original(self, read, size))
        assert objects(path) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_distinct_bytes_are_those_of_a_set_of_positions(seed: int, tmp_path: Path) -> None:
    """The slow truth: every payload byte's position in a set, per side."""
    rng = random.Random(100 + seed)
    sent = [item for port in range(3000, 3010) for item in conversation(rng, port)]
    path = write_pcap(tmp_path / "mix.pcap", [(round(at * 1e9) + 10**18, data) for at, data in sent])
    positions: dict[tuple[int, bool], set[int]] = {}
    reused: set[int] = set()
    seen: dict[int, int] = {}
    for _, data in sent:
        sport, dport, seq = struct.unpack_from(">HHI", data, 20)
        mine = dport == 22
        port = sport if mine else dport
        if data[33] & 18 == 2 and seen.setdefault(port, seq) != seq:
            reused.add(port)
        positions.setdefault((port, mine), set()).update((seq + i) % 2**32 for i in range(len(data) - 40))
    for said in objects(path):
        port = said["client_port"]
        if port not in reused:
            assert said.get("client_bytes", 0) == len(positions.get((port, True), set()))
            assert said.get("server_bytes", 0) == len(positions.get((port, False), set()))


def test_a_long_lossy_stream_is_counted_exactly(tmp_path: Path) -> None:
    """Long enough that most of it is counted without looking at its order, with holes that are filled much later."""
    lines = packets("0 > S 1000\n+.01 < S. 5000 ack 1001\n+.01 > . 1001 ack 5001")
    base, now, late = 5001, lines[-1][0], []
    frames = list(lines)
    for i in range(60_000):
        segment = tcp_packet("198.51.100.1", "192.0.2.1", 22, 40000, base + 10 * i, 1001, 24, bytes(10))
        if i % 5000 == 4999:
            late.append(segment)
        elif i % 7777 != 7776:  # never captured
            frames.append((now + i * 1000, segment))
        if i % 9000 == 8999:
            frames += [(now + i * 1000, segment) for segment in late]
            late = []
    path = write_pcap(tmp_path / "long.pcap", [*frames, *((now + 10**9, segment) for segment in late)])
    (said,) = objects(path)
    assert said["server_bytes"] == 10 * (60_000 - 60_000 // 7777)
