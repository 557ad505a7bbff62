"""One connection that was accepted, as its recorded packets show it: what may be sent on it, and what was answered."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from analyzers.attempts.hops import routers
from captures.flags import FIN, OUTBOUND, RST, SYN
from captures.packet import decode
from netprobe.live.craft import WINDOW, Ends
from netprobe.live.flow import Flow
from netprobe.live.heard import RAW
from netprobe.live.network import Network, Recording
from netprobe.live.recorder import Frame


@dataclass
class Line:
    """One open connection as its recorded packets show it: its next bytes in both directions (`mine` is the first that was not
    acknowledged), what it said, and the `stuck` bytes of its first segment that was not acknowledged."""

    ends: Ends
    mine: int = 0
    theirs: int = 0
    first: int = 0
    said: dict[int, bytes] = field(default_factory=dict)
    stamps: tuple[int, int] | None = None
    window: int = WINDOW
    label: int = 0
    hops: int = 0
    heard: bool = False
    trip_s: float = 0.0
    reset: bool = False
    alone: int = 0  # a probe behind which no other was sent: without SACK only that one's answer can be told
    answered: dict[int, str] = field(default_factory=dict)  # by number of the first byte: reported, or acknowledged

    @property
    def stuck(self) -> int:
        return len(self.said.get(self.mine, b""))

    def bytes_at(self, start: int, size: int) -> bytes:
        """What was said there, zeros for what is not known."""
        out = bytearray(size)
        for at, payload in self.said.items():
            ahead = (at - start + (1 << 31)) % (1 << 32) - (1 << 31)
            for place in range(max(0, ahead), min(size, ahead + len(payload))):
                out[place] = payload[place - ahead]
        return bytes(out)


def line(frames: Iterable[Frame], ends: Ends) -> Line | None:
    """The connection between these ends; None where it is not open, or was never seen to be accepted."""
    found, opened = Line(ends), False
    for frame in frames:
        got = decode(frame.data, RAW, len(frame.data))
        if got.tcp is None or got.ip is None or got.icmp is not None:
            continue
        tcp, ports = got.tcp, (got.tcp.sport, got.tcp.dport)
        if frame.direction == OUTBOUND and ports == (ends.sport, ends.dport):
            if tcp.flags & (FIN | RST):
                return None
            if tcp.flags & SYN:
                found = Line(ends, first=tcp.seq + 1, mine=tcp.seq + 1)
                continue
            found.theirs, found.window, found.label = tcp.ack, tcp.window, got.ip.flow_label
            if tcp.payload:
                found.said[tcp.seq] = tcp.payload
            if tcp.timestamps is not None:
                found.stamps = tcp.timestamps
        elif frame.direction != OUTBOUND and ports == (ends.dport, ends.sport):
            if tcp.flags & (FIN | RST):
                return None
            if tcp.flags & SYN:
                opened, found.hops = True, routers(got.ip.ttl) + 1
                if not found.theirs:
                    found.theirs, found.stamps = (tcp.seq + 1) & 0xFFFFFFFF, _turned(tcp.timestamps)
            found.heard |= bool(tcp.payload)
            if (tcp.ack - found.mine) & 0xFFFFFFFF < 1 << 31:
                found.mine = tcp.ack
    return found if opened and found.theirs else None


def _turned(stamps: tuple[int, int] | None) -> tuple[int, int] | None:
    """The timestamps of whoever answers a packet with these at once."""
    return None if stamps is None else (stamps[1], stamps[0])


def opened(network: Network, recording: Recording, address: str, flow: Flow | None) -> Line | None:
    """A connection that was just made, as it is now; None where it was not."""
    if flow is None or flow.errno != "":
        return None
    recording.drain()
    found = line(recording.frames, Ends(network.source(), flow.local_port, address, flow.plan.port))
    if found is not None:
        found.trip_s = flow.after_ns / 1e9
    return found
