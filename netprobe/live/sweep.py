"""The SYN question, asked of many ports and addresses: raw SYNs as a real client sends them, paced, repeated when unanswered.

All SYNs leave from one port that is held while asking, so that no program of this host uses it; the kernel resets what is
accepted, which closes it at the target as well and never reaches a program there. What comes back is told apart by address,
port and sequence number.
"""

import errno
import heapq
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from netprobe.live.craft import Ends, segment
from netprobe.live.flow import DSCP
from netprobe.live.host import route
from netprobe.live.recorder import Frame, Recorder

_LATE_S = 3.6  # a router reports a dead host this late
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Question:
    """One address and port."""

    address: str
    port: int


@dataclass
class Sweep:
    """`run` asks all questions and leaves what was recorded in `recorder`; `unsent` are those this host refused to send."""

    questions: list[Question]
    rate: float = 100.0
    tell: Callable[[int, int], None] = lambda done, total: None
    interrupted: bool = False
    unsent: dict[Question, str] = field(default_factory=dict)
    asked: set[Question] = field(default_factory=set)

    def open(self) -> None:
        """Open every socket that needs CAP_NET_RAW: afterwards none is needed. Raises PermissionError without it."""
        self.recorder = Recorder(None)
        self._sockets: dict[bool, tuple[socket.socket, dict[str, str]]] = {}
        for v6 in {":" in question.address for question in self.questions}:
            try:
                self._sockets[v6] = (_raw_socket(v6), {})
            except PermissionError:
                raise
            except OSError:  # this host does not speak it
                continue

    def run(self) -> None:
        """Ask, once opened; Ctrl-C keeps what was answered."""
        self._answered: set[Question] = set()
        self._checked = 0
        self._seq = int.from_bytes(os.urandom(4), "big")
        held = socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        held.bind(("", 0))
        self._sport = held.getsockname()[1]
        try:
            self._ask()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            held.close()
            for sender, _ in self._sockets.values():
                sender.close()
            self.recorder.close()

    def _ask(self) -> None:
        """Every question up to three times, a second and then two apart, no faster than the rate; then wait for late errors."""
        due = [(0.0, number, 0, question) for number, question in enumerate(self.questions)]
        heapq.heapify(due)
        started = time.monotonic()
        next_send = started
        while due:
            when, number, tries, question = due[0]
            now = time.monotonic()
            wait = max(started + when if tries else next_send, next_send) - now
            if wait > 0:
                self._receive(wait)
                continue
            heapq.heappop(due)
            if question in self._answered or question in self.unsent:
                continue
            self.asked.add(question)
            self._send(question)
            next_send = max(next_send + 1 / self.rate, now)
            if tries + 1 < _TRIES:
                heapq.heappush(due, (now - started + (1 << tries), number, tries + 1, question))
            self.tell(len(self._answered), len(self.questions))
        end = time.monotonic() + _LATE_S
        while len(self._answered) + len(self.unsent) < len(self.questions) and (left := end - time.monotonic()) > 0:
            self._receive(left)

    def _receive(self, seconds: float) -> None:
        if select.select([self.recorder], [], [], seconds)[0]:
            self.recorder.drain()
        for frame in self.recorder.frames[self._checked :]:
            self._answered.update(self._answers(frame))
        self._checked = len(self.recorder.frames)

    def concerns(self, frame: Frame) -> bool:
        """Whether a recorded packet is one of ours, an answer to one, or an ICMP error."""
        start = (frame.data[0] & 15) * 4 if frame.data[0] >> 4 == 4 else 40
        if frame.data[9 if frame.data[0] >> 4 == 4 else 6] != socket.IPPROTO_TCP:
            return True
        return self._sport in struct.unpack_from(">HH", frame.data.ljust(start + 4, b"\0"), start)

    def _answers(self, frame: Frame) -> Iterator[Question]:
        """The question that a received TCP packet to our port answers. ICMP errors do not end the asking: a limit may."""
        data = frame.data
        v4 = data[0] >> 4 == 4
        start = (data[0] & 15) * 4 if v4 else 40
        if frame.direction == 1 and data[9 if v4 else 6] == socket.IPPROTO_TCP and len(data) >= start + 20:
            sport, dport = struct.unpack_from(">HH", data, start)
            if dport == self._sport:
                yield Question(str(ip_address(data[12:16] if v4 else data[8:24])), sport)

    def _send(self, question: Question) -> None:
        try:
            sender, source = self._sender(question.address)
            ends = Ends(source, self._sport, question.address, question.port)
            sender.sendto(segment(ends, self._seq), (question.address, 0))
        except OSError as error:
            self.unsent[question] = error.strerror or str(error)

    def _sender(self, address: str) -> tuple[socket.socket, str]:
        """A raw socket of the address's family, and the source address that routing chooses for it."""
        if (":" in address) not in self._sockets:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        raw, sources = self._sockets[":" in address]
        if address not in sources:
            refused, chosen = route(address)
            if refused:
                raise OSError(0, refused)
            sources[address] = chosen
        return raw, sources[address]


def _raw_socket(v6: bool) -> socket.socket:
    raw = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    if v6:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, DSCP)
    else:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, DSCP)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # answers are read by the recorder
    return raw
