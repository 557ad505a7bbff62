"""Recording a sample, checking that its packets show what it claims, and samples.toml."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.lab_recordings.lab import Lab, RecordError, call, furnish
from tests.lab_recordings.sample import Sample, Try
from tests.lab_recordings.scenarios import SAMPLES

ATTEMPTS = 5
SIZE_LIMIT = 40_000


def record(sample: Sample, out: Path) -> str:
    """Record one sample into a directory, with a few attempts; return a line about it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return record_once(sample, out)
        except (RecordError, subprocess.TimeoutExpired) as error:
            print(f"{sample.name}: attempt {attempt}: {error}", file=sys.stderr, flush=True)
    raise RecordError(f"{sample.name}: given up")


def record_once(sample: Sample, out: Path) -> str:
    """Build the network, record, check, and keep the file if it shows what it should."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nprec-") as name:
        scratch = Path(name)
        path = scratch / f"{sample.name}.pcap"
        furnish(scratch)
        with Lab(scratch) as lab:
            sample.prepare(lab)
            with lab.recording(path):
                for step in sample.steps:
                    if isinstance(step, Try):
                        check_try(step, *lab.ssh(step.address, step.port, step.options))
                    else:
                        step(lab)
                    time.sleep(0.1)
        frames = check_file(path)
        check_frames(path, sample.shows)
        shutil.copyfile(path, out / path.name)
    size = (out / path.name).stat().st_size
    return f"{sample.name}: {frames} frames, {size} bytes, {time.monotonic() - began:.1f} s"


def check_try(one: Try, status: int, said: str) -> None:
    """Complain if ssh did not end as it should."""
    fine = one.says in said and status == 255 if one.says else status == 0
    if not fine:
        raise RecordError(f"ssh to {one.address} port {one.port}: status {status}: {said}")


def check_file(path: Path) -> int:
    """Check the container: nanosecond pcap, small, whole frames, time never going back; return the frames."""
    data = path.read_bytes()
    if data[:4] != struct.pack("<I", 0xA1B23C4D):
        raise RecordError("not a little-endian nanosecond pcap file")
    if len(data) > SIZE_LIMIT:
        raise RecordError(f"{len(data)} bytes are too many")
    offset, last, frames = 24, 0, 0
    while offset < len(data):
        seconds, fraction, captured, length = struct.unpack_from("<IIII", data, offset)
        stamp = seconds * 1_000_000_000 + fraction
        if captured != length or length > 1514 or stamp < last:
            raise RecordError(f"frame {frames + 1}: cut, too long, or earlier than the one before")
        offset, last, frames = offset + 16 + captured, stamp, frames + 1
    return frames


def check_frames(path: Path, shows: dict[str, int | range]) -> None:
    """Check the frames with tshark: sound checksums, and as many of each kind as promised."""
    unsound = (
        'tcp.checksum.status != "Good" || ip.checksum.status != "Good" || icmp.checksum.status != "Good"'
        ' || ip.checksum.status == "Bad" || icmpv6.checksum.status == "Bad" || _ws.malformed'
    )
    for wanted, count in {unsound: 0, **shows}.items():
        found = count_frames(path, wanted)
        if found not in (count if isinstance(count, range) else (count,)):
            raise RecordError(f"{found} frames instead of {count}: {wanted}")


def count_frames(path: Path, wanted: str) -> int:
    """How many frames a display filter selects."""
    options = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-d", "tcp.port==2222,ssh")
    return len(call("tshark", "-n", "-r", str(path), *options, "-Y", wanted, timeout=60).splitlines())


def describe(sample: Sample) -> str:
    """A sample's table in samples.toml."""
    truth = sample.truth
    lines = [f"[{sample.name}]", f'file = "{sample.name}.pcap"']
    lines += [f"title = {json.dumps(sample.title)}", f"story = {json.dumps(sample.story)}", ""]
    lines += [f"[{sample.name}.truth]"]
    lines += [f"outcome = {json.dumps(truth.outcome)}", f"cause = {json.dumps(truth.cause)}"]
    lines += [
        f"actor = {json.dumps(truth.actor)}",
        f"hop = {truth.hop}",
        f"server = {json.dumps(truth.server)}",
    ]
    return "\n".join(lines) + "\n"


def write_truth(out: Path) -> None:
    """Write samples.toml about the recordings that are there."""
    head = "# What each recording shows and what really happened. Written by tests/lab_recordings.\n"
    there = [describe(sample) for sample in SAMPLES if (out / f"{sample.name}.pcap").exists()]
    (out / "samples.toml").write_text("\n".join((head, *there)))
