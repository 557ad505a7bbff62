"""The one door between a live diagnosis and the world: its clock, what is recorded, connections, raw packets, this host.

`Network` says what goes through it, `Kernel` is the door of this machine. Whoever implements it otherwise, as the simulated
network of the tests does, runs the same diagnosis without a network.
"""

import errno
import select
import socket
import time
from collections.abc import Iterable
from typing import Protocol

from netprobe.live import host
from netprobe.live.flow import Flow, Plan
from netprobe.live.recorder import Frame, Recorder

_SO_BINDTODEVICE, _IPV6_HDRINCL = 25, 36


class Recording(Protocol):
    """The frames recorded so far, and how many the kernel had to drop, which is known once it is closed. `others` are SYNs
    that this host sent to other addresses."""

    frames: list[Frame]
    others: list[Frame]
    dropped: int

    @property
    def closed(self) -> bool: ...

    def drain(self) -> None:
        """Take what has arrived."""

    def close(self) -> None:
        """Take the last packets and end."""


class Network(Protocol):
    """What asking one address needs of the world."""

    def now(self) -> float:
        """Seconds on a clock that never goes back; its zero means nothing."""

    def now_ns(self) -> int:
        """The clock of frames: nanoseconds since 1970."""

    def record(self) -> Recording:
        """Record everything about the address from now on. PermissionError when this user may not, OSError elsewhere."""

    def connect(self, plan: Plan) -> Flow:
        """A connection of the kernel's own, begun."""

    def send(self, packet: bytes) -> str:
        """Send a complete IP packet to the address as it is: "", or the errno's name with which this host refused.

        Of IPv4 the kernel writes total length and checksum, and an IP-ID where that is 0.
        """

    def hold(self, port: int = 0) -> int:
        """A TCP port for raw packets that nobody else on this host uses until `close`: this one, if it is free or held already, else
        any. The kernel resets what is accepted."""

    def source(self) -> str:
        """The source address that routing chooses, "" when it refuses the address."""

    def wait(self, flows: Iterable[Flow], seconds: float) -> None:
        """Until a packet was recorded or one of the flows went on, or the time is over; recorded is what came until then."""

    def way(self) -> host.Way:
        """All that this host says of its way to the address."""

    def filter_hints(self, port: int) -> tuple[str, ...]:
        """Rules of this host for outgoing packets that may concern this port of the address."""

    def close(self) -> None:
        """End the recording, and give held ports back."""


class Kernel:
    """This machine's kernel. `source` and `device`, where given, hold for connections and raw packets alike."""

    def __init__(self, address: str, source: str = "", device: str = "") -> None:
        self._address, self._source, self._device = address, source, device
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._rules: host.Rules | None = None
        self._recorder: Recorder | None = None
        self._raw: socket.socket | None = None
        self._held: list[socket.socket] = []
        self._lent: set[int] = set()  # held by a connection of ours instead

    def now(self) -> float:
        return time.monotonic()

    def now_ns(self) -> int:
        return time.time_ns()

    def open(self) -> None:
        """Open everything that needs rights, which can be given up then. Raises as `record` does."""
        self._rules = host.Rules()
        self._recorder = Recorder(self._address)
        self._raw = self._opened()

    def record(self) -> Recording:
        if self._recorder is None:
            self.open()
        assert self._recorder is not None
        self._recorder.drain()
        self._recorder.frames.clear()
        return self._recorder

    def connect(self, plan: Plan) -> Flow:
        for one in [one for one in self._held if plan.sport and one.getsockname()[1] == plan.sport]:
            self._held.remove(one)
            one.close()
            self._lent.add(plan.sport)
        return Flow(self._address, plan, self._source, self._device, ask_errors=self._recorder is None)

    def send(self, packet: bytes) -> str:
        try:
            if self._raw is None:
                self._raw = self._opened()
            self._raw.sendto(packet, host.socket_address(self._address, 0))
        except OSError as error:
            return errno.errorcode.get(error.errno or errno.EIO, str(error.errno))
        return ""

    def _opened(self) -> socket.socket:
        raw = socket.socket(self._family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        if self._family == socket.AF_INET6:
            raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        try:
            self._bind(raw, None)
        except OSError:
            raw.close()
            raise
        return raw

    def _bind(self, one: socket.socket, port: int | None) -> None:
        """To the device and source address of this network, and to a port unless that is None."""
        if self._device:
            one.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, self._device.encode())
        if self._source or port is not None:
            one.bind((self._source, port or 0))

    def hold(self, port: int = 0) -> int:
        if port and (port in self._lent or port in [one.getsockname()[1] for one in self._held]):
            return port
        held = socket.socket(self._family, socket.SOCK_STREAM)
        self._held.append(held)
        try:
            self._bind(held, port)
        except OSError:
            if not port:
                raise
            self._bind(held, 0)
        return int(held.getsockname()[1])

    def source(self) -> str:
        return host.route(self._address, self._source, self._device)[1]

    def wait(self, flows: Iterable[Flow], seconds: float) -> None:
        flows = list(flows)
        read: list[Flow | Recorder] = [flow for flow in flows if flow.errno == ""]
        write = [flow for flow in flows if flow.wants_to_write]
        recorder = self._recorder if self._recorder is not None and not self._recorder.closed else None
        if recorder is not None:
            read.append(recorder)
        readable, writable, _ = select.select(read, write, [], max(0.0, seconds))
        if recorder in readable and recorder is not None:
            recorder.drain()
        for flow in flows:
            if flow in readable or flow in writable:
                flow.advance(flow in readable, flow in writable)

    def way(self) -> host.Way:
        return host.way(self._address, self._source)

    def filter_hints(self, port: int) -> tuple[str, ...]:
        return (self._rules or host.Rules()).about(self._address, port)

    def close(self) -> None:
        if self._recorder is not None and not self._recorder.closed:
            self._recorder.close()
        if self._rules is not None:
            self._rules.close()
        for one in (*self._held, *([self._raw] if self._raw is not None else [])):
            one.close()
