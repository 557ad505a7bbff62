"""Holes in a stream: sequence ranges that were skipped, and may be filled by a segment that comes late."""

import numpy as np

from analyzers.attempts.columns import Array

_MAX_HOLES = 64  # per side; of a stream with more, the oldest are given up


class Holes:
    """The open holes of every side that has any; sides are numbered attempt * 2 + side."""

    def __init__(self) -> None:
        self._open: dict[int, list[tuple[int, int]]] = {}

    def clear(self) -> None:
        self._open.clear()

    def renumber(self, number: Array) -> None:
        """Attempt `i` is now `number[i]`, or forgotten where that is negative."""
        self._open = {
            int(number[side >> 1]) * 2 + (side & 1): holes
            for side, holes in self._open.items()
            if number[side >> 1] >= 0
        }

    def touched(self, sides: Array, delta: Array) -> Array:
        """Indices of payload rows that open a hole, or that may fill one."""
        ahead = delta > 0
        if not self._open and not ahead.any():
            return np.zeros(0, np.int64)
        holed = np.concatenate([np.array(list(self._open), np.int64), sides[ahead]])
        out: Array = np.flatnonzero(ahead | ((delta < 0) & np.isin(sides, holed)))
        return out

    def fill(self, side: int, top: int, start: int, end: int) -> int:
        """Note a segment out of order; returns how many bytes of open holes it fills."""
        holes = self._open.setdefault(side, [])
        if start > top:
            holes.append((top, start))
            del holes[:-_MAX_HOLES]
            return 0
        gained = 0
        left: list[tuple[int, int]] = []
        for low, high in holes:
            cut_low, cut_high = max(low, start), min(high, end)
            if cut_low >= cut_high:
                left.append((low, high))
                continue
            gained += cut_high - cut_low
            left += [piece for piece in ((low, cut_low), (cut_high, high)) if piece[0] < piece[1]]
        if left:
            self._open[side] = left
        else:
            del self._open[side]
        return gained
