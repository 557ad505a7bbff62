"""The loop of a capture: take what the kernel has, write it down, say what is over; and end without losing anything."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from netprobe.live.nic import TIMEOUT_MS, Gone, Nic, Taken
from netprobe.live.ring import Files
from netprobe.live.settle import Settled, Settling

_LATE_NS = 2 * TIMEOUT_MS * 1_000_000  # what was captured longer ago than this has been handed out
_PACE_S = 0.1
_SHARE = 2  # while packets come, judging pauses for twice as long as it took: what comes meanwhile waits in the kernel
_MOST_BUFFERS = 64  # taken before anything else is done
_LONGEST_S = 10.0


@dataclass
class Account:
    """What is said at the end. `signal` is the number of the one that ended it, 0 for none; `error` what went
    wrong with the files, `gone` with the interface."""

    packets: int = 0
    dropped: int = 0
    signal: int = 0
    error: str = ""
    gone: str = ""


class Listener:
    """Listens until it is told to stop, `count` packets are taken, or the interface goes away. `tell` gets what is over."""

    def __init__(
        self, nic: Nic, files: Files, settling: Settling, tell: Callable[[Settled], None], count: int = 0
    ) -> None:
        self._nic, self._files, self._settling, self._tell, self._count = nic, files, settling, tell, count
        self.account = Account()
        self._news = False
        self._not_before = 0.0

    def run(self) -> Account:
        """Listen; Ctrl-C and SIGTERM end it in order, a second Ctrl-C at once."""
        with _signals(self.account) as wake:
            try:
                self._listen(wake)
            except Gone as error:
                self.account.gone = str(error)
            except OSError as error:
                self._failed(error)
            finally:
                self._finish()
        return self.account

    def _listen(self, wake: int) -> None:
        account = self.account
        sources: list[Nic | int] = [self._nic, wake]
        while not account.signal and not self._files.ended and not self._full:
            if wake in select.select(sources, [], [], self._patience())[0]:
                os.read(wake, 64)
                continue
            now, whole = time.time_ns(), self._take()
            until_ns = now - _LATE_NS
            self._files.turn(time.time(), until_ns)
            self._settling.lost(now, self._nic.counts()[1])
            if whole and (not self._news or time.monotonic() >= self._not_before):
                self._settle(until_ns)
        if account.signal:
            self._drain()

    @property
    def _full(self) -> bool:
        return bool(self._count) and self.account.packets >= self._count

    def _patience(self) -> float:
        """How long there is nothing to do unless a packet comes."""
        now = time.time()
        due = [now + _LONGEST_S]
        if self._news:
            due.append(now + max(0.0, self._not_before - time.monotonic()))
        elif self._settling.next_ns is not None:
            due.append((self._settling.next_ns + _LATE_NS) / 1e9)
        if (until := self._files.until()) is not None:
            due.append(until)
        return max(0.0, min(due) - now)

    def _take(self) -> bool:
        """Take what is there, and write it down; False when there is more."""
        for _ in range(_MOST_BUFFERS):
            taken = self._nic.take(self._count - self.account.packets if self._count else -1)
            if not taken:
                return True
            self._keep(taken)
            if self._full:
                return True
        return False

    def _keep(self, taken: list[Taken]) -> None:
        self.account.packets += len(taken)
        self._news = True
        self._settling.add(taken, self._files.write(taken))

    def _settle(self, until_ns: int, over: bool = False) -> None:
        if not (over or self._news or (self._settling.next_ns or until_ns + 1) <= until_ns):
            return
        began = time.monotonic()
        for settled in self._settling.settle(until_ns, over):
            self._tell(settled)
        self._news = False
        self._not_before = time.monotonic() + max(_PACE_S, _SHARE * (time.monotonic() - began))

    def _failed(self, error: OSError) -> None:
        names = self._files.names
        self.account.error = self.account.error or f"{names[len(names) - 1]}: {error.strerror or error}"

    def _drain(self) -> None:
        """Take what the kernel still keeps back: all that was captured before the signal."""
        end = time.monotonic() + 2 * _LATE_NS / 1e9
        while (left := end - time.monotonic()) > 0 and not self._full:
            select.select([self._nic], [], [], left)
            self._take()

    def _finish(self) -> None:
        """Judge what is left, and close the file with the kernel's counters."""
        account, now = self.account, time.time_ns()
        account.dropped = self._nic.counts()[1]
        self._settling.lost(now, account.dropped)
        try:
            self._files.close(now - _LATE_NS)
        except OSError as error:
            self._failed(error)
        self._settle(now - _LATE_NS, over=True)
        self._settling.close()
        self._nic.close()


@contextmanager
def _signals(account: Account) -> Iterator[int]:
    """Ctrl-C and SIGTERM are noted, and wake up who waits for the descriptor."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)

    def note(number: int, _: object) -> None:
        if account.signal == signal.SIGINT == number:
            raise KeyboardInterrupt
        account.signal = account.signal or number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    woken = signal.set_wakeup_fd(writable)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)
