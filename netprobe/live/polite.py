"""A polite SSH client that goes as far as the server's host key and leaves: what it says, and when it has heard enough.

It offers what OpenSSH 9 offers, so that "no common algorithm" means the same as for a user's ssh, its packets are as large, so
that what gets lost for their size does here too, and it never authenticates. The key exchange needs no secret: any 32 bytes are a
curve25519 key, any 1,158 before them one of sntrup761, and the host key stands in the answer.
Sources: RFC 4253 (sections 4.2, 6, 7.1, 8, 11.1), RFC 8731; OpenSSH myproposal.h and PROTOCOL, kexsntrup761x25519.c.
"""

import os
import struct
from collections.abc import Callable

from netprobe import __version__

GREETING = f"SSH-2.0-netprobe_{__version__}\r\n".encode()
_KEXINIT, _DISCONNECT, _ECDH_INIT, _ECDH_REPLY, _NEWKEYS = 20, 1, 30, 31, 21
_MOST_BYTES = 65_536
_KEYS = {"sntrup761x25519-sha512": 1158 + 32, "curve25519-sha256": 32}  # bytes of ours, by how the method's name begins
_OFFER = (
    "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
    "diffie-hellman-group14-sha256",
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,"
    "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256,"
    "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,"
    "ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,"
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com",
    *["chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"] * 2,
    *["umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
      "hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1"] * 2,
    "none,zlib@openssh.com", "none,zlib@openssh.com", "", "",
)  # fmt: skip


class Conversation:
    """Fed with the server's bytes it says what to send next; `finished` when nothing more is to be learned, `well` where it was
    this side that had enough, and could have gone on. `noise` gives so many random bytes."""

    def __init__(self, noise: Callable[[int], bytes] = os.urandom) -> None:
        self._noise = noise
        self.heard = bytearray()
        self.finished = self.well = False
        self._banner_ends: int | None = None
        self._at = 0
        self._asked = False

    def hear(self, data: bytes) -> bytes:
        """What to say to what has been heard so far."""
        self.heard += data
        if len(self.heard) > _MOST_BYTES:
            self.finished = True
            return b""
        say = b""
        if self._banner_ends is None:
            self._find_banner()
            if self._banner_ends is None:
                return b""
            self._at = self._banner_ends
            say = _packet(bytes([_KEXINIT]) + self._noise(16) + b"".join(map(_string, _OFFER)) + b"\0" * 5)
        while not self.finished:
            message = self._next()
            if message is None:
                break
            say += self._answer(message)
        return say

    @property
    def greeted(self) -> bool:
        """Whether the server identified itself as SSH."""
        return self._banner_ends is not None

    def _find_banner(self) -> None:
        start = 0
        while (end := self.heard.find(b"\n", start)) >= 0:
            if self.heard[start : start + 4] == b"SSH-":
                self._banner_ends = end + 1
                if not self.heard[start:end].startswith((b"SSH-2.0", b"SSH-1.99")):
                    self.finished = self.well = True
                return
            start = end + 1

    def _next(self) -> bytes | None:
        """The payload of the next whole binary packet."""
        left = self.heard[self._at :]
        if len(left) < 6:
            return None
        length, padding = struct.unpack(">IB", left[:5])
        if not 2 <= length <= 35_000 or padding >= length:
            self.finished = True  # not a packet: what the server says now is no SSH
            return None
        if len(left) < 4 + length:
            return None
        self._at += 4 + length
        return bytes(left[5 : 4 + length - padding])

    def _answer(self, payload: bytes) -> bytes:
        kind = payload[0]
        if kind == _KEXINIT and not self._asked:
            self._asked = True
            theirs = payload[21 : 21 + int.from_bytes(payload[17:21], "big")].decode("ascii", "replace").split(",")
            agreed = next((name for name in _OFFER[0].split(",") if name in theirs), "")
            size = next((size for name, size in _KEYS.items() if agreed.startswith(name)), 0)
            if size:
                return _packet(bytes([_ECDH_INIT]) + _string(self._noise(size)))
            self.finished, self.well = True, bool(agreed)
            return goodbye()
        if kind in (_ECDH_REPLY, _DISCONNECT):
            self.finished, self.well = True, kind == _ECDH_REPLY
            return goodbye() if self.well else b""
        return b""


def goodbye() -> bytes:
    """A disconnect in clear: by application, reason 11."""
    return _packet(bytes([_DISCONNECT]) + struct.pack(">I", 11) + _string("netprobe has seen enough") + _string(""))


def _string(value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def _packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)
