"""Ctrl-C while reading: the input ends where it is, and all that was read until then is reported."""

import select
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from os import fstat
from typing import Any

from captures.formats import ReadInto

_DRAIN_S = 1.0  # how long a writer at the other end of a pipe, which got the same Ctrl-C, may take to flush


class Interrupt:
    """Set by the first Ctrl-C. A read that waits returns as at the end of the file; a second Ctrl-C gives up at once."""

    def __init__(self) -> None:
        self.pressed = False
        self._deadline = 0.0
        self._reading = False

    def guard(self, handle: FileIO) -> ReadInto:
        """The handle's `readinto`, which ends when Ctrl-C was pressed: a file's at once, a pipe's when it is drained."""
        pipe = not stat.S_ISREG(fstat(handle.fileno()).st_mode)

        def read(target: Any) -> int:
            if self.pressed:
                return drain(target) if pipe else 0
            self._reading = True
            try:
                return handle.readinto(target) or 0
            except KeyboardInterrupt:
                return drain(target) if pipe else 0
            finally:
                self._reading = False

        def drain(target: Any) -> int:
            left = self._deadline - time.monotonic()
            ready = left > 0 and select.select([handle], [], [], left)[0]
            return handle.readinto(target) or 0 if ready else 0

        return read

    def _handle(self, *_: object) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed, self._deadline = True, time.monotonic() + _DRAIN_S
        if self._reading:
            raise KeyboardInterrupt

    @contextmanager
    def armed(self) -> Iterator[None]:
        """While reading, where signals can be caught at all (the main thread)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
