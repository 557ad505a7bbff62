"""A connection is reset as soon as the client has spoken, or has but acknowledged: how far must that come to draw the RST?

Asked on new connections with old bytes and the client's own first line, sent with rising TTLs (`attempts.trigger`).
"""

from collections.abc import Iterator, Sequence

from analyzers.attempts.closes import proxied_handshake
from analyzers.attempts.hops import routers
from analyzers.attempts.reflection import reflection
from analyzers.attempts.subject import Subject
from analyzers.attempts.trigger import Trigger
from analyzers.model import Fact, Placed, Void, fact
from captures.flags import ACK, RST


@fact
class WordsReset(Placed):
    """The client's words are answered by a RST from TTL `begins` on, though what accepted is reached from TTL `end` on only
    (0: not known). `filters` when the RST has the form and the marks that Linux's packet filter gives it."""

    begins: int
    end: int
    filters: bool

    def text(self) -> str:
        before = f", with TTL {self.begins - 1} they are not" if self.begins > 1 else ""
        end = f"; what accepted is reached from TTL {self.end} on" if 0 < self.end <= self.begins else ""
        return f"the client's first words are answered by a RST from TTL {self.begins} on{before}{end}"


@fact
class OldReset(Placed):
    """Segments that repeat old bytes only are answered by a RST from TTL `begins` on: it takes no words for that. What accepted is
    reached from TTL `end` on at the earliest."""

    begins: int
    end: int

    def text(self) -> str:
        before = f", with TTL {self.begins - 1} they are not" if self.begins > 1 else ""
        end = f"; what accepted is not reached before TTL {self.end}" if self.end else ""
        return f"segments with nothing new in them are answered by a RST from TTL {self.begins} on{before}{end}"


@fact
class AckRefused(Fact):
    """A RST answers the client's acknowledgement of the SYN-ACK, before it said anything, and the SYN-ACK is repeated behind it:
    the acknowledgement was kept back, and whoever sent the RST had no words to look at."""

    def text(self) -> str:
        return (
            "a RST answers the client's bare acknowledgement, and behind it the server repeats its SYN-ACK: the acknowledgement "
            "did not arrive, and whoever refused it had no words to look at"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """The hops that may reset what the client sends; nothing unless all connections that asked agree."""
    if subject.symptom == "closed":
        yield from _refused(subject)
    found = subject.triggers if subject.symptom == "closed" else []
    if not found:
        return
    sure = subject.drawn
    if sure is None:
        yield Void(test="segments with rising TTLs", why="it is not certain with which TTL the RST begins")
        return
    low, high = _hops(subject, found, sure)
    if sure.old:
        frames = (sure.words.number, sure.reset.number)
        yield OldReset(frames=frames, count=0, begins=sure.ttl, end=sure.end, hop_min=low, hop_max=high)
        return
    bare = not sure.reset.has(ACK) and not sure.reset.window
    yield WordsReset(
        frames=(sure.words.number, sure.reset.number), count=0, begins=sure.ttl, end=sure.end,
        filters=bare and reflection(sure.words, sure.reset) == "zero", hop_min=low, hop_max=high,
    )  # fmt: skip


def _refused(subject: Subject) -> Iterator[AckRefused]:
    """Shown by any connection that was watched for long enough: the SYN-ACK is repeated after a second at the earliest."""
    for attempt, group in subject.failing:
        closing, synack, begun = attempt.first_close, attempt.synack, attempt.accepted
        if closing is None or closing.client or not closing.has(RST) or synack is None or begun is None:
            continue
        spoken = any(s.length and not s.icmp and s.number < closing.number for s in attempt.segments)
        again = next((s for s in attempt.at(attempt.ending.synack_rows) if s.number > closing.number), None)
        if again is not None and not spoken and begun.number < closing.number and not proxied_handshake(attempt):
            yield AckRefused(frames=(begun.number, closing.number, again.number), count=len(group))


def _hops(subject: Subject, found: Sequence[Trigger], sure: Trigger) -> tuple[int, int]:
    """The hop before the TTL, or that of the TTL itself; one of them where the way back tells."""
    low, high = max(1, sure.ttl - 1), sure.ttl
    back = {hop: router.back for hop, router in subject.sweeps.routers.items() if hop in (low, high)}
    if high == sure.end and not sure.old and sure.synack is not None:
        back[high] = routers(sure.synack.ttl)
    resets = {routers(one.reset.ttl) for one in found}
    fits = [hop for hop in (low, high) if {back.get(hop)} == resets]
    return (fits[0], fits[0]) if len(fits) == 1 and len(back) == 2 else (low, high)
