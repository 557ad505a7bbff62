"""The command line of the recorder."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from tests import lab_recordings
from tests.lab_recordings.keep import record, write_truth
from tests.lab_recordings.lab import ROOT, RecordError
from tests.lab_recordings.scenarios import SAMPLES

OUT = ROOT / "captures" / "samples"


def stop_politely(_number: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that everything is torn down."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Record what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="lab_recordings", description=(lab_recordings.__doc__ or "").partition("\n")[0]
    )
    names = [sample.name for sample in SAMPLES]
    parser.add_argument("--out", type=Path, default=OUT, help="directory for the recordings (%(default)s)")
    parser.add_argument("--only", metavar="NAME", choices=names, action="append", help="record this one; repeatable")
    options = parser.parse_args(arguments)
    if os.geteuid():
        parser.error("needs root, for namespaces and packet filters")
    signal.signal(signal.SIGTERM, stop_politely)
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for sample in SAMPLES:
        if options.only is None or sample.name in options.only:
            if sample.needs and not shutil.which(sample.needs):
                print(f"{sample.name}: left out, {sample.needs} is not installed", flush=True)
                continue
            try:
                print(record(sample, options.out), flush=True)
            except RecordError as error:
                print(error, file=sys.stderr)
                failed += 1
    write_truth(options.out)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted; everything was torn down")
