"""The join: table rows -> attempts, while the capture streams by.

A flow is a pair of (address, port) ends; side 0 is the lower one. An attempt is a flow from one initial sequence number
to the next: a SYN (without ACK) that bears another number starts a new attempt, a SYN with the same number is a
retransmission. Per attempt and side the tracker follows the sequence space, so that a row can say whether it was in
order, and so that every payload byte is counted once; only the rows that can decide an attempt are kept.
"""

from collections.abc import Callable

import numpy as np

from analyzers.attempts.columns import Array, Growing, Pieces, mix
from analyzers.attempts.payload import payload_marks
from captures.packet import ACK, FIN, RST, SYN
from captures.table import PacketTable

UNKNOWN = -(1 << 40)  # a position in a side's sequence space that cannot be told
_FAR = 1 << 42
_MAX_HOLES = 64

Shelf = Callable[[Array, Array, Array], Array]
"""`shelf(buffer, start, caplen)`: puts frames away and returns for each the position to recall it from."""

# How many rows of each kind an attempt keeps per side; SYN, FIN, RST and ICMP errors are always kept.
KEEP_ACKS = 4
KEEP_PAYLOADS = 8
KEEP_PAYLOADS_AT_START = 24  # while inside the first bytes of a stream, where SSH speaks in clear
START_BYTES = 8192
KEEP_REPEATS = 8  # retransmitted payload
KEEP_AFTER_SPECIAL = 2  # any row behind a SYN, FIN, RST or ICMP error: did this side go on?


