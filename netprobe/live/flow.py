"""One connection made by this host's kernel, as any program would make it, and what came of it."""

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from analyzers.attempts.icmp import kind_of
from netprobe.live.host import socket_address
from netprobe.live.polite import GREETING, Conversation

CONTROL_PORT = 47_923  # dynamic range, registered to nobody: closed on most hosts
DSCP = 0x48  # AF21, as ssh sets it before it connects: a stack's RST copies it, a packet filter's does not
_READ = 65_536
_V4_ERRORS, _V6_ERRORS = (socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)  # IP_RECVERR, IPV6_RECVERR
_MSG_ERRQUEUE = 0x2000
_V4_LEAST, _V6_LEAST = (socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73)  # IP_MINTTL, IPV6_MINHOPCOUNT (RFC 5082)
_FROM_NEXT_DOOR = 255  # what passed any router has a smaller TTL


class Plan(NamedTuple):
    """What to try: a port, whether to speak SSH, wait for a greeting or only connect, and how long, in seconds. `sport`: from this
    source port, where it is free. `mss`: no segment of either side may bear more bytes, 0 for the usual size."""

    port: int
    # ssh: the version line at once; listen: behind theirs; hear: nothing, and leave; no: not even that; deaf: the kernel
    # drops what answers, so that it does not even acknowledge a SYN-ACK
    speaks: str = "ssh"
    patience_s: float = 7.0
    listen_s: float = 7.0
    sport: int = 0
    mss: int = 0


class Flow:
    """A connection in progress. `errno` is the name of connect()'s error, "" once connected, None while it has not returned."""

    def __init__(
        self,
        address: str,
        plan: Plan,
        source: str = "",
        device: str = "",
        ask_errors: bool = False,
        make: Callable[[int, int], socket.socket] = socket.socket,
        now: Callable[[], float] = time.monotonic,
        noise: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`ask_errors`: let the kernel name the ICMP errors that it gets; for whoever may not see packets. `make` gives a
        socket of a family and type, `now` the time in seconds, `noise` random bytes."""
        self.plan = plan
        self._now = now
        self.icmp: tuple[str, ...] = ()
        self._ask_errors = ask_errors
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = make(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.errno: str | None = None
        self.finished = False
        self.talk = Conversation(noise)
        self._saying = b""
        self.started = self._now()
        self.ended = 0.0
        self.local_port = 0
        try:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, DSCP)
            else:
                self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, DSCP)
            if ask_errors and sys.platform == "linux":
                self.socket.setsockopt(*(_V6_ERRORS if family == socket.AF_INET6 else _V4_ERRORS), 1)
            if plan.mss:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, plan.mss)
            if device:
                self.socket.setsockopt(socket.SOL_SOCKET, 25, device.encode())  # SO_BINDTODEVICE
            if plan.speaks == "deaf":
                self.socket.setsockopt(*(_V6_LEAST if family == socket.AF_INET6 else _V4_LEAST), _FROM_NEXT_DOOR)
                self.finished = True
            here = source or ("::" if family == socket.AF_INET6 else "0.0.0.0")
            try:
                self.socket.bind((here, plan.sport))
            except OSError:
                if not plan.sport:
                    raise
                self.socket.bind((here, 0))
            self.local_port = self.socket.getsockname()[1]
            self.started = self._now()
            self._result(self.socket.connect_ex(socket_address(address, plan.port)))
        except OSError as error:
            self._result(error.errno or errno.EIO)

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        return self.errno is None or bool(self._saying)

    @property
    def deadline(self) -> float:
        """When its patience ends, on the monotonic clock."""
        return self.started + self.plan.patience_s if self.errno is None else self.ended + self.plan.listen_s

    @property
    def after_ns(self) -> int:
        """How long connect() took, or has been taking."""
        return int(((self.ended or self._now()) - self.started) * 1e9)

    def advance(self, readable: bool, writable: bool) -> None:
        """Go on as far as the socket lets."""
        try:
            if self.errno is None and writable:
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._result(0 if code and self._connected() else code)
            if self.errno == "" and readable and not self.finished:
                self._listen()
            if self.errno == "" and self._saying:
                self._saying = self._saying[self.socket.send(self._saying) :]
        except BlockingIOError:
            pass
        except OSError:
            self.finished = True  # reset or broken: the packets say how
        if self.talk.finished and not self._saying:
            self.finished = True

    def _connected(self) -> bool:
        """Whether it is, whatever ICMP errors said of what it sent then, which do not end it (RFC 1122 section 4.2.3.9)."""
        try:
            self.socket.getpeername()
        except OSError:
            return False
        return True

    def _listen(self) -> None:
        data = self.socket.recv(_READ)
        if not data:
            self.finished = True
            return
        if self.plan.speaks == "hear":
            self.talk.heard += data
            self.finished = True
            return
        heard = self.talk.greeted
        self._saying += self.talk.hear(data)
        if self.talk.greeted and not heard and self.plan.speaks == "listen":
            self._saying = GREETING + self._saying

    def _result(self, code: int) -> None:
        if code in (errno.EINPROGRESS, errno.EALREADY):
            return
        self.errno, self.ended = errno.errorcode.get(code, str(code)) if code else "", self._now()
        if code and self._ask_errors:
            self.icmp = tuple(_errors(self.socket))
        if code or self.plan.speaks == "no":
            self.finished = True
        elif self.plan.speaks == "ssh":
            self._saying = GREETING

    def close(self) -> None:
        """End it; one that has not been answered is waited for no longer."""
        if self.errno is None and not self.ended:
            self.ended = self._now()
        self.finished = True
        self.socket.close()


def _errors(asked: socket.socket) -> Iterator[str]:
    """The ICMP errors in the socket's queue: kind and sender (ip(7), struct sock_extended_err)."""
    for _ in range(4):
        try:
            _, extra, _, _ = asked.recvmsg(512, 512, _MSG_ERRQUEUE)
        except OSError:
            return
        for level, kind, value in extra:
            if (level, kind) in (_V4_ERRORS, _V6_ERRORS) and len(value) >= 16:
                origin, icmp_type, code = value[4], value[5], value[6]
                v6 = origin == 3
                at = 24 if v6 else 20  # behind the error stands the sender's socket address
                sender = value[at : at + (16 if v6 else 4)]
                if origin in (2, 3) and len(sender) in (4, 16):
                    yield f"{kind_of(6 if v6 else 4, icmp_type, code)} from {ip_address(sender)}"


def explained(name: str) -> str:
    """An errno's name in the system's words."""
    return os.strerror(getattr(errno, name, 0)) if name else "connected"
