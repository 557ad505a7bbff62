"""The compiled loops: bit for bit what numpy gives, on whatever bytes; and within their bounds, which sanitizers watch."""

import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from captures import native, numbers
from captures.formats import Window, open_capture
from captures.scan import scan
from tests.captures.carriers import every_frame
from tests.craft import (
    MICROSECONDS,
    MODIFIED,
    NANOSECONDS,
    custom,
    enhanced,
    interface,
    obsolete,
    option,
    other_way,
    pcap,
    pcapng,
    section,
    simple,
    source,
    statistics,
)

ROOT = Path(__file__).resolve().parents[2]
FRAMES = [data for _, data in every_frame()]
COLUMNS = ("number", "ts_ns", "at", "caplen", "origlen", "interface", "link")


def told(data: bytes, most: int = 0) -> tuple[list[list[Any]], tuple[Any, ...]]:
    """Every column of a capture's frames and what the reader says of the file."""
    random = Random(most)
    reader = open_capture(source(data, (lambda: random.randint(1, most)) if most else None))
    columns: list[list[Any]] = [[] for _ in COLUMNS]
    for window in reader:
        for column, name in zip(columns, COLUMNS, strict=True):
            column += getattr(window, name).tolist()
        assert (window.at - window.start == reader.stream.base).all()
        assert {getattr(window, name).dtype for name in (*COLUMNS, "start")} == {np.dtype(np.int64)}
    return columns, (reader.notes, reader.cut, reader.frames, reader.interfaces, reader.names, reader.comments)


def assert_both_ways(data: bytes, most: int = 0) -> int:
    one = told(data, most)
    with other_way():
        two = told(data, most)
    assert one == two
    return len(one[0][0])


def some_pcap(random: Random, count: int) -> bytes:
    return pcap(
        [random.choice(FRAMES) for _ in range(count)],
        random.choice([1, 101, 113]),
        random.choice([MICROSECONDS, NANOSECONDS, MODIFIED]),
        random.choice("<>"),
    )


def some_pcapng(random: Random, count: int) -> bytes:
    out = []
    for _ in range(random.randint(1, 3)):
        endian = random.choice("<>")
        clock = option(9, bytes([random.choice([3, 6, 9, 0x94])]), endian) if random.random() < 0.5 else b""
        out += [section(endian), interface(1, endian=endian), interface(113, 60, clock, endian)]
        for _ in range(count):
            data, stamp = random.choice(FRAMES)[:900], random.getrandbits(40)
            match random.choice("eeeeeeeesoct"):
                case "s":
                    out.append(simple(data, endian=endian))
                case "o":
                    out.append(obsolete(data, stamp, endian=endian))
                case "c":
                    out.append(custom(data[: len(data) & ~3], endian=endian))
                case "t":
                    out.append(statistics(7, endian=endian))
                case _:
                    out.append(enhanced(data, stamp, random.randrange(2), endian=endian))
    return b"".join(out)


def changed(random: Random, data: bytes) -> bytes:
    """A few bytes replaced, and perhaps the end cut off."""
    out = bytearray(data)
    for _ in range(random.choice([0, 1, 1, 2, 5])):
        out[random.randrange(24, len(out))] = random.choice([0, 1, 0xFF, random.randrange(256)])
    return bytes(out[: random.randint(24, len(out))] if random.random() < 0.3 else out)


@pytest.mark.parametrize("make", [some_pcap, some_pcapng])
def test_records_are_found_alike(make: Any) -> None:
    random = Random(3)
    frames = 0
    for _ in range(60):
        frames += assert_both_ways(make(random, random.randint(0, 60)), random.choice([0, 7, 1000]))
    assert frames > 1000


@pytest.mark.parametrize("make", [some_pcap, some_pcapng])
def test_so_are_those_of_damaged_files(make: Any) -> None:
    random = Random(4)
    for _ in range(40):
        data = make(random, 12)
        for _ in range(20):
            assert_both_ways(changed(random, data), random.choice([0, 0, 100]))


def test_and_those_of_files_cut_anywhere() -> None:
    random = Random(5)
    for data in (some_pcap(random, 3), some_pcapng(random, 2)):
        for size in range(24, len(data)):
            assert_both_ways(data[:size])


def test_more_records_than_fit_a_window_s_pieces_are_found_alike() -> None:
    assert assert_both_ways(pcap([b"x"] * 400_000)) == 400_000
    assert assert_both_ways(pcap([b""] * 16_384)) == 16_384
    assert assert_both_ways(pcapng([(1, b"x", 1)] * 300_000)) == 300_000


