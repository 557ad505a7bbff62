"""Processes in the namespaces of a lab: started there, never by moving the process that starts them."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from netprobe.lab.errors import BuildFailed

_INSIDE = Path(__file__).parent / "inside"
# Daemons are often not on a user's PATH, nor is netprobe itself when it was called by its full name.
PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin:{Path(sys.executable).parent}"


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs argv in a namespace; the process itself becomes argv."""
    return ["ip", "netns", "exec", namespace, *argv]


def program(name: str, *arguments: str, packages: bool = False) -> list[str]:
    """The command line of one of the lab's own programs; `packages` if it needs more than the standard library."""
    return [sys.executable, "-I", *([] if packages else ["-S"]), str(_INSIDE / f"{name}.py"), *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": PATH}


def finish(argv: Sequence[str], text: str = "", seconds: float = 20) -> str:
    """Run a command that must succeed, undisturbed by the terminal's Ctrl-C; what it printed."""
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=seconds, env=environment(), start_new_session=True
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{_what(argv)} did not end within {seconds:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
        raise BuildFailed(f"{_what(argv)} failed: {_telling(said)}")
    return done.stdout


def _what(argv: Sequence[str]) -> str:
    """The tool behind a command line, and where it ran."""
    where = f" in {argv[3]}" if list(argv[:3]) == ["ip", "netns", "exec"] else ""
    ours = next((index for index, word in enumerate(argv) if word.startswith(str(_INSIDE))), None)
    if ours is None:
        return f"{Path(argv[4 if where else 0]).name}{where}"
    return f"{Path(argv[ours]).stem} {' '.join(argv[ours + 1 :])}".strip() + where


def _telling(said: list[str]) -> str:
    """The line of an error that says most: of a traceback the last, of nft's complaint the first."""
    return said[-1] if said[0].startswith("Traceback") else said[0]


def start(argv: Sequence[str], log: IO[Any] | int = subprocess.DEVNULL, ready: bool = False) -> subprocess.Popen[str]:
    """Start a process that stays. With `ready` it is one that prints a line when it is at work: see `await_ready`."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if ready else log,
        stderr=log,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def await_ready(process: subprocess.Popen[str], seconds: float = 10) -> subprocess.Popen[str]:
    """Return when the process has printed a line; BuildFailed if it ends before."""
    assert process.stdout is not None
    with process.stdout as stdout:
        said = select.select([stdout], [], [], seconds)[0] and stdout.readline()
    if not said:
        end(process)
        raise BuildFailed(f"{_what(list(process.args))} did not start")  # type: ignore[arg-type]
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and collect it."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=3)


def listening(process: subprocess.Popen[str], namespace: str, seconds: float = 5) -> bool:
    """Wait until something listens in the namespace that this process was started in, or the process is gone."""
    home = os.stat(f"/run/netns/{namespace}").st_ino
    stop = time.monotonic() + seconds
    while time.monotonic() < stop and process.poll() is None:
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{process.pid}/ns/net").st_ino == home and _listens(process.pid):
                return True
        time.sleep(0.005)
    return False


def _listens(pid: int) -> bool:
    tables = (Path(f"/proc/{pid}/net/{name}").read_text().splitlines() for name in ("tcp", "tcp6"))
    return any(row.split()[3] == "0A" for table in tables for row in table)
