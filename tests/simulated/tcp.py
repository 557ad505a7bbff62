"""One end of a TCP connection: handshake, bytes in order, retransmission, closing. Enough of it for short conversations."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulated.clock import Clock
from tests.simulated.packets import ACK, FIN, PSH, RST, SYN, Tcp, options_of

_MSS = 1460
_STAMP = 12  # bytes of a segment that its timestamp takes
_SYN_WAITS_NS = (1_000_000_000,) * 4 + (2_000_000_000, 4_000_000_000, 8_000_000_000)  # Linux since 6.5
_DATA_WAIT_NS = 220_000_000
_MOST_REPEATS = 8
MSS, SCALE, SACK, STAMPS = 2, 3, 4, 8
OFFER = frozenset({MSS, SCALE, SACK, STAMPS})
WINDOW = 64_240


@dataclass
class End:
    """One end. It calls `put` with each segment to send, and `heard`, `opened` and `gone` as things happen: `gone` with
    "eof" or "reset". `offer` are the kinds of options in its SYN; of these it uses timestamps, where both sides offered them."""

    clock: Clock
    sport: int
    dport: int
    isn: int
    put: Callable[[Tcp], None]
    heard: Callable[[bytes], None] = lambda data: None
    opened: Callable[[], None] = lambda: None
    gone: Callable[[str], None] = lambda how: None
    offer: frozenset[int] = OFFER
    window: int = WINDOW
    room: int = _MSS  # for one segment of the other side's; and what that has for one of this side's
    theirs: int = _MSS
    state: str = "new"  # new, syn-sent, syn-received, open, dead
    got: int = 0  # the next sequence number that is expected
    acked: int = 0
    queue: list[tuple[int, bytes, int]] = field(default_factory=list)  # unacknowledged: sequence number, bytes, flags
    finished: bool = False
    their_end: bool = False
    deaf: bool = False  # its program has closed it: more bytes are answered with a RST
    repeats: int = 0
    shut: bool = False  # the other side has no room, which a segment ahead of its last one said
    echo: int = 0  # the last timestamp of the other side
    stamps: bool = False

    def __post_init__(self) -> None:
        self.next = self.isn

    def connect(self) -> None:
        self.state = "syn-sent"
        self._queue(b"", SYN)

    def accept(self, syn: Tcp) -> None:
        self.state, self.got = "syn-received", syn.end
        self.offer &= {MSS, *(kind for kind, _ in options_of(syn.options))}
        self._stamped(syn)
        self._queue(b"", SYN | ACK)

    def say(self, data: bytes) -> None:
        if self.shut:
            return  # it would wait for room
        room = min(self.room, self.theirs) - (_STAMP if self.stamps else 0)
        for at in range(0, len(data), room):
            self._queue(data[at : at + room], PSH | ACK)

    def finish(self) -> None:
        """No more will be said."""
        if self.state != "dead" and not self.finished:
            self.finished = True
            self._queue(b"", FIN | ACK)

    def abort(self, acks: bool = True) -> None:
        """Reset it, with or without an acknowledgement, as a program's end with unread bytes does, or bytes for nobody."""
        if self.state not in ("dead", "new", "syn-sent"):
            self._segment(self.next, b"", RST | ACK if acks else RST)
        self.state = "dead"

    def arrive(self, tcp: Tcp) -> None:
        """A segment for this connection."""
        if self.state == "dead":
            return
        self._stamped(tcp)
        if self.state == "syn-sent":
            self._answered(tcp)
            return
        if tcp.flags & RST:
            if tcp.seq == self.got or (self.got - tcp.seq) % 2**32 < WINDOW:
                self._die("reset")
            return
        if tcp.flags & SYN:
            self._again() if self.state == "syn-received" else self._segment(self.next, b"", ACK)
            return
        self.shut = self.shut or (not tcp.window and 0 < (tcp.seq - self.got) % 2**32 < WINDOW)
        self._acknowledged(tcp.ack)
        if self.state == "syn-received":
            self.state = "open"
            self.opened()
        if not tcp.payload and not tcp.flags & FIN:
            return
        if self.deaf and tcp.payload:
            self.put(Tcp(self.sport, self.dport, tcp.ack, 0, RST))
            self.state = "dead"
        elif tcp.seq == self.got and not self.their_end:
            self.got = tcp.end
            self.their_end = bool(tcp.flags & FIN)
            self._segment(self.next, b"", ACK)
            if tcp.payload:
                self.heard(tcp.payload)
            if self.their_end and self.state != "dead":
                self.gone("eof")
        else:
            self._segment(self.next, b"", ACK, (tcp.seq, tcp.end) if SACK in self.offer else None)

    def _answered(self, tcp: Tcp) -> None:
        if not tcp.flags & ACK or tcp.ack != self.next:
            if tcp.flags & ACK and not tcp.flags & RST:
                self.put(Tcp(self.sport, self.dport, tcp.ack, 0, RST))
            return
        if tcp.flags & RST:
            self._die("reset")
        elif tcp.flags & SYN:
            self.got = tcp.end
            self.state = "open"
            self._acknowledged(tcp.ack)
            self._segment(self.next, b"", ACK)
            self.opened()

    def _die(self, how: str) -> None:
        self.state = "dead"
        self.queue.clear()
        self.gone(how)

    def _queue(self, data: bytes, flags: int) -> None:
        if self.state == "dead":
            return
        self.queue.append((self.next, data, flags))
        self.next = (self.next + len(data) + bool(flags & (SYN | FIN))) % 2**32
        self._segment(*self.queue[-1])
        if len(self.queue) == 1:
            self._await(0)

    def _await(self, repeats: int) -> None:
        self.repeats = repeats
        first = self.queue[0]
        waits = _SYN_WAITS_NS if first[2] & SYN else [_DATA_WAIT_NS << n for n in range(_MOST_REPEATS)]

        def late() -> None:
            if self.queue and self.queue[0] is first and self.state != "dead" and self.repeats == repeats:
                self._segment(*first)
                self._await(repeats + 1)

        if repeats < len(waits):
            self.clock.after(waits[repeats], late)

    def _again(self) -> None:
        if self.queue:
            self._segment(*self.queue[0])

    def _acknowledged(self, ack: int) -> None:
        before = len(self.queue)
        while self.queue and 0 < (ack - self.queue[0][0]) % 2**32 < 2**31:
            seq, data, flags = self.queue[0]
            if (ack - seq) % 2**32 < len(data) + bool(flags & (SYN | FIN)):
                break
            self.queue.pop(0)
        if self.queue and len(self.queue) < before:
            self._await(0)

    def _stamped(self, tcp: Tcp) -> None:
        for kind, data in options_of(tcp.options):
            if kind == STAMPS:
                self.stamps = self.stamps or bool(tcp.flags & SYN)
                self.echo = int.from_bytes(data[2:6], "big")
            elif kind == MSS:
                self.theirs = int.from_bytes(data[2:4], "big")

    def _segment(self, seq: int, data: bytes, flags: int, again: tuple[int, int] | None = None) -> None:
        """`again` are the ends of what came once more, which a SACK says (RFC 2883)."""
        ack = self.got if flags & ACK else 0
        window = 0 if flags & RST else self.window if flags & SYN else 502
        sack = b"\1\1\5\12" + struct.pack(">II", *again) if again else b""
        self.put(Tcp(self.sport, self.dport, seq, ack, flags, window, self._options(flags) + sack, data))

    def _options(self, flags: int) -> bytes:
        """In the order in which Linux writes them."""
        stamp = struct.pack(">BBII", STAMPS, 10, (self.clock.now // 1_000_000 + self.isn) % 2**32, self.echo)
        if not flags & SYN:
            return b"\1\1" + stamp if self.stamps and flags & ACK else b""
        out = struct.pack(">BBH", MSS, 4, self.room)
        if STAMPS in self.offer:
            out += (b"\4\2" if SACK in self.offer else b"\1\1") + stamp
        elif SACK in self.offer:
            out += b"\1\1\4\2"
        return out + (b"\1\3\3\7" if SCALE in self.offer else b"")
