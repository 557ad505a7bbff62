"""Which attempt does a row belong to? Flows by their two ends, attempts by their initial sequence numbers.

A flow is a pair of (address, port) ends; side 0 is the end with the lower number. An attempt is a flow from one initial
sequence number to the next: a SYN (without ACK) that bears another number starts a new attempt, a SYN with the same
number is a retransmission. Several SYNs may wait at once, as in a traceroute with one flow: what acknowledges or quotes an
earlier number belongs to that attempt. Whole arrays settle the common cases; only flows whose SYNs disagree are walked row by row.
"""

import numpy as np

from analyzers.attempts.columns import Array, Growing, distinct, mix
from analyzers.attempts.slots import Slots
from captures import native
from captures.flags import ACK, RST, SYN
from captures.native import address
from captures.table import PacketTable

_K1, _K2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


_MOST_EARLIER = 64  # attempts of one flow that still wait for an answer

Earlier = dict[tuple[int, int], int]
"""Attempts of one flow that came to nothing before the next began, by the SYN's side and number: nobody answered, or only with a
SYN-ACK, which the client reset."""


class Flows:
    """Gives every table row its side and its attempt, opening attempts as they come. `state` has a row per attempt."""

    def __init__(self, state: Growing) -> None:
        self.state = state
        self.trace = -1
        self._slots = Slots()
        self._collided: dict[tuple[int, int], int] = {}
        self._earlier: dict[int, Earlier] = {}  # by the flow's newest attempt

    def next_trace(self) -> None:
        """From here on the flows are attempts of their own."""
        self.trace += 1
        self._slots = Slots()
        self._collided.clear()
        self._earlier.clear()

    def renumber(self, number: Array) -> None:
        """Attempt `i` is now `number[i]`, or forgotten where that is negative: a packet of its flow opens a new one."""
        self._slots.renumber(number)
        self._collided = {ends: int(number[i]) for ends, i in self._collided.items() if number[i] >= 0}
        waiting = {
            int(number[newest]): {syn: int(number[i]) for syn, i in earlier.items() if number[i] >= 0}
            for newest, earlier in self._earlier.items()
            if number[newest] >= 0
        }
        self._earlier = {newest: earlier for newest, earlier in waiting.items() if earlier}

    def attempts(self, table: PacketTable) -> tuple[Array, Array]:
        """Attempt and side of every row."""
        library = native.library()
        side, key, attempt = self._known(table) if library is None else self._compiled(library, table)
        self._split_epochs(table, side, attempt, key)
        return attempt, side

    def _known(self, table: PacketTable) -> tuple[Array, Array, Array]:
        """Side, flow key and attempt of every row, as if a flow were one attempt; flows not seen before are opened."""
        source, destination = _end(table, "src", "sport"), _end(table, "dst", "dport")
        side = (source > destination).astype(np.int64)
        low, high = np.minimum(source, destination), np.maximum(source, destination)
        key = low * _K1
        key ^= key >> np.uint64(29)
        key = (key + high) * _K2
        key ^= key >> np.uint64(32)
        key *= _K1
        attempt = self._slots.find(key)
        missing = np.flatnonzero(attempt < 0)
        if len(missing):
            attempt[missing], first = self._slots.claim(key[missing], self.state.size)
            row = missing[first]
            self._open(table, row, side[row], low[row], high[row])
        ends = self.state["ends"]
        wrong = (ends[:, 0][attempt] != low) | (ends[:, 1][attempt] != high)
        self._resolve_collisions(table, low, high, side, attempt, np.flatnonzero(wrong))
        return side, key, attempt

    def _compiled(self, library: native.Library, table: PacketTable) -> tuple[Array, Array, Array]:
        """The same with the loops of join.c."""
        count, columns, slots = len(table), table.struct(), self._slots
        low, high, key = (np.empty(count, np.uint64) for _ in range(3))
        side, attempt = np.empty(count, np.int64), np.empty(count, np.int64)
        known = slots.struct()
        missing = library.find(
            address(columns), count, address(known), address(low), address(high), address(side), address(key),
            address(attempt),
        )  # fmt: skip
        if missing:
            slots.reserve(missing)
            known, first = slots.struct(), np.empty(missing, np.int64)
            new = library.claim(
                count, address(known), address(key), self.state.size, address(attempt), address(first)
            )  # fmt: skip
            slots.used += new
            row = first[:new]
            self._open(table, row, side[row], low[row], high[row])
        ends = self.state["ends"]
        collide = library.collide(
            count, address(low), address(high), address(attempt), address(ends), self.state.size
        )  # fmt: skip
        assert collide >= 0
        if collide:
            wrong = (ends[:, 0][attempt] != low) | (ends[:, 1][attempt] != high)
            self._resolve_collisions(table, low, high, side, attempt, np.flatnonzero(wrong))
        return side, key, attempt

    def _open(self, table: PacketTable, row: Array, side: Array, low: Array, high: Array) -> int:
        """New attempts for the flows of the given rows; returns the first one's id."""
        state = self.state
        start = state.grow(len(row))
        new = slice(start, start + len(row))
        state["family"][new] = table.family[row]
        state["trace"][new] = self.trace
        state["ends"][new, 0], state["ends"][new, 1] = low, high
        index = np.arange(start, start + len(row))
        for name, mine, other in (
            ("end_hi", "src_hi", "dst_hi"),
            ("end_lo", "src_lo", "dst_lo"),
            ("port", "sport", "dport"),
        ):
            state[name][index, side] = getattr(table, mine)[row]
            state[name][index, 1 - side] = getattr(table, other)[row]
        state["first_number"][new] = table.number[row]
        state["first_ts"][new] = table.ts_ns[row]
        state["last_ts"][new] = table.ts_ns[row]
        return start

    def _resolve_collisions(
        self, table: PacketTable, lows: Array, highs: Array, side: Array, attempt: Array, wrong: Array
    ) -> None:
        """Two flows with one key: told apart by their ends, one row at a time (it hardly ever happens)."""
        for row in wrong:
            low, high = int(lows[row]), int(highs[row])
            if (low, high) not in self._collided:
                at = np.array([row])
                self._collided[low, high] = self._open(
                    table, at, side[at], np.array([low], np.uint64), np.array([high], np.uint64)
                )
            attempt[row] = self._collided[low, high]

    def _split_epochs(self, table: PacketTable, side: Array, attempt: Array, key: Array) -> None:
        """Start a new attempt where a flow's SYN bears a new initial sequence number."""
        state = self.state
        if self._earlier:
            for flow in distinct(attempt[state["waited"][attempt]]):
                self._walk(table, side, attempt, int(flow), key)
        opening = np.flatnonzero(((table.flags & SYN) > 0) & ~table.icmp)
        if not len(opening):
            return
        acks = (table.flags[opening] & ACK) > 0
        syn, synack = opening[~acks], opening[acks]
        if len(syn):
            who, end = attempt[syn], side[syn]
            # A flow that is new here and whose rows begin with a SYN is the common case, settled without a loop.
            chosen = np.flatnonzero(state["first_number"][who] == table.number[syn])
            state["isn"][who[chosen], end[chosen]] = table.seq[syn[chosen]]
            unknown = np.flatnonzero(state["isn"][who, end] != table.seq[syn])
            if len(unknown):
                unknown = unknown[~self._reopen(table, side, attempt, key, syn[unknown])]
            for flow in distinct(who[unknown]):
                self._walk(table, side, attempt, int(flow), key)
        if len(synack):
            who, end = attempt[synack][::-1], side[synack][::-1]
            empty = state["isn"][who, end] < 0
            state["isn"][who[empty], end[empty]] = table.seq[synack][::-1][empty]
            state["hinted_isn"][who, 1 - end] = (table.ack[synack][::-1] - np.uint32(1)).astype(np.int64)

    def _reopen(self, table: PacketTable, side: Array, attempt: Array, key: Array, syn: Array) -> Array:
        """Flows used again, whose rows in this batch all follow one new SYN: new attempts. Returns which SYNs that settled."""
        state = self.state
        flow, end = attempt[syn], side[syn]
        order = np.argsort(flow, kind="stable")
        heads = order[np.concatenate([[True], flow[order][1:] != flow[order][:-1]])]
        who, first, ends, seq = flow[heads], syn[heads], end[heads], table.seq[syn[heads]]
        number = np.zeros(state.size, np.int64)
        number[who] = np.arange(1, len(who) + 1)
        mine = np.flatnonzero(number[attempt])
        of = number[attempt[mine]] - 1
        sound = state["isn"][who, ends] >= 0  # the side is known by another number, so this is no late first SYN
        theirs = state["packets"][who, 1 - ends]
        known = state["isn"][who, 1 - ends] >= 0
        sound &= theirs > known  # and what was asked before is no longer waited for: more than a SYN-ACK came
        opening = ((table.flags[mine] & (SYN | ACK)) == SYN) & ~table.icmp[mine]
        sound[of[(mine < first[of]) | (opening & ((table.seq[mine] != seq[of]) | (side[mine] != ends[of])))]] = False
        settled: Array = sound[number[flow] - 1]
        if sound.any():
            low, high = state["ends"][who[sound]].T
            start = self._open(table, first[sound], ends[sound], low, high)
            new = np.full(len(who), -1, np.int64)
            new[sound] = np.arange(start, start + int(sound.sum()))
            moved = np.flatnonzero(sound[of])
            attempt[mine[moved]] = new[of[moved]]
            state["isn"][new[sound], ends[sound]] = seq[sound]
            for one, old, fresh in zip(
                key[first[sound]].tolist(), who[sound].tolist(), new[sound].tolist(), strict=True
            ):
                self._point(one, old, fresh)
        return settled

    def _point(self, key: int, old: int, new: int) -> None:
        """From now on this flow's rows belong to another attempt."""
        low, high = self.state["ends"][old].tolist()
        if (low, high) in self._collided:
            self._collided[low, high] = new
        else:
            self._slots.change(key, new)

    def _walk(self, table: PacketTable, side: Array, attempt: Array, flow: int, key: Array) -> None:
        """One flow's rows of this batch in order, where a SYN does not simply repeat the number that is known."""
        state = self.state
        current = flow
        seen = state["started"][flow].tolist()
        first_seq: list[int | None] = [None, None]
        talked, reset = bool(state["packets"][flow].min() > (state["isn"][flow] >= 0).all()), [False, False]
        hints: list[int] = state["hinted_isn"][flow].tolist()
        isn: list[int] = state["isn"][flow].tolist()
        if int(state["first_number"][flow]) >= int(table.number[0]) and not any(seen):
            isn = [-1, -1]  # opened in this batch: learn its numbers in order
        earlier = self._earlier.pop(flow, {})
        state["waited"][flow] = False
        for row in np.flatnonzero(attempt == flow).tolist():
            if earlier:
                about = _about(table, side, row, plain=isn[1 - int(side[row])] >= 0 > isn[int(side[row])])
                if about in earlier and isn[about[0]] != about[1]:
                    attempt[row] = earlier[about]
                    continue
            if not table.icmp[row]:
                end, seq, opening = int(side[row]), int(table.seq[row]), int(table.flags[row]) & (SYN | ACK)
                if opening == SYN and isn[end] != seq:
                    following = first_seq[end] is not None and ((first_seq[end] or 0) - seq) & 0xFFFFFFFF <= 1
                    joins = isn[end] < 0 and (
                        not any(seen)  # nothing but ICMP errors so far
                        or hints[end] == seq  # the SYN-ACK was captured before its SYN
                        or (following and not seen[1 - end])
                        or (isn[1 - end] >= 0 and not seen[end])  # both sides open at once, or a split handshake
                    )
                    if not joins:
                        if isn[end] >= 0 and (not seen[1 - end] or (reset[end] and not talked)):
                            earlier[end, isn[end]] = current
                        low, high = state["ends"][flow]
                        at = np.array([row])
                        current = self._open(table, at, side[at], np.array([low]), np.array([high]))
                        self._point(int(key[row]), flow, current)
                        seen, first_seq, hints, isn = [False, False], [None, None], [-1, -1], [-1, -1]
                        talked, reset = False, [False, False]
                    isn[end] = seq
                elif opening == SYN | ACK:
                    hints[1 - end] = int(table.ack[row]) - 1 & 0xFFFFFFFF
                    if isn[end] < 0:
                        isn[end] = seq
                if int(table.flags[row]) & RST:  # whose numbers follow other rules
                    reset[end] = True
                else:
                    talked |= not int(table.flags[row]) & SYN
                    seen[end] = True
                    if first_seq[end] is None:
                        first_seq[end] = seq
            attempt[row] = current
            state["isn"][current] = isn
            state["hinted_isn"][current] = hints
        if earlier:
            self._earlier[current] = dict(list(earlier.items())[-_MOST_EARLIER:])
            state["waited"][current] = True


