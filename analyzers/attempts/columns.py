"""Growing numpy columns: the state that the tracker keeps per attempt, and the rows that it keeps of each attempt."""

import math
import mmap
from typing import Any

import numpy as np

from captures.native import address

UNKNOWN = -(1 << 31)
"""A position in a side's sequence space that cannot be told."""

Array = np.ndarray[Any, np.dtype[Any]]


class _Column:
    """An array that grows along its first axis without being copied: its memory moves as a whole, untouched until used.

    Memory used for the first time is what large captures pay most for; arrays grown by copying use twice as much of it.
    """

    def __init__(self, kind: Any, shape: tuple[int, ...] = ()) -> None:
        self._kind, self._shape = kind, shape
        self._map = _memory(1024 * math.prod(shape, start=np.dtype(kind).itemsize))
        self.data = self._view()

    def _view(self) -> Array:
        return np.frombuffer(self._map, self._kind).reshape(-1, *self._shape)

    def reserve(self, count: int) -> None:
        """Make room for so many rows; new ones are zero."""
        if count <= len(self.data):
            return
        size = len(self._map) // len(self.data) * max(count, 2 * len(self.data))
        del self.data  # memory that somebody looks at cannot move
        try:
            self._map.resize(size)
        except (BufferError, SystemError):  # somebody does, or this system cannot
            old, self._map = self._map, _memory(size)
            self._map[: len(old)] = old[:]
        self.data = self._view()

    def copied(self, rows: Array) -> "_Column":
        """Another column with these rows."""
        out = _Column(self._kind, self._shape)
        out.reserve(len(rows))
        out.data[: len(rows)] = self.data[rows]
        return out


def _memory(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class Growing:
    """Named columns that grow together; `shape` per column beyond the first axis, `fill` for new rows."""

    def __init__(self, **columns: tuple[Any, tuple[int, ...], Any]) -> None:
        self.size = 0
        self._fill = {name: fill for name, (_, _, fill) in columns.items() if fill}
        self._columns = {name: _Column(kind, shape) for name, (kind, shape, _) in columns.items()}

    def __getitem__(self, name: str) -> Array:
        """The whole allocated column, until `grow` is called; rows past `size` mean nothing."""
        return self._columns[name].data

    def grow(self, count: int) -> int:
        """Make room for `count` more rows and return the index of the first of them."""
        first = self.size
        self.size += count
        for column in self._columns.values():
            column.reserve(self.size)
        for name, fill in self._fill.items():
            self[name][first : self.size] = fill
        return first

    def trimmed(self, name: str) -> Array:
        """The used part of a column."""
        return self[name][: self.size]

    def retain(self, rows: Array) -> None:
        """Keep these rows only, in this order; the memory of the others is given back."""
        self._columns = {name: column.copied(rows) for name, column in self._columns.items()}
        self.size = len(rows)


class Pieces:
    """Named columns that rows are added to, piece by piece."""

    def __init__(self, **kinds: Any) -> None:
        self.kinds = kinds
        self._columns = {name: _Column(kind) for name, kind in kinds.items()}
        self.size = 0

    def add(self, **columns: Array) -> None:
        first = self.size
        self.size += len(columns[next(iter(self.kinds))])
        for name, column in self._columns.items():
            column.reserve(self.size)
            column.data[first : self.size] = columns[name]

    def room(self, count: int) -> list[int]:
        """Where so many more rows may be written, column by column; `taken` says how many were."""
        for column in self._columns.values():
            column.reserve(self.size + count)
        return [address(c.data) + self.size * c.data.itemsize for c in self._columns.values()]

    def taken(self, count: int) -> slice:
        """These rows of the room were written."""
        self.size += count
        return slice(self.size - count, self.size)

    def retain(self, rows: Array) -> None:
        """Keep these rows only, in this order; the memory of the others is given back."""
        self._columns = {name: column.copied(rows) for name, column in self._columns.items()}
        self.size = len(rows)

    def __getitem__(self, name: str) -> Array:
        return self._columns[name].data[: self.size]


def mix(value: Array) -> Array:
    """A 64-bit finaliser (the multiply-xorshift of splitmix64), elementwise: unequal inputs rarely share bits."""
    value = value.astype(np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Array = value ^ (value >> np.uint64(31))
    return out


def distinct(values: Array) -> Array:
    """The different values, sorted. (np.unique without further results imports numpy.ma, which costs more than it does.)"""
    values = np.sort(values)
    out: Array = values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values
    return out
