"""How far did the handshake get, where it neither failed at once nor came to talk? And: was there anything to see?"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, Placed, fact
from analyzers.words import duration, times
from captures.flags import RST, SYN


@fact
class HalfOpen(Fact):
    """The target's address sent SYN-ACKs, but no fitting ACK of the client is in the capture."""

    synacks: int
    client_tried: bool  # the client did send something behind the SYN-ACK

    def text(self) -> str:
        tail = (
            "an ACK followed that does not fit it" if self.client_tried else "the client never completed the handshake"
        )
        return f"{times(self.synacks, 'SYN-ACK')}, then {tail}"


@fact
class Unheard(Placed):
    """An answer came in, but connect() on this host did not return: it did not reach its kernel's TCP; or that had no use for it, as
    it acknowledges another number (`fits` False). Of a SYN-ACK the former tells the place: this host."""

    answer: str
    fits: bool

    def text(self) -> str:
        why = (
            "a rule of its own keeps it out" if self.fits else "it acknowledges another sequence number than the SYN's"
        )
        return f"the {self.answer} came in on the interface, yet connect() on this host never returned: {why}"


@fact
class AbortedByClient(Fact):
    """The client's address reset its own SYN before anything came back."""

    after_ns: int

    def text(self) -> str:
        return f"a RST from the client's address {duration(self.after_ns)} after its own SYN, before any answer"


@fact
class OneDirection(Fact):
    """Only one side's packets are in the capture: what the other side did cannot be told."""

    side: str

    def text(self) -> str:
        return f"only the {self.side}'s packets are in the capture"


@fact
class BegunBefore(Fact):
    """Packets of a connection whose SYN is not in the capture."""

    def text(self) -> str:
        return "the capture holds no SYN of this connection: it began before or elsewhere, or never began"


@fact
class EndedEarly(Fact):
    """The capture ends so soon behind the only SYN that an answer may just not have come yet."""

    watched_ns: int

    def text(self) -> str:
        return f"the capture ends {duration(self.watched_ns)} after the only SYN: too soon to call it unanswered"


@fact
class PayloadCut(Fact):
    """The server spoke, but the capture does not hold its first bytes (snap length), so whether it spoke SSH is unknown."""

    def text(self) -> str:
        return "the server spoke, but its first bytes are not in the capture (cut by the snap length, or lost)"


@fact
class SynAckMissing(Fact):
    """Both sides went on behind a SYN, but no SYN-ACK is in the capture."""

    def text(self) -> str:
        return "SYN, then segments of both sides, but no SYN-ACK: the capture lost it, or there never was a connection"


def facts(subject: Subject) -> Iterator[Fact]:
    """Half-open, aborted and unseen attempts."""
    for attempt, group in subject.failing:
        ending = attempt.ending
        if subject.symptom == "half-open":
            tried = any(s.client and not s.icmp and not s.flags & (SYN | RST) for s in attempt.segments)
            yield HalfOpen(
                frames=subject.frames(group, ending.syn_rows[0], *ending.synack_rows[:1]), count=len(group),
                synacks=len(ending.synack_rows), client_tried=tried,
            )  # fmt: skip
            yield from _unheard(subject, attempt, group, "SYN-ACK", attempt.synack)
        elif subject.symptom == "reset":
            yield from _unheard(subject, attempt, group, "RST", attempt.answer)
        elif subject.symptom == "aborted" and attempt.closing is not None:
            yield AbortedByClient(
                frames=subject.frames(group, ending.syn_rows[0], ending.closing_row or 0), count=len(group),
                after_ns=max(0, attempt.closing.ts_ns - attempt.syns[0].ts_ns),
            )  # fmt: skip
        elif subject.symptom == "unseen":
            if ending.outcome == "silent":
                watched = max(0, subject.watches[attempt.trace].last_ns - attempt.syns[0].ts_ns)
                yield EndedEarly(frames=subject.frames(group, ending.syn_rows[0]), count=len(group), watched_ns=watched)
                continue
            if ending.handshake == "complete":
                rows = [i for i, s in enumerate(attempt.segments) if not s.client and s.length][:1]
                yield PayloadCut(frames=subject.frames(group, *rows), count=len(group))
                continue
            if ending.handshake == "partial" and ending.outcome != "one-sided-client":
                yield SynAckMissing(frames=subject.frames(group, 0, 1, most=1), count=len(group))
                continue
            both = {s.client for s in attempt.segments if not s.icmp}
            if len(both) == 1 and (ending.syn_rows or ending.synack_rows):
                side = "client" if True in both else "server"
                yield OneDirection(frames=subject.frames(group, 0), count=len(group), side=side)
            if not ending.syn_rows:
                yield BegunBefore(frames=subject.frames(group, 0), count=len(group))


def _unheard(subject: Subject, attempt: Attempt, group: Group, answer: str, came: Segment | None) -> Iterator[Unheard]:
    if came is not None and attempt.client_port in subject.unheard:
        fits = any((syn.tcp.seq + 1) & 0xFFFFFFFF == came.tcp.ack for syn in attempt.syns)
        own = 0 if fits and answer == "SYN-ACK" else None
        yield Unheard(frames=(came.number,), count=len(group), answer=answer, fits=fits, hop_min=own, hop_max=own)