class Tracker:
    """Feed it tables in file order with `add`, then read `state` (per attempt) and `rows` (kept rows)."""

    def __init__(self) -> None:
        side, one = (2,), ()
        self.state = Growing(
            family=(np.uint8, one, 0), trace=(np.int32, one, 0),
            end_hi=(np.uint64, side, 0), end_lo=(np.uint64, side, 0), port=(np.uint16, side, 0),
            virgin=(np.bool_, one, True), started=(np.bool_, side, False),
            isn=(np.int64, side, -1), hinted_isn=(np.int64, side, -1),
            top=(np.int64, side, 0), top_seq=(np.uint32, side, 0),
            bytes=(np.int64, side, 0), packets=(np.int64, side, 0),
            acks=(np.int32, side, 0), payloads=(np.int32, side, 0), repeats=(np.int32, side, 0),
            since=(np.int64, side, 1 << 30),
            first_number=(np.int64, one, 0), first_ts=(np.int64, one, 0), last_ts=(np.int64, one, 0),
        )  # fmt: skip
        self.rows = Pieces(
            attempt=np.int32, side=np.uint8, number=np.int64, ts_ns=np.int64, at=np.int64, caplen=np.int32,
            origlen=np.int32, link=np.int16, interface=np.int32, flags=np.uint8, window=np.uint16, length=np.uint32,
            ttl=np.uint8, tos=np.uint8, ip_id=np.uint32, position=np.int64, delta=np.int64, ack_position=np.int64,
            ack_delta=np.int64, icmp=np.bool_, icmp_type=np.uint8, icmp_code=np.uint8, quoted_ttl=np.uint8,
            sender_hi=np.uint64, sender_lo=np.uint64, mark=np.uint64,
        )  # fmt: skip
        self._ids: dict[int, int] = {}
        self._collided: dict[tuple[int, ...], int] = {}
        self._holes: dict[int, list[tuple[int, int]]] = {}
        self._trace = -1
        self._shelf: Shelf | None = None

    def begin(self, new_trace: bool, shelf: Shelf | None = None) -> None:
        """Another file follows; with `new_trace` its flows are attempts of their own, else it goes on where the last ended.

        `shelf` is asked to keep the bytes of kept frames when their place in the file cannot be read again.
        """
        self._shelf = shelf
        if not new_trace:
            return
        self._trace += 1
        self._ids.clear()
        self._collided.clear()
        self._holes.clear()

    def add(self, table: PacketTable, buffer: Array) -> Array:
        """Join one table's rows to attempts; returns the indices of the rows that were kept."""
        if not len(table):
            return np.zeros(0, np.int64)
        side = _side(table)
        attempt = self._attempts(table, side)
        order = np.argsort(attempt, kind="stable")
        kept = self._follow(table.take(order), attempt[order], side[order], buffer)
        return order[kept]

    # --- which attempt does a row belong to?

    def _attempts(self, table: PacketTable, side: Array) -> Array:
        key = _key(table, side)
        unique, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        ids = self._ids
        found = [ids.get(value, -1) for value in unique.tolist()]
        known = np.array(found, np.int64)
        fresh = np.flatnonzero(known < 0)
        if len(fresh):
            start = self._open(table, first[fresh], side[first[fresh]])
            known[fresh] = np.arange(start, start + len(fresh))
            ids.update(zip(unique[fresh].tolist(), known[fresh].tolist(), strict=True))
        attempt = known[inverse]
        self._resolve_collisions(table, side, attempt)
        self._split_epochs(table, side, attempt, key)
        return attempt

    def _open(self, table: PacketTable, row: Array, side: Array) -> int:
        """New attempts for the flows of the given rows; returns the first one's id."""
        state = self.state
        start = state.grow(len(row))
        new = slice(start, start + len(row))
        state["family"][new] = table.family[row]
        state["trace"][new] = self._trace
        index = np.arange(start, start + len(row))
        for name, source, destination in (
            ("end_hi", "src_hi", "dst_hi"),
            ("end_lo", "src_lo", "dst_lo"),
            ("port", "sport", "dport"),
        ):
            state[name][index, side] = getattr(table, source)[row]
            state[name][index, 1 - side] = getattr(table, destination)[row]
        state["first_number"][new] = table.number[row]
        state["first_ts"][new] = table.ts_ns[row]
        state["last_ts"][new] = table.ts_ns[row]
        return start

    def _resolve_collisions(self, table: PacketTable, side: Array, attempt: Array) -> None:
        """Two flows with one 64-bit key: told apart by their addresses, one row at a time (it hardly ever happens)."""
        state = self.state
        wrong = table.src_lo != state["end_lo"][attempt, side]
        for name, mine, other in (
            ("end_hi", "src_hi", "dst_hi"),
            ("end_lo", "src_lo", "dst_lo"),
            ("port", "sport", "dport"),
        ):
            wrong |= getattr(table, mine) != state[name][attempt, side]
            wrong |= getattr(table, other) != state[name][attempt, 1 - side]
        wrong |= table.family != state["family"][attempt]
        for row in np.flatnonzero(wrong):
            ends = sorted(
                (
                    (int(table.src_hi[row]), int(table.src_lo[row]), int(table.sport[row])),
                    (int(table.dst_hi[row]), int(table.dst_lo[row]), int(table.dport[row])),
                )
            )
            flow = (int(table.family[row]), *ends[0], *ends[1])
            if flow not in self._collided:
                self._collided[flow] = self._open(table, np.array([row]), side[row : row + 1])
            attempt[row] = self._collided[flow]

    def _split_epochs(self, table: PacketTable, side: Array, attempt: Array, key: Array) -> None:
        """Start a new attempt where a flow's SYN bears a new initial sequence number."""
        state = self.state
        syn = np.flatnonzero((table.flags & (SYN | ACK) == SYN) & ~table.icmp)
        if len(syn):
            who, end = attempt[syn], side[syn]
            known = state["isn"][who, end] == table.seq[syn]
            # A flow that is new in this window, whose rows begin with a SYN: the common case, settled without a loop.
            opened = state["virgin"][who] & (state["first_number"][who] == table.number[syn])
            chosen = np.flatnonzero(opened)
            state["isn"][who[chosen], end[chosen]] = table.seq[syn[chosen]]
            known = state["isn"][who, end] == table.seq[syn]
            for flow in np.unique(who[~known]):
                self._walk_epochs(table, side, attempt, int(flow), key)
        synack = np.flatnonzero((table.flags & (SYN | ACK) == (SYN | ACK)) & ~table.icmp)
        if len(synack):
            who, end = attempt[synack][::-1], side[synack][::-1]
            empty = state["isn"][who, end] < 0
            state["isn"][who[empty], end[empty]] = table.seq[synack][::-1][empty]
            state["hinted_isn"][who, 1 - end] = (table.ack[synack][::-1] - np.uint32(1)).astype(np.int64)
        state["virgin"][attempt] = False

    def _walk_epochs(self, table: PacketTable, side: Array, attempt: Array, flow: int, key: Array) -> None:
        """One flow's rows of this window in order, where a SYN does not simply repeat the number that is known."""
        state = self.state
        rows = np.flatnonzero(attempt == flow)
        current = flow
        seen = [bool(state["started"][flow, 0]), bool(state["started"][flow, 1])]
        first_seq: list[int | None] = [None, None]
        hints = [int(state["hinted_isn"][flow, 0]), int(state["hinted_isn"][flow, 1])]
        isn = [int(state["isn"][flow, 0]), int(state["isn"][flow, 1])]
        if state["virgin"][flow]:
            isn = [-1, -1]
        for row in rows.tolist():
            end, seq, flags = int(side[row]), int(table.seq[row]), int(table.flags[row])
            if not table.icmp[row] and flags & (SYN | ACK) == SYN and isn[end] != seq:
                following = first_seq[end] is not None and (first_seq[end] or 0) - seq & 0xFFFFFFFF <= 1
                joins = isn[end] < 0 and (
                    not (seen[0] or seen[1])  # nothing but ICMP errors so far
                    or hints[end] == seq  # the SYN-ACK was captured before its SYN
                    or (following and not seen[1 - end])
                    or (isn[1 - end] >= 0 and not seen[end])  # both sides open at once, or a split handshake
                )
                if not joins:
                    current = self._open(table, np.array([row]), side[row : row + 1])
                    self._ids[int(key[row])] = current
                    seen, first_seq, hints, isn = [False, False], [None, None], [-1, -1], [-1, -1]
                isn[end] = seq
            elif not table.icmp[row] and flags & (SYN | ACK) == SYN | ACK:
                hints[1 - end] = int(table.ack[row]) - 1 & 0xFFFFFFFF
                if isn[end] < 0:
                    isn[end] = seq
            if not table.icmp[row]:
                seen[end] = True
                if first_seq[end] is None:
                    first_seq[end] = seq
            attempt[row] = current
            state["isn"][current] = isn
            state["hinted_isn"][current] = hints

    # --- what does a row say, given what its attempt said before?

    def _follow(self, table: PacketTable, attempt: Array, side: Array, buffer: Array) -> Array:
        """Positions in the sequence space for rows sorted by attempt; keep what can decide. Returns kept row indices."""
        state = self.state
        tcp = ~table.icmp
        flags = table.flags
        opens = np.empty(len(attempt), np.bool_)
        opens[0] = True
        opens[1:] = attempt[1:] != attempt[:-1]
        segment = np.cumsum(opens) - 1
        other = 1 - side

        self._start_sides(table, attempt, side, tcp)
        syn, fin = (flags & SYN) > 0, (flags & FIN) > 0
        occupied = table.length + syn + fin
        top, top_seq, started = state["top"], state["top_seq"], state["started"]
        position = top[attempt, side] + (table.seq - top_seq[attempt, side]).astype(np.int32)
        counted = tcp & (occupied > 0) & ((flags & RST) == 0)
        ends = np.where(counted, position + occupied, -_FAR)
        tops = np.stack([_running_top(ends, side == s, top[attempt, s], opens, segment) for s in (0, 1)], axis=1)
        index = np.arange(len(attempt))
        own_top, other_top = tops[index, side], tops[index, other]
        own_known, other_known = started[attempt, side], started[attempt, other]
        delta = np.where(own_known, position - own_top, UNKNOWN)
        ack_position = top[attempt, other] + (table.ack - top_seq[attempt, other]).astype(np.int32)
        has_ack = other_known & tcp & ((flags & ACK) > 0)
        ack_delta = np.where(has_ack, ack_position - other_top, UNKNOWN)
        ack_position = np.where(has_ack, ack_position, UNKNOWN)
        position = np.where(own_known, position, UNKNOWN)

        payload = tcp & (table.length > 0) & ((flags & RST) == 0)
        self._count_bytes(attempt, side, payload, position + syn, table.length, own_top, delta)
        kept = self._choose(table, attempt, side, opens, payload, position, delta)
        self._remember(table, attempt, side, np.flatnonzero(opens), tcp, ends)
        mark = payload_marks(table, kept, buffer)
        take = table.take(kept)
        if self._shelf is not None:
            take.at = self._shelf(buffer, take.start, take.caplen)
        self.rows.add(
            attempt=attempt[kept], side=side[kept], position=position[kept], delta=delta[kept],
            ack_position=ack_position[kept], ack_delta=ack_delta[kept], mark=mark,
            **{name: getattr(take, name) for name in _COPIED},
        )  # fmt: skip
        return kept

    def _start_sides(self, table: PacketTable, attempt: Array, side: Array, tcp: Array) -> None:
        """Give every side that speaks for the first time its origin: its SYN's number, else its first row's.

        RSTs never start a side: their numbers follow other rules. Later assignments win, hence the order.
        """
        state = self.state
        fresh = ~state["started"][attempt, side] & tcp
        if not fresh.any():
            return
        firm = fresh & ((table.flags & RST) == 0)
        for rows in (np.flatnonzero(firm)[::-1], np.flatnonzero(firm & ((table.flags & SYN) > 0))[::-1]):
            state["top_seq"][attempt[rows], side[rows]] = table.seq[rows]
            state["started"][attempt[rows], side[rows]] = True

    def _remember(self, table: PacketTable, attempt: Array, side: Array, heads: Array, tcp: Array, ends: Array) -> None:
        """Carry the tops and counters over to the next window; `heads` is where each attempt's rows begin."""
        state = self.state
        who = attempt[heads]
        for s in (0, 1):
            mine = side == s
            old = state["top"][who, s]
            new = np.maximum(old, np.maximum.reduceat(np.where(mine, ends, -_FAR), heads))
            state["top"][who, s] = new
            state["top_seq"][who, s] += (new - old).astype(np.uint64).astype(np.uint32)
            state["packets"][who, s] += np.add.reduceat((mine & tcp).astype(np.int64), heads)
        state["last_ts"][who] = np.maximum(state["last_ts"][who], np.maximum.reduceat(table.ts_ns, heads))
        state["first_ts"][who] = np.minimum(state["first_ts"][who], np.minimum.reduceat(table.ts_ns, heads))

    def _count_bytes(
        self, attempt: Array, side: Array, payload: Array, start: Array, length: Array, own_top: Array, delta: Array
    ) -> None:
        """Distinct payload bytes per side: what lies beyond the top, and what fills a hole left by lost segments."""
        if not payload.any():
            return
        state = self.state
        end = start + length
        new = np.where(payload, np.minimum(length, np.maximum(end - np.maximum(start, own_top), 0)), 0)
        np.add.at(state["bytes"], (attempt[payload], side[payload]), new[payload])
        odd = payload & (delta > 0)
        flat = attempt * 2 + side
        if self._holes or odd.any():
            holed = np.array(list(self._holes), np.int64)
            candidates = odd | (payload & (delta < 0) & np.isin(flat, np.concatenate([holed, flat[odd]])))
            for row in np.flatnonzero(candidates).tolist():
                gained = self._fill_holes(int(flat[row]), int(own_top[row]), int(start[row]), int(end[row]))
                state["bytes"][attempt[row], side[row]] += gained

    def _fill_holes(self, flat: int, top: int, start: int, end: int) -> int:
        holes = self._holes.setdefault(flat, [])
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
            self._holes[flat] = left
        else:
            self._holes.pop(flat, None)
        return gained

    def _choose(
        self,
        table: PacketTable,
        attempt: Array,
        side: Array,
        opens: Array,
        payload: Array,
        position: Array,
        delta: Array,
    ) -> Array:
        """Indices of the rows worth keeping: a bounded number per attempt, whatever the connection carries."""
        flags = table.flags
        special = table.icmp | ((flags & (SYN | FIN | RST)) > 0)
        flat = attempt * 2 + side
        repeat = payload & (delta < 0) & (delta != UNKNOWN)
        ack = ~special & ~payload
        keep = special.copy()
        for name, chosen, limit in (("acks", ack, KEEP_ACKS), ("repeats", repeat, KEEP_REPEATS)):
            rank = self._rank(name, flat, chosen)
            keep |= chosen & (rank < limit)
        rank = self._rank("payloads", flat, payload)
        near = (position != UNKNOWN) & (position + table.length <= START_BYTES) & (rank < KEEP_PAYLOADS_AT_START)
        keep |= payload & ((rank < KEEP_PAYLOADS) | near)
        keep |= self._just_behind(attempt, side, opens, special)
        return np.flatnonzero(keep)

    def _rank(self, name: str, flat: Array, chosen: Array) -> Array:
        """How many chosen rows of the same side came before each row, over all windows."""
        counter = self.state[name].reshape(-1)
        rows = np.flatnonzero(chosen)
        out = np.zeros(len(flat), np.int64)
        if not len(rows):
            return out
        mine = flat[rows]
        order = np.argsort(mine, kind="stable")
        grouped = mine[order]
        heads = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]]))
        sizes = np.diff(np.append(heads, len(grouped)))
        out[rows[order]] = np.arange(len(grouped)) - np.repeat(heads, sizes) + counter[grouped]
        counter[grouped[heads]] += sizes.astype(counter.dtype)
        return out

    def _just_behind(self, attempt: Array, side: Array, opens: Array, special: Array) -> Array:
        """Rows that are among the first of their side behind a special row of the attempt."""
        since = self.state["since"]
        heads = np.flatnonzero(opens)
        sizes = np.diff(np.append(heads, len(attempt)))
        base = np.repeat(heads, sizes)
        index = np.arange(len(attempt))
        last_special = np.maximum.accumulate(np.where(special, index, -1))
        inside = last_special >= base  # a special row of this attempt stands before (or at) this row in this window
        near = np.zeros(len(attempt), np.bool_)
        tails = heads + sizes - 1
        for s in (0, 1):
            mine = ~special & (side == s)
            count = np.cumsum(mine)
            before = count - mine
            at_special = np.where(inside, count[np.maximum(last_special, 0)], 0)
            carried = since[attempt, s] + before - (count[base] - mine[base])
            rank = np.where(inside, before - at_special, carried)
            near |= mine & (rank < KEEP_AFTER_SPECIAL)
            since[attempt[tails], s] = rank[tails] + mine[tails]
        return near


