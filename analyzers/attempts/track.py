"""The join: table rows -> attempts, while the capture streams by.

Per attempt and side the tracker follows the sequence space, so that a row can say whether it was in order, and so that
every payload byte is counted once. Only the rows that can decide an attempt are kept, a bounded number of each.
"""

from collections.abc import Callable

import numpy as np

from analyzers.attempts.columns import UNKNOWN, Array, Growing, Pieces, mix
from analyzers.attempts.flows import Flows
from analyzers.attempts.holes import Holes
from analyzers.attempts.keep import chosen_rows
from analyzers.attempts.payload import payload_marks
from analyzers.attempts.settled import count_settled
from captures import native
from captures.flags import FIN, RST, SYN
from captures.native import address
from captures.table import PacketTable, joined

_FARTHEST = (1 << 31) - 1  # kept positions that lie farther are kept as this
_FAR = 1 << 42
_BATCH = 16384  # rows worked on at once: large enough for numpy, small enough for the cache
_MOST = 60_000  # and never more than 16 bits can count

Shelf = Callable[[Array, Array, Array], Array]
"""`shelf(buffer, start, caplen)`: puts frames away and returns for each the position to recall it from."""


class Tracker:
    """Feed it tables in file order with `add`, call `flush` at the end, then read `state` (per attempt) and `rows`."""

    def __init__(self) -> None:
        side, one = (2,), ()
        self.state = Growing(
            family=(np.uint8, one, 0), trace=(np.int32, one, 0), ends=(np.uint64, side, 0),
            end_hi=(np.uint64, side, 0), end_lo=(np.uint64, side, 0), port=(np.uint16, side, 0),
            started=(np.bool_, side, False),
            rooted=(np.bool_, side, False), acked=(np.int64, side, 0), isn=(np.int64, side, -1), hinted_isn=(np.int64, side, -1),
            top=(np.int64, side, 0), top_seq=(np.uint32, side, 0),
            bytes=(np.int64, side, 0), packets=(np.int64, side, 0), kept=(np.int32, one, 0),
            full=(np.bool_, (4,), False), unsettled=(np.bool_, one, False), new_top=(np.int64, side, 0),
            tile_sum=(np.uint64, side, 0), counted=(np.int32, (4,), 0), repeats=(np.int32, side, 0), since=(np.int32, side, 1 << 30),
            waited=(np.bool_, one, False), first_number=(np.int64, one, 0), first_ts=(np.int64, one, 0), last_ts=(np.int64, one, 0),
        )  # fmt: skip
        self.rows = Pieces(
            attempt=np.int32, ordinal=np.int32, side=np.uint8, position=np.int32, delta=np.int32, ack_position=np.int32,
            ack_delta=np.int32, mark=np.uint64, numbered=np.bool_, **_COPIED,
        )  # fmt: skip
        self._flows = Flows(self.state)
        self._holes = Holes()
        self._shelf: Shelf | None = None
        self._waiting: list[PacketTable] = []
        self._marks: list[Array] = []
        self._scratch = np.zeros(0, np.int64)

    def begin(self, new_trace: bool, shelf: Shelf | None = None) -> None:
        """Another file follows; with `new_trace` its flows are attempts of their own, else it goes on where the last ended.

        `shelf` is asked to keep the bytes of kept frames when their place in the file cannot be read again.
        """
        self.flush()
        self._shelf = shelf
        if new_trace:
            self._flows.next_trace()
            self._holes.clear()

    def add(self, table: PacketTable, buffer: Array) -> None:
        """Join one table's rows to attempts. Small tables are gathered first; a shelf needs the buffer, so it does not wait."""
        if not len(table):
            return
        if len(table) > _MOST:
            for start in range(0, len(table), _MOST):
                self.add(table.take(slice(start, start + _MOST)), buffer)
            return
        if sum(map(len, self._waiting)) + len(table) > _MOST:
            self.flush()
        self._waiting.append(table)
        self._marks.append(payload_marks(table, buffer))
        if self._shelf is not None:
            self._work(buffer)
        elif sum(map(len, self._waiting)) >= _BATCH:
            self._work(None)

    def forget(self, keep: Array) -> Array:
        """Keep only the attempts of this mask, which are numbered anew in their order; returns which rows stayed.

        Of flows of which all attempts stay nothing is lost: what follows is joined to them as if all had stayed. A later
        packet of a flow whose newest attempt was forgotten begins an attempt of its own.
        """
        self.flush()
        number = np.where(keep, np.cumsum(keep) - 1, -1)
        rows = np.flatnonzero(keep[self.rows["attempt"]])
        self.rows.retain(rows)
        self.rows["attempt"][:] = number[self.rows["attempt"]]
        self.state.retain(np.flatnonzero(keep))
        self._flows.renumber(number)
        self._holes.renumber(number)
        self._scratch = np.zeros(0, np.int64)
        return rows

    def flush(self) -> None:
        """Work off what still waits."""
        if self._waiting:
            self._work(None)

    def _work(self, buffer: Array | None) -> None:
        table = joined(self._waiting)
        marks = self._marks[0] if len(self._marks) == 1 else np.concatenate(self._marks)
        self._waiting, self._marks = [], []
        attempt, side = self._flows.attempts(table)
        rows = count_settled(self.state, table, attempt, side)
        library = native.library()
        if library is not None:
            rows = np.arange(len(table)) if rows is None else rows
            if len(rows):
                self._compiled(library, table, rows, attempt, side, marks, buffer)
        elif rows is None:
            self._follow(table, self._grouped(attempt), attempt, side, marks, buffer)
        elif len(rows):
            self._follow(table, rows[self._grouped(attempt[rows])], attempt, side, marks, buffer)

    def _compiled(
        self, library: native.Library, table: PacketTable, rows: Array, attempt: Array, side: Array, marks: Array,
        buffer: Array | None,
    ) -> None:  # fmt: skip
        """What `_grouped` and `_follow` do, with the loops of join.c."""
        state, count, size = self.state, len(rows), self.state.size
        if size > len(self._scratch):
            self._scratch = np.zeros(2 * size, np.int64)
        order, chosen, tally, lost = (np.empty(count, np.int64) for _ in range(4))
        stray = np.empty((count, 5), np.int64)
        groups = library.group(
            count, address(rows), len(table), address(attempt), size, address(self._scratch), address(tally), address(order)
        )  # fmt: skip
        columns, into = table.struct(), native.struct(state[name] for name in _STATE)
        out = np.array(self.rows.room(count), np.int64)
        kept = library.follow(
            address(columns), len(table), address(order), count, address(attempt), address(side), address(marks),
            address(into), size, address(out), address(chosen), address(stray), address(lost),
        )  # fmt: skip
        assert groups >= 0
        assert kept >= 0
        new, chosen, stray = self.rows.taken(kept), chosen[:kept], stray[: int(lost[0])]
        if self._shelf is not None and buffer is not None:
            self.rows["at"][new] = self._shelf(buffer, table.start[chosen], table.caplen[chosen])
        if len(stray):
            total = state["bytes"].reshape(-1)
            for flat, top, begin, end, _ in stray[self._holes.touched(stray[:, 0], stray[:, 4])].tolist():
                total[flat] += self._holes.fill(flat, top, begin, end)

    def _grouped(self, attempt: Array) -> Array:
        """Row indices sorted by attempt, in capture order within each: a radix sort of 16-bit local numbers."""
        count = len(attempt)
        if self.state.size > len(self._scratch):
            self._scratch = np.zeros(2 * self.state.size, np.int64)
        index = np.arange(count)
        self._scratch[attempt[::-1]] = index[::-1]  # the first row of each attempt
        head = self._scratch[attempt]
        local = (np.cumsum(head == index) - 1)[head]
        out: Array = np.argsort(local.astype(np.uint16), kind="stable")
        return out

    def _follow(
        self, table: PacketTable, order: Array, attempt: Array, side: Array, marks: Array, buffer: Array | None
    ) -> None:
        """Follow the rows that `order` names, which lie together by attempt."""
        state = self.state
        attempt, side = attempt[order], side[order]
        flags, icmp, length = table.flags[order], table.icmp[order], table.length[order]
        seq, ack = table.seq[order], table.ack[order]
        opens = np.empty(len(attempt), np.bool_)
        opens[0] = True
        np.not_equal(attempt[1:], attempt[:-1], out=opens[1:])
        heads = np.flatnonzero(opens)
        flat = attempt * 2 + side
        reset = (flags & RST) > 0
        self._start_sides(flat, seq, flags, icmp, reset)

        top, top_seq, started = state["top"].reshape(-1), state["top_seq"].reshape(-1), state["started"].reshape(-1)
        syn = (flags & SYN) > 0
        occupied = length + syn + ((flags & FIN) > 0)
        position = top[flat] + (seq - top_seq[flat]).view(np.int32)
        # A SYN-ACK with a second number of its side is somebody's mistake or forgery: it moves nothing.
        isn = state["isn"].reshape(-1)[flat]
        counts = (occupied > 0) & ~(reset | icmp | (syn & (isn >= 0) & (isn != seq)))
        ends = np.where(counts, position + occupied, -_FAR)
        own_ends = [np.where(side == s, ends, -_FAR) for s in (0, 1)]
        segment = np.cumsum(opens) - 1
        lift = segment * (4 * _FAR)
        tops = [_running_top(own_ends[s], state["top"][attempt[heads], s], heads, lift) for s in (0, 1)]
        own_top = np.where(side == 0, tops[0], tops[1])
        other_top = np.where(side == 0, tops[1], tops[0])
        other = flat ^ 1
        own_known = started[flat]
        delta = np.where(own_known, position - own_top, UNKNOWN)
        has_ack = started[other] & ((flags & 16) > 0) & ~icmp
        ack_position = np.where(has_ack, top[other] + (ack - top_seq[other]).view(np.int32), UNKNOWN)
        ack_delta = np.where(has_ack, ack_position - other_top, UNKNOWN)
        position = np.where(own_known, position, UNKNOWN)

        payload = (length > 0) & ~reset & ~icmp
        self._count_bytes(flat, payload, position + syn, length, own_top, delta)
        special = icmp | ((flags & (SYN | FIN | RST)) > 0)
        kept = chosen_rows(state, flat, side, heads, segment, special, payload, position + length, delta)
        self._remember(table, order, flat, heads, segment, icmp, tops, own_ends)
        acked = state["acked"]
        heard = np.where(has_ack & (ack_delta <= 0), ack_position, 0)
        for s in (0, 1):
            most = np.maximum.reduceat(np.where(side != s, heard, 0), heads)
            acked[attempt[heads], s] = np.maximum(acked[attempt[heads], s], most)
        chosen = order[kept]
        of = attempt[kept]
        ordinal = self._ordinals(of)
        take = {name: getattr(table, name)[chosen] for name in _COPIED}
        if self._shelf is not None and buffer is not None:
            take["at"] = self._shelf(buffer, table.start[chosen], table.caplen[chosen])
        mark = marks[chosen]
        errors = np.flatnonzero(take["icmp"])
        if len(errors):  # an ICMP error looks like its sender
            rows = chosen[errors]
            mark[errors] = mix(mix(table.sender_hi[rows]) + table.sender_lo[rows])
        self.rows.add(
            attempt=of, ordinal=ordinal, side=side[kept], position=_near(position[kept]), delta=_near(delta[kept]),
            ack_position=_near(ack_position[kept]), ack_delta=_near(ack_delta[kept]), mark=mark,
            numbered=table.ip_id[chosen] > 0, **take,
        )  # fmt: skip

    def _ordinals(self, of: Array) -> Array:
        """The place of each kept row among those of its attempt; `of` is sorted within the batch."""
        if not len(of):
            return of
        opens = np.concatenate([[True], of[1:] != of[:-1]])
        heads = np.flatnonzero(opens)
        sizes = np.diff(np.append(heads, len(of)))
        out: Array = np.arange(len(of)) - np.repeat(heads, sizes) + self.state["kept"][of]
        self.state["kept"][of[heads]] += sizes.astype(np.int32)
        return out

    def _start_sides(self, flat: Array, seq: Array, flags: Array, icmp: Array, reset: Array) -> None:
        """Give every side that speaks for the first time its origin: its SYN's number, else its first row's.

        RSTs never start a side: their numbers follow other rules. Later assignments win, hence the order.
        """
        state = self.state
        started, rooted = state["started"].reshape(-1), state["rooted"].reshape(-1)
        top, top_seq = state["top"].reshape(-1), state["top_seq"].reshape(-1)
        fresh = ~(icmp | reset)
        rows = np.flatnonzero(fresh & ~started[flat])[::-1]
        top_seq[flat[rows]] = seq[rows]
        started[flat[rows]] = True
        # A SYN is the origin also where other rows of its side came first, in this batch or before.
        rows = np.flatnonzero(fresh & ((flags & SYN) > 0) & ~rooted[flat])[::-1]
        top_seq[flat[rows]] = seq[rows]
        top[flat[rows]] = 0
        rooted[flat[rows]] = True

    def _remember(
        self, table: PacketTable, order: Array, flat: Array, heads: Array, segment: Array, icmp: Array,
        tops: list[Array], own_ends: list[Array],
    ) -> None:  # fmt: skip
        """Carry tops and counters over to the next batch; `heads` is where each attempt's rows begin."""
        state = self.state
        who, tails = flat[heads] >> 1, np.append(heads[1:], len(flat)) - 1
        packets = np.bincount((segment * 2 + (flat & 1))[~icmp], minlength=2 * len(heads)).reshape(-1, 2)
        state["packets"][who] += packets
        for s in (0, 1):
            old, new = state["top"][who, s], np.maximum(tops[s][tails], own_ends[s][tails])
            state["top"][who, s] = new
            state["top_seq"][who, s] += (new - old).astype(np.uint64).astype(np.uint32)
        ts_ns = table.ts_ns[order]
        state["last_ts"][who] = np.maximum(state["last_ts"][who], np.maximum.reduceat(ts_ns, heads))
        state["first_ts"][who] = np.minimum(state["first_ts"][who], np.minimum.reduceat(ts_ns, heads))

    def _count_bytes(
        self, flat: Array, payload: Array, start: Array, length: Array, own_top: Array, delta: Array
    ) -> None:
        """Distinct payload bytes per side: what lies beyond the top, and what fills a hole left by lost segments."""
        rows = np.flatnonzero(payload)
        if not len(rows):
            return
        sides, begin, size = flat[rows], start[rows], length[rows]
        top = own_top[rows]
        end = begin + size
        total = self.state["bytes"].reshape(-1)
        np.add.at(total, sides, np.minimum(size, np.maximum(end - np.maximum(begin, top), 0)))
        for row in self._holes.touched(sides, delta[rows]).tolist():
            total[sides[row]] += self._holes.fill(int(sides[row]), int(top[row]), int(begin[row]), int(end[row]))


