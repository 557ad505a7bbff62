"""The connection was accepted: who answered the handshake, who spoke, which protocol was it, what worked?"""

from collections.abc import Iterator
from itertools import pairwise

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.closes import proxied_handshake, synacks_again
from analyzers.attempts.hops import routers
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.attempts.symptoms import closed_by_server
from analyzers.attempts.talk import greeting, listen
from analyzers.model import Fact, fact
from analyzers.words import duration, first_line, times
from captures.flags import FIN, RST, SYN

_AT_ONCE_NS = 1_000_000_000
_ONCE = 3  # frames: SYN-ACK, acknowledgement, SYN-ACK
_SLOW_NS = 900_000_000  # between the lines of a tarpit
_LONGEST_LINE = 256  # bytes


@fact
class ProxiedHandshake(Fact):
    """The SYN-ACK offered a window of 0, as a SYN proxy's does before it has asked the server. `refused` when all that came
    from the server's side behind it was a RST, at once."""

    refused: bool
    ttl: int
    later_ttl: int  # of what came behind it, 0 when nothing did
    behind: bool  # that came from elsewhere, or took the client's words: the server behind the proxy has answered

    def text(self) -> str:
        moved = (
            f" (its TTL is {self.ttl}, that of what came later {self.later_ttl})"
            if self.later_ttl not in (0, self.ttl)
            else ""
        )
        return f"the SYN-ACK offers a window of 0: as SYN proxies do{moved}"


@fact
class SpokeOtherProtocol(Fact):
    """What answers on an SSH port, or to an SSH client, does not speak SSH."""

    protocol: str
    said: str
    open: bool = False  # the server's side did not close

    def text(self) -> str:
        return f"the server speaks {_NAMES.get(self.protocol, self.protocol)}: {self.said!r}"


@fact
class SlowLines(Fact):
    """Line after line of plain text, seconds apart, that never becomes an SSH identification line."""

    lines: int
    pause_ns: int

    def text(self) -> str:
        return (
            f"{times(self.lines, 'line')} of text, {duration(self.pause_ns)} or more apart, and never an SSH greeting"
        )


@fact
class WindowShut(Fact):
    """The server's side accepted and then offers no room for the client's data, without ever opening it."""

    def text(self) -> str:
        return "behind the handshake the server's side keeps its window at 0: it lets the client wait"


@fact
class SynAckAgain(Fact):
    """The SYN-ACK was repeated although the client had acknowledged it; `often` when that is no accident."""

    often: bool

    def text(self) -> str:
        return (
            "the SYN-ACK is repeated although the client acknowledged it: the listener's queue is full, or what the client "
            "sends does not arrive"
        )


@fact
class TookLeave(Fact):
    """The client's FIN was answered by a FIN, from as far as the SYN-ACK: a program reads what it accepted. That none comes says
    nothing: services ignore it, and so do proxies that wait for their server."""

    after_ns: int

    def text(self) -> str:
        return (
            f"the client's FIN is answered by a FIN {duration(self.after_ns)} later: a program runs that read it, as no kernel "
            "closes by itself what it accepted"
        )


@fact
class NeverSpoke(Fact):
    """The server's side accepted, stayed silent, and did not close."""

    waited_ns: int
    client_spoke: bool

    def text(self) -> str:
        asked = "although the client spoke" if self.client_spoke else "and the client did not speak either"
        return f"accepted, then not a byte from the server for {duration(self.waited_ns)}, {asked}"


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
        if subject.symptom == "wrong-service":
            first = attempt.stream(client=False)
            yield SpokeOtherProtocol(
                frames=_first_words(subject, attempt, group),
                count=len(group),
                protocol=greeting(first),
                said=first_line(first),
                open=not closed_by_server(attempt),
            )
            yield from _slow_lines(attempt, group)
        elif subject.symptom == "mute":
            begun = attempt.accepted or attempt.segments[0]
            last = attempt.last_ns if attempt.closing is not None else subject.watches[attempt.trace].last_ns
            yield NeverSpoke(
                frames=subject.frames(group, 0, *attempt.ending.synack_rows[:1]), count=len(group),
                waited_ns=max(0, last - begun.ts_ns), client_spoke=attempt.client_bytes > 0,
            )  # fmt: skip
            again = synacks_again(attempt)
            if again:
                yield SynAckAgain(frames=tuple(s.number for s in again), count=len(group), often=len(again) > _ONCE)
            leave = _leave(attempt)
            if leave is not None:
                left, closed = leave
                after = closed.ts_ns - left.ts_ns
                yield TookLeave(frames=(left.number, closed.number), count=len(group), after_ns=after)
            theirs = [s for s in attempt.segments if not s.client and not s.icmp and not s.flags & (SYN | RST | FIN)]
            if theirs and not any(s.window for s in theirs):
                yield WindowShut(frames=tuple(s.number for s in theirs[:3]), count=len(group))
        if subject.symptom in ("closed", "mute") and proxied_handshake(attempt):
            yield ProxiedHandshake(
                frames=subject.frames(group, attempt.ending.synack_rows[0]),
                count=len(group),
                refused=_only_reset(attempt),
                ttl=attempt.segments[attempt.ending.synack_rows[0]].ttl,
                later_ttl=_later_ttl(attempt),
                behind=_took_words(attempt)
                or _later_ttl(attempt) not in (0, attempt.segments[attempt.ending.synack_rows[0]].ttl),
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


def _leave(attempt: Attempt) -> tuple[Segment, Segment] | None:
    """The client's FIN, and the first one of the server's side that acknowledges it; None where there is none, or it came from
    elsewhere than the SYN-ACK."""
    ends = [s for s in (*attempt.segments, *attempt.behind) if s.has(FIN) and not s.has(RST)]
    left = next((s for s in ends if s.client), None)
    if left is None or left.position is None or attempt.synack is None:
        return None
    back = next((s for s in ends if not s.client), None)
    if back is None or back.number < left.number or (back.ack_position or 0) <= left.position + left.length:
        return None
    return (left, back) if routers(back.ttl) == routers(attempt.synack.ttl) else None


def _took_words(attempt: Attempt) -> bool:
    """Whether the server's side acknowledged what the client said, which a proxy without a server has no room for."""
    return any(not s.client and not s.icmp and not s.has(RST) and (s.ack_position or 0) > 1 for s in attempt.segments)


def _slow_lines(attempt: Attempt, group: Group) -> Iterator[SlowLines]:
    said = [s for s in attempt.segments if not s.client and 0 < s.length <= _LONGEST_LINE]
    pauses = [after.ts_ns - before.ts_ns for before, after in pairwise(said)]
    if len(pauses) > 1 and min(pauses) >= _SLOW_NS and greeting(attempt.stream(client=False)) == "text":
        yield SlowLines(
            frames=tuple(s.number for s in said[:4]), count=len(group), lines=len(said), pause_ns=min(pauses)
        )


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


def _later_ttl(attempt: Attempt) -> int:
    """The TTL of the last packet in the server's name, 0 when there was but one."""
    theirs = [s for s in attempt.segments if not s.client and not s.icmp]
    return theirs[-1].ttl if len(theirs) > 1 else 0


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
