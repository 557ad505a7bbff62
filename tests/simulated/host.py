"""What a host answers: its stack as Linux's, and the programs that run on it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from tests.simulated.clock import Clock
from tests.simulated.packets import ACK, RST, SYN, Datagram, Other, Tcp, error, pong, refusal
from tests.simulated.rows import Node
from tests.simulated.services import CLOSE, HEAR, RESET, Program, program
from tests.simulated.tcp import End

_MD5 = 19
_THINKS_NS = 60_000
_WINDOW_V4, _WINDOW_V6 = 65_160, 64_260

Emit = Callable[[Datagram], None]


def stack_refusal(node: Node, about: Datagram, label: int) -> Datagram:
    """The RST of a stack for a port where nothing listens: unlike a filter's it copies the DSCP, and has a flow label."""
    bare = refusal(about, node.ttl)
    return replace(bare, tos=about.tos & 0xFC if node.reflects else 0, label=label if about.v6 else 0, df=node.df)


@dataclass
class Host:
    """One node's TCP. `emit` sends its packets."""

    node: Node
    clock: Clock
    random: Random
    emit: Emit
    ends: dict[tuple[str, str, int, int], End] = field(default_factory=dict)

    def arrive(self, datagram: Datagram) -> None:
        """A packet for one of its addresses: looked at in turn, each after a while."""
        self.clock.after(_THINKS_NS, lambda: self._take(datagram))

    def _take(self, datagram: Datagram) -> None:
        tcp = datagram.body
        if isinstance(tcp, Other):
            if tcp.pings:
                self.emit(pong(datagram, self.node.ttl))
            elif tcp.protocol == 17:
                answer = error("port-unreachable", datagram, datagram.dst, self.node.ttl, self.node.room)
                self.emit(answer)
            return
        if not isinstance(tcp, Tcp) or tcp.spoil:
            return
        key = (datagram.src, datagram.dst, tcp.sport, tcp.dport)
        end = self.ends.get(key)
        if end is not None and (end.state == "dead" and tcp.flags & (SYN | ACK) == SYN):
            end = None
        if end is not None and end.state != "dead":
            end.arrive(tcp)
        elif (
            tcp.flags & RST
            or (self.node.signs and tcp.has_option(_MD5))
            or (tcp.dport in self.node.full and not tcp.flags & ACK)
        ):
            return
        elif tcp.dport in self.node.programs and tcp.flags & (SYN | ACK) == SYN:
            self._open(key, datagram, tcp)
        elif tcp.dport in self.node.programs and not tcp.flags & ACK:
            return  # a listener ignores FIN and empty flags
        else:
            self.emit(stack_refusal(self.node, datagram, self.random.getrandbits(20) | 1))

    def _open(self, key: tuple[str, str, int, int], datagram: Datagram, syn: Tcp) -> None:
        src, dst = datagram.dst, datagram.src
        ident, label = self.random.getrandbits(16), self.random.getrandbits(20) | 1
        sent = 0

        def put(tcp: Tcp) -> None:
            nonlocal sent
            sent += 1
            counted = 0 if tcp.flags & SYN else (ident + sent) % 2**16
            self.emit(
                Datagram(
                    src, dst, tcp, self.node.ttl, 0, 0 if datagram.v6 else counted, label=label if datagram.v6 else 0
                )
            )

        end = End(self.clock, syn.dport, syn.sport, self.random.getrandbits(32), put)
        end.window = _WINDOW_V6 if datagram.v6 else _WINDOW_V4
        end.room = 1440 if datagram.v6 else 1460
        runs = Running(end, program(self.node.programs[syn.dport], self.node.name), self.clock)
        end.heard, end.opened, end.gone = runs.hear, runs.go, runs.gone
        self.ends[key] = end
        end.accept(syn)


class Running:
    """A program at work on its connection."""

    def __init__(self, end: End, program: Program, clock: Clock) -> None:
        self._end, self._program, self._clock = end, program, clock
        self._unread: deque[bytes] = deque()
        self._waits = self._over = False

    def hear(self, data: bytes) -> None:
        self._unread.append(data)
        if self._waits:
            self._waits = False
            self.go(self._unread.popleft())

    def gone(self, how: str) -> None:
        if how == "reset":
            self._over = True
        else:
            self.hear(b"")

    def go(self, told: bytes | None = None) -> None:
        """On to where it waits."""
        while not self._over:
            try:
                does = self._program.send(told)
            except StopIteration:
                return
            told = None
            if isinstance(does, bytes):
                self._end.say(does)
            elif isinstance(does, float):
                self._clock.after(int(does * 1e9), self.go)
                return
            elif does == HEAR:
                if not self._unread:
                    self._waits = True
                    return
                told = self._unread.popleft()
            elif does == RESET or (does == CLOSE and any(self._unread)):
                self._over = True
                self._end.abort()
            else:
                self._over = True
                self._end.finish()
                self._end.deaf = True
