"""Questions inside a connection that was accepted and then says nothing, or is stuck: old bytes with small TTLs.

What is sent was acknowledged before, or lies below the first byte, or repeats what is stuck: no program ever sees more than was said
to it. Each probe but these covers bytes of its own, which a router's error quotes, and which the other end, if it still has the
connection, says to have got once more.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from analyzers.attempts.hops import MOST_HOPS
from captures.flags import ACK, OUTBOUND, PSH, RST, SYN
from captures.packet import decode
from netprobe.live.craft import Ends, packet, segment
from netprobe.live.flow import Flow
from netprobe.live.heard import RAW
from netprobe.live.line import Line, line, opened
from netprobe.live.network import Network, Recording
from netprobe.live.trace import MOST_PACKETS

_KNOCKS = 4  # SYNs of sweeps that bear a usual TTL
_LARGE = 1000  # bytes of a stuck segment: below this no usual path MTU is the reason
_BEYOND, _FAR = 2, 8  # TTLs above the distance that the SYN-ACK suggests, and where the way goes on there
_COPIES = 3  # of what must not have been lost
_HALVES, _TRIES = 6, 2  # pairs of a large and a small probe: of many more not all would be kept with the connection
_APART_S = 0.0005
_LEAST_QUIET_S, _MOST_QUIET_S = 0.15, 1.0
_AGAIN_S = 1.1  # senders of ICMP errors limit themselves
_HELD_S = 1.5  # by then a server has spoken that is let
_NO_STAMP = (0, 0)
_SPEAKS_FIRST = 22  # elsewhere a service may wait to be asked


class Asker:
    """Sends old bytes on open connections, no more packets than are left of those that one diagnosis may send."""

    def __init__(self, network: Network, recording: Recording) -> None:
        self._network, self._recording = network, recording
        self._read = len(recording.frames)
        sent = (decode(f.data, RAW, len(f.data)) for f in recording.frames if f.direction == OUTBOUND)
        swept = sum(got.ip is not None and (got.tcp is None or got.ip.ttl <= MOST_HOPS) for got in sent)
        self._left = MOST_PACKETS - _KNOCKS - swept

    def alive(self, lines: Sequence[Line]) -> None:
        """One old byte each that goes all the way: whatever has the connection acknowledges it, what has not resets."""
        for one in lines:
            self._send(one, MOST_HOPS, 1)
        self._listen(lines, lambda: all(one.reset or self._came(one, MOST_HOPS, 1) for one in lines))

    def hold(self, one: Line) -> None:
        """Shut this side's window at once: what the server would say waits. The number lies ahead, or the server would not
        take it; what the kernel acknowledges later lies behind it and opens nothing."""
        one.window = 0
        self._put(one, one.mine + 1, b"", MOST_HOPS)

    def hops(self, one: Line) -> None:
        """Where does the connection end? A byte with every TTL up to a little farther than the SYN-ACK suggests."""
        most = 0
        for farther in (one.hops + _BEYOND, one.hops + _FAR):
            first, most = most + 1, min(MOST_HOPS - 1, farther)
            for ttl in range(first, most + 1):
                self._send(one, ttl, 1)
            self._listen([one], partial(self._all_came, one, most))
            if not self._came(one, most, 1) or self.acknowledged(one, most):
                break  # nothing comes from there, or it is the end
        for _ in range(2):  # the end may be nearer, where one answer was lost
            before = min((ttl for ttl in range(1, most + 1) if self.acknowledged(one, ttl)), default=1) - 1
            if not before or self._came(one, before, 1):
                break
            self._send(one, before, 1)
            self._listen([one], partial(self._came, one, before, 1))
        silent = [ttl for ttl in range(1, most + 1) if not self._came(one, ttl, 1)]
        if silent and silent[-1] == most and not one.reset:  # what goes farther than some hop is lost, or a limiter's
            self.pause(_AGAIN_S)
            for ttl in silent:
                self._send(one, ttl, 1)
            self._listen([one], lambda: all(self._came(one, ttl, 1) for ttl in silent))

    def climb(self, one: Line, first: int = 1, watch_s: float = 0.0) -> int:
        """The smallest TTL from `first` on with which an old byte is reset, 0 where none is: one after the other, until one is
        acknowledged. The first is watched for so long. An acknowledgement says beforehand that the connection is there to ask."""
        self._put(one, one.mine, b"", 1)
        for ttl in range(first, min(MOST_HOPS, one.hops + _BEYOND + 1)):
            one.alone = _number(one, ttl, 1)
            for _ in range(_COPIES if watch_s and ttl == first else 1):
                self._send(one, ttl, 1)
            self._heard_out(one, partial(self._came, one, ttl, 1), watch_s if ttl == first else 0.0)
            if one.reset:
                return ttl
            if self.acknowledged(one, ttl):
                break
        return 0

    def acknowledged(self, one: Line, ttl: int) -> bool:
        """Whether the byte with this TTL came to the other end."""
        return one.answered.get(_number(one, ttl, 1)) == "acknowledged"

    def say(self, one: Line, ttl: int, words: bytes, watch_s: float = 0.0) -> bool:
        """The next words of this side, with a TTL; whether the connection is reset before they are reported, or nothing comes
        for three round trips, and for so long at least: then more than once, as one may be lost."""
        if one.reset:
            return True
        one.answered.pop(one.mine, None)
        for _ in range(_COPIES if watch_s else 1):
            self._put(one, one.mine, words, ttl)
        self._heard_out(one, lambda: one.mine in one.answered, watch_s)
        return one.reset

    def _heard_out(self, one: Line, told: Callable[[], bool], watch_s: float) -> None:
        """Until the connection is reset, or this is told, or nothing more comes; for so long at least."""
        until = self._network.now() + watch_s
        self._listen([one], lambda: one.reset or (not watch_s and told()))
        while not one.reset and (left := until - self._network.now()) > 0:
            self._network.wait([], left)
            self._take([one])

    def vanishing(self, one: Line) -> None:
        """Where does what is stuck vanish that single old bytes pass? With each TTL old bytes as many as are stuck, or the stuck words
        themselves where these are few, and at once a single one behind: a router that limits its errors would report the first."""
        size = one.stuck
        self._pairs(one, [MOST_HOPS], size)
        if self._came(one, MOST_HOPS, size) or not self._came(one, MOST_HOPS, 1):
            return  # it passes now; or small ones do not either
        left = list(range(1, min(MOST_HOPS - 1, one.hops + _BEYOND) + 1))
        beyond = 0
        for _ in range(_HALVES):
            if not left:
                break
            ttl = left[len(left) // 2]
            self._pairs(one, [ttl], size)
            if self._came(one, ttl, size):
                left = [other for other in left if other > ttl]
            elif self._came(one, ttl, 1):
                left, beyond = [other for other in left if other < ttl], ttl
            else:
                left.remove(ttl)
        for _ in range(_TRIES if beyond else 0):
            self.pause(_AGAIN_S)
            self._pairs(one, [beyond], size)

    def _pairs(self, one: Line, ttls: Iterable[int], size: int) -> None:
        ttls = list(ttls)
        for ttl in ttls:
            self._send(one, ttl, size)
            self._send(one, ttl, 1)
            self._network.wait([], _APART_S)
        self._listen([one], lambda: all(self._came(one, ttl, each) for ttl in ttls for each in (1, size)))

    def _all_came(self, one: Line, most: int) -> bool:
        return all(self._came(one, ttl, 1) for ttl in range(1, most + 1))

    def _came(self, one: Line, ttl: int, size: int) -> bool:
        return _number(one, ttl, size) in one.answered

    def _send(self, one: Line, ttl: int, size: int) -> None:
        seq = _number(one, ttl, size)
        one.answered.pop(seq, None)
        self._put(one, seq, one.bytes_at(seq, size), ttl)

    def _put(self, one: Line, seq: int, payload: bytes, ttl: int) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        mine, theirs = one.stamps or _NO_STAMP
        stamps = struct.pack(">BBBBII", 1, 1, 8, 10, mine, theirs) if one.stamps else b""
        whole = segment(one.ends, seq, PSH | ACK, stamps, one.theirs, one.window, payload)
        self._network.send(packet(one.ends, whole, ttl, ip_id=len(payload) & 0xFF00 | ttl, label=one.label))

    def _listen(self, lines: Sequence[Line], done: Callable[[], bool]) -> None:
        """Until it is done, or nothing has come for three round trips."""
        quiet = min(_MOST_QUIET_S, max(_LEAST_QUIET_S, 3 * max((one.trip_s for one in lines), default=0.0)))
        until = self._network.now() + quiet
        while not done() and (left := until - self._network.now()) > 0:
            self._network.wait([], left)
            if self._take(lines):
                until = self._network.now() + quiet

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        until = self._network.now() + seconds
        while (left := until - self._network.now()) > 0:
            self._network.wait([], left)

    def _take(self, lines: Sequence[Line]) -> bool:
        """Read what was recorded since; whether any of it answers."""
        frames, new = self._recording.frames, False
        for frame in frames[self._read :]:
            if frame.direction != OUTBOUND:
                new |= any(_answers(frame.data, one) for one in lines)
        self._read = len(frames)
        return new


def _number(one: Line, ttl: int, size: int) -> int:
    """The first byte that the probe of this TTL and size covers: it ends as far below the first unacknowledged one. Few bytes that
    are stuck are sent as they are."""
    return one.mine if 1 < size == one.stuck < _LARGE else (one.mine - size - ttl) & 0xFFFFFFFF


def _answers(data: bytes, one: Line) -> bool:
    """Whether a packet that came in is about a probe on this connection, which is noted."""
    got = decode(data, RAW, len(data))
    quoted = got.icmp.quoted.tcp if got.icmp is not None and got.icmp.quoted is not None else None
    if quoted is not None and (quoted.sport, quoted.dport) == (one.ends.sport, one.ends.dport):
        number: int | None = quoted.seq
    elif got.tcp is not None and (got.tcp.sport, got.tcp.dport) == (one.ends.dport, one.ends.sport):
        if got.tcp.flags & RST:
            one.reset = True
            return True
        if got.tcp.flags & SYN or got.tcp.payload:
            return False
        blocks = got.tcp.option(5)
        number = int.from_bytes(blocks[:4], "big") if blocks else one.alone or _number(one, MOST_HOPS, 1)
        if 0 < (got.tcp.ack - one.mine) & 0xFFFFFFFF < 1 << 31:
            number = one.mine  # what was stuck has come through
    else:
        return False
    assert number is not None
    one.answered[number] = "reported" if quoted is not None else "acknowledged"
    return True


def ask(
    network: Network, recording: Recording, address: str, flows: Iterable[Flow], connected: Callable[[], Flow | None],
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    """What there is to ask on those of these connections that are still open: has the other end each of them, and on one of them
    either where it ends or, where a segment is stuck, where such ones vanish. Where none is left: does one on which the server
    cannot speak last, which `connected` gives?"""
    lines, frames = [], list(recording.frames)
    if all(frame.device == "lo" for frame in frames):
        return
    for flow in flows:
        found = line(frames, Ends(network.source(), flow.local_port, address, flow.plan.port))
        if found is not None and (found.said or flow.plan.port == _SPEAKS_FIRST):
            found.trip_s = flow.after_ns / 1e9
            lines.append(found)
    if not lines:
        return
    asker = Asker(network, recording)
    tell("asking for the other end of the connection")
    asker.alive(lines)
    standing = [one for one in lines if not one.reset]
    stuck = sorted((one for one in standing if one.stuck > 1), key=lambda one: one.stuck)
    if stuck and stuck[-1].stuck >= _LARGE:
        asker.vanishing(stuck[-1])
    elif standing and not standing[0].heard:
        asker.hops(standing[0])
    elif stuck:
        asker.vanishing(stuck[0])
    elif not standing and len(lines) > 1 and (one := opened(network, recording, address, connected())) is not None:
        asker.hold(one)
        asker.pause(_HELD_S)
        asker.alive([one])
