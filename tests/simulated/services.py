"""What listens on ports, as generators: each yields what its program does, and is sent what it hears.

bytes       are said
a number    of seconds is slept
HEAR        waits for the next bytes, b"" at their end
CLOSE       closes, which resets when bytes lie unread, as a kernel does; RESET resets
"""

import struct
from collections.abc import Callable, Generator
from hashlib import sha256

from netprobe.live.polite import Conversation

HEAR, CLOSE, RESET = "hear", "close", "reset"
Program = Generator[bytes | float | str, bytes | None, None]
BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
_BUSY = b"Exceeded MaxStartups\r\n"
_NOT_ALLOWED = b"Not allowed at this time\r\n"
_HTTP = b"HTTP/1.1 400 Bad Request\r\nServer: web/1.0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _message(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def _offer() -> bytes:
    """A server's key exchange message that any client can agree with: what netprobe's own client offers."""
    talk = Conversation(lambda count: bytes(count))
    return talk.hear(b"SSH-2.0-x\r\n")


_OFFER = _offer()
_OLD = _message(bytes([20]) + bytes(16) + b"".join(
    struct.pack(">I", len(names)) + names
    for names in (b"diffie-hellman-group14-sha1", b"ssh-ed25519", b"aes128-ctr", b"aes128-ctr", b"hmac-sha2-256", b"hmac-sha2-256",
                  b"none", b"none", b"", b"")
) + bytes(5))  # fmt: skip


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def ssh(machine: str = "", offer: bytes = _OFFER) -> Program:
    """An sshd up to the host key of its machine."""
    key = _string(b"ssh-ed25519") + _string(sha256(machine.encode()).digest())
    yield BANNER
    heard = b""
    while b"\n" not in heard:
        more = yield HEAR
        if not more:
            yield CLOSE
            return
        heard += more
    yield offer
    heard = heard[heard.index(b"\n") + 1 :]
    while True:
        while len(heard) >= 6 and len(heard) >= 4 + int.from_bytes(heard[:4], "big"):
            kind, heard = heard[5], heard[4 + int.from_bytes(heard[:4], "big") :]
            if kind == 30:
                yield _message(bytes([31]) + _string(key) + _string(bytes(32)) + _string(bytes(83)))
            elif kind == 1:
                yield CLOSE
                return
        more = yield HEAR
        if not more:
            yield CLOSE
            return
        heard += more


def old_ssh() -> Program:
    """An sshd with nothing but an outdated key exchange."""
    return ssh(offer=_OLD)


def http() -> Program:
    if (yield HEAR):
        yield _HTTP
    yield CLOSE


def silent() -> Program:
    """Never reads, never speaks."""
    yield 3600.0


def greeting() -> Program:
    """Greets as SSH, not at once, and has nothing more to say."""
    yield 0.005
    yield BANNER
    yield from mute()


def hasty() -> Program:
    """Greets before anybody could stop it."""
    yield BANNER
    yield from mute()


def mute() -> Program:
    """Reads and never speaks."""
    while (yield HEAR):
        pass
    yield CLOSE


def tarpit() -> Program:
    for number in range(100):
        yield b"%x\r\n" % ((number + 1) * 2654435761 % 2**32)
        yield 2.0


def closing() -> Program:
    yield CLOSE


def after_banner() -> Program:
    """Hears the client's greeting and closes without a word."""
    yield HEAR
    yield CLOSE


def resetting() -> Program:
    yield HEAR
    yield RESET


def dying() -> Program:
    yield b"SSH-2.0-Open"
    yield CLOSE


def broken_child() -> Program:
    """A child of sshd that ends before it reads."""
    yield 0.004
    yield CLOSE


def wrapped() -> Program:
    """libwrap denies: five seconds, then a close."""
    yield 5.0
    yield CLOSE


def busy() -> Program:
    yield _BUSY
    yield CLOSE


def not_allowed() -> Program:
    yield _NOT_ALLOWED
    yield CLOSE


PROGRAMS: dict[str, Callable[[], Program]] = {
    "old-ssh": old_ssh, "http": http, "silent": silent, "mute": mute, "greeting": greeting, "hasty": hasty, "tarpit": tarpit,
    "closing": closing, "after-banner": after_banner, "resetting": resetting, "dying": dying, "broken-child": broken_child,
    "wrapped": wrapped, "busy": busy, "not-allowed": not_allowed,
}  # fmt: skip


def program(name: str, machine: str) -> Program:
    """The program of that name, as it runs on this machine."""
    return ssh(machine) if name == "ssh" else PROGRAMS[name]()
