"""The kernel of the host that asks: its sockets, its own rules and routes, and what a recorder on it sees."""

import errno
import socket
from dataclasses import replace
from functools import partial
from random import Random

from captures.flags import INBOUND, OUTBOUND
from netprobe.live.recorder import Frame
from tests.simulated.filter import meets, refuse
from tests.simulated.host import stack_refusal
from tests.simulated.packets import RST, Datagram, Icmp, Tcp, neighbours, written
from tests.simulated.tcp import End
from tests.simulated.world import NEIGHBOUR_NS, World

DEVICE = "eth0"
_IP_MINTTL, _IPV6_MINHOPCOUNT = 21, 73
ROUTES = {
    "unreachable": errno.EHOSTUNREACH, "prohibit": errno.EACCES, "blackhole": errno.EINVAL, "missing": errno.ENETUNREACH,
}  # fmt: skip
# What connect() says for an ICMP error: by type and code (net/ipv4/icmp.c, net/ipv6/icmp.c).
_ERRNOS_V4 = {
    (3, 0): errno.ENETUNREACH, (3, 2): errno.ENOPROTOOPT, (3, 3): errno.ECONNREFUSED, (3, 9): errno.ENETUNREACH,
}  # fmt: skip
_ERRNOS_V6 = {
    (1, 0): errno.ENETUNREACH, (1, 1): errno.EACCES, (1, 4): errno.ECONNREFUSED, (1, 5): errno.EACCES, (1, 6): errno.EACCES,
}  # fmt: skip


class Client:
    """The asking host. `frames` holds what was recorded of the target, as long as `recording`."""

    def __init__(self, world: World, target: str) -> None:
        self.world, self.target = world, target
        self.node = world.nodes[world.asker]
        self.address = self.node.addresses[0]
        self.random: Random = world.random
        self.frames: list[Frame] = []
        self.recording = False
        self._met: set[str] = set()
        self.sockets: dict[tuple[int, int], Socket] = {}
        self._ports = 40_000 + self.random.randrange(5000)
        world.deliver = self.arrive

    def free_port(self) -> int:
        """A port that nobody has. connect() takes those of one parity, as Linux does."""
        self._ports += 2
        return self._ports

    def refused(self) -> str:
        """Why this host has no way to the target, "" when it has one."""
        row = next((row for row in self.node.routes if row.to == self.target and not row.via), None)
        return row.reason if row is not None else ""

    def leave(self, datagram: Datagram) -> str:
        """Send one packet: "", or the errno's name when a rule of this host refuses."""
        for rule in self.node.rules:
            if meets(rule, "output", datagram, {}):
                answer = refuse(self.node, rule, datagram, self.address, self.random.getrandbits(16) | 1)
                if answer is not None:
                    self.world.clock.after(20_000, partial(self.arrive, answer, "lo"))
                return "EPERM"
        to = self.world.route(self.node, datagram)
        if to == "":  # on the own network, where nobody has it
            self.world.clock.after(NEIGHBOUR_NS, lambda: self._unheard(datagram))
            return ""
        self._meet(to, datagram)
        self._record(DEVICE, OUTBOUND, datagram)
        self.world.leave(self.node.name, datagram, to)
        return ""

    def _meet(self, neighbour: str, datagram: Datagram) -> None:
        """In IPv6 a recorder of ICMP sees how the first hop's link address is asked for."""
        if datagram.v6 and self.recording and neighbour not in self._met:
            self._met.add(neighbour)
            for direction, data in zip(
                (OUTBOUND, INBOUND), neighbours(self.address, self.world.nodes[neighbour].addresses[0]), strict=True
            ):
                self.frames.append(Frame(DEVICE, self.world.clock.now, direction, data))

    def _unheard(self, datagram: Datagram) -> None:
        if not isinstance(datagram.body, Tcp):
            return
        own = self.sockets.get((datagram.body.sport, datagram.body.dport))
        if own is not None:
            own.fail(errno.EHOSTUNREACH)

    def _record(self, device: str, direction: int, datagram: Datagram) -> None:
        about = isinstance(datagram.body, Icmp) or self.target in (datagram.src, datagram.dst)
        if self.recording and about:
            self.frames.append(Frame(device, self.world.clock.now, direction, written(datagram)))

    def arrive(self, datagram: Datagram, device: str = DEVICE) -> None:
        """A packet comes in."""
        self._record(device, INBOUND, datagram)
        if datagram.dst not in self.node.addresses or any(meets(r, "input", datagram, {}) for r in self.node.rules):
            return
        body = datagram.body
        if isinstance(body, Icmp):
            quoted = body.quoted.body
            known = self.sockets.get((quoted.sport, quoted.dport)) if isinstance(quoted, Tcp) else None
            if known is not None and isinstance(quoted, Tcp) and quoted.seq == known.end.isn:
                codes = _ERRNOS_V6 if datagram.v6 else _ERRNOS_V4
                known.fail(codes.get((body.type, body.code), errno.EHOSTUNREACH))
            return
        if not isinstance(body, Tcp):
            return
        own = self.sockets.get((body.dport, body.sport))
        if body.spoil or (own is not None and not own.closed and datagram.ttl < own.least_ttl):
            return
        if own is not None and own.end.state != "dead":
            own.end.arrive(body)
        elif not body.flags & RST:
            self.leave(stack_refusal(self.node, datagram, self.random.getrandbits(20) | 1))


