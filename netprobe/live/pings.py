"""Where no port answers: how far is the address by ICMP echo, and does it refuse UDP?

Echo requests with rising TTL, sent together, one that goes all the way, and a UDP datagram. A flow is an identifier, the sequence
number is the TTL, and the checksum is the same in all, as balancers may look at it.
"""

from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.icmp import RAN_OUT, kind_of
from analyzers.attempts.pings import REPLY
from captures.flags import INBOUND
from captures.packet import decode
from netprobe.live.craft import Ends, datagram, echo, packet
from netprobe.live.network import Network, Recording

_FULL_TTL = 64
_UDP_PORT = 33_434  # as traceroute asks, in the hope that nothing listens there
_RAW = 101
_BEYOND = 2  # TTLs above a first guess: ways differ
_UNKNOWN = 16  # TTLs that are asked where there is no guess
_APART_S = 0.0005
_LEAST_QUIET_S, _MOST_QUIET_S = 0.15, 1.0

_Answers = dict[int, dict[int, str]]  # by identifier and TTL: what came back


def ping(network: Network, recording: Recording, address: str, distance: int, last: int) -> int:
    """Ask an address for signs of life, and where it lives, so that the recording tells; gives the hop, 0 when that is not
    known. `distance` is a first guess at it, 0 for none; `last` the hop up to which SYNs came.
    """
    most = min(MOST_HOPS, max(distance, last) + _BEYOND if distance else max(_UNKNOWN, last + _BEYOND))
    source, read = network.source(), len(recording.frames)

    def put(ident: int, ttl: int) -> None:
        ends = Ends(source, ident, address, _UDP_PORT)
        message, protocol = echo(ends, ttl)
        network.send(packet(ends, message, ttl, ip_id=ttl, protocol=protocol))
        network.wait([], _APART_S)

    flow = network.hold()
    for ttl in (_FULL_TTL, *range(1, most + 1)):
        put(flow, ttl)
    ends = Ends(source, flow, address, _UDP_PORT)
    message, protocol = datagram(ends)
    network.send(packet(ends, message, _FULL_TTL, ip_id=_FULL_TTL, protocol=protocol))
    heard = _listen(network, recording, read).get(flow, {})
    return min((ttl for ttl, kind in heard.items() if kind == REPLY and ttl <= most), default=0)


def _listen(network: Network, recording: Recording, read: int) -> _Answers:
    """What comes back until nothing more did for three times as long as the slowest answer took."""
    started = latest = network.now()
    found: _Answers = {}
    slowest = 0.0
    while True:
        if len(recording.frames) > read:
            for frame in recording.frames[read:]:
                if frame.direction == INBOUND:
                    _take(frame.data, found)
            read, latest = len(recording.frames), network.now()
            slowest = latest - started
        left = latest + min(max(_LEAST_QUIET_S, 3 * slowest), _MOST_QUIET_S) - network.now()
        if left <= 0:
            return found
        network.wait([], left)


def _take(data: bytes, found: _Answers) -> None:
    got = decode(data, _RAW, len(data)).icmp
    about = got.quoted.icmp if got is not None and got.quoted is not None else got
    if got is None or about is None or not about.echo or got.echo == "request":
        return
    kind = REPLY if got.echo else kind_of(got.version, got.type, got.code)
    flow = found.setdefault(about.ident, {})
    if kind != RAN_OUT or about.sequence not in flow:
        flow[about.sequence] = kind
