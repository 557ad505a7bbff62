"""Growing numpy columns: the state that the tracker keeps per attempt, and the rows that it keeps of each attempt."""

from typing import Any

import numpy as np

UNKNOWN = -(1 << 31)
"""A position in a side's sequence space that cannot be told."""

Array = np.ndarray[Any, np.dtype[Any]]


class Growing:
    """Named columns that grow together by doubling; `shape` per column beyond the first axis, `fill` for new rows."""

    def __init__(self, **columns: tuple[Any, tuple[int, ...], Any]) -> None:
        self.size = 0
        self._specs = columns
        self._data: dict[str, Array] = {
            name: np.zeros((1024, *shape), kind) for name, (kind, shape, _) in columns.items()
        }

    def __getitem__(self, name: str) -> Array:
        """The whole allocated column; rows past `size` mean nothing."""
        return self._data[name]

    def grow(self, count: int) -> int:
        """Make room for `count` more rows and return the index of the first of them."""
        first = self.size
        self.size += count
        for name, (kind, shape, fill) in self._specs.items():
            old = self._data[name]
            if self.size > len(old):
                new = np.zeros((max(self.size, 2 * len(old)), *shape), kind)  # what is not used yet costs no memory
                new[:first] = old[:first]
                self._data[name] = new
            if fill:
                self._data[name][first : self.size] = fill
        return first

    def trimmed(self, name: str) -> Array:
        """The used part of a column."""
        return self._data[name][: self.size]


class Pieces:
    """Columns collected piece by piece and joined once, freeing the pieces column by column to bound memory."""

    def __init__(self, **kinds: Any) -> None:
        self.kinds = kinds
        self._pieces: dict[str, list[Array]] = {name: [] for name in kinds}
        self.size = 0

    def add(self, **columns: Array) -> None:
        for name, kind in self.kinds.items():
            self._pieces[name].append(columns[name].astype(kind, copy=False))
        self.size += len(columns[next(iter(self.kinds))])

    def join(self, name: str) -> Array:
        """One column as a single array; its pieces are released."""
        pieces = self._pieces.pop(name)
        return np.concatenate(pieces) if pieces else np.zeros(0, self.kinds[name])


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
