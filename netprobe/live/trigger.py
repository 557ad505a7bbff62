"""Connections that are reset once the client has spoken: how far must its first line come for that?

A new connection on which the kernel says nothing: old bytes show where it ends, then the line is sent with TTL 1, 2, 3 ..., one
after the other, until the RST comes. A second one waits with the TTL before, so that the RST is no late answer to it.
"""

from collections.abc import Callable, Iterable

from analyzers.attempts.hops import MOST_HOPS
from captures.packet import FIN, OUTBOUND, RST, decode
from netprobe.live.craft import Ends
from netprobe.live.flow import Flow
from netprobe.live.heard import RAW
from netprobe.live.inband import Asker, opened
from netprobe.live.network import Network, Recording
from netprobe.live.recorder import Frame

_WATCH_S = 0.5


def words(frames: Iterable[Frame], ends: Ends) -> bytes:
    """What the client said first on this connection, where a RST in the server's name ended it and nothing that was said had
    been acknowledged; else empty."""
    said: dict[int, bytes] = {}
    acked: set[int] = set()
    for frame in frames:
        got = decode(frame.data, RAW, len(frame.data))
        if got.tcp is None or got.icmp is not None:
            continue
        tcp, ports = got.tcp, (got.tcp.sport, got.tcp.dport)
        if frame.direction == OUTBOUND and ports == (ends.sport, ends.dport):
            if tcp.flags & (FIN | RST):
                break
            if tcp.payload:
                said[tcp.seq] = tcp.payload
        elif frame.direction != OUTBOUND and ports == (ends.dport, ends.sport):
            if tcp.flags & (FIN | RST):
                first = next(iter(said), 0)
                return said[first] if tcp.flags & RST and said and acked <= {first} else b""
            acked.add(tcp.ack)
    return b""


def ask(
    network: Network, recording: Recording, address: str, flows: Iterable[Flow], connected: Callable[[], Flow | None]
) -> None:  # fmt: skip
    """Where these connections were all reset upon the client's words: with which TTL does that begin? At most two connections
    more, which `connected` gives."""
    frames = list(recording.frames)
    said = [words(frames, Ends("", flow.local_port, address, flow.plan.port)) for flow in flows]
    if not said or not all(said):
        return
    first = min(said, key=len)  # of several lines at once the first is the one that all said
    asker = Asker(network, recording)
    one = opened(network, recording, address, connected())
    if one is None:
        return
    asker.hops(one)
    last = min((ttl for ttl in range(1, MOST_HOPS) if asker.acknowledged(one, ttl)), default=one.hops + 1)
    begins = 0
    for ttl in range(1, min(MOST_HOPS, last + 1)):
        if asker.say(one, ttl, first):
            begins = ttl
            break
    if begins < 2:
        return
    two = opened(network, recording, address, connected())
    if two is not None and not asker.say(two, begins - 1, first, _WATCH_S + 4 * two.trip_s):
        asker.say(two, begins, first)