_STATE = (
    "started", "rooted", "acked", "isn", "top", "top_seq", "bytes", "packets", "kept", "full", "counted", "repeats", "since",
    "first_ts", "last_ts",
)  # fmt: skip
"""What join.c follows."""

_COPIED = {
    "number": np.int64, "ts_ns": np.int64, "at": np.int64, "caplen": np.int32, "origlen": np.int32, "link": np.int16,
    "flags": np.uint8, "window": np.uint16, "length": np.uint32, "ttl": np.uint8, "tos": np.uint8, "icmp": np.bool_,
    "icmp_type": np.uint8, "icmp_code": np.uint8, "quoted_ttl": np.uint8,
}  # fmt: skip


def _near(value: Array) -> Array:
    """A position as it is kept: in 32 bits."""
    out: Array = np.clip(value, UNKNOWN, _FARTHEST).astype(np.int32)
    return out


def _running_top(ends: Array, carried: Array, heads: Array, lift: Array) -> Array:
    """Per row, the highest end that a side had reached before it: a running maximum within each attempt.

    `carried` is what each attempt brings along to its first row, `lift` what sets one attempt above the one before.
    """
    shifted = np.empty_like(ends)
    shifted[1:] = ends[:-1]
    shifted[heads] = carried
    shifted += lift
    np.maximum.accumulate(shifted, out=shifted)
    shifted -= lift
    return shifted
