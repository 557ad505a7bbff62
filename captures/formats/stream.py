"""A byte stream seen through one sliding buffer, so that records are read in place and memory stays bounded."""

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np

ReadInto = Callable[[Any], int]

WINDOW_BYTES = 4 << 20
CARRY_BYTES = 1 << 20  # the longest record that may straddle two windows
_TAIL = 4096  # readable zeros behind the data, so that fixed-size header reads need no bounds check


class ByteStream:
    """Bytes `lo` to `hi` of `buffer` are unread; `base` is the stream position of `buffer[0]`.

    New data is always read at the page-aligned offset `CARRY_BYTES`, with what is left over placed before it: on some
    machines reads to odd page offsets are several times slower.
    """

    def __init__(self, read_into: ReadInto, window_bytes: int = WINDOW_BYTES) -> None:
        self._read_into = read_into
        self._map = mmap.mmap(-1, CARRY_BYTES + window_bytes + _TAIL)
        self.buffer: np.ndarray[Any, np.dtype[np.uint8]] = np.frombuffer(self._map, np.uint8)
        self.view = memoryview(self._map)
        self.lo = self.hi = CARRY_BYTES
        self.base = -CARRY_BYTES
        self.ended = False
        self.problem = ""  # why the stream ended early, when it did
        self._window = window_bytes

    def feed(self, read_into: ReadInto) -> None:
        """Take the bytes from there (for a source that must know its stream)."""
        self._read_into = read_into

    @property
    def position(self) -> int:
        """How many bytes of the stream have been consumed."""
        return self.base + self.lo

    def fill(self) -> bool:
        """Move the unread bytes to the front and read more behind them; False when nothing more came."""
        if self.ended:
            return False
        left = self.hi - self.lo
        if left > CARRY_BYTES:
            return False
        shift = self.hi - CARRY_BYTES
        start = CARRY_BYTES - left
        self.view[start:CARRY_BYTES] = bytes(self.view[self.lo : self.hi])
        self.base += shift
        self.lo, self.hi = start, CARRY_BYTES
        stop = CARRY_BYTES + self._window
        while self.hi < stop:
            count = self._read_into(self.view[self.hi : stop])
            if not count:
                self.ended = True
                break
            self.hi += count
        self.view[self.hi : self.hi + _TAIL] = bytes(_TAIL)
        return self.hi > CARRY_BYTES

    def need(self, count: int) -> bool:
        """Whether `count` unread bytes are there, reading on if they are not."""
        return self.hi - self.lo >= count or (self.fill() and self.hi - self.lo >= count)

    def peek(self, count: int) -> bytes:
        """The next bytes without consuming them; fewer at the end."""
        self.need(count)
        return bytes(self.view[self.lo : min(self.hi, self.lo + count)])

    def skip(self, count: int) -> bool:
        """Consume `count` bytes, however many windows they span; False when the stream ended before."""
        while count > self.hi - self.lo:
            count -= self.hi - self.lo
            self.lo = self.hi
            if not self.fill():
                return False
        self.lo += count
        return True

    def read_into(self, target: Any) -> int:
        """This stream as a `ReadInto`, from the first unread byte on (for a decompressor on top)."""
        if self.hi == self.lo and not self.fill():
            return 0
        count = min(len(target), self.hi - self.lo)
        target[:count] = self.view[self.lo : self.lo + count]
        self.lo += count
        return count
