"""Captures on any node: pcapng with direction and interface names by the lab's own recorder, plain pcap by tcpdump."""

import subprocess
from pathlib import Path

from netprobe.lab.processes import inside, program, start

_TCPDUMP = (
    "tcpdump",
    "-n",
    "-U",
    "-s",
    "0",
    "-Z",
    "root",
    "--immediate-mode",
    "--time-stamp-precision=nano",
    "-i",
    "any",
)


def record(namespace: str, file: str) -> subprocess.Popen[str]:
    """Record all interfaces of a namespace into a file, from now until the process is told to end (SIGTERM).

    pcapng if the name ends so; otherwise pcap (Linux cooked, since it holds several interfaces). It has begun when the process
    says a line.
    """
    path = str(Path(file).absolute())
    if path.endswith(".pcapng"):
        return start(inside(namespace, program("recorder", path)), ready=True)
    return _tcpdump(namespace, path)


def _tcpdump(namespace: str, path: str) -> subprocess.Popen[str]:
    # tcpdump says on stderr that it listens; the shell passes that on and steps aside.
    return start(inside(namespace, ["sh", "-c", 'exec "$@" 2>&1', "sh", *_TCPDUMP, "-w", path]), ready=True)
