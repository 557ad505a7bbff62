"""What a capture shows around a service: what its address answered on other ports, and who sent ICMP errors on the way.

TTLs and marks are compared within one trace (one point of capture) only: from elsewhere a packet passes other routers.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analyzers.attempts.attempt import Recall, Segment, asked, materialise
from analyzers.attempts.hops import routers
from analyzers.attempts.ledger import Ledger
from analyzers.attempts.pings import NO_PINGS, Pings, Signs
from analyzers.attempts.services import Service, client_sides
from analyzers.attempts.strays import Strays, strays
from analyzers.attempts.sweeps import Sweeps, by_target, sweeps
from captures.decoded import Sign
from captures.packet import Address

_MOST_ANSWERS = 12  # kinds of answers of one address that a diagnosis compares with
_KEPT = 4096  # answers that are kept decoded
_Key = tuple[int, int, int]
_Entry = tuple[int, int, str, int, int]  # trace, port, kind, attempt, TTL


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a SYN that bears the service's address, from another port. `kind`: syn-ack or rst."""

    trace: int
    port: int
    kind: str
    syn: Segment
    segment: Segment

    @property
    def ttl(self) -> int:
        return self.segment.ttl

    @property
    def frame(self) -> int:
        return self.segment.number


class Surroundings:
    """The answers of every address of a run, found when first asked for."""

    def __init__(self, ledger: Ledger, recall: Recall, signs: Iterable[tuple[int, Sign]] = ()) -> None:
        """`signs`: by trace, what else than TCP tells of addresses."""
        self._ledger, self._recall = ledger, recall
        self._signs = Signs(signs)
        self._index: dict[_Key, list[_Entry]] | None = None
        self._crowds: dict[tuple[frozenset[int], int], int] = {}
        self._probes: dict[Address, list[int]] | None = None
        self._strays: Strays | None = None
        self._sweeps: dict[tuple[int, Address], Sweeps] = {}
        self._answers: dict[int, Answer] = {}
        self._waits: dict[Address, list[tuple[int, int, int]]] | None = None

    def answers(self, service: Service) -> tuple[Answer, ...]:
        """What the service's address answered to SYNs on other ports, as seen from the same place: the first of each
        port, kind, TTL and TOS."""
        if self._index is None:
            self._index = _index(self._ledger)
        address = int(service.address)
        key = (service.address.version, address >> 64, address & 0xFFFFFFFFFFFFFFFF)
        traces = set(self._ledger.columns["trace"][service.members[:64]].tolist())
        if len(traces) != 1:
            return ()
        (trace,) = traces
        found = [entry for entry in self._index.get(key, ()) if entry[0] == trace and entry[1] != service.port]
        return tuple(self._answer(*entry[:4]) for entry in found[:_MOST_ANSWERS])

    def crowd(self, service: Service, ttl: int) -> int:
        """How many addresses (this one among them) sent RSTs with this TTL, though the same address answered from
        farther away on another port; 0 unless those others came from different distances.

        Hosts of one network that each forward a port to something behind them are all at one distance; RSTs that come
        from as far for hosts at different distances have one maker in front of them all.
        """
        traces = frozenset(answer.trace for answer in self.answers(service))
        if (traces, ttl) not in self._crowds:
            self._crowds[traces, ttl] = self._crowd(traces, ttl)
        return self._crowds[traces, ttl]

    def _crowd(self, traces: frozenset[int], ttl: int) -> int:
        farther: dict[_Key, int] = {}
        for key, entries in (self._index or {}).items():
            mine = [(kind, seen) for trace, _, kind, _, seen in entries if trace in traces]
            others = [seen for kind, seen in mine if kind == "syn-ack" and routers(seen) > routers(ttl)]
            if others and ("rst", ttl) in mine:
                farther[key] = min(others)
        return len(farther) if len(set(farther.values())) > 1 else 0

    def sweeps(self, service: Service) -> Sweeps:
        """The traceroutes to the service's address that were seen where the service was; those of the last address are kept."""
        if self._probes is None:
            self._probes = by_target(self._ledger)
        mine = self._probes.get(service.address, [])
        traces = set(self._ledger.columns["trace"][service.members[:64]].tolist())
        if not mine or len(traces) != 1:
            return Sweeps((), str(service.address))
        if self._strays is None:
            self._strays = strays(self._ledger, self._recall)
        key = (traces.pop(), service.address)
        if key not in self._sweeps:
            self._sweeps = {key: sweeps(self._ledger, self._recall, mine, *key, self._strays)}
        return self._sweeps[key]

    def waits(self, service: Service, since_ns: int, until_ns: int) -> list[tuple[int, int, int]]:
        """Of attempts to the service's address that sent one SYN, and got an ICMP error in this time: when, how long after, and which
        attempt."""
        if self._waits is None:
            self._waits = _waits(self._ledger)
        mine = self._waits.get(service.address, [])
        return mine[bisect_left(mine, (since_ns, 0, 0)) : bisect_left(mine, (until_ns, 0, 0))]

    def pings(self, service: Service) -> Pings:
        """What pings of the service's address, and UDP to it, got back where the service was seen."""
        traces = set(self._ledger.columns["trace"][service.members[:64]].tolist())
        return self._signs.pings(traces.pop(), service.address) if len(traces) == 1 else NO_PINGS

    def _answer(self, trace: int, port: int, kind: str, index: int) -> Answer:
        """The first answer to an attempt. All services of an address are compared with the same few, which are decoded once."""
        if index not in self._answers:
            attempt = materialise(self._ledger, index, self._recall)
            assert attempt.answer is not None
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            self._answers[index] = Answer(trace, port, kind, asked(attempt.syns, attempt.answer), attempt.answer)
        return self._answers[index]


