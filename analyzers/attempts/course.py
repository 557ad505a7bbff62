"""How far an attempt's kept rows are the connection's own course, and from where on somebody asks about the way on it.

Programs send with the TTL of their SYN. Segments of the same side with one up to `MOST_HOPS` are questions: old bytes are
netprobe's (see `inband`), new ones those of whoever looks for what reads along, as CenTrace does, and netprobe's as well.
"""

from collections.abc import Iterable
from typing import NamedTuple

from analyzers.attempts.columns import UNKNOWN
from analyzers.attempts.hops import MOST_HOPS


class Sent(NamedTuple):
    """What is read of a row of the client's: `marked` when it has SYN, FIN or RST; `ahead` as in `ending.Step`."""

    row: int
    marked: bool
    ttl: int
    length: int
    ahead: int


def course(rows: Iterable[Sent]) -> tuple[int | None, bool]:
    """The row from which on questions are asked, None without any; and whether more than old bytes had a TTL that is too small
    for a program's: then the whole connection was made to ask."""
    opened, begins = False, None
    for sent in rows:
        if sent.ttl > MOST_HOPS:
            opened = True
        elif not opened:
            break
        elif not sent.marked:
            old = sent.length > 0 and sent.ahead != UNKNOWN and sent.length <= -sent.ahead
            if not old:
                return begins, True
            begins = sent.row if begins is None else begins
    return begins, False