_COPIED = (
    "number", "ts_ns", "at", "caplen", "origlen", "link", "interface", "flags", "window", "length", "ttl", "tos",
    "ip_id", "icmp", "icmp_type", "icmp_code", "quoted_ttl", "sender_hi", "sender_lo",
)  # fmt: skip


def _side(table: PacketTable) -> Array:
    """0 when the row's source is the lower end of its flow (by address, then port), else 1."""
    higher = table.src_lo > table.dst_lo
    equal = table.src_lo == table.dst_lo
    if (table.family == 6).any():
        higher = (table.src_hi > table.dst_hi) | ((table.src_hi == table.dst_hi) & higher)
        equal &= table.src_hi == table.dst_hi
    out: Array = (higher | (equal & (table.sport > table.dport))).astype(np.int64)
    return out


def _key(table: PacketTable, side: Array) -> Array:
    """A 64-bit key of the flow, the same in both directions."""
    low = side == 0
    a = np.where(low, table.src_lo, table.dst_lo)
    b = np.where(low, table.dst_lo, table.src_lo)
    ports = np.where(low, table.sport, table.dport).astype(np.uint64) << np.uint64(16)
    ports |= np.where(low, table.dport, table.sport).astype(np.uint64)
    if (table.family == 6).any():
        a = a ^ mix(np.where(low, table.src_hi, table.dst_hi) + np.uint64(1))
        b = b ^ mix(np.where(low, table.dst_hi, table.src_hi) + np.uint64(2))
    out: Array = mix(mix(mix(a) + b) + ports + (table.family.astype(np.uint64) << np.uint64(40)))
    return out


def _running_top(ends: Array, mine: Array, carried: Array, opens: Array, segment: Array) -> Array:
    """Per row, the highest end that the side had reached before it: a running maximum within each attempt."""
    value = np.where(mine, ends, -_FAR)
    shifted = np.empty_like(value)
    shifted[0] = 0
    shifted[1:] = value[:-1]
    shifted = np.where(opens, carried, np.maximum(shifted, -_FAR))
    lifted = shifted + segment * (4 * _FAR)
    out: Array = np.maximum.accumulate(lifted) - segment * (4 * _FAR)
    return out
