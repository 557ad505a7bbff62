"""All attempts of a run: columns per attempt and per kept row, and which attempts look alike."""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from analyzers.attempts.columns import UNKNOWN, Array, mix
from analyzers.attempts.course import Sent, course
from analyzers.attempts.ending import Ending, Step, client_side_of, tell
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.track import Tracker
from captures.flags import FIN, RST, SYN
from captures.packet import Address

_MAX_AHEAD = 65_535


@dataclass(slots=True)
class Ledger:
    """`rows` are all kept rows; those of attempt `i` are `rows[name][order[first_row[i] : first_row[i + 1]]]`.

    `story[i]` says which of `endings` is that of attempt `i`. Attempts of one `kind` moreover look alike in all that a
    conclusion may read: TTLs, codes, banners; they differ in addresses, ports, times, frame numbers, random bytes and
    amounts of data only.
    """

    columns: dict[str, Array]  # per attempt
    rows: dict[str, Array]
    order: Array
    first_row: Array
    kind: Array
    story: Array
    endings: list[Ending] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.story)

    def of(self, name: str, attempt: int) -> Array:
        """A column of the attempt's kept rows, in capture order."""
        out: Array = self.rows[name][self.order[int(self.first_row[attempt]) : int(self.first_row[attempt + 1])]]
        return out

    def cell(self, name: str, attempt: int, row: int) -> int:
        """One value of a kept row."""
        return int(self.rows[name][self.order[int(self.first_row[attempt]) + row]])

    def seen(self) -> Array:
        """A mask of the attempts of which the capture holds a packet, not only ICMP errors that quote one."""
        out: Array = (self.columns["packets"].sum(axis=1) > 0) & (np.diff(self.first_row) > 0)
        return out

    def ending(self, attempt: int) -> Ending:
        return self.endings[int(self.story[attempt])]

    def address(self, attempt: int, side: int) -> Address:
        """The address of one end of the attempt."""
        high, low = int(self.columns["end_hi"][attempt, side]), int(self.columns["end_lo"][attempt, side])
        return IPv4Address(low) if self.columns["family"][attempt] == 4 else IPv6Address(high << 64 | low)


_ATTEMPT_COLUMNS = (
    "family", "trace", "ends", "end_hi", "end_lo", "port", "bytes", "packets", "first_ts", "last_ts", "top", "acked",
)  # fmt: skip


def close(tracker: Tracker) -> Ledger:
    """The ledger of everything that the tracker was fed."""
    tracker.flush()
    state, pieces = tracker.state, tracker.rows
    attempt = pieces["attempt"]
    order = _grouped(attempt)
    first_row = np.zeros(state.size + 1, np.int64)
    np.cumsum(np.bincount(attempt, minlength=state.size), out=first_row[1:])
    rows = {name: pieces[name] for name in pieces.kinds if name != "attempt"}
    columns = {name: state.trimmed(name) for name in _ATTEMPT_COLUMNS}
    story, kind = _alike(rows, attempt, columns["family"], state.size)
    waiting = (columns["top"] > columns["acked"]) & (columns["bytes"] > 0)  # data that nobody acknowledged
    kind = mix(kind + waiting[:, 0] + np.uint64(2) * waiting[:, 1])
    _, representative, story = np.unique(story, return_index=True, return_inverse=True)
    ledger = Ledger(columns, rows, order, first_row, kind, story)
    ledger.endings = [_ending(ledger, int(i)) for i in representative]
    return ledger


def _grouped(attempt: Array) -> Array:
    """Row indices sorted by attempt, stable: two radix sorts of 16 bits each."""
    order = np.argsort((attempt & 0xFFFF).astype(np.uint16), kind="stable")
    if len(attempt) and int(attempt.max()) > 0xFFFF:
        order = order[np.argsort((attempt[order] >> 16).astype(np.uint16), kind="stable")]
    return order