def _index(ledger: Ledger) -> dict[_Key, list[_Entry]]:
    """For every server address its answers."""
    out: dict[_Key, list[_Entry]] = defaultdict(list)
    rows = np.array(
        [-1 if e.answer_row is None or e.answer not in ("syn-ack", "rst") else e.answer_row for e in ledger.endings]
    )
    answered = np.flatnonzero(rows[ledger.story] >= 0)
    if not len(answered):
        return out
    columns, side = ledger.columns, 1 - client_sides(ledger)[answered]
    row = ledger.order[ledger.first_row[answered] + rows[ledger.story[answered]]]
    syn_row = np.array([e.syn_rows[0] if e.syn_rows else 0 for e in ledger.endings])[ledger.story[answered]]
    syn = ledger.order[ledger.first_row[answered] + syn_row]
    kind = np.array([e.answer == "rst" for e in ledger.endings])[ledger.story[answered]]
    fields = (
        columns["family"][answered], columns["end_hi"][answered, side], columns["end_lo"][answered, side],
        columns["trace"][answered], columns["port"][answered, side], kind, ledger.rows["ttl"][row], ledger.rows["tos"][row],
        ledger.rows["tos"][syn],
    )  # fmt: skip
    seen: set[tuple[int, ...]] = set()
    for index, *values in zip(answered.tolist(), *(field.tolist() for field in fields), strict=True):
        family, high, low, trace, port, reset = values[:6]
        key = (family, high, low)
        if tuple(values) not in seen and len(out[key]) < 8 * _MOST_ANSWERS:
            seen.add(tuple(values))
            out[key].append((trace, port, "rst" if reset else "syn-ack", index, values[6]))
    return out


def _waits(ledger: Ledger) -> dict[Address, list[tuple[int, int, int]]]:
    """For every server address the errors about attempts of one SYN, in order of time: when, how many nanoseconds after, the attempt."""
    alone = np.array([len(e.syn_rows) == 1 and bool(e.icmp_rows) and not e.course for e in ledger.endings], bool)
    out: dict[Address, list[tuple[int, int, int]]] = defaultdict(list)
    for index in np.flatnonzero(alone[ledger.story]).tolist() if len(alone) else ():
        ending = ledger.ending(index)
        asked, came = (ledger.cell("ts_ns", index, rows[0]) for rows in (ending.syn_rows, ending.icmp_rows))
        out[ledger.address(index, 1 - ending.client_side)].append((came, came - asked, index))
    return {address: sorted(found) for address, found in out.items()}