def test_pieces_come_as_large_from_both() -> None:
    data = pcap([b"x"] * 100_000)

    def sizes() -> list[int]:
        return [len(piece) for window in open_capture(source(data)) for piece in window.pieces()]

    one = sizes()
    with other_way():
        two = sizes()
    assert max(one) <= 16_384
    assert sum(one) == sum(two) == 100_000
    assert one == two


def test_frames_that_lie_outside_the_buffer_are_not_read() -> None:
    """No reader makes them; the loops must not rely on that."""
    if native.library() is None:
        pytest.skip("not built or not wanted")
    (good,) = open_capture(source(pcap([FRAMES[0]] * 4)))
    base = int(good.start[0])
    buffer = good.buffer[base : base + len(FRAMES[0])].copy()
    size = len(buffer)
    starts = [0, size, size + 1, -1, 0, 0, 1 << 62, -(1 << 63), size - 1, (1 << 63) - 1]
    lengths = [size, 0, 0, 1, size + 1, -1, 1 << 62, 1, 1, 1]
    start, caplen = np.array(starts), np.array(lengths)
    number = np.arange(len(start))
    window = Window(buffer, number, number, start, start, caplen, caplen, number * 0, number * 0 + 1)
    counts: Counter[str] = Counter()
    table = scan(window, counts)
    assert set(table.number.tolist()) <= {0, 4}  # the first whole, the other as far as it goes
    assert (table.payload_start + table.payload_caplen <= size).all()
    kinds = ("tcp", "icmp-error", "fragment", "other", "unreadable")
    assert sum(counts[kind] for kind in kinds) == len(starts)


def test_the_library_says_what_it_was_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be loaded, or is of another version, is not used."""
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native._load() is None
    (tmp_path / "_native.so").write_bytes(b"\x7fELF but not really")
    assert native._load() is None


def test_without_a_compiler_nothing_is_built_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = ModuleType("hatchling.builders.hooks.plugin.interface")  # pip has the real one only while it builds
    hook.BuildHookInterface = object
    monkeypatch.setitem(sys.modules, hook.__name__, hook)
    hatch_build = runpy.run_path(str(ROOT / "hatch_build.py"))
    for compiler in ("/nonexistent/cc", "false", ""):
        monkeypatch.setenv("CC", compiler)
        target = tmp_path / "_native.so"
        target.write_bytes(b"an older one")
        assert not hatch_build["built"](ROOT, target)
        assert not target.exists()


@pytest.mark.compiler
def test_no_bytes_lead_the_loops_out_of_bounds(tmp_path: Path, samples: Path) -> None:
    """gcc's sanitizers watch while whole and damaged captures are walked and scanned, every array as small as can be."""
    program, tables = tmp_path / "fuzz", tmp_path / "tables"
    subprocess.run(
        ["gcc", "-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", "-o", program, ROOT / "tests" / "captures" / "fuzz_native.c"],
        check=True,
    )  # fmt: skip
    tables.write_bytes(b"".join(table.tobytes() for table in numbers.meanings()))
    random = Random(6)
    files = sorted(samples.glob("*.pcap"))
    for n in range(12):
        files.append(tmp_path / f"made-{n}")
        files[-1].write_bytes((some_pcap, some_pcapng)[n & 1](random, 60))
    shared = ROOT.parent / "shared" / "corpus"
    files += [path for path in sorted(shared.rglob("*.pcap*")) if path.is_file() and path.stat().st_size < 1 << 18]
    done = subprocess.run([program, tables, "15", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout.split()[0]) > 10_000  # rows


SANITIZED = """
import sys
import pytest
from captures import native
native.__file__ = sys.argv[1]
native._library = native._load()
assert native._library is not None
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[2:]]))
"""


@pytest.mark.compiler
def test_nor_do_any_rows_lead_the_join(tmp_path: Path) -> None:
    """The same for the join, inside Python: every array of numpy's is one that the sanitizers know the end of."""
    library = tmp_path / "_native.so"
    subprocess.run(
        ["gcc", "-std=c11", "-g", "-O1", "-fPIC", "-shared", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-o", library, ROOT / "captures" / "native.c", ROOT / "analyzers" / "attempts" / "join.c"],
        check=True,
    )  # fmt: skip
    asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    environment = {**os.environ, "LD_PRELOAD": asan.stdout.strip(), "PYTHONMALLOC": "malloc", "NETPROBE_NATIVE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, str(tmp_path / "native.py"), str(ROOT / "tests" / "analyzers" / "test_join.py")],
        env=environment | {"ASAN_OPTIONS": "detect_leaks=0"}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