def _alike(rows: dict[str, Array], attempt: Array, family: Array, count: int) -> tuple[Array, Array]:
    """Two 64-bit digests per attempt: equal when two attempts went alike, and when they look alike as well.

    A digest is the sum over the attempt's rows of a number that mixes what the row says with its place among them.
    """
    story = np.zeros(count, np.uint64)
    kind = np.zeros(count, np.uint64)
    length = len(attempt)
    for start in range(0, length, 1 << 15):  # in pieces that stay in the cache
        part = {name: rows[name][start : start + (1 << 15)] for name in _READ}
        who = attempt[start : start + (1 << 15)]
        told = part["side"].astype(np.uint64)
        for name, shift in (("flags", 1), ("icmp", 9), ("icmp_type", 10), ("icmp_code", 18)):
            told |= part[name].astype(np.uint64) << np.uint64(shift)
        told |= (part["length"] > 0).astype(np.uint64) << np.uint64(26)
        told |= _small(part["position"]) << np.uint64(27) | _small(part["ack_position"]) << np.uint64(31)
        told |= _near(part["delta"]) << np.uint64(35) | _near(part["ack_delta"]) << np.uint64(39)
        told |= ((part["ttl"] <= MOST_HOPS) & (part["length"] > 0)).astype(np.uint64) << np.uint64(43)
        told = mix(told + mix(part["ordinal"].astype(np.uint64)))
        np.add.at(story, who, told)
        window = part["window"].astype(np.uint64)
        plain = (part["flags"] & (SYN | RST)) == 0
        window[plain] = window[plain] > 0
        looks = part["ttl"].astype(np.uint64) | part["tos"].astype(np.uint64) << np.uint64(8) | window << np.uint64(16)
        looks |= part["quoted_ttl"].astype(np.uint64) << np.uint64(32)
        looks |= part["numbered"].astype(np.uint64) << np.uint64(40)
        np.add.at(kind, who, mix(told + mix(looks) + part["mark"]))
    return story + family, kind + family


_READ = (
    "side", "flags", "icmp", "icmp_type", "icmp_code", "length", "position", "ack_position", "delta", "ack_delta",
    "ordinal", "window", "ttl", "tos", "quoted_ttl", "numbered", "mark",
)  # fmt: skip


def _near(value: Array) -> Array:
    """What a story asks of a relative position: unknown, behind, in order, a little or far ahead."""
    return _count((value != UNKNOWN, value >= 0, value > 0, value > _MAX_AHEAD))


def _small(value: Array) -> Array:
    """What a handshake asks of a position: before the SYN, the SYN, the first byte, later, unknown."""
    return np.where(value == UNKNOWN, np.uint64(4), _count((value >= 0, value >= 1, value >= 2)))


def _count(conditions: tuple[Array, ...]) -> Array:
    """How many of these hold, per row."""
    out = np.zeros(len(conditions[0]), np.uint8)
    for condition in conditions:
        out += condition
    return out.astype(np.uint64)


def _ending(ledger: Ledger, attempt: int) -> Ending:
    def column(name: str) -> list[int]:
        values: list[int] = ledger.of(name, attempt).tolist()
        return values

    sides, flags, icmp = column("side"), column("flags"), column("icmp")
    client, roles = client_side_of(sides, flags, [bool(error) for error in icmp])
    version = int(ledger.columns["family"][attempt])
    steps = [
        Step(side == client, flag, (version, kind, code) if error else None, length > 0, *rest)
        for side, flag, error, kind, code, length, *rest in zip(
            sides, flags, icmp, column("icmp_type"), column("icmp_code"), column("length"), column("position"),
            column("delta"), column("ack_position"), column("ack_delta"), strict=True,
        )
    ]  # fmt: skip
    sent = (
        Sent(row, bool(flag & (SYN | FIN | RST)), ttl, length, step.ahead)
        for row, (step, flag, ttl, length) in enumerate(zip(steps, flags, column("ttl"), column("length"), strict=True))
        if step.client and step.icmp is None
    )
    asked, limited = course(sent)
    if asked is None and not limited:
        return tell(steps, client, roles)
    return replace(tell(steps[:asked], client, roles), course=asked, limited=limited)
