"""A connection of the kernel's own: when is it one?"""

import errno
import socket
from typing import cast

import pytest

from netprobe.live.flow import Flow, Plan


class Fake:
    """A socket whose connect() is pending, with this error to tell afterwards."""

    def __init__(self, code: int, connected: bool) -> None:
        self.code, self.is_connected = code, connected

    def connect_ex(self, address: object) -> int:
        return errno.EINPROGRESS

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.1", 40000

    def getsockopt(self, level: int, name: int) -> int:
        return self.code

    def getpeername(self) -> None:
        if not self.is_connected:
            raise OSError(errno.ENOTCONN, "not connected")

    def send(self, data: bytes) -> int:
        return len(data)

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: None


@pytest.mark.parametrize(
    ("code", "connected", "said"),
    [
        (errno.ECONNREFUSED, False, "ECONNREFUSED"),
        (errno.ECONNREFUSED, True, ""),  # what it sent next was answered by an ICMP error: that ends no connection
        (0, True, ""),
    ],
)
def test_an_error_behind_the_handshake_is_no_refusal(code: int, connected: bool, said: str) -> None:
    def make(family: int, kind: int) -> socket.socket:
        return cast(socket.socket, Fake(code, connected))

    flow = Flow("192.0.2.2", Plan(22), make=make)
    flow.advance(readable=False, writable=True)
    assert flow.errno == said
