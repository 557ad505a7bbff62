"""One attempt with its kept frames decoded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from analyzers.attempts.columns import UNKNOWN
from analyzers.attempts.ending import Ending
from analyzers.attempts.ledger import Ledger
from captures.flags import ACK, FIN, RST, SYN
from captures.packet import Address, Packet, Tcp, decode

Recall = Callable[[int, int, int], bytes]
"""`recall(file, at, length)`: the captured bytes of a frame, by the file it came from and its position there."""

FILE_SHIFT = 40
"""Frame ids are frame numbers as Wireshark counts, with the index of their file in the bits above this one."""


def frame_of(frame_id: int) -> tuple[int, int]:
    """File index and frame number of a frame id."""
    return frame_id >> FILE_SHIFT, frame_id & ((1 << FILE_SHIFT) - 1)


class Segment:
    """One kept frame of an attempt. `client` is its sender, of an ICMP error the sender of the quoted packet; `position`
    counts from that side's initial sequence number and `ahead` from the end seen before, None if unknown; `length` is the
    payload on the wire. What the columns hold is at hand; `packet` is decoded when it is first asked for.
    """

    __slots__ = (
        "_packet", "_recall", "_where", "ack_position", "ahead", "client", "flags", "icmp", "length", "number", "position",
        "ts_ns", "ttl", "window",
    )  # fmt: skip

    def __init__(
        self, recall: Recall, number: int, ts_ns: int, client: bool, icmp: bool, flags: int, ttl: int, window: int,
        length: int, position: int | None, ahead: int | None, ack_position: int | None, where: tuple[int, ...],
    ) -> None:  # fmt: skip
        self.number, self.ts_ns, self.client = number, ts_ns, client
        self.icmp, self.flags, self.ttl, self.window, self.length = icmp, flags, ttl, window, length
        self.position, self.ahead, self.ack_position = position, ahead, ack_position
        self._recall, self._where = recall, where
        self._packet: Packet | None = None

    @classmethod
    def of(cls, packet: Packet, number: int, ts_ns: int, client: bool) -> "Segment":
        """A frame that belongs to no attempt and was decoded before: a ping, or an ICMP error."""
        ttl = packet.ip.ttl if packet.ip is not None else 0
        segment = cls(
            _nothing, number, ts_ns, client, packet.icmp is not None, 0, ttl, 0, 0, None, None, None, ()
        )  # fmt: skip
        segment._packet = packet
        return segment

    @property
    def packet(self) -> Packet:
        """The frame, decoded."""
        if self._packet is None:
            at, caplen, link, origlen = self._where
            self._packet = decode(self._recall(self.number >> FILE_SHIFT, at, caplen), link, origlen)
        return self._packet

    @property
    def tcp(self) -> Tcp:
        """The TCP header and payload; an empty one for an ICMP error."""
        return self.packet.tcp or _NO_TCP

    def has(self, flags: int) -> bool:
        """Whether this is a TCP segment with all these flags."""
        return not self.icmp and self.flags & flags == flags


_WINDOW = 1 << 20  # bytes: nobody obeys a RST whose sequence number is farther off
_NO_TCP = Tcp(0, 0, 0, complete=False)


def _nothing(file: int, at: int, length: int) -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection attempt. `client_bytes` and `server_bytes` are distinct payload bytes on the wire. `behind` are the segments
    from where on the connection was used to ask about the way (see `course`); they are not among `segments`.
    """

    index: int
    trace: int  # which series of files it was seen in
    client: Address
    client_port: int
    server: Address
    server_port: int
    ending: Ending
    segments: tuple[Segment, ...]
    client_bytes: int
    server_bytes: int
    client_packets: int
    server_packets: int
    client_acked: int  # how far the server acknowledged the client's data, as a position; and the other way round
    server_acked: int
    first_ns: int
    last_ns: int
    behind: tuple[Segment, ...] = ()

    def at(self, rows: tuple[int, ...]) -> list[Segment]:
        return [self.segments[row] for row in rows]

    @property
    def syns(self) -> list[Segment]:
        return self.at(self.ending.syn_rows)

    @property
    def answer(self) -> Segment | None:
        return None if self.ending.answer_row is None else self.segments[self.ending.answer_row]

    @property
    def closing(self) -> Segment | None:
        return None if self.ending.closing_row is None else self.segments[self.ending.closing_row]

    @property
    def first_close(self) -> Segment | None:
        """The first FIN or RST that was not ignored, nor far outside any window: who ended the connection. A later RST may
        only answer late data."""
        ignored = self.ending.ignored_rst_rows
        for row, segment in enumerate(self.segments):
            if (
                not segment.icmp
                and segment.flags & (FIN | RST)
                and row not in ignored
                and abs(segment.ahead or 0) < _WINDOW
                and segment.number > self.segments[0].number
            ):
                return segment
        return None

    @property
    def synack(self) -> Segment | None:
        return self.segments[self.ending.synack_rows[0]] if self.ending.synack_rows else None

    @property
    def accepted(self) -> Segment | None:
        """The client's first segment behind the SYN-ACK: from then on both sides think they are connected."""
        synack = self.synack
        if synack is None or self.ending.handshake != "complete":
            return None
        return next(
            (s for s in self.segments if s.client and s.number > synack.number and s.has(ACK) and not s.has(SYN)), None
        )

    def stream(self, client: bool) -> bytes:
        """One side's payload from its first byte on, as far as it was kept without a gap; the first copy of a byte wins."""
        pieces = sorted(
            (s.position + (1 if s.has(SYN) else 0), s.number, s.tcp.payload)
            for s in self.segments
            if s.client == client and s.length and s.position is not None and not s.has(RST)
        )
        if not pieces:
            return b""
        out = bytearray()
        opened = any(s.client == client and s.has(SYN) for s in self.segments)
        start = 1 if opened else pieces[0][0]
        for position, _, payload in pieces:
            behind = start + len(out) - position
            if behind < 0:
                break
            out += payload[behind:]
        return bytes(out)


