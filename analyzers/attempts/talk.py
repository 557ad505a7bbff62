"""What both sides of an attempt said in clear: an SSH conversation, or which other protocol it looks like.

Read from the two reassembled streams: identification lines (RFC 4253 section 4.2), the binary packets before encryption
(section 6), KEXINIT (7.1), disconnects (11.1). HASSH as published by Salesforce (github.com/salesforce/hassh).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzers.attempts.attempt import Attempt

DISCONNECT, KEXINIT, NEWKEYS = 1, 20, 21
_KEX_REPLIES = frozenset({31, 33})  # with the host key first: RFC 4253 section 8, RFC 4419, RFC 5656
_OURS = b"SSH-2.0-netprobe_"  # from a server: an echo of what a live diagnosis said
_MAX_PACKET = 35_000
_MAX_LINE = 8192
_LISTS = (
    "kex", "host_key", "cipher_to_server", "cipher_to_client", "mac_to_server", "mac_to_client",
    "compression_to_server", "compression_to_client",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """The algorithm lists of one side's KEXINIT, in the sender's order of preference."""

    kex: tuple[str, ...] = ()
    host_key: tuple[str, ...] = ()
    cipher_to_server: tuple[str, ...] = ()
    cipher_to_client: tuple[str, ...] = ()
    mac_to_server: tuple[str, ...] = ()
    mac_to_client: tuple[str, ...] = ()
    compression_to_server: tuple[str, ...] = ()
    compression_to_client: tuple[str, ...] = ()

    def hassh(self, from_client: bool) -> str:
        """The HASSH (client) or HASSHServer fingerprint: which implementation and configuration made this offer."""
        from hashlib import md5  # loads OpenSSL, for a fingerprint that few reports ask for

        direction = "to_server" if from_client else "to_client"
        lists = (self.kex, *(getattr(self, f"{kind}_{direction}") for kind in ("cipher", "mac", "compression")))
        return md5(";".join(",".join(names) for names in lists).encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Voice:
    """What one side said in clear. `messages` are SSH message numbers up to its NEWKEYS."""

    text_before: str = ""
    banner: str = ""
    messages: list[int] = field(default_factory=list)
    offer: Offer | None = None
    disconnect: tuple[int, str] | None = None
    host_key: str = ""  # type and SHA256 fingerprint, as ssh-keygen -l prints it
    text_after: str = ""  # plain text behind the banner, as an SSH server's last words
    encrypted: bool = False


@dataclass(slots=True)
class Talk:
    """An SSH conversation, or an attempt at one. `stage` is before-banner, after-banner, after-kexinit or encrypted."""

    client: Voice
    server: Voice

    @property
    def stage(self) -> str:
        if self.client.encrypted and self.server.encrypted:
            return "encrypted"
        if self.client.offer or self.server.offer:
            return "after-kexinit"
        return "after-banner" if self.server.banner else "before-banner"

    @property
    def missing(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """The lists in which the two offers have nothing in common: name, the client's offer, the server's offer.

        A list that was not captured whole is left out, and so is a MAC list where the agreed cipher brings its own.
        """
        mine, theirs = self.client.offer, self.server.offer
        if mine is None or theirs is None:
            return []
        out = []
        for name in _LISTS:
            a, b = getattr(mine, name), getattr(theirs, name)
            cipher = name.replace("mac_", "cipher_")
            if name.startswith("mac_") and _authenticated(getattr(mine, cipher), getattr(theirs, cipher)):
                continue
            if a and b and not set(_real(a)) & set(_real(b)):
                out.append((name, a, b))
        return out


def _authenticated(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Whether the cipher that these offers agree on needs no MAC (RFC 5647 and chacha20-poly1305@openssh.com)."""
    agreed = next((name for name in mine if name in theirs), "")
    return "gcm" in agreed or "poly1305" in agreed


def _real(names: tuple[str, ...]) -> Iterator[str]:
    """Algorithm names without the markers that negotiate extensions (RFC 8308, strict key exchange)."""
    return (name for name in names if not name.startswith(("ext-info-", "kex-strict-")))


def listen(attempt: Attempt) -> Talk | None:
    """The SSH talk of an attempt; None when neither side spoke SSH and the port is not 22, or nobody said anything."""
    client, server = attempt.stream(client=True), attempt.stream(client=False)
    if not (client or server):
        return None
    talk = Talk(_voice(client), Voice() if server.startswith(_OURS) else _voice(server))
    if talk.client.banner or talk.server.banner or attempt.server_port == 22:
        return talk
    return None


