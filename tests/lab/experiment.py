"""One scenario built, asked as a user would ask, and recorded on every node."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netprobe.lab import Lab, Scenario, load, up
from tests.lab.frames import Seen, read

CALLER = Path(__file__).parent / "caller.py"


@dataclass
class Observation:
    """What the client was told by its kernel, and what each node saw."""

    scenario: Scenario
    calls: list[dict[str, Any]] = field(default_factory=list)
    frames: dict[str, list[Seen]] = field(default_factory=dict)
    said: str = ""

    @property
    def call(self) -> dict[str, Any]:
        return self.calls[0]

    def at(self, node: str, **wanted: Any) -> list[Seen]:
        """The frames at a node that have these values."""
        return [f for f in self.frames[node] if all(getattr(f, key) == value for key, value in wanted.items())]

    def origin(self, chosen: Callable[[Seen], bool]) -> set[str]:
        """The nodes that sent such a frame which they had not received: who really made it."""
        made = set()
        for node, frames in self.frames.items():
            came = any(chosen(f) for f in frames if not f.out)
            made |= {node} if not came and any(chosen(f) for f in frames if f.out) else set()
        return made

    def reached(self, chosen: Callable[[Seen], bool]) -> list[str]:
        """The nodes that received such a frame."""
        return [node for node, frames in self.frames.items() if any(chosen(f) for f in frames if not f.out)]


def ask(
    lab: Lab, wait: float, manner: str = "speak", source: str = "", sport: int = 0, port: int = 0
) -> dict[str, Any]:
    """What a connection attempt comes to."""
    words = [str(CALLER), lab.target, str(port or lab.port), str(wait), manner, source, str(sport)]
    done = lab.run("client", [sys.executable, "-I", "-S", *words], timeout=wait + 10)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def observe(
    name: str, label: str, parameters: dict[str, Any], wait: float, tries: list[dict[str, Any]], ssh: bool = False
) -> Observation:
    """Build a scenario, try it, and read what every node recorded."""
    scenario = load(name, **parameters)
    seen = Observation(scenario)
    with tempfile.TemporaryDirectory(prefix="np-test-") as folder:
        files = {node: str(Path(folder) / f"{node}.pcapng") for node in scenario.topology.nodes}
        with up(scenario, label, files) as lab:
            for one in tries:
                source = {"source": lab.scenario.topology.service} if one.get("source") else {}
                seen.calls.append(ask(lab, **{"wait": wait, **one, **source}))
            if ssh:
                seen.said = lab.run("client", ["timeout", str(wait), *SSH, lab.target, "true"]).stderr
        seen.frames = {node: read(node, Path(file)) for node, file in files.items()}
    return seen


SSH = [
    "ssh", "-v", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
]  # fmt: skip
