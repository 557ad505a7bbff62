"""One cell built, asked by netprobe and by the peers, and torn down, whatever happens."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from itertools import count
from os import getpid
from pathlib import Path
from typing import Any

from netprobe.lab import Lab, up
from tests.accuracy.cells import Cell
from tests.accuracy.score import Answer, score

TIMEOUT_S = 60  # for every command
Result = dict[str, Any]
Tool = Callable[[Lab], tuple[Answer, Result]]

_numbers = count(1)


def ask_netprobe(net: Lab) -> tuple[Answer, Result]:
    """What `netprobe diagnose` says, and what it cost. Its frames are counted in the evidence file, both directions."""
    where = f"[{net.target}]:{net.port}" if net.scenario.family == 6 else f"{net.target}:{net.port}"
    with tempfile.TemporaryDirectory(prefix="np-accuracy-") as folder:
        evidence = str(Path(folder) / "evidence.pcapng")
        words = [sys.executable, "-m", "netprobe", "diagnose", "-n", "--json", "-w", evidence, where]
        done = net.run("client", words, timeout=TIMEOUT_S)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"netprobe ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    document = json.loads(done.stdout)
    (service,) = document["services"]
    return read_verdict(service["verdict"]), {"packets": sum(source["frames"] for source in document["sources"])}


def read_verdict(verdict: dict[str, Any]) -> Answer:
    """The verdict of a report as an answer."""
    place = verdict["place"]
    return Answer(
        verdict["outcome"], verdict["cause"], place["hop_min"], place["hop_max"], place["address"] or "", place["actor"],
        verdict["strength"],
    )  # fmt: skip


class Run:
    """The cells of a run, some at a time. `stop` ends it: what is up comes down, what runs in it ends."""

    def __init__(self, tools: dict[str, Tool]) -> None:
        self.tools = tools
        self._labs: dict[str, Lab] = {}
        self._stopped = threading.Event()

    def results(self, cells: Sequence[Cell], jobs: int) -> Iterator[Result]:
        """Each cell as soon as it is done. On any exception, Ctrl-C too, nothing is left of the labs."""
        with ThreadPoolExecutor(jobs) as pool:
            waiting = [pool.submit(self.measure, cell) for cell in cells]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            except BaseException:
                self._stopped.set()
                for one in waiting:
                    one.cancel()
                for lab in list(self._labs.values()):
                    lab.down()
                raise

    def measure(self, cell: Cell) -> Result:
        """One cell: its truth, and each tool's answer with its scores. A tool or a lab that fails is an `error`."""
        scenario = cell.load()
        result: Result = {
            "id": cell.id, "scenario": cell.scenario, "parameters": dict(cell.parameters), "command": cell.command,
            "truth": asdict(scenario.truth), "tools": {},
        }  # fmt: skip
        label = f"acc-{getpid()}-{next(_numbers)}"
        try:
            with up(scenario, label) as net:
                self._labs[label] = net
                for name, tool in self.tools.items():
                    if self._stopped.is_set():
                        break
                    result["tools"][name] = _asked(tool, net)
        except Exception as error:
            result["error"] = f"{type(error).__name__}: {error}"
        finally:
            self._labs.pop(label, None)
        return result


def _asked(tool: Tool, net: Lab) -> Result:
    began = time.monotonic()
    try:
        answer, cost = tool(net)
    except (OSError, ValueError, KeyError, RuntimeError, subprocess.SubprocessError) as error:
        return {"error": f"{type(error).__name__}: {error}", "seconds": round(time.monotonic() - began, 3)}
    seconds = round(time.monotonic() - began, 3)
    return {**asdict(answer), "score": asdict(score(answer, net.scenario)), "seconds": seconds, **cost}
