"""The join in C and in numpy: the same state, the same kept rows, bit for bit, whatever the rows and however they come."""

from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from analyzers.attempts import track
from analyzers.attempts.flows import _K1
from analyzers.attempts.payload import payload_marks
from analyzers.attempts.slots import Slots
from analyzers.attempts.track import Tracker
from captures import native
from captures.errors import NotACapture
from captures.formats import open_capture
from captures.scan import scan
from captures.table import COLUMNS, TYPES, PacketTable
from tests.conftest import ROOT
from tests.craft import other_way, source

Tables = list[tuple[PacketTable, np.ndarray[Any, Any]]]


def joined(tables: Tables, shelf: bool = False) -> dict[str, Any]:
    """All that the tracker holds after these tables; in the middle another trace begins."""

    def keep(buffer: Any, start: Any, caplen: Any) -> Any:
        return start * 3 + caplen

    tracker = Tracker()
    for n, (table, buffer) in enumerate(tables):
        if n in (0, len(tables) * 2 // 3):
            tracker.begin(new_trace=True, shelf=keep if shelf else None)
        tracker.add(table, buffer)
    tracker.flush()
    state, rows = tracker.state, tracker.rows
    out: dict[str, Any] = {name: state.trimmed(name).copy() for name in state._columns}
    out |= {f"row {name}": rows[name].copy() for name in rows.kinds}
    return out | {"holes": tracker._holes._open, "collided": tracker._flows._collided}


def assert_both_ways(tables: Tables, shelf: bool = False) -> dict[str, Any]:
    one = joined(tables, shelf)
    with other_way():
        two = joined(tables, shelf)
    assert one.keys() == two.keys()
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == two[name].dtype, name
            assert np.array_equal(value, two[name]), name
        else:
            assert value == two[name], name
    return one


NUMBERS = [0, 1, 2, 999, 1000, 1001, 1009, 1500, 9000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0xFFFFFC00]
FLAGS = [2, 2, 18, 16, 16, 16, 16, 24, 24, 24, 17, 25, 4, 20, 0, 1, 3, 6, 50, 255]
LENGTHS = [0, 0, 0, 1, 8, 8, 500, 1460, 65_000, 1 << 20]
PAYLOADS = [
    b"SSH-2.0-x\r\n", b"SSH-2.0-y\n", b"\x16\x03\x01", b"\0\0\1\x04\5\x14" + bytes(range(200)), b"GET / HTTP\r\n",
    b"\0\0\2\2\1\x15", b"\xff",
]  # fmt: skip


def made(random: Random, count: int, flows: int, first: int, stream: dict[Any, int]) -> tuple[PacketTable, Any]:
    """Rows of a few flows: orderly streams, and anything that flags and numbers can say."""
    calm = random.choice([0.5, 0.9, 0.99])
    buffer = np.frombuffer(b"".join(random.choice(PAYLOADS) for _ in range(300)) + bytes(5000), np.uint8)
    columns: dict[str, list[Any]] = {name: [0] * count for name in COLUMNS}
    for n in range(count):
        flow, side = random.randrange(flows), random.randrange(2)
        six = flow % 3 == 0
        ends = [(flow + 1, 1000 + flow % 7), (flow % 5 + (1 << 20), 22)]
        if flow % 11 == 0:
            ends[1] = ends[0]  # both ends are one
        (source_lo, sport), (target_lo, dport) = ends[side], ends[1 - side]
        row: dict[str, Any] = {
            "family": 6 if six else 4, "src_hi": six * 77, "dst_hi": six * 78, "src_lo": source_lo, "dst_lo": target_lo,
            "sport": sport, "dport": dport, "number": first + n, "ts_ns": random.randrange(1 << 40), "start": n, "at": n * 7,
            "caplen": random.randrange(70_000), "origlen": random.choice([5, (1 << 32) - 1]), "link": random.choice([1, 101, 65535]),
            "flags": random.choice(FLAGS), "seq": random.choice(NUMBERS), "ack": random.choice(NUMBERS),
            "window": random.randrange(65536), "length": random.choice(LENGTHS), "ttl": random.randrange(256),
            "tos": random.randrange(256), "ip_id": random.choice([0, 7]), "payload_start": random.randrange(1000),
        }  # fmt: skip
        if random.random() < calm:  # the next of its stream
            length = random.choice([0, 0, 100, 1460])
            seq = stream.get((flow, side), 5000)
            row |= {"flags": 16, "length": length, "seq": seq, "ack": stream.get((flow, 1 - side), 5000)}
            stream[flow, side] = (seq + length) & 0xFFFFFFFF
        elif random.random() < 0.05:
            row |= {"icmp": True, "icmp_type": random.choice([1, 3, 11]), "icmp_code": random.randrange(4), "flags": 0}
            row |= {"ack": 0, "length": 0, "sender_lo": random.randrange(3), "sender_hi": six * 9, "quoted_ttl": 3}
        row["payload_caplen"] = min(row["length"], random.choice([0, 1, 3, 8, 70, 2000]))
        for name, value in row.items():
            columns[name][n] = value
    return PacketTable(**{name: np.array(columns[name], TYPES.get(name, np.int64)) for name in COLUMNS}), buffer


@pytest.mark.parametrize("seed", range(60))
def test_rows_of_all_kinds_are_joined_alike(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    monkeypatch.setattr(track, "_BATCH", random.choice([1, 30, 400, 16_384]))
    flows = random.choice([1, 2, 10, 300])
    stream: dict[Any, int] = {}
    tables, first = [], 1
    for _ in range(random.randint(1, 12)):
        count = random.choice([1, 2, 20, 300])
        tables.append(made(random, count, flows, first, stream))
        first += count
    assert_both_ways(tables, shelf=seed % 3 == 0)


def test_long_streams_settle_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "_BATCH", 700)
    random = Random(1)
    stream: dict[Any, int] = {}
    result = assert_both_ways([made(random, 500, 3, n * 500 + 1, stream) for n in range(30)])
    assert result["full"].any()
    assert result["holes"]


def test_many_flows_are_found_alike() -> None:
    random = Random(2)
    tables = [made(random, 20_000, 30_000, n * 20_000 + 1, {}) for n in range(4)]
    assert len(assert_both_ways(tables)["family"]) > 20_000


def test_flows_with_one_key_are_told_apart_alike() -> None:
    """Two pairs of ends with the same key: what the lower end changes in it the higher one makes up for."""

    def half(low: int) -> int:
        value = low * int(_K1) & 0xFFFFFFFFFFFFFFFF
        return value ^ value >> 29

    # IPv4 ends are numbers below 2^48: look for two lows whose halves differ by little enough for that.
    random = Random(5)
    lows = sorted((half(low), low) for low in (random.randrange(1 << 46) for _ in range(1 << 16)))
    (one, two) = min(pairwise(lows), key=lambda pair: pair[1][0] - pair[0][0])
    gap = two[0] - one[0]
    assert gap < 1 << 40
    high = 40_000 << 32 | 5
    ends = [(one[1], high + gap), (two[1], high)]
    count = 40
    columns: dict[str, Any] = {name: np.zeros(count, TYPES.get(name, np.int64)) for name in COLUMNS}
    for n in range(count):
        low, other = ends[n * 7 // 3 % 2]
        columns["src_lo"][n], columns["sport"][n] = low & 0xFFFFFFFF, low >> 32
        columns["dst_lo"][n], columns["dport"][n] = other & 0xFFFFFFFF, other >> 32 & 0xFFFF
    columns |= {"family": np.full(count, 4, np.uint8), "number": np.arange(1, count + 1)}
    columns |= {"flags": np.full(count, 2, np.uint8), "seq": (np.arange(count) // 9).astype(np.uint32)}
    table = PacketTable(**columns)
    buffer = np.zeros(5000, np.uint8)
    result = assert_both_ways([(table.take(slice(25)), buffer), (table.take(slice(25, None)), buffer)])
    assert result["collided"]


def test_captures_are_joined_alike(samples: Path) -> None:
    files = sorted(samples.glob("*.pcap"))
    shared = ROOT.parent / "shared" / "corpus"
    files += [path for path in sorted(shared.rglob("*.pcap*")) if path.is_file() and path.stat().st_size < 1 << 22]
    rows = 0
    for path in files:
        with suppress(NotACapture):
            windows = open_capture(source(path.read_bytes()))
            tables = [(scan(window, Counter()), window.buffer.copy()) for window in windows]
            assert_both_ways(tables)
            rows += sum(len(table) for table, _ in tables)
    assert rows > 1000


def test_payloads_of_every_size_have_the_same_mark() -> None:
    random = Random(3)
    data = b"".join(random.choice(PAYLOADS) + random.randbytes(random.randrange(4)) for _ in range(4000))
    buffer = np.frombuffer(data + bytes(4096), np.uint8)
    count = 20_000
    table = made(random, 1, 1, 1, {})[0].take(np.zeros(count, np.int64))
    table.payload_start = np.array([random.randrange(len(data)) for _ in range(count)])
    sizes = [0, 1, 2, 3, 4, 7, 8, 9, 22, 23, 63, 64, 65, 1557, 1558, 1559, *range(2000)]
    table.payload_caplen = np.array(random.choices(sizes, k=count))
    one = payload_marks(table, buffer)
    with other_way():
        assert np.array_equal(one, payload_marks(table, buffer))
    assert len(set(one.tolist())) > 300


def test_rows_of_no_attempt_are_refused() -> None:
    """Every index is checked before it is used."""
    library = native.library()
    if library is None:
        pytest.skip("not built or not wanted")
    table, _ = made(Random(4), 4, 1, 1, {})
    address = native.address
    numbers = np.zeros(64, np.int64)
    columns = table.struct()
    for order, attempt in (([0, 4], [0] * 4), ([-1], [0] * 4), ([0], [5] * 4), ([0], [-1] * 4)):
        rows, of = np.array(order), np.array(attempt)
        done = library.group(
            len(rows), address(rows), 4, address(of), 5, address(numbers), address(numbers), address(numbers)
        )
        assert done == -1
        done = library.follow(
            address(columns), 4, address(rows), len(rows), address(of), address(numbers), address(numbers), address(numbers), 5,
            address(numbers), address(numbers), address(numbers), address(numbers),
        )  # fmt: skip
        assert done == -1


def test_the_table_of_flows_grows_before_it_is_full() -> None:
    """join.c goes round it until it finds a free place."""
    slots = Slots()
    slots.reserve(1 << 13)
    before = len(slots._id)
    slots.used = 1 << 13
    slots.reserve(1)
    assert len(slots._id) == 2 * before
