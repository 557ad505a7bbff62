"""A connection is reset as soon as the client has spoken: how far must its words come for that?

Asked with the client's own first line on new connections, sent with rising TTLs (`attempts.trigger`).
"""

from collections.abc import Iterator, Sequence

from analyzers.attempts.hops import routers
from analyzers.attempts.reflection import reflection
from analyzers.attempts.subject import Subject
from analyzers.attempts.trigger import Trigger, agreed
from analyzers.model import Fact, Placed, Void, fact
from captures.packet import ACK


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


def facts(subject: Subject) -> Iterator[Fact]:
    """The hops that may reset what the client says; nothing unless all connections that asked agree."""
    found = subject.triggers if subject.symptom == "closed" else []
    if not found:
        return
    sure = agreed(found)
    if sure is None:
        yield Void(test="first words with rising TTLs", why="it is not certain with which TTL the RST begins")
        return
    low, high = _hops(subject, found, sure)
    bare = not sure.reset.has(ACK) and not sure.reset.window
    yield WordsReset(
        frames=(sure.words.number, sure.reset.number), count=0, begins=sure.ttl, end=sure.end,
        filters=bare and reflection(sure.words, sure.reset) == "zero", hop_min=low, hop_max=high,
    )  # fmt: skip


def _hops(subject: Subject, found: Sequence[Trigger], sure: Trigger) -> tuple[int, int]:
    """The hop before the TTL, or that of the TTL itself; one of them where the way back tells."""
    low, high = max(1, sure.ttl - 1), sure.ttl
    back = {hop: router.back for hop, router in subject.sweeps.routers.items() if hop in (low, high)}
    if high == sure.end and sure.synack is not None:
        back[high] = routers(sure.synack.ttl)
    resets = {routers(one.reset.ttl) for one in found}
    fits = [hop for hop in (low, high) if {back.get(hop)} == resets]
    return (fits[0], fits[0]) if len(fits) == 1 and len(back) == 2 else (low, high)
