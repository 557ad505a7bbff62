"""Ctrl-C while reading: the input ends where it is, and all that was read until then is reported."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from captures.formats import ReadInto


class Interrupt:
    """Set by the first Ctrl-C. A read that waits returns as at the end of the file; a second Ctrl-C gives up at once."""

    def __init__(self) -> None:
        self.pressed = False
        self._reading = False

    def guard(self, read_into: ReadInto) -> ReadInto:
        """The same reader, which ends when Ctrl-C was pressed."""

        def read(target: Any) -> int:
            if self.pressed:
                return 0
            self._reading = True
            try:
                return read_into(target)
            except KeyboardInterrupt:
                return 0
            finally:
                self._reading = False

        return read

    def _handle(self, *_: object) -> None:
        again, self.pressed = self.pressed, True
        if self._reading or again:
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