def _voice(data: bytes) -> Voice:
    voice = Voice()
    at = _identification(voice, data)
    if at is None:
        return voice
    if voice.banner.startswith("SSH-1.") and not voice.banner.startswith("SSH-1.99"):
        return voice  # protocol 1 has another packet format
    for message, payload in _packets(data[at:]):
        voice.messages.append(message)
        if message == KEXINIT and voice.offer is None:
            voice.offer = _offer(payload)
        elif message in _KEX_REPLIES and not voice.host_key:
            voice.host_key = _host_key(payload)
        elif message == DISCONNECT:
            voice.disconnect = _disconnect(payload)
        elif message == NEWKEYS:
            voice.encrypted = True
    if not voice.messages:
        rest = data[at:]
        if rest and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in rest[:200]):
            voice.text_after = rest[:200].decode("ascii").strip()
    return voice


def _identification(voice: Voice, data: bytes) -> int | None:
    """Lines up to and including the one that starts with SSH-; returns where the binary packets begin."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start, start + _MAX_LINE)
        line = data[start : end if end >= 0 else None]
        if line.startswith(b"SSH-"):
            voice.banner = line.rstrip(b"\r").decode("latin-1")
            voice.text_before = data[:start].decode("utf-8", "replace").replace("\r\n", "\n")
            return end + 1 if end >= 0 else len(data)
        if end < 0:
            break
        start = end + 1
    return None


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Unencrypted binary packets: message number and payload, up to NEWKEYS; a cut last one still names its message."""
    at = 0
    while at + 6 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        padding, message = data[at + 4], data[at + 5]
        if not 2 <= length <= _MAX_PACKET or padding >= length or not (1 <= message <= 4 or 20 <= message <= 49):
            return
        yield message, data[at + 5 : at + 4 + length - padding]
        if message == NEWKEYS:
            return
        at += 4 + length


def _offer(payload: bytes) -> Offer:
    at, lists = 17, []
    for _ in _LISTS:
        size = int.from_bytes(payload[at : at + 4], "big")
        text = payload[at + 4 : at + 4 + size]
        lists.append(tuple(text.decode("ascii", "replace").split(",")) if len(text) == size and size else ())
        at += 4 + size
    return Offer(*lists)


def _host_key(payload: bytes) -> str:
    """The host key of a key exchange reply; "" for another message of that number, or a cut one."""
    size = int.from_bytes(payload[1:5], "big")
    blob = payload[5 : 5 + size]
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    if len(blob) < size or not kind.startswith((b"ssh-", b"ecdsa-", b"sk-", b"rsa-")):
        return ""
    from base64 import b64encode
    from hashlib import sha256

    digest = b64encode(sha256(blob).digest()).rstrip(b"=").decode()
    return f"{kind.decode('ascii', 'replace')} SHA256:{digest}"


def _disconnect(payload: bytes) -> tuple[int, str]:
    """Reason code and description."""
    size = int.from_bytes(payload[5:9], "big")
    return int.from_bytes(payload[1:5], "big"), payload[9 : 9 + min(size, 500)].decode("utf-8", "replace")


# How a server's first bytes give its protocol away; None of these starts with SSH-.
_GREETINGS: tuple[tuple[bytes, str], ...] = (
    (b"HTTP/", "http"), (b"<!DOCTYPE", "http"), (b"<html", "http"), (b"+OK", "pop3"), (b"* OK", "imap"),
    (b"RFB ", "vnc"), (b"\xff\xfd", "telnet"), (b"\xff\xfb", "telnet"), (b"AMQP", "amqp"), (b"-ERR", "redis"), (b"@RSYNCD:", "rsync"),
)  # fmt: skip


def greeting(data: bytes) -> str:
    """Which protocol a server's first bytes belong to: ssh, http, tls, smtp, ftp, ...; text or binary when unknown."""
    if not data:
        return ""
    if data.startswith(b"SSH-"):
        return "text" if data.startswith(_OURS) else "ssh"
    if data[0] in (0x14, 0x15, 0x16, 0x17) and data[1:2] == b"\x03":
        return "tls"
    if data[:4] in (b"220 ", b"220-"):
        said = data[:200].upper()
        return "ftp" if b"FTP" in said else "smtp" if b"SMTP" in said or b"MAIL" in said else "text"
    if data[2:5] in (b"\0\0\x0a", b"\0\0\xff"):  # a first packet: protocol version 10, or an error
        return "mysql"
    for start, name in _GREETINGS:
        if data.startswith(start):
            return name
    return "text" if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in data[:64]) else "binary"


# Last words of an SSH server that refuses -> what they are known to mean. Source: OpenSSH sshd.c and kex.c, its history:
# "Exceeded MaxStartups" 8.2 to 9.7, "Not allowed at this time" since 9.8.
LAST_WORDS = {
    "Exceeded MaxStartups": "max-startups",
    "Not allowed at this time": "not-allowed",
    "Invalid SSH identification string.": "bad-identification",
    "Protocol mismatch.": "bad-identification",
    "Protocol major versions differ.": "version",
}


def last_words(text: str) -> str:
    """The known refusal that stands in a server's text, "" when there is none."""
    return next((said for said in LAST_WORDS if said in text), "")
