"""A process beside this one: it imports what judges while this one asks, and is called afterwards.

Importing takes as long as an answer from far away, and a thread that imports holds up the others: probes would leave late, and
answers be read late.
"""

import os
import sys
from importlib import import_module
from typing import Any


class Beside:
    """Calls functions of a module by name, in a process that imports it from `begin` on; in this one where it was imported before, or
    where no such process was begun, can be had or goes on. What the functions take and give can be pickled.

    The process has the rights that this one has when it begins, ignores Ctrl-C, has nothing open but the way back, and ends when this
    one does.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._begun = self._forked = False

    def begin(self) -> None:
        """Begin the process, once."""
        if self._begun or self._module in sys.modules or not hasattr(os, "fork"):
            return
        self._begun = True
        reads, self._writes = os.pipe()
        self._reads, writes = os.pipe()
        try:
            self._forked = os.fork() > 0
        except OSError:
            return
        if not self._forked:
            try:
                _serve(self._module, reads, writes)
            finally:
                os._exit(0)
        os.close(reads)
        os.close(writes)

    def __call__(self, function: str, *args: Any) -> Any:
        import pickle

        if self._forked:
            try:
                with open(self._writes, "wb", closefd=False) as asking:
                    pickle.dump((function, args), asking)
                with open(self._reads, "rb", closefd=False) as answering:
                    return pickle.load(answering)
            except (OSError, EOFError):  # it has ended: what went wrong there is to be seen here
                self._forked = False
        return getattr(import_module(self._module), function)(*args)


def _serve(module: str, reads: int, writes: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    first, second = sorted((reads, writes))
    for low, high in ((3, first), (first + 1, second), (second + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(low, high)
    import pickle

    functions = import_module(module)
    with open(reads, "rb") as asking, open(writes, "wb") as answering:
        while True:
            function, args = pickle.load(asking)
            pickle.dump(getattr(functions, function)(*args), answering)
            answering.flush()
