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


def chosen_rows(
    state: Growing, flat: Array, side: Array, heads: Array, segment: Array, special: Array, payload: Array, end: Array, delta: Array,
) -> Array:  # fmt: skip
    """Indices of the rows worth keeping: a bounded number per attempt, whatever the connection carries.

    Plain rows (all but SYN, FIN, RST and ICMP errors) are numbered per attempt and side, their payloads apart.
    """
    first = side == 0
    plain = ~special
    plains = [np.cumsum(plain & mine, dtype=np.int32) for mine in (first, ~first)]
    talking = [np.cumsum(plain & payload & mine, dtype=np.int32) for mine in (first, ~first)]
    bounds = np.append(heads, len(flat))
    before = np.stack([_ahead_of(total, heads) for total in plains], axis=1)
    before_talk = np.stack([_ahead_of(total, heads) for total in talking], axis=1)
    cell = segment * 2 + side
    own = np.where(first, plains[0], plains[1])
    seen, spoken = (
        own - before.reshape(-1)[cell],
        np.where(first, talking[0], talking[1]) - before_talk.reshape(-1)[cell],
    )
    rank = np.where(payload, spoken, seen - spoken) - 1 + state["counted"].reshape(-1)[flat * 2 + payload]
    keep = special | (rank < KEEP_ACKS) | (payload & (rank < KEEP_PAYLOADS))
    keep |= payload & (rank < KEEP_PAYLOADS_AT_START) & (end <= START_BYTES)

    # And whatever a side says first behind a special row, in this batch or before: did it go on?
    since = state["since"].reshape(-1)
    marks = np.where(special, np.arange(len(flat)), -1)
    last = np.maximum.accumulate(marks)
    inside = last >= heads[segment]
    at_special = np.where(first, plains[0][last], plains[1][last])
    keep |= np.where(inside, own - at_special, seen + since[flat]) <= KEEP_AFTER_SPECIAL

    repeats = np.flatnonzero(payload & (delta < 0) & (delta != UNKNOWN))
    again = state["repeats"].reshape(-1)
    for row in repeats.tolist():
        keep[row] |= bool(again[flat[row]] < KEEP_REPEATS)
        again[flat[row]] += 1
    who, tails = flat[heads] >> 1, bounds[1:] - 1
    last, inside = last[tails], inside[tails]
    for s in (0, 1):
        total, talk = plains[s][tails] - before[:, s], talking[s][tails] - before_talk[:, s]
        state["counted"][who, 2 * s] += total - talk
        state["counted"][who, 2 * s + 1] += talk
        quiet = np.where(inside, plains[s][tails] - plains[s][last], total + state["since"][who, s])
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


def _ahead_of(total: Array, heads: Array) -> Array:
    """A running total just before each of these rows."""
    out: Array = np.where(heads > 0, total[heads - 1], 0)
    return out
