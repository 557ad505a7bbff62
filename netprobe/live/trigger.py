"""Connections that are reset once the client has spoken, or has but acknowledged: how far must that come to draw the RST?

Asked on a new connection, with TTL 1, 2, 3 ..., one after the other, until the RST comes: old bytes first, which show where the
connection ends, and where these draw none the client's first line. A second connection waits with the TTL before, so that the
RST is no late answer to it. Where an acknowledgement is enough, the kernel is kept from sending one: no program is told of these.
"""

from collections.abc import Callable, Iterable, Iterator

from analyzers.attempts.hops import MOST_HOPS
from captures.flags import ACK, FIN, OUTBOUND, RST, SYN
from captures.packet import Tcp, decode
from netprobe.live.craft import Ends
from netprobe.live.flow import Flow
from netprobe.live.heard import RAW
from netprobe.live.inband import Asker
from netprobe.live.line import Line, line, opened
from netprobe.live.network import Network, Recording
from netprobe.live.recorder import Frame

_WATCH_S = 0.5
_MOST_TRIP_S = 1.0
_REPEATED_S = 1.2  # a SYN-ACK that was not acknowledged is repeated after a second

Connect = Callable[[str], Flow | None]


def words(frames: Iterable[Frame], ends: Ends) -> bytes:
    """What the client said first on this connection, where a RST in the server's name ended it and nothing that was said had
    been acknowledged; else empty."""
    said: dict[int, bytes] = {}
    acked: set[int] = set()
    for mine, tcp in _between(frames, ends):
        if mine:
            if tcp.flags & (FIN | RST):
                break
            if tcp.payload:
                said[tcp.seq] = tcp.payload
        else:
            if tcp.flags & (FIN | RST):
                first = next(iter(said), 0)
                return said[first] if tcp.flags & RST and said and acked <= {first} else b""
            acked.add(tcp.ack)
    return b""


def refused(frames: Iterable[Frame], ends: Ends) -> bool:
    """Whether a RST in the server's name ended this connection though neither side had said anything: one without ACK, which no
    program's close sends."""
    acknowledged = False
    for mine, tcp in _between(frames, ends):
        if tcp.payload or tcp.flags & FIN:
            return False
        if tcp.flags & RST:
            return acknowledged and not mine and not tcp.flags & ACK
        acknowledged |= mine and not tcp.flags & SYN
    return False


def _between(frames: Iterable[Frame], ends: Ends) -> Iterator[tuple[bool, Tcp]]:
    """The segments of a connection, and whether this side sent them."""
    for frame in frames:
        got = decode(frame.data, RAW, len(frame.data))
        if got.tcp is None or got.icmp is not None:
            continue
        mine = frame.direction == OUTBOUND
        ports = (got.tcp.sport, got.tcp.dport)
        if ports == ((ends.sport, ends.dport) if mine else (ends.dport, ends.sport)):
            yield mine, got.tcp


def ask(network: Network, recording: Recording, address: str, flows: Iterable[Flow], connect: Connect) -> None:
    """Where these connections were all reset upon the client's words, or some upon its acknowledgement: with which TTL does that
    begin? At most two connections more, which `connect` makes in the manner that it is given."""
    frames, flows = list(recording.frames), list(flows)
    ends = [Ends("", flow.local_port, address, flow.plan.port) for flow in flows]
    said = [words(frames, one) for one in ends]
    if any(refused(frames, one) for one in ends):
        trip_s = min(flow.after_ns for flow in flows) / 1e9
        asker = Asker(network, recording)
        _climb(asker, lambda: _deaf(network, recording, address, connect("deaf"), trip_s))
        last = max(flow.ended for flow, one in zip(flows, ends, strict=True) if refused(frames, one))
        asker.pause(last + _REPEATED_S + trip_s - network.now())
    elif said and all(said):
        first = min(said, key=len)  # of several lines at once the first is the one that all said
        _speak(Asker(network, recording), lambda: opened(network, recording, address, connect("no")), first)


def _climb(asker: Asker, new: Callable[[], Line | None]) -> Line | None:
    """Old bytes on a new connection, and where they draw a RST on another one from the TTL before on; the connection if it stands."""
    one = new()
    begins = asker.climb(one) if one is not None else 0
    two = new() if begins > 1 else None
    if two is not None:
        asker.climb(two, begins - 1, _WATCH_S + 4 * two.trip_s)
    return None if begins else one


def _speak(asker: Asker, new: Callable[[], Line | None], first: bytes) -> None:
    """Words, where old bytes draw no RST."""
    one = _climb(asker, new)
    if one is None:
        return
    last = min((ttl for ttl in range(1, MOST_HOPS) if asker.acknowledged(one, ttl)), default=one.hops + 1)
    begins = 0
    for ttl in range(1, min(MOST_HOPS, last + 1)):
        if asker.say(one, ttl, first):
            begins = ttl
            break
    if begins < 2:
        return
    two = new()
    if two is not None and not asker.say(two, begins - 1, first, _WATCH_S + 4 * two.trip_s):
        asker.say(two, begins, first)


def _deaf(network: Network, recording: Recording, address: str, flow: Flow | None, trip_s: float) -> Line | None:
    """A connection on which the SYN-ACK has come in and this host keeps silent; None where none comes."""
    if flow is None or flow.errno is not None:
        return None
    ends = Ends(network.source(), flow.local_port, address, flow.plan.port)
    until = network.now() + min(_MOST_TRIP_S, 4 * trip_s + _WATCH_S)
    while (found := line(recording.frames, ends)) is None and (left := until - network.now()) > 0:
        network.wait([], left)
    if found is not None:
        found.trip_s = trip_s
    return found
