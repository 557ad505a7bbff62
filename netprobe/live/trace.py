"""The way to a port, hop by hop: SYNs of one flow with rising TTLs, sent together, until the hop shows at which it ends.

Every probe has the same addresses and ports, so that balancing by flow treats them alike, and a sequence number of its own,
which an answer acknowledges and an ICMP error quotes. The kernel resets what is accepted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from analyzers.attempts.hops import MOST_HOPS, routers
from analyzers.attempts.icmp import kind_of
from analyzers.attempts.sweeps import RAN_OUT
from captures.formats.write import INBOUND
from captures.packet import ACK, FIN, RST, SYN, decode
from netprobe.live.craft import OPTIONS, SIGNED, Ends, damaged, packet, segment
from netprobe.live.network import Network, Recording
from netprobe.live.recorder import Frame

FULL_TTL = 64
MOST_PACKETS = 150  # to one address in one diagnosis
RAW = 101
_LEAST = 3  # TTLs of one flow: fewer are no sweep for whoever reads the evidence
_STEP = 8  # hops asked more when the end did not show
_BEYOND = 2  # TTLs above the distance that a first answer suggests: ways out and back differ
_LITTLE_QUIET_S = 0.04
_LEAST_QUIET_S, _MOST_QUIET_S = 0.15, 1.0
_APART_S = 0.0005
_AGAIN_S = 0.6  # before asking silent hops again: senders of ICMP errors limit themselves


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back to one SYN: syn-ack, rst, or an ICMP kind, from whom; and a first guess at how many hops away."""

    kind: str
    sender: str
    hops: int


