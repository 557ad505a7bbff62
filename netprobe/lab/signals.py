"""Ctrl-C that waits for a safe moment: while a lab is made or removed, a signal is noted and acted on between two steps."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from netprobe.lab.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Pending:
    """The signal that came, if one did."""

    number: int | None = None
    attended: Callable[[int], None] | None = None  # whoever takes care of signals for the time being

    def note(self, number: int, _frame: FrameType | None) -> None:
        if self.attended is not None:
            self.attended(number)
        else:
            self.number = number

    def check(self) -> None:
        """A safe moment: Interrupted if a signal came."""
        if self.number is not None:
            raise Interrupted(self.number)

    def hand_on(self) -> None:
        """Give the signal to whoever handled signals before."""
        if self.number is not None:
            signal.raise_signal(self.number)


@contextmanager
def deferred() -> Iterator[Pending]:
    """No signal interrupts this block; whoever runs it asks `Pending.check`. Only the main thread gets signals at all."""
    pending = Pending()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before = {number: signal.signal(number, pending.note) for number in SIGNALS}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
