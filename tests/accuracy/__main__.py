"""The command: `python -m tests.accuracy`."""

import argparse
import json
import shutil
import signal
import sys
from pathlib import Path

import tests.accuracy as accuracy
from tests.accuracy.cells import again, draw
from tests.accuracy.compare import compare
from tests.accuracy.markdown import markdown
from tests.accuracy.measure import Run, Tool, ask_netprobe
from tests.accuracy.peers import NEEDED, PEERS
from tests.accuracy.tables import contrary, report


def main() -> int:
    """0: nothing said contradicts the truth; 1: something does, or a cell failed; 2: usage; 130: interrupted."""
    options = arguments()
    if options.compare:
        old, new = (json.loads(file.read_text())["cells"] for file in options.compare)
        print("\n".join(compare(old, new)))
        return 0
    show = markdown if options.markdown else report
    if options.show:
        print("\n".join(show(json.loads(options.show.read_text())["cells"])))
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    tools: dict[str, Tool] = {"netprobe": ask_netprobe}
    if options.peers:
        missing = [package for command, package in NEEDED.items() if not shutil.which(command)]
        if missing:
            print(f"--peers needs more tools: apt-get install {' '.join(missing)}", file=sys.stderr)
            return 2
        tools |= PEERS
    cells = [again(text) for text in options.cell] or draw(options.seed, options.count, options.only)
    if not cells:
        print("no such scenario or cause", file=sys.stderr)
        return 2
    results = []
    try:
        for result in Run(tools).results(cells, options.jobs):
            results.append(result)
            if sys.stderr.isatty():
                print(f"\r{len(results)}/{len(cells)} {result['id']:<70.70}", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        return 130
    finally:
        results.sort(key=lambda result: result["id"])
        if options.json:
            options.json.write_text(
                json.dumps({"seed": options.seed, "count": options.count, "cells": results}, indent=1)
            )
    print("\n".join(show(results)))
    return int(any(contrary(result) or "netprobe" not in result["tools"] for result in results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.accuracy",
        description=accuracy.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1, help="which cells are drawn (1)")
    parser.add_argument("--count", type=int, default=60, help="how many cells (60)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="scenarios, or causes by their beginning"
    )
    parser.add_argument(
        "--cell", action="append", default=[], metavar="ID", help="this cell, like 'router-reset family=6 before=3'"
    )
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=False, help="run today's tools beside it"
    )
    parser.add_argument("--jobs", type=int, default=2, help="labs at a time (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all cells here, for --compare")
    parser.add_argument("--show", type=Path, metavar="FILE", help="build nothing: the tables of a run that was kept")
    parser.add_argument("--markdown", action="store_true", help="print only the tables of the README")
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="build nothing: two runs, cell by cell"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
