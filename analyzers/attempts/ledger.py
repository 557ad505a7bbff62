"""All attempts of a run: columns per attempt and per kept row, and which attempts look alike."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from analyzers.attempts.columns import Array, mix
from analyzers.attempts.ending import Ending, Step, client_side_of, tell
from analyzers.attempts.track import UNKNOWN, Tracker
from captures.packet import Address

_NEAR = 1 << 31


@dataclass(slots=True)
class Ledger:
    """`rows` holds the kept rows of attempt `i` at `first_row[i]` up to `first_row[i + 1]`, in capture order.

    `kind[i]` says which of `endings` is the story of attempt `i`; attempts of one kind differ in nothing that any
    conclusion about the story reads: addresses, ports, times, frame numbers, random bytes and amounts of data only.
    """

    columns: dict[str, Array]  # per attempt
    rows: dict[str, Array]
    first_row: Array
    kind: Array
    endings: list[Ending] = field(default_factory=list)
    representative: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.kind)

    def span(self, attempt: int) -> slice:
        """Where the attempt's kept rows are."""
        return slice(int(self.first_row[attempt]), int(self.first_row[attempt + 1]))

    def ending(self, attempt: int) -> Ending:
        return self.endings[int(self.kind[attempt])]

    def address(self, attempt: int, side: int) -> Address:
        """The address of one end of the attempt."""
        high, low = int(self.columns["end_hi"][attempt, side]), int(self.columns["end_lo"][attempt, side])
        return IPv4Address(low) if self.columns["family"][attempt] == 4 else IPv6Address(high << 64 | low)


def close(tracker: Tracker) -> Ledger:
    """The ledger of everything that the tracker was fed."""
    state, pieces = tracker.state, tracker.rows
    attempt = pieces.join("attempt")
    order = np.argsort(attempt, kind="stable")
    first_row = np.zeros(state.size + 1, np.int64)
    np.cumsum(np.bincount(attempt, minlength=state.size), out=first_row[1:])
    del attempt
    rows = {name: pieces.join(name)[order] for name in pieces.kinds if name != "attempt"}
    columns = {name: state.trimmed(name) for name in _ATTEMPT_COLUMNS}
    kind, representative = _kinds(rows, columns, first_row)
    ledger = Ledger(columns, rows, first_row, kind, representative=representative)
    ledger.endings = [_ending(ledger, int(i)) for i in representative]
    return ledger


_ATTEMPT_COLUMNS = (
    "family", "trace", "end_hi", "end_lo", "port", "bytes", "packets", "first_ts", "last_ts",
)  # fmt: skip


def _kinds(rows: dict[str, Array], columns: dict[str, Array], first_row: Array) -> tuple[Array, Array]:
    """Which attempts look alike: a kind per attempt, and one attempt of each kind."""
    count = len(first_row) - 1
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    digest = np.zeros(len(rows["side"]), np.uint64)
    for value in (
        rows["side"].astype(np.uint64) | rows["flags"].astype(np.uint64) << np.uint64(1) | rows["icmp"].astype(np.uint64) << np.uint64(9)
        | rows["ttl"].astype(np.uint64) << np.uint64(16) | rows["tos"].astype(np.uint64) << np.uint64(24)
        | rows["icmp_type"].astype(np.uint64) << np.uint64(32) | rows["icmp_code"].astype(np.uint64) << np.uint64(40)
        | rows["quoted_ttl"].astype(np.uint64) << np.uint64(48) | (rows["length"] > 0).astype(np.uint64) << np.uint64(56)
        | (rows["ip_id"] > 0).astype(np.uint64) << np.uint64(57),
        np.where((rows["flags"] & 0x06) > 0, rows["window"], rows["window"] > 0).astype(np.uint64),
        _near(rows["delta"]) << np.uint64(32) | _near(rows["ack_delta"]),
        _small(rows["position"]) << np.uint64(8) | _small(rows["ack_position"]),
        rows["mark"],
        rows["sender_lo"], rows["sender_hi"],
    ):  # fmt: skip
        digest = mix(digest + value)
    within = np.arange(len(digest)) - np.repeat(first_row[:-1], np.diff(first_row))
    digest = mix(digest + within.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    total = np.zeros(count, np.uint64)
    filled = np.flatnonzero(np.diff(first_row))
    total[filled] = np.add.reduceat(digest, first_row[filled])
    total += columns["family"].astype(np.uint64)
    _, representative, kind = np.unique(total, return_index=True, return_inverse=True)
    return kind, representative


def _near(value: Array) -> Array:
    """A relative position as 32 bits: what is too far away to matter is one value."""
    return (np.clip(value, -_NEAR, _NEAR - 1) + _NEAR).astype(np.uint64)


def _small(value: Array) -> Array:
    """A position reduced to what a handshake asks of it: unknown, before the SYN, the SYN, the first byte, later."""
    return np.where(value == UNKNOWN, 9, np.clip(value, -1, 2) + 1).astype(np.uint64)


def _ending(ledger: Ledger, attempt: int) -> Ending:
    span = ledger.span(attempt)
    rows = ledger.rows
    sides, flags, icmp = rows["side"][span].tolist(), rows["flags"][span].tolist(), rows["icmp"][span].tolist()
    client, roles = client_side_of(sides, flags, icmp)
    version = int(ledger.columns["family"][attempt])
    kinds = zip(rows["icmp_type"][span].tolist(), rows["icmp_code"][span].tolist(), strict=True)
    steps = [
        Step(side == client, flag, (version, *kind) if error else None, *rest)
        for side, flag, error, kind, *rest in zip(
            sides, flags, icmp, kinds, (rows["length"][span] > 0).tolist(), rows["position"][span].tolist(),
            rows["delta"][span].tolist(), rows["ack_position"][span].tolist(), rows["ack_delta"][span].tolist(),
            strict=True,
        )
    ]  # fmt: skip
    return tell(steps, client, roles)
