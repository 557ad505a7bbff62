"""Attempts whose further plain rows decide nothing: counted as whole arrays, without looking at their order.

An attempt is settled once it has kept all the plain rows that it may keep. In a batch in which it has plain rows only, and
in which the payload of each side tiles the sequence space exactly from the top on (no gap, no repetition), nothing but
counters changes. Whether it tiles is told by a sum that telescopes: the sum of h(end) - h(start) over the segments equals
h(new top) - h(old top) for a mixing function h only if every end but the last is another segment's start.
"""

import numpy as np

from analyzers.attempts.columns import Array, Growing
from captures.flags import ACK, FIN, RST, SYN
from captures.table import PacketTable

_K1, _K2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


def count_settled(state: Growing, table: PacketTable, attempt: Array, side: Array) -> Array | None:
    """Count the rows of settled attempts; returns the indices of all other rows, None when that is every row."""
    plain = (
        state["full"].reshape(-1)[attempt * 4 + side * 2 + (table.length > 0)]
        & ((table.flags & (SYN | FIN | RST)) == 0)
        & ~table.icmp
    )
    if not plain.any():
        return None
    flags = state["unsettled"]
    flags[attempt] = False
    flags[attempt[~plain]] = True
    rows = np.flatnonzero(~flags[attempt])
    if not len(rows):
        return None
    flat = attempt[rows] * 2 + side[rows]
    length = table.length[rows]
    data = np.flatnonzero(length > 0)
    top, top_seq = state["top"].reshape(-1), state["top_seq"].reshape(-1)
    new_top, sums = state["new_top"].reshape(-1), state["tile_sum"].reshape(-1)
    sides = flat[data]
    start = top[sides] + (table.seq[rows[data]] - top_seq[sides]).view(np.int32)
    end = start + length[data]
    new_top[sides] = top[sides]
    sums[sides] = 0
    np.maximum.at(new_top, sides, end)
    np.add.at(sums, sides, _mixed(end) - _mixed(start))
    broken = sums[sides] != _mixed(new_top[sides]) - _mixed(top[sides])
    if broken.any():  # out of order: these attempts take the long way
        flags[attempt[rows[data[broken]]]] = True
        whole = ~flags[attempt[rows]]
        rows, flat = rows[whole], flat[whole]
        sides = sides[whole[data]]
    _advance(state, sides)
    other = flat ^ 1
    heard = top[other] + (table.ack[rows] - top_seq[other]).view(np.int32)
    heard[((table.flags[rows] & ACK) == 0) | (heard > top[other])] = 0
    np.maximum.at(state["acked"].reshape(-1), other, heard)
    np.add.at(state["packets"].reshape(-1), flat, 1)
    np.maximum.at(state["last_ts"], attempt[rows], table.ts_ns[rows])
    np.minimum.at(state["first_ts"], attempt[rows], table.ts_ns[rows])
    return np.flatnonzero(flags[attempt])


def _advance(state: Growing, sides: Array) -> None:
    """Move the tops of these sides (each may be named often) to where their payload ends; what lies between is new bytes."""
    top, new_top = state["top"].reshape(-1), state["new_top"].reshape(-1)
    top_seq, counted = state["top_seq"].reshape(-1), state["bytes"].reshape(-1)
    moved = new_top[sides] - top[sides]
    # Assigning by index writes each side's one new value, however often it is named.
    counted[sides] = counted[sides] + moved
    top_seq[sides] = top_seq[sides] + moved.astype(np.uint64).astype(np.uint32)
    top[sides] = new_top[sides]


def _mixed(value: Array) -> Array:
    out: Array = value.astype(np.uint64) * _K1
    out ^= out >> np.uint64(32)
    out *= _K2
    return out
