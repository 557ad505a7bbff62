"""A hash table for whole arrays of keys: which flows are known?"""

import numpy as np

from analyzers.attempts.columns import Array
from captures import native


class Slots:
    """An open-addressing hash table from 64-bit keys to ids, filled and asked with whole arrays."""

    def __init__(self) -> None:
        self._bits = 14
        self._key = np.zeros(1 << self._bits, np.uint64)
        self._id = np.full(1 << self._bits, -1, np.int64)
        self.used = 0

    def find(self, key: Array) -> Array:
        """The id of every key, -1 where there is none."""
        slot = self._first(key)
        out: Array = self._id[slot]  # never below -1 between calls
        wrong = np.flatnonzero((out >= 0) & (self._key[slot] != key))
        while len(wrong):
            slot[wrong] = (slot[wrong] + 1) & (len(self._id) - 1)
            out[wrong] = self._id[slot[wrong]]
            wrong = wrong[(out[wrong] >= 0) & (self._key[slot[wrong]] != key[wrong])]
        return out

    def claim(self, key: Array, first_id: int) -> tuple[Array, Array]:
        """Enter keys that are not there yet, each perhaps several times: new ids from `first_id` on, in order of appearance.

        Returns the id of every key, and the indices at which a new key appeared first.
        """
        self.reserve(len(key))
        index = np.arange(len(key))
        slot = self._first(key)
        head = np.empty(len(key), np.int64)
        left = index
        while len(left):
            at = slot[left]
            free = left[self._id[at] == -1][::-1]
            self._id[slot[free]] = -2 - free  # of several that want one slot the first stays
            owner = -2 - self._id[at]  # negative where an older key sits
            mine = (owner >= 0) & (key[np.maximum(owner, 0)] == key[left])
            head[left[mine]] = owner[mine]
            left = left[~mine]
            slot[left] = (slot[left] + 1) & (len(self._id) - 1)
        new = head == index
        firsts = np.flatnonzero(new)
        ids = np.cumsum(new) - 1 + first_id
        self._id[slot[firsts]], self._key[slot[firsts]] = ids[firsts], key[firsts]
        self.used += len(firsts)
        return ids[head], firsts

    def reserve(self, more: int) -> None:
        """Make room for so many more keys."""
        if (self.used + more) * 2 > len(self._id):
            self._grow(more)

    def struct(self) -> Array:
        """The table as join.c asks for it, which may fill it up to what was reserved."""
        return native.struct([self._key, self._id, self._bits])

    def _grow(self, more: int) -> None:
        old = self._id >= 0
        key, ids = self._key[old], self._id[old]
        while (self.used + more) * 2 > 1 << self._bits:
            self._bits += 1
        self._enter(key, ids)

    def renumber(self, number: Array) -> None:
        """Let every id `i` become `number[i]`, and forget the keys of those that become negative."""
        old = np.flatnonzero(self._id >= 0)
        old = old[number[self._id[old]] >= 0]
        key, ids = self._key[old], number[self._id[old]]
        self.used, self._bits = len(key), 14
        while self.used * 2 > 1 << self._bits:
            self._bits += 1
        self._enter(key, ids)

    def _enter(self, key: Array, ids: Array) -> None:
        """Fill a new table with different keys."""
        self._key = np.zeros(1 << self._bits, np.uint64)
        self._id = np.full(1 << self._bits, -1, np.int64)
        slot = self._first(key)
        while len(key):
            free = np.flatnonzero(self._id[slot] < 0)
            self._id[slot[free]] = ids[free]  # where two want one slot, the last one written stays
            self._key[slot[free]] = key[free]
            left = self._id[slot] != ids
            key, ids, slot = key[left], ids[left], (slot[left] + 1) & (len(self._id) - 1)

    def change(self, key: int, new: int) -> None:
        """Let a known key stand for another id."""
        slot = int(self._first(np.array([key], np.uint64))[0])
        while int(self._key[slot]) != key or self._id[slot] < 0:
            slot = (slot + 1) & (len(self._id) - 1)
        self._id[slot] = new

    def _first(self, key: Array) -> Array:
        out: Array = (key >> np.uint64(64 - self._bits)).astype(np.int64)
        return out