def _about(table: PacketTable, side: Array, row: int, plain: bool) -> tuple[int, int]:
    """Which SYN a row repeats, answers, quotes or takes back, by side and number; (-1, -1) for any other row. With `plain` an ACK
    answers one: whoever waits for another handshake to end says so to a SYN."""
    end, flags, seq = int(side[row]), int(table.flags[row]), int(table.seq[row])
    if table.icmp[row] or flags & (SYN | ACK) == SYN:
        return end, seq
    if flags & ACK and (flags & (SYN | RST) or plain):
        return 1 - end, int(table.ack[row]) - 1 & 0xFFFFFFFF
    if flags & RST:
        return end, seq - 1 & 0xFFFFFFFF
    return -1, -1


def _end(table: PacketTable, which: str, port: str) -> Array:
    """One end of every row as a 64-bit number: exact for IPv4, mixed from the address for IPv6."""
    low, high = getattr(table, which + "_lo"), getattr(table, which + "_hi")
    out: Array = low | getattr(table, port).astype(np.uint64) << np.uint64(32)
    v6 = np.flatnonzero(table.family == 6)
    if len(v6):
        ports = getattr(table, port)[v6].astype(np.uint64)
        out[v6] = mix(mix(high[v6] + _K1) + low[v6] + ports * _K2) | np.uint64(1 << 63)
    return out