def asked(syns: Iterable[Segment], answer: Segment) -> Segment:
    """The last SYN sent before an answer came."""
    tries = list(syns)
    return max((s for s in tries if s.number <= answer.number), key=lambda s: s.number, default=tries[0])


def materialise(ledger: Ledger, index: int, recall: Recall) -> Attempt:
    """The attempt with its kept frames decoded from their bytes."""
    ending, columns = ledger.ending(index), ledger.columns
    client = ending.client_side
    names = (
        "number", "ts_ns", "side", "icmp", "flags", "ttl", "window", "length", "position", "delta", "ack_position",
        "at", "caplen", "link", "origlen",
    )  # fmt: skip
    segments = tuple(
        Segment(recall, number, ts_ns, side == client, icmp, flags, ttl, window, length, _known(position), _known(delta),
                _known(ack), tuple(where))
        for number, ts_ns, side, icmp, flags, ttl, window, length, position, delta, ack, *where in zip(
            *(ledger.of(name, index).tolist() for name in names), strict=True)
    )  # fmt: skip
    return Attempt(
        index=index, trace=int(columns["trace"][index]),
        client=ledger.address(index, client), client_port=int(columns["port"][index, client]),
        server=ledger.address(index, 1 - client), server_port=int(columns["port"][index, 1 - client]),
        ending=ending, segments=segments[: ending.course], behind=() if ending.course is None else segments[ending.course :],
        client_bytes=int(columns["bytes"][index, client]), server_bytes=int(columns["bytes"][index, 1 - client]),
        client_packets=int(columns["packets"][index, client]), server_packets=int(columns["packets"][index, 1 - client]),
        client_acked=int(columns["acked"][index, client]), server_acked=int(columns["acked"][index, 1 - client]),
        first_ns=int(columns["first_ts"][index]), last_ns=int(columns["last_ts"][index]),
    )  # fmt: skip


def _known(value: int) -> int | None:
    return None if value == UNKNOWN else value
