"""Attempts that went alike, parted where conclusions ask about times."""

from collections.abc import Sequence

import numpy as np

from analyzers.attempts.columns import Array
from analyzers.attempts.ledger import Ledger
from analyzers.attempts.services import Group
from analyzers.attempts.symptoms import Watch
from captures.flags import FIN, RST

_ASKED_NS = [10**6 * ms for ms in (1000, 2900, 3000, 3200, 3301, 4900, 5301, 119_999, 120_061)]  # that matter anywhere


def by_time(ledger: Ledger, group: Group, watches: Sequence[Watch]) -> list[Group]:
    """The group split where conclusions ask about times: attempts of one kind differ in when things happened.

    Asked is: how long after the handshake was it closed, how long did it last, how long was it watched, and from where.
    All attempts of a group have the same rows, so that one row number serves for all.
    """
    if len(group) == 1:
        return [group]
    members, ending = group.members, group.ending
    flags, side = ledger.of("flags", int(members[0])), ledger.of("side", int(members[0]))
    begun = next(
        (
            i
            for i in range(len(flags))
            if ending.synack_rows and i > ending.synack_rows[0] and side[i] == ending.client_side
        ),
        0,
    )
    closes = [i for i in range(len(flags)) if i and flags[i] & (FIN | RST) and i not in ending.ignored_rst_rows]

    def moment(row: int) -> Array:
        out: Array = ledger.rows["ts_ns"][ledger.order[ledger.first_row[members] + row]]
        return out

    start, trace = moment(begun), ledger.columns["trace"][members]
    watched = np.array([watch.last_ns for watch in watches], np.int64)[trace]
    until = ledger.columns["last_ts"][members] if closes else watched
    if ending.synack_rows and ending.syn_rows:  # what the server did, it did a round trip earlier
        trip = np.maximum(
            0,
            moment(ending.synack_rows[0])
            - moment(max(row for row in ending.syn_rows if row < max(ending.synack_rows[0], 1))),
        )
        start = start + trip
    steps = [np.searchsorted(_ASKED_NS, until - start), np.searchsorted(_ASKED_NS, watched - moment(0)), trace]
    if closes:
        steps.append(np.searchsorted(_ASKED_NS, moment(closes[0]) - start))
    _, which = np.unique(np.stack(steps, axis=1), axis=0, return_inverse=True)
    return [Group(ending, members[which == part]) for part in range(int(which.max()) + 1)]
