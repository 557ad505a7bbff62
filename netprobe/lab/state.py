"""What is up, and how it goes away: one directory a lab, from which a lab is torn down whole, however far it got.

A lab is written down before anything of it is made, and every name follows from its label. So `remove` needs no memory of the
process that built it: it ends whatever runs in the lab's namespaces, deletes these, and deletes the directory last.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from netprobe.lab.errors import BuildFailed, UnknownScenario

HOME = Path("/run/netprobe/lab")
_NAMESPACES = Path("/run/netns")


@dataclass
class State:
    """A lab as it is written down. `built` is false until everything works; `recorders` must be given time to finish."""

    label: str
    scenario: str
    parameters: dict[str, int | str]
    nodes: list[str]
    recorders: list[int] = field(default_factory=list)
    built: bool = False

    @property
    def folder(self) -> Path:
        return HOME / self.label

    def namespace(self, node: str) -> str:
        return f"np-{self.label}-{node}"

    def namespaces(self) -> dict[str, str]:
        return {node: self.namespace(node) for node in self.nodes}

    def claim(self) -> None:
        """Take the label: write the lab down before it exists. BuildFailed if a lab of this label is there."""
        HOME.mkdir(parents=True, exist_ok=True)
        try:
            self.folder.mkdir(mode=0o755)
        except FileExistsError:
            raise BuildFailed(
                f"{self.label} is already up; netprobe lab down {self.label}, or --as another label"
            ) from None
        self.save()

    def save(self) -> None:
        fresh = self.folder / "state.new"
        fresh.write_text(json.dumps(asdict(self)))
        fresh.rename(self.folder / "state.json")


def labels() -> list[str]:
    """The labs that are there, whole or not."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(entry.name for entry in HOME.iterdir() if entry.is_dir())
    return []


def find(label: str) -> State | None:
    """The lab of this label, or None."""
    try:
        return State(**json.loads((HOME / label / "state.json").read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_label(label: str) -> None:
    """Tear a lab down by its label. UnknownScenario if there is none."""
    state = find(label)
    if state is not None:
        remove(state)
    elif label in labels():  # it was claimed, and no more
        shutil.rmtree(HOME / label)
        _tidy()
    else:
        raise UnknownScenario(f"no lab named {label} is up; {', '.join(labels()) or 'none'} is")


def remove(state: State) -> None:
    """End the lab's processes, delete its namespaces and its files. Works on what is there; doing it twice does no harm."""
    for pid in state.recorders:
        if pid in inhabitants(state):
            _send(pid, signal.SIGTERM)
    end = time.monotonic() + 3
    while time.monotonic() < end and set(state.recorders) & inhabitants(state):
        time.sleep(0.01)
    for _ in range(100):
        pids = inhabitants(state)
        if not pids:
            break
        for pid in pids:
            _send(pid, signal.SIGKILL)
        time.sleep(0.01)
    from pyroute2 import netns

    for name in state.namespaces().values():
        with contextlib.suppress(FileNotFoundError):
            netns.remove(name)
    shutil.rmtree(state.folder, ignore_errors=True)
    _tidy()


def inhabitants(state: State) -> set[int]:
    """The processes in the lab's namespaces."""
    ours = set()
    for name in state.namespaces().values():
        with contextlib.suppress(OSError):
            ours.add(os.stat(_NAMESPACES / name).st_ino)
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry}/ns/net").st_ino in ours:
                    found.add(int(entry))
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _tidy() -> None:
    """The directories that all labs share go with the last lab."""
    for folder in (HOME, HOME.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