@dataclass
class Sweep:
    """One flow's probes by TTL, None while nothing came back."""

    port: int
    sport: int
    heard: dict[int, Heard | None] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The smallest TTL that got another answer than a router's time-exceeded; 0 when none did."""
        return min((ttl for ttl, heard in self.heard.items() if heard and heard.kind != RAN_OUT), default=0)

    @property
    def silent(self) -> list[int]:
        """The TTLs below the end, or all, that got no answer."""
        end = self.end or MOST_HOPS + 1
        return [ttl for ttl, heard in sorted(self.heard.items()) if heard is None and ttl < end]

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
    `most_hops` their TTLs."""

    def __init__(
        self,
        network: Network,
        recording: Recording,
        address: str,
        most_hops: int = MOST_HOPS,
        most_packets: int = MOST_PACKETS,
    ) -> None:
        self._network, self._recording, self._address = network, recording, address
        self._most_hops, self._most_packets = most_hops, most_packets
        self._source = network.source()
        self._read = len(recording.frames)
        self._probes: dict[tuple[int, int], tuple[Sweep, int]] = {}
        self._slowest_s = 0.0
        self.sent = 0

    def sweep(self, port: int, distance: int = 0, limited: bool = False, sport: int = 0) -> Sweep:
        """Ask for the hops to a port until its end shows: up to `distance` and a little more, or by steps where that is 0.

        `limited`: beyond the end every probe costs an ICMP error of a device that limits these, or begins a connection, so
        none is asked. Hops that kept silent are asked once more where that may decide: all when there is no end, and the one
        before it. `sport` asks with the flow of an earlier connection.
        """
        sweep = Sweep(port, self._network.hold(sport))
        most = min(self._most_hops, max(_LEAST, distance + (0 if limited else _BEYOND)) if distance else _STEP)
        self._ask(sweep, range(1, most + 1))
        if limited and not sweep.end:
            self._again(sweep)
        while not sweep.end and not sweep.loops and most < self._most_hops and (distance or sweep.last > most - _STEP):
            distance = 0
            self._ask(sweep, range(most + 1, min(self._most_hops, most + _STEP) + 1))
            most += _STEP
        self._again(sweep)
        return sweep

    def _again(self, sweep: Sweep) -> None:
        """Ask what kept silent once more, later where a limit on errors may be why."""
        if sweep.silent and (not sweep.end or sweep.silent[-1] == sweep.end - 1):
            self._pause(_AGAIN_S if any(h and h.kind == RAN_OUT for h in sweep.heard.values()) else 0)
            self._ask(sweep, sweep.silent)

    def flows(self, port: int, ttl: int, count: int) -> None:
        """Ask a port with one TTL from several source ports: are there ways of another length?"""
        sweeps = [Sweep(port, self._network.hold()) for _ in range(count)]
        for sweep in sweeps:
            self._send(sweep, ttl)
        self._listen(lambda: all(sweep.heard[ttl] for sweep in sweeps))

    def odd(self, port: int, control: int) -> None:
        """SYNs of odd shapes to the refused port, signed ones to a control port too: what answers these is no TCP stack, or
        not the one that answers plain SYNs. They bear the largest TTL of a probe, so that nobody takes them for attempts."""
        asked = [(port, "signed"), (control, "signed"), (port, "synfin")] * 2 + [(port, "damaged")]
        sweeps = []
        for to, shape in asked:
            sweep = Sweep(to, self._network.hold())
            self._send(sweep, MOST_HOPS, shape)
            sweeps.append(sweep)
        self._listen(lambda: all(sweep.heard[MOST_HOPS] for sweep in sweeps))

    def knock(self, ports: Iterable[int]) -> dict[int, Heard | None]:
        """One SYN that goes all the way to each of these ports, and what came back."""
        sweeps = [Sweep(port, self._network.hold()) for port in ports]
        for sweep in sweeps:
            self._send(sweep, FULL_TTL)
        self._listen(lambda: all(sweep.heard[FULL_TTL] for sweep in sweeps))
        return {sweep.port: sweep.heard[FULL_TTL] for sweep in sweeps}

    def _ask(self, sweep: Sweep, ttls: Iterable[int]) -> None:
        for ttl in ttls:
            self._send(sweep, ttl)
            self._network.wait([], _APART_S)
        self._listen(lambda: bool(sweep.end) and not sweep.silent, enough=lambda: bool(sweep.end))

    def _send(self, sweep: Sweep, ttl: int, shape: str = "") -> None:
        sweep.heard.setdefault(ttl, None)
        if self.sent >= self._most_packets:
            return
        self.sent += 1
        seq = (sweep.sport << 16) + (ttl << 8)
        self._probes[sweep.sport, seq & 0xFFFFFFFF] = sweep, ttl
        ends = Ends(self._source, sweep.sport, self._address, sweep.port)
        whole = segment(ends, seq, SYN | FIN if shape == "synfin" else SYN, SIGNED if shape == "signed" else OPTIONS)
        whole = damaged(whole) if shape == "damaged" else whole
        self._network.send(packet(ends, whole, ttl, ip_id=sweep.port & 0xFF00 | ttl))

    def _listen(self, done: Callable[[], bool], enough: Callable[[], bool] = lambda: False) -> None:
        """Until it is done, or nothing new has come for three times as long as the slowest answer took, for half as long once
        there is `enough`: what stands nearer has answered by then, if it does."""
        started = latest = self._network.now()
        while True:
            if self._take():
                latest = self._network.now()
                self._slowest_s = max(self._slowest_s, latest - started)
            quiet = min(max(_LEAST_QUIET_S, 3 * self._slowest_s), _MOST_QUIET_S)
            quiet = max(_LITTLE_QUIET_S, self._slowest_s / 2) if enough() else quiet
            left = latest + quiet - self._network.now()
            if done() or left <= 0:
                return
            self._network.wait([], left)

    def _pause(self, seconds: float) -> None:
        until = self._network.now() + seconds
        while (left := until - self._network.now()) > 0:
            self._network.wait([], left)

    def _take(self) -> bool:
        """Read what was recorded since; whether any of it answers a probe for the first time."""
        new = False
        frames = self._recording.frames
        for frame in frames[self._read :]:
            if frame.direction == INBOUND and (answer := _answer(frame.data)) is not None:
                probe, _, heard = answer
                sweep, ttl = self._probes.get(probe, (None, 0))
                if sweep is not None:
                    before = sweep.heard[ttl]
                    if before is None or before.kind == RAN_OUT != heard.kind:
                        sweep.heard[ttl] = heard
                        new = True
        self._read = len(frames)
        return new


def heard_from(frames: Iterable[Frame], port: int) -> Heard | None:
    """The first answer to any SYN to this port among recorded frames."""
    answers = (_answer(frame.data) for frame in frames if frame.direction == INBOUND)
    return next((answer[2] for answer in answers if answer is not None and answer[1] == port), None)


def senders(frames: Iterable[Frame]) -> set[str]:
    """The addresses from which SYNs were answered."""
    answers = (_answer(frame.data) for frame in frames if frame.direction == INBOUND)
    return {answer[2].sender for answer in answers if answer is not None}


def _answer(data: bytes) -> tuple[tuple[int, int], int, Heard] | None:
    """Which SYN a packet answers, by source port and number; to which port it went; and what the answer is."""
    got = decode(data, RAW, len(data))
    if got.ip is None:
        return None
    sender = str(got.ip.src)
    if got.icmp is not None and got.icmp.quoted is not None and got.icmp.quoted.tcp is not None:
        quoted, around = got.icmp.quoted.tcp, got.icmp.quoted.ip
        kind = kind_of(got.icmp.version, got.icmp.type, got.icmp.code)
        hops = routers(around.ttl) + 1 if around is not None else 0
        return (quoted.sport, quoted.seq), quoted.dport, Heard(kind, sender, hops)
    if got.tcp is not None and got.tcp.flags & ACK and got.tcp.flags & (SYN | RST):
        kind = "rst" if got.tcp.flags & RST else "syn-ack"
        return (
            (got.tcp.dport, got.tcp.ack - 1 & 0xFFFFFFFF),
            got.tcp.sport,
            Heard(kind, sender, routers(got.ip.ttl) + 1),
        )
    return None
