"""The connection was accepted: who spoke, who closed, how, and how long after?

Whether a close arrives as FIN or as RST is a race with the client's own data, not a cause (knowledge base 1.7): causes
rest on who spoke and on the time, never on that difference alone.
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.icmp import kind_of
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject, foreign_reset, proxied_handshake, unacknowledged
from analyzers.attempts.talk import greeting, listen
from analyzers.model import Fact, fact
from analyzers.words import duration
from captures.packet import ACK, RST

_AT_ONCE_NS = 1_000_000_000
_LARGE = 1000  # payload bytes: below this no usual path MTU is the reason


@fact
class ClosedWithoutWord(Fact):
    """The server's side accepted and closed without a byte. `pace`: at-once, five-seconds (libwrap's pause), or later."""

    after_ns: int
    pace: str
    by_rst: bool

    def text(self) -> str:
        how = "a RST" if self.by_rst else "a FIN"
        return f"accepted, then {how} from the server {duration(self.after_ns)} later, without a byte from it"


@fact
class ClosedAfterWords(Fact):
    """The server's side spoke and was the first to close."""

    after_ns: int
    by_rst: bool
    said: str

    def text(self) -> str:
        how = "reset" if self.by_rst else "closed"
        return f"the server said {self.said!r} and {how} the connection {duration(self.after_ns)} after it was accepted"


@fact
class ForeignReset(Fact):
    """The RST that ended the connection arrived with another TTL than everything else from the server. `programs` is True
    for the form that a program's close gives (ACK set, a window): then rather another way back than another maker."""

    ttl: int
    other_ttl: int
    programs: bool

    def text(self) -> str:
        form = "; its form is that of a program's close" if self.programs else ""
        return f"the RST arrived with TTL {self.ttl}, all else from the server with {self.other_ttl}{form}"


@fact
class BareReset(Fact):
    """The connection was ended by a RST without ACK and with window 0. A Linux program's close has both: a stack that knows
    no such connection, or a packet filter, sends the bare form."""

    def text(self) -> str:
        return "the connection was ended by a bare RST (no ACK, window 0), not the form of a program's close"


@fact
class IcmpDuring(Fact):
    """ICMP errors about packets of the connection after its handshake."""

    kind: str
    sender: str
    by_target: bool

    def text(self) -> str:
        who = f"the target's address {self.sender}" if self.by_target else self.sender
        return f"ICMP {self.kind} from {who} about packets sent after the handshake"


@fact
class ProxiedHandshake(Fact):
    """The SYN-ACK offered a window of 0, as a SYN proxy's does before it has asked the server. `refused` when all that came
    from the server's side behind it was a RST, at once."""

    refused: bool

    def text(self) -> str:
        return "the SYN-ACK offers a window of 0: a SYN proxy answered it, not the server"


@fact
class SpokeOtherProtocol(Fact):
    """What answers on an SSH port, or to an SSH client, does not speak SSH."""

    protocol: str
    said: str

    def text(self) -> str:
        return f"the server speaks {_NAMES.get(self.protocol, self.protocol)}: {self.said!r}"


@fact
class NeverSpoke(Fact):
    """The server's side accepted, stayed silent, and did not close."""

    waited_ns: int
    client_spoke: bool

    def text(self) -> str:
        asked = "although the client spoke" if self.client_spoke else "and the client did not speak either"
        return f"accepted, then not a byte from the server for {duration(self.waited_ns)}, {asked}"


@fact
class Stalled(Fact):
    """One side keeps repeating data that is never acknowledged. `large` is True where the size can be the reason."""

    by_client: bool
    size: int
    large: bool
    acknowledged_size: int  # the largest segment of that side before, in payload bytes

    def text(self) -> str:
        who = "client" if self.by_client else "server"
        return (
            f"the {who} repeats a segment of {self.size} bytes that is never acknowledged "
            f"(the largest it had sent before has {self.acknowledged_size})"
        )


@fact
class Worked(Fact):
    """Attempts that went well. `how`: ssh, talked (both or the server spoke), or accepted (the handshake only)."""

    how: str
    said: str
    encrypted: bool = False

    def text(self) -> str:
        return {
            "ssh": f"{self.said}, key exchange done" if self.encrypted else self.said,
            "talked": f"the server accepted and spoke {self.said}",
            "answered": "the port answers with a SYN-ACK; the client left before the handshake was complete",
        }.get(self.how, "the handshake completed; the server said nothing before the client left")


_NAMES = {
    "http": "HTTP",
    "tls": "TLS",
    "smtp": "SMTP",
    "ftp": "FTP",
    "pop3": "POP3",
    "imap": "IMAP",
    "text": "plain text",
}


def facts(subject: Subject) -> Iterator[Fact]:
    """How each failing group ended after accept, and what worked beside it."""
    for attempt, group in subject.failing:
        if subject.symptom == "closed":
            yield from _closed(subject, attempt, group)
        elif subject.symptom == "wrong-service":
            first = attempt.stream(client=False)
            yield SpokeOtherProtocol(
                frames=_first_words(subject, attempt, group),
                count=len(group),
                protocol=greeting(first),
                said=_line(first),
            )
        elif subject.symptom == "mute":
            begun = attempt.accepted or attempt.segments[0]
            last = attempt.last_ns if attempt.closing is not None else subject.watches[attempt.trace].last_ns
            yield NeverSpoke(
                frames=subject.frames(group, 0, *attempt.ending.synack_rows[:1]), count=len(group),
                waited_ns=max(0, last - begun.ts_ns), client_spoke=attempt.client_bytes > 0,
            )  # fmt: skip
        elif subject.symptom == "stalled":
            yield from _stalled(subject, attempt, group)
        if subject.symptom in ("closed", "mute", "stalled"):
            yield from _icmp_during(subject, attempt, group)
        if subject.symptom in ("closed", "mute") and proxied_handshake(attempt):
            yield ProxiedHandshake(
                frames=subject.frames(group, attempt.ending.synack_rows[0]),
                count=len(group),
                refused=_only_reset(attempt),
            )
    worked: dict[tuple[str, str, bool], list[Worked]] = {}
    for attempt, group in subject.working:
        fact = _worked(subject, attempt, group)
        worked.setdefault((fact.how, fact.said, fact.encrypted), []).append(fact)
    for alike in worked.values():
        frames = tuple(frame for fact in alike for frame in fact.frames)
        kind = alike[0]
        count = sum(one.count for one in alike)
        yield Worked(frames=frames[:4], count=count, how=kind.how, said=kind.said, encrypted=kind.encrypted)


