"""The way to a port, hop by hop: SYNs of one flow with rising TTLs, sent together, until the hop shows at which it ends.

Every probe has the same addresses and ports, so that balancing by flow treats them alike, and a sequence number of its own,
which an answer acknowledges and an ICMP error quotes. The kernel resets what is accepted. What does not depend on each
other's answers is asked in one round, and waited for once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.icmp import RAN_OUT
from captures.flags import ACK, FIN, INBOUND, SYN
from netprobe.live.craft import OPTIONS, SIGNED, Ends, damaged, packet, recorded, segment
from netprobe.live.heard import Heard, answer_in
from netprobe.live.network import Network, Recording

FULL_TTL = 64
MOST_PACKETS = 150  # to one address in one diagnosis
_LEAST = 3  # TTLs of one flow: fewer are no sweep for whoever reads the evidence
_NOTHING = 0x10000  # acknowledged though nobody said it
_PUSHES = 2  # ACKs that do so: one may be lost
_NEXT = 4  # between the sequence numbers of odd SYNs of one flow
_STEP = 8  # hops asked more when the end did not show
_AHEAD = 16  # hops asked at first where nothing is known yet
_BEYOND = 2  # TTLs above the distance that a first answer suggests: ways out and back differ
_LITTLE_QUIET_S = 0.04
_LEAST_QUIET_S, _MOST_QUIET_S = 0.15, 1.0
_MOST_SLOW_S = 1.0
_LEAST_WATCH_S = 0.1  # for what a stack may ignore
_APART_S = 0.0005
_AT_EDGE = 4  # SYNs more that decide how far others come: by chance all are lost only where very many are
_AGAIN_S = 0.6  # before asking silent hops again: senders of ICMP errors limit themselves

Steps = Iterator[Sequence[int]]


@dataclass
class Sweep:
    """One flow's probes by TTL, None while nothing came back, and when each was sent; `steps` are the TTLs to ask next, each
    time with what was heard until then."""

    port: int
    sport: int
    heard: dict[int, Heard | None] = field(default_factory=dict)
    sent_ns: dict[int, int] = field(default_factory=dict)
    steps: Steps = field(default_factory=lambda: iter(()))

    @property
    def end(self) -> int:
        """The smallest TTL that got another answer than a router's time-exceeded; 0 when none did."""
        return min((ttl for ttl, heard in self.heard.items() if heard and heard.kind != RAN_OUT), default=0)

    @property
    def silent(self) -> list[int]:
        """The TTLs below the end, or all, that got no answer."""
        end = self.end or FULL_TTL + 1
        return [ttl for ttl, heard in sorted(self.heard.items()) if heard is None and ttl < end]

    @property
    def answered(self) -> bool:
        """Whether nothing more is to come: the end showed and every hop before it, or the only TTL that was asked."""
        return not self.silent and (self.end > 0 or len(self.heard) == 1)

    @property
    def ended(self) -> bool:
        """Whether an end showed, and the hop right before it: a nearer end would have shown as well."""
        return self.end > 0 and self.end - 1 not in self.silent

    @property
    def loops(self) -> bool:
        """Whether one router reported several TTLs as used up: packets go round."""
        senders = [heard.sender for heard in self.heard.values() if heard and heard.kind == RAN_OUT]
        return len(set(senders)) < len(senders)

    @property
    def last(self) -> int:
        """The largest TTL with any answer."""
        return max((ttl for ttl, heard in self.heard.items() if heard), default=0)


