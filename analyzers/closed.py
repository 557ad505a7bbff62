"""The server's side accepted the connection and ended it: after what time, with which words, in which form?

Whether a close arrives as FIN or as RST is a race with the client's own data, not a cause (knowledge base 1.7). What counts
is who spoke, the time on the server (a round trip less than between the frames), whether the client's words were read
(Linux closes with RST when they were not), and whether the closing packet can be the server's at all.
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.closes import foreign_reset, served_ns, too_soon, went_on
from analyzers.attempts.hops import routers
from analyzers.attempts.reflection import DSCP, marks, reflection
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact
from analyzers.words import duration, first_line
from captures.flags import ACK, FIN, RST

_AT_ONCE_NS = 1_000_000_000
_PACES = ((2_900_000_000, 3_300_000_000, "three-seconds"), (4_900_000_000, 5_300_000_000, "five-seconds"))
_WHOLE_NS = 60_000_000  # a timer of whole seconds fires this soon behind it
_DROPBEAR_TOS = 0x48


@fact
class ClosedWithoutWord(Fact):
    """The server's side accepted and closed without a byte. `pace`: at-once, three-seconds (three tries of a proxy),
    five-seconds (libwrap's pause), or later. `words`: what became of the client's: none (it had said nothing), read, unread.
    """

    after_ns: int
    pace: str
    by_rst: bool
    words: str
    ssh: bool  # SSH was asked for: by the port, or by what the client said

    def text(self) -> str:
        how = "a RST" if self.by_rst else "a FIN"
        read = {"read": "; what the client had said was read", "unread": "; what the client had said was not read"}
        return f"accepted, then {how} in the server's name {_when(self.after_ns)}, without a byte{read.get(self.words, '')}"


@fact
class TookItIn(Fact):
    """The service closes at once a connection on which nothing was said, and one whose words it has read."""

    def text(self) -> str:
        return (
            "it closes at once whether or not the client speaks, and yet reads what the client says: as proxies do that "
            "have nowhere to pass it on; sshd, wrappers and super-servers leave it unread"
        )


@fact
class SynAckMarked(Fact):
    """The SYN-ACK bears a DSCP, which its listener asked for, or a device on the way set. `telling` on an SSH connection
    where no other port of the address does the same."""

    tos: int
    telling: bool

    def text(self) -> str:
        known = ", as dropbear's does (2022.83, measured)" if self.tos == _DROPBEAR_TOS and self.telling else ""
        return f"the SYN-ACK has TOS {self.tos:#04x}{known}"


@fact
class ClosedAfterWords(Fact):
    """The server's side spoke and was the first to close. `whole_seconds`: as a timer does, that many seconds after accept."""

    after_ns: int
    by_rst: bool
    said: str
    whole_seconds: int

    def text(self) -> str:
        how = "reset" if self.by_rst else "closed"
        return f"the server said {self.said!r} and {how} the connection {_when(self.after_ns)}"


@fact
class NotTheServers(Fact):
    """The RST that ended the connection cannot have been the server's, or came another way than all else from it."""


@fact
class ForeignReset(NotTheServers):
    """The RST that ended the connection arrived with another TTL than everything else from the server. `programs` is True
    for the form that a program's close gives (ACK set, a window): then rather another way back than another maker. `telling`
    when it was made two hops nearer or more and is no stack's answer: one hop, or a farther one, may be another machine of
    the same service, or another way back."""

    ttl: int
    other_ttl: int
    programs: bool
    telling: bool

    def text(self) -> str:
        form = "; its form is that of a program's close" if self.programs else ""
        return f"the RST arrived with TTL {self.ttl}, all else from the server with {self.other_ttl}{form}"


@fact
class WentOn(NotTheServers):
    """The server's side sent new data behind the RST in its name: the server did not send that RST, and did not get one."""

    said: str

    def text(self) -> str:
        return f"the server went on behind the RST and said {self.said!r}: the RST was not the server's"


@fact
class TooSoon(NotTheServers):
    """The RST came so soon behind the handshake that the server cannot have known it to be complete."""

    after_ns: int
    trip_ns: int

    def text(self) -> str:
        return (
            f"the RST came {duration(self.after_ns)} after the handshake, and a round trip to the server takes "
            f"{duration(self.trip_ns)}: made nearer than the server"
        )


@fact
class MadeBefore(NotTheServers):
    """The client's words, or mere old bytes, draw the RST where they cannot have come to what accepted the connection: that is
    reached from TTL `end` on, at the earliest where `old`."""

    begins: int
    end: int
    old: bool

    def text(self) -> str:
        what = "segments with nothing new in them draw" if self.old else "the client's words draw"
        reached = f"not reached before TTL {self.end}" if self.old else f"reached from TTL {self.end} on"
        return f"{what} the RST with TTL {self.begins}, and what accepted is {reached}: made by something before it"


@fact
class OffSequence(Fact):
    """The RST's sequence number is not the one that the client expects next: clients of RFC 5961 do not obey it."""

    off_by: int

    def text(self) -> str:
        return (
            f"the RST's sequence number is {self.off_by:+,} off what the client expects: a guess, or a race with data"
        )


@fact
class BareReset(Fact):
    """The connection was ended by a RST without ACK and with window 0. A Linux program's close has both: a stack that knows
    no such connection, or a packet filter, sends the bare form. `marks`: those of the segment that it answers, copied as a
    stack does, zero as Linux's filter does, or blank where there was nothing to copy.
    """

    marks: str
    shown: str

    def text(self) -> str:
        said = {
            "copied": f"; it copies the marks of the segment that it answers ({self.shown}), as a Linux stack does",
            "zero": f"; it does not copy the marks of the segment that it answers ({self.shown}), as Linux's filter does not",
        }.get(self.marks, "")
        return f"the connection was ended by a bare RST (no ACK, window 0), not the form of a program's close{said}"


def facts(subject: Subject) -> Iterator[Fact]:
    """How each group that failed after accept was ended."""
    if subject.symptom != "closed":
        return
    words = set()
    for attempt, group in subject.failing:
        closing = attempt.first_close
        if closing is None:
            continue
        for found in _closed(subject, attempt, group, closing):
            if isinstance(found, ClosedWithoutWord) and found.pace == "at-once":
                words.add(found.words)
            yield found
        synack = attempt.synack
        if synack is not None and synack.packet.ip is not None and synack.packet.ip.tos & DSCP:
            tos = synack.packet.ip.tos
            alone = not any(
                a.kind == "syn-ack" and a.segment.packet.ip is not None and a.segment.packet.ip.tos == tos
                for a in subject.elsewhere
            )
            yield SynAckMarked(frames=(synack.number,), count=len(group), tos=tos, telling=alone and _ssh(attempt))
        if closing.has(RST) and not closing.client:
            yield from _reset(subject, attempt, group, closing)
    sure = subject.drawn
    if sure is not None and sure.ttl < sure.end:
        frames = (sure.words.number, sure.reset.number)
        yield MadeBefore(frames=frames, count=0, begins=sure.ttl, end=sure.end, old=sure.old)
    if words == {"none", "read"}:
        shown = [a.first_close for a, _ in subject.failing if a.first_close]
        yield TookItIn(frames=tuple(s.number for s in shown[:4]))


def _closed(subject: Subject, attempt: Attempt, group: Group, closing: Segment) -> Iterator[Fact]:
    if closing.client:
        return
    after = served_ns(attempt, closing)
    row = attempt.segments.index(closing)
    if not any(s.length and not s.client and s.number < closing.number for s in attempt.segments):
        pace = next((word for low, high, word in _PACES if low <= after <= high), "later")
        yield ClosedWithoutWord(
            frames=subject.frames(group, attempt.ending.synack_rows[0] if attempt.ending.synack_rows else 0, row),
            count=len(group), after_ns=after, pace="at-once" if after < _AT_ONCE_NS else pace, by_rst=closing.has(RST),
            words=_words(attempt, closing), ssh=_ssh(attempt),
        )  # fmt: skip
        return
    rows = [i for i, s in enumerate(attempt.segments) if not s.client and s.length][:1]
    yield ClosedAfterWords(
        frames=tuple(sorted({*subject.frames(group, *rows, most=2), *subject.frames(group, row)})), count=len(group),
        after_ns=after, by_rst=closing.has(RST), said=first_line(attempt.stream(client=False)),
        whole_seconds=after // 1_000_000_000 if after % 1_000_000_000 <= _WHOLE_NS else 0,
    )  # fmt: skip


def _ssh(attempt: Attempt) -> bool:
    return attempt.server_port == 22 or attempt.stream(client=True).startswith(b"SSH-")


def _words(attempt: Attempt, closing: Segment) -> str:
    """What became of what the client had said when the server closed; unknown when that was not the server."""
    if closing.has(RST) and (foreign_reset(attempt) or went_on(attempt) or too_soon(attempt)):
        return "unknown"
    if not any(s.client and s.length and s.number < closing.number for s in attempt.segments):
        return "none"
    return "read" if closing.has(FIN) and (closing.ack_position or 0) > 1 else "unread"


def _reset(subject: Subject, attempt: Attempt, group: Group, closing: Segment) -> Iterator[Fact]:
    """Whose RST was it that ended the connection?"""
    row = attempt.segments.index(closing)
    said = [s for s in attempt.segments if s.client and not s.icmp and s.number < closing.number]
    kind = reflection(said[-1], closing) if said else "blank"
    if foreign_reset(attempt):
        # The SYN-ACK may itself be a proxy's: what came behind it is the server's, where there is anything.
        theirs = [s for s in attempt.segments if not s.client and not s.icmp and not s.has(RST)]
        other = theirs[-1]
        programs = closing.has(RST | ACK) and closing.window > 0
        nearer = routers(other.ttl) - routers(closing.ttl) > 1 and len(theirs) > 1
        yield ForeignReset(
            frames=(other.number, closing.number), count=len(group), ttl=closing.ttl, other_ttl=other.ttl,
            programs=programs, telling=nearer and not programs and kind != "copied",
        )  # fmt: skip
    if not closing.has(ACK) and not closing.window:
        yield BareReset(
            frames=subject.frames(group, row), count=len(group), marks=kind, shown=marks(said[-1]) if said else ""
        )
    soon, begun = too_soon(attempt), attempt.accepted
    if soon is not None and begun is not None:
        yield TooSoon(frames=(begun.number, closing.number), count=len(group), after_ns=soon[0], trip_ns=soon[1])
    later = went_on(attempt)
    if later is not None:
        words = first_line(later.tcp.payload) or f"{later.length} bytes"
        yield WentOn(frames=(closing.number, later.number), count=len(group), said=words)
    if closing.ahead and closing.position is not None:
        yield OffSequence(frames=(closing.number,), count=len(group), off_by=closing.ahead)


def _when(after_ns: int) -> str:
    return "at once" if after_ns < 1_000_000 else f"{duration(after_ns)} later (a round trip taken off)"
