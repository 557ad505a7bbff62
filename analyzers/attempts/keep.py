"""Which rows of an attempt are kept: those that can decide it, a bounded number whatever the connection carries."""

import numpy as np

from analyzers.attempts.columns import UNKNOWN, Array, Growing

# How many rows of each kind an attempt keeps per side; SYN, FIN, RST and ICMP errors are always kept.
KEEP_ACKS = 4
KEEP_PAYLOADS = 8
KEEP_PAYLOADS_AT_START = 24  # while inside the first bytes of a stream, where SSH speaks in clear
START_BYTES = 8192
KEEP_REPEATS = 8  # retransmitted payload
KEEP_AFTER_SPECIAL = 2  # any row behind a SYN, FIN, RST or ICMP error: did this side go on?

_LANE = np.arange(0, 64, 16)
_ONE = 1 << _LANE


def chosen_rows(
    state: Growing, flat: Array, side: Array, heads: Array, segment: Array, special: Array, payload: Array, end: Array, delta: Array,
) -> Array:  # fmt: skip
    """Indices of the rows worth keeping: a bounded number per attempt, whatever the connection carries.

    Plain rows (all but SYN, FIN, RST and ICMP errors) are numbered per attempt and side, their payloads apart.
    """
    # Four counters in one number: plain rows so far in the batch, by side and by whether they carry payload.
    kind = side * 2 + payload
    total = np.cumsum(np.where(special, 0, _ONE[kind]))
    before = np.where(heads > 0, total[heads - 1], 0)
    ahead = before[segment]
    rank = (total - ahead >> _LANE[kind] & 0xFFFF) - 1 + state["counted"].reshape(-1)[flat * 2 + payload]
    keep = special | (rank < KEEP_ACKS) | (payload & (rank < KEEP_PAYLOADS))
    keep |= payload & (rank < KEEP_PAYLOADS_AT_START) & (end <= START_BYTES)

    # And whatever a side says first behind a special row, in this batch or before: did it go on?
    last = np.maximum.accumulate(np.where(special, np.arange(len(flat)), -1))
    inside = last >= heads[segment]
    since = state["since"].reshape(-1)
    quiet = _of_side(total - np.where(inside, total[last], ahead), side) + np.where(inside, 0, since[flat])
    keep |= quiet <= KEEP_AFTER_SPECIAL

    repeats = np.flatnonzero(payload & (delta < 0) & (delta != UNKNOWN))
    again = state["repeats"].reshape(-1)
    for row in repeats.tolist():
        keep[row] |= bool(again[flat[row]] < KEEP_REPEATS)
        again[flat[row]] += 1
    who, tails = flat[heads] >> 1, np.append(heads[1:], len(flat)) - 1
    counts = total[tails] - before
    behind = np.where(inside[tails], total[tails] - total[last[tails]], counts)
    for s in (0, 1):
        for talks in (0, 1):
            state["counted"][who, 2 * s + talks] += (counts >> _LANE[2 * s + talks] & 0xFFFF).astype(np.int32)
        quiet = _of_side(behind, s) + np.where(inside[tails], 0, state["since"][who, s])
        state["since"][who, s] = np.minimum(quiet, 1 << 30)
    _fill_quota(state, who)
    return np.flatnonzero(keep)


def _fill_quota(state: Growing, who: Array) -> None:
    """Note which kinds of plain rows these attempts keep no more of: beyond their quota, well behind a special row."""
    for s in (0, 1):
        acks, payloads = state["counted"][who, 2 * s], state["counted"][who, 2 * s + 1]
        quiet = (state["since"][who, s] >= KEEP_AFTER_SPECIAL) & state["started"][who, s]
        state["full"][who, 2 * s] = quiet & (acks >= KEEP_ACKS)
        beyond = (payloads >= KEEP_PAYLOADS) & (state["top"][who, s] > START_BYTES)
        state["full"][who, 2 * s + 1] = quiet & (beyond | (payloads >= KEEP_PAYLOADS_AT_START))


def _of_side(counts: Array, side: Array | int) -> Array:
    """The plain rows of one side, with and without payload, in numbers that hold four counters."""
    mine = counts >> side * 32
    out: Array = (mine & 0xFFFF) + (mine >> 16 & 0xFFFF)
    return out