def _closed(subject: Subject, attempt: Attempt, group: Group) -> Iterator[Fact]:
    closing = attempt.first_close
    if closing is None:
        return
    row = attempt.segments.index(closing)
    begun = attempt.accepted or attempt.segments[0]
    after = max(0, closing.ts_ns - begun.ts_ns)
    by_rst = closing.has(RST)
    spoke = any(s.length and not s.client and s.number < closing.number for s in attempt.segments)
    if not closing.client and not spoke:
        pace = "at-once" if after < _AT_ONCE_NS else "five-seconds" if 4.9e9 <= after <= 5.3e9 else "later"
        frames = subject.frames(group, attempt.ending.synack_rows[0] if attempt.ending.synack_rows else 0, row)
        yield ClosedWithoutWord(frames=frames, count=len(group), after_ns=after, pace=pace, by_rst=by_rst)
    elif not closing.client:
        frames = tuple(sorted({*_first_words(subject, attempt, group), *subject.frames(group, row)}))
        said = _line(attempt.stream(client=False))
        yield ClosedAfterWords(frames=frames, count=len(group), after_ns=after, by_rst=by_rst, said=said)
    if foreign_reset(attempt):
        other = next(s for s in attempt.segments if not s.client and not s.icmp and not s.has(RST))
        programs = closing.has(RST | ACK) and closing.window > 0
        yield ForeignReset(
            frames=(other.number, closing.number),
            count=len(group),
            ttl=closing.ttl,
            other_ttl=other.ttl,
            programs=programs,
        )
    elif by_rst and not closing.client and not closing.has(ACK) and not closing.window:
        yield BareReset(frames=subject.frames(group, row), count=len(group))


def _icmp_during(subject: Subject, attempt: Attempt, group: Group) -> Iterator[Fact]:
    kinds: dict[tuple[str, str, bool], list[int]] = {}
    for row in attempt.ending.icmp_rows:
        packet = attempt.segments[row].packet
        if packet.icmp is not None and packet.ip is not None:
            kind = kind_of(packet.icmp.version, packet.icmp.type, packet.icmp.code)
            kinds.setdefault((kind, str(packet.ip.src), packet.ip.src == attempt.server), []).append(row)
    for (kind, sender, by_target), rows in kinds.items():
        yield IcmpDuring(
            frames=subject.frames(group, *rows[:4], most=1),
            count=len(group),
            kind=kind,
            sender=sender,
            by_target=by_target,
        )


def _stalled(subject: Subject, attempt: Attempt, group: Group) -> Iterator[Fact]:
    for client in (True, False):
        stuck = unacknowledged(attempt, client)
        if not stuck:
            continue
        before = [
            s.length for s in attempt.segments if s.client == client and (s.position or 0) < (stuck[0].position or 0)
        ]
        yield Stalled(
            frames=tuple(s.number for s in stuck[:6]), count=len(group), by_client=client, size=stuck[0].length,
            large=stuck[0].length >= _LARGE, acknowledged_size=max(before, default=0),
        )  # fmt: skip


def _worked(subject: Subject, attempt: Attempt, group: Group) -> Worked:
    talk, encrypted = listen(attempt), False
    if talk is not None and talk.server.banner:
        how, said, encrypted = "ssh", talk.server.banner, talk.stage == "encrypted"
    elif attempt.server_bytes:
        protocol = greeting(attempt.stream(client=False))
        how, said = "talked", _NAMES.get(protocol, protocol)
    else:
        how, said = ("accepted" if attempt.ending.handshake == "complete" else "answered"), ""
    rows = attempt.ending.synack_rows[:1] or (0,)
    return Worked(
        frames=subject.frames(group, *rows, most=2), count=len(group), how=how, said=said, encrypted=encrypted
    )


def _only_reset(attempt: Attempt) -> bool:
    """Whether behind the handshake the server's side sent nothing but a RST, and that at once."""
    begun = attempt.accepted
    if begun is None:
        return False
    behind = [
        s
        for s in attempt.segments
        if not s.client and not s.icmp and s.number > begun.number and (s.length or s.flags & 7)
    ]
    return bool(behind) and all(s.has(RST) for s in behind) and behind[0].ts_ns - begun.ts_ns < _AT_ONCE_NS


def _first_words(subject: Subject, attempt: Attempt, group: Group) -> tuple[int, ...]:
    rows = [i for i, s in enumerate(attempt.segments) if not s.client and s.length][:1]
    return subject.frames(group, *rows, most=2)


def _line(data: bytes) -> str:
    """The first line of a stream, shortened and printable."""
    line = data[:200].split(b"\n")[0].strip().decode("latin-1")[:72]
    return "".join(c if c.isprintable() else "." for c in line)