class Tracer:
    """Sends probes to one address and reads their answers from the recording; `sent` counts them, `most_packets` bounds them,
    `most_hops` their TTLs. `turn` waits until something happens, at most so many seconds, and says how many connections are
    still in progress. `slowest_s` is how long an answer is known to take. `answers` has what ports first got back, whoever asked,
    and `met` the same of source ports; that a TTL was used up only where nothing else came.
    """

    def __init__(
        self,
        network: Network,
        recording: Recording,
        address: str,
        turn: Callable[[float], int],
        most_hops: int = MOST_HOPS,
        most_packets: int = MOST_PACKETS,
        slowest_s: float = 0.0,
    ) -> None:
        self._network, self._recording, self._address, self._turn = network, recording, address, turn
        self._most_hops, self._most_packets = most_hops, most_packets
        self._source = network.source()
        self._read = 0
        self.answers: dict[int, Heard] = {}
        self.met: dict[int, Heard] = {}
        self._probes: dict[tuple[int, int], tuple[Sweep, int]] = {}
        self._slowest_s = min(slowest_s, _MOST_SLOW_S)
        self._odd: list[Sweep] = []
        self._mute: set[int] = set()
        self._begun: list[Sweep] = []
        self._odd_since = self._next = 0.0
        self.sent = 0
        self._take()

    def sweep(self, port: int, distance: int = 0, limited: bool = False, sport: int = 0, ahead: bool = False) -> Sweep:
        """The hops to a port until its end shows: up to `distance` and a little more, or by steps where that is 0, the first of
        which takes in most ways when they are asked `ahead` of all answers.

        `limited`: beyond the end every probe costs an ICMP error of a device that limits these, or begins a connection, so
        none is asked. Hops that kept silent are asked once more where that may decide: all when there is no end, and the one
        before it. `sport` asks with the flow of an earlier connection.
        """
        sweep = Sweep(port, self._network.hold(sport))
        sweep.steps = self._steps(sweep, distance, limited, _AHEAD if ahead else _STEP)
        return sweep

    def _steps(self, sweep: Sweep, distance: int, limited: bool, first: int) -> Steps:
        most = min(self._most_hops, max(_LEAST, distance + (0 if limited else _BEYOND)) if distance else first)
        yield range(1, most + 1)
        if limited and not sweep.end and sweep.silent:
            yield sweep.silent
        while not sweep.end and not sweep.loops and most < self._most_hops and (distance or sweep.last > most - _STEP):
            distance = 0
            yield range(most + 1, min(self._most_hops, most + _STEP) + 1)
            most += _STEP
        edge = 0
        while sweep.silent and (not sweep.end or sweep.silent[-1] == sweep.end - 1):
            before, edge = edge, sweep.end - 1 if sweep.end else sweep.last + 1
            if edge == before:
                break
            yield ([] if before else sweep.silent) + [edge] * (_AT_EDGE * (edge in sweep.silent))

    def hold(self) -> int:
        """A source port for a flow of its own."""
        return self._network.hold()

    def single(self, port: int, ttl: int = FULL_TTL) -> Sweep:
        """One SYN to a port, of a flow of its own."""
        return Sweep(port, self._network.hold(), steps=iter([(ttl,)]))

    def begin(self, *sweeps: Sweep) -> None:
        """Ask the first step of all of these, what goes all the way first and then the nearest hops, and wait for nothing. What
        lies beyond an end that shows meanwhile is left out."""
        self._begun += sweeps
        probes = [(ttl, number) for number, sweep in enumerate(sweeps) for ttl in next(sweep.steps)]
        for ttl, number in sorted(probes, key=lambda one: (one[0] % FULL_TTL, one[1])):
            sweep = sweeps[number]
            self._take()
            end = sweep.heard.get(sweep.end)
            if end is None or ttl <= sweep.end + (_BEYOND if end.kind == "rst" else 0):
                self._send(sweep, ttl)

    def hear(self, *sweeps: Sweep, only_ends: bool = False) -> None:
        """Wait for answers to what was begun, as long as they may come; with `only_ends` neither for hops before those nor for
        connections."""
        self._listen(sweeps, only_ends)

    def ask(self, *sweeps: Sweep) -> None:
        """Ask all of these at once, step by step."""
        while batch := [(sweep, tuple(ttls)) for sweep in sweeps if (ttls := next(sweep.steps, ()))]:
            again = [(sweep, ttl) for sweep, ttls in batch for ttl in ttls if ttl in sweep.heard]
            self._mute.difference_update(ttl for _, ttl in again)
            if again:
                self._begun.clear()
            if any(heard and heard.kind == RAN_OUT for sweep, _ in again for heard in sweep.heard.values()):
                self._pause(_AGAIN_S)
            for sweep, ttls in batch:
                for ttl in ttls:
                    self._send(sweep, ttl)
            self._listen([sweep for sweep, _ in batch])

    def odd(self, asked: Iterable[tuple[int, str, int]], flows: Mapping[int, int]) -> None:
        """SYNs of odd shapes (see `sweeps.Echo.shape`) to ports. They bear the largest TTL of a probe, so that nobody takes them for
        attempts; the third is the room that record-route options have. "pushed" are recorded ones with ACKs out of nothing behind
        them, the last of their flow, as what refuses those bears no number that tells of which.

        They leave from the source ports that `flows` has for their ports, so that they go the way of those flows; but those with FIN
        from ones of their own, as their RSTs acknowledge the FIN as well.
        """
        for to, shape, room in asked:
            sport = flows.get(to, 0) if shape != "synfin" else 0
            sweep = Sweep(to, sport or self._network.hold())
            self._odd.append(sweep)
            number = _NEXT * len(self._odd)
            self._send(sweep, MOST_HOPS, shape, room, number)
            for _ in range(_PUSHES if shape == "pushed" else 0):
                self._send(sweep, MOST_HOPS, "ack", number=number)
        self._odd_since = self._network.now()

    def watch(self) -> None:
        """Hear what odd SYNs get: all answers, or silence for twice as long as the slowest other answer took."""
        until = self._odd_since + max(_LEAST_WATCH_S, 2 * self._slowest_s)
        while any(sweep.silent for sweep in self._odd) and (left := until - self._network.now()) > 0:
            self._turn(left)
            self._take()

    def _send(self, sweep: Sweep, ttl: int, shape: str = "", room: int = 0, number: int = 0) -> None:
        sweep.heard.setdefault(ttl, None)
        if self.sent >= self._most_packets:
            return
        self.sent += 1
        seq = (sweep.sport << 16) + (ttl << 8) + number
        self._probes[sweep.sport, seq & 0xFFFFFFFF] = sweep, ttl
        ends = Ends(self._source, sweep.sport, self._address, sweep.port)
        if shape == "ack":
            whole = segment(ends, seq + 1, ACK, b"", ack=_NOTHING)
        else:
            whole = segment(
                ends, seq, SYN | FIN if shape == "synfin" else SYN, SIGNED if shape == "signed" else OPTIONS
            )
        whole = damaged(whole) if shape == "damaged" else whole
        options = recorded(room, shape == "spoilt") if shape in ("spoilt", "recorded", "pushed") else b""
        whole = packet(ends, whole, ttl, ip_id=sweep.port & 0xFF00 | ttl, options=options)
        self._pause(self._next - self._network.now())
        self._next = max(self._next + _APART_S, self._network.now())  # what waking took is made up for by the next
        sweep.sent_ns[ttl] = self._network.now_ns()
        self._network.send(whole)

    def _listen(self, asked: Sequence[Sweep], only_ends: bool = False) -> None:
        """Until all have answered and no connection is in progress, or nothing new has come for three times as long as the
        slowest answer took; once only hops before an end are silent, until each had half as long again as the slowest answer
        took. Hops that kept silent before, before another end, are not waited for.
        """
        started = self._network.now()
        latest = min(started, self._next)
        busy = self._turn(0)
        while True:
            before, busy = busy, self._turn(0)
            if self._take():
                latest = self._network.now()
            if busy < before:
                latest = self._network.now()
                self._took(latest - started)
            self._give_up([*self._begun, *asked])
            left = latest + min(max(_LEAST_QUIET_S, 3 * self._slowest_s), _MOST_QUIET_S) - self._network.now()
            if only_ends or not busy:
                if all(self._heard_out(sweep) or (only_ends and sweep.ended) for sweep in asked):
                    return
                if all(sweep.end or sweep.answered for sweep in asked):
                    left = max(self._until_due(sweep, ttl) for sweep in asked for ttl in self._waited_for(sweep))
            if left <= 0:
                return
            self._turn(left)

    def _give_up(self, asked: Sequence[Sweep]) -> None:
        """Hops before an end that would have answered by now, if they did."""
        self._mute.update(
            ttl for sweep in asked if sweep.end for ttl in self._waited_for(sweep) if self._until_due(sweep, ttl) <= 0
        )

    def _until_due(self, sweep: Sweep, ttl: int) -> float:
        """How long until a silent hop had half as long again as the slowest answer took."""
        takes = max(1.5 * self._slowest_s, self._slowest_s + _LITTLE_QUIET_S)
        return takes - (self._network.now_ns() - sweep.sent_ns.get(ttl, 0)) / 1e9

    def _waited_for(self, sweep: Sweep) -> list[int]:
        return [ttl for ttl in sweep.silent if ttl not in self._mute]

    def _heard_out(self, sweep: Sweep) -> bool:
        return sweep.answered or (sweep.end > 0 and not self._waited_for(sweep))

    def _took(self, seconds: float) -> None:
        """An answer took so long; one that took longer than any way does was one to a repeated question."""
        self._slowest_s = max(self._slowest_s, min(seconds, _MOST_SLOW_S))

    def _pause(self, seconds: float) -> None:
        until = self._network.now() + seconds
        while (left := until - self._network.now()) > 0:
            self._turn(left)

    def _take(self) -> bool:
        """Read what was recorded since; whether any of it answers a probe for the first time."""
        new = False
        frames = self._recording.frames
        for frame in frames[self._read :]:
            if frame.direction == INBOUND and (answer := answer_in(frame.data)) is not None:
                probe, port, heard = answer
                self.answers[port] = _better(self.answers.get(port), heard)
                self.met[probe[0]] = _better(self.met.get(probe[0]), heard)
                sweep, ttl = self._probes.get(probe, (None, 0))
                if sweep is not None and sweep.heard[ttl] is not _better(sweep.heard[ttl], heard):
                    sweep.heard[ttl] = heard
                    self._took((frame.ts_ns - sweep.sent_ns[ttl]) / 1e9)
                    new = True
        self._read = len(frames)
        return new


def _better(before: Heard | None, heard: Heard) -> Heard:
    """Of two answers the first, unless that is a router's time-exceeded and the other is not."""
    return heard if before is None or before.kind == RAN_OUT != heard.kind else before
