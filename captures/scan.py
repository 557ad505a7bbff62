"""The scan: a window of frames -> `PacketTable`, whole arrays at a time.

Plain TCP over Ethernet or Linux cooked, with one VLAN tag or none, is nearly all of most captures: its headers are fetched
in one piece per frame. Frames of the other common shapes (several tags, raw, loopback; IPv4 with options; ICMP errors that
quote TCP) are read as whole arrays too, header by header. Everything else that may hold TCP, such as tunnels, MPLS,
extension headers, first fragments or cut headers, goes through `captures.packet.decode`, frame by frame: same columns, more
time.

Where native.c was compiled its scan takes the place of the whole arrays; what needs the decode is decoded either way.
"""

from collections import Counter

import numpy as np

from captures import native
from captures.decoded import MOST_SIGNS, Columns, Sign, one_by_one
from captures.formats.window import Window, constant
from captures.numbers import meanings
from captures.table import FRAME_COLUMNS, TYPES, PacketTable

_UPPER = ("src_hi", "dst_hi")  # of addresses: columns that IPv4 alone does not need
_OF_ICMP = ("icmp", "icmp_type", "icmp_code", "quoted_ttl", "sender_hi", "sender_lo")


def scan(window: Window, counts: Counter[str], signs: list[Sign] | None = None) -> PacketTable:
    """The rows of one window. `counts` gains what was seen: `tcp`, `icmp-error`, `fragment`, `other`, tunnel names and
    `unreadable` frames; `signs`, where given, what else tells of addresses, until it holds MOST_SIGNS.
    """
    signs = signs if signs is not None and len(signs) < MOST_SIGNS else None
    library = native.library()
    if library is not None:
        return _compiled(library, window, counts, signs)
    from captures.arrays import Arrays  # which is not needed where native.c was compiled

    scan_ = Arrays(window, counts, signs)
    first = int(window.link[0])
    if (window.link == first).all():
        scan_.frames(np.arange(len(window)), first)
    else:
        for link in sorted(set(window.link.tolist())):
            scan_.frames(np.flatnonzero(window.link == link), link)
    return scan_.table()


def _compiled(library: native.Library, window: Window, counts: Counter[str], signs: list[Sign] | None) -> PacketTable:
    """The scan in native.c, which leaves the frames for the full decode."""
    count = len(window)
    columns: Columns = {name: np.empty(count, kind) for name, kind in TYPES.items()}
    located = [np.ascontiguousarray(column) for column in (window.start, window.caplen, window.origlen)]
    same = window.link.strides == (0,)
    link = window.link if same else np.ascontiguousarray(window.link)
    index, slow, totals = np.empty(count, np.int64), np.empty(count, np.int64), np.zeros(7, np.int64)
    frames, out = native.struct([*located, link, 0 if same else 1]), native.struct(columns.values())
    means = native.struct(meanings(echoes=signs is not None))
    library.scan(
        native.address(window.buffer), len(window.buffer), count, native.address(frames), native.address(means),
        native.address(out), native.address(index), native.address(slow), native.address(totals),
    )  # fmt: skip
    found, left, errors, sixes, fragments, others, unreadable = totals.tolist()
    for name, number in (("fragment", fragments), ("other", others), ("unreadable", unreadable)):
        if number:
            counts[name] += number
    for name in TYPES:
        empty = (name in _UPPER and not sixes) or (name in _OF_ICMP and not errors)
        columns[name] = constant(0, TYPES[name], found) if empty else columns[name][:found]
    index = index[:found]
    if left:
        more, decoded = one_by_one(window, slow[:left], counts, signs)
        if len(more):
            index = np.concatenate([index, more])
            order = np.argsort(index)
            index = index[order]
            columns = {name: np.concatenate([columns[name], decoded[name]])[order] for name in TYPES}
            errors = int(columns["icmp"].sum())
    counts["icmp-error"] += errors
    counts["tcp"] += len(index) - errors
    rows = slice(None) if len(index) == count else index
    return PacketTable(**{name: getattr(window, name)[rows] for name in FRAME_COLUMNS}, **columns)