class Socket:
    """What a `Flow` uses of a socket."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tos = self._code = self._mss = self.least_ttl = 0
        self._unread: list[bytes] = []
        self._eof = False
        self.closed = False
        self._port = 0

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        if (level, name) in ((socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)):
            assert isinstance(value, int)
            self._tos = value
        elif (level, name) in ((socket.IPPROTO_IP, _IP_MINTTL), (socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT)):
            assert isinstance(value, int)
            self.least_ttl = value
        elif (level, name) == (socket.IPPROTO_TCP, socket.TCP_MAXSEG):
            assert isinstance(value, int)
            self._mss = value

    def bind(self, address: tuple[str, int]) -> None:
        self._port = address[1] or self._client.free_port()

    def getsockname(self) -> tuple[str, int]:
        return self._client.address, self._port

    def fileno(self) -> int:
        return -1

    def connect_ex(self, address: tuple[str, int]) -> int:
        client = self._client
        if reason := client.refused():
            return ROUTES[reason]
        ident, label = client.random.getrandbits(16), client.random.getrandbits(20) | 1
        v6 = ":" in address[0]
        base = Datagram(client.address, address[0], Tcp(0, 0, 0), client.node.ttl, self._tos, label=label if v6 else 0)
        sent = 0

        def put(tcp: Tcp) -> None:
            nonlocal sent
            counted = 0 if v6 or tcp.flags & RST else (ident + sent) % 2**16
            sent += 1
            client.leave(replace(base, body=tcp, ident=counted))

        self.end = End(client.world.clock, self._port, address[1], client.random.getrandbits(32), put)
        self.end.window = 64_800 if v6 else 64_240
        self.end.room = self._mss or (1440 if v6 else 1460)
        self.end.heard, self.end.gone = self._heard, self._gone
        client.sockets[self._port, address[1]] = self
        self.end.connect()
        return errno.EINPROGRESS

    def _heard(self, data: bytes) -> None:
        self._unread.append(data)

    def _gone(self, how: str) -> None:
        if how == "eof":
            self._eof = True
        else:
            self._code = errno.ECONNRESET if self.end.queue or self.end.got else errno.ECONNREFUSED

    def fail(self, code: int) -> None:
        """An ICMP error, or nobody has the address: it ends what is not connected yet."""
        if self.end.state == "syn-sent":
            self._code, self.end.state = code, "dead"

    @property
    def readable(self) -> bool:
        return bool(self._unread) or self._eof or bool(self._code)

    @property
    def writable(self) -> bool:
        return self.end.state not in ("new", "syn-sent")

    def getpeername(self) -> None:
        if self.end.state in ("new", "syn-sent", "dead"):
            raise OSError(errno.ENOTCONN, "not connected")

    def getsockopt(self, level: int, name: int) -> int:
        assert (level, name) == (socket.SOL_SOCKET, socket.SO_ERROR)
        return self._code

    def recv(self, size: int) -> bytes:
        if self._unread:
            return self._unread.pop(0)
        if self._code:
            raise OSError(self._code, "reset")
        if self._eof:
            return b""
        raise BlockingIOError

    def send(self, data: bytes) -> int:
        if self.end.state == "dead":
            raise BrokenPipeError
        self.end.say(data)
        return len(data)

    def close(self) -> None:
        """Unread bytes make it a reset, as a kernel does."""
        if self.closed or not self._port:
            return
        self.closed = True
        end = getattr(self, "end", None)
        if end is None:
            return
        if end.state == "syn-sent":
            end.state = "dead"
        elif self._unread:
            end.abort()
        else:
            end.finish()
            end.deaf = True
