"""A command in the foreground of a lab: it has the terminal and gets the signals, as if it had been typed there."""

import os
import signal
import subprocess
from collections.abc import Sequence

from netprobe.lab.labs import Lab
from netprobe.lab.processes import environment, inside
from netprobe.lab.signals import Pending

_PATIENCE = 3  # as many signals are passed on; the next one kills


def attend(lab: Lab, node: str, argv: Sequence[str], pending: Pending) -> int:
    """Run a command on a node and wait for it; its exit status as a shell gives it, 128 + N when signal N ended it.

    {target}, {port} and {name} in it are filled in. Signals that reach this process are passed on to the command, except a
    Ctrl-C, which the terminal has already given to both.
    """
    known = {"{target}": lab.target, "{port}": str(lab.port), "{name}": lab.scenario.name}
    command = [_fill(word, known) for word in argv]
    pending.check()
    process = subprocess.Popen(
        inside(lab.node(node), command),
        env={**environment(), "NETPROBE_LAB": lab.state.label, "NETPROBE_TARGET": lab.target},
    )
    passed = 0

    def forward(number: int) -> None:
        nonlocal passed
        if number == signal.SIGINT and _typed():
            return
        passed += 1
        process.send_signal(number if passed <= _PATIENCE else signal.SIGKILL)

    pending.attended = forward
    try:
        if pending.number is not None:  # it came between the check and now
            forward(pending.number)
        code = process.wait()
    finally:
        pending.attended = None
    return code if code >= 0 else 128 - code


def _fill(word: str, known: dict[str, str]) -> str:
    for placeholder, value in known.items():
        word = word.replace(placeholder, value)
    return word


def _typed() -> bool:
    """Is this process in the foreground of a terminal, so that its Ctrl-C goes to the command too?"""
    for stream in (0, 1, 2):
        try:
            return os.tcgetpgrp(stream) == os.getpgrp()
        except OSError:
            continue
    return False
