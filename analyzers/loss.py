"""Do connections of the capture lose packets on the way, whatever these hold? Then what is missing may be so by chance."""

from collections.abc import Iterator

from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact
from analyzers.words import times


@fact
class Loses(Fact):
    """So many small segments, `lost`, came through only when they were repeated; `many` when all copies of one may well be lost by
    chance."""

    lost: int
    many: bool

    def text(self) -> str:
        much = "many packets" if self.many else "packets"
        return f"{times(self.lost, 'small segment')} came through only when repeated: {much} get lost on the way, whatever they hold"


def facts(subject: Subject) -> Iterator[Loses]:
    """What the connections to the service lost and got all the same."""
    if subject.symptom not in ("healthy", "unseen") and subject.repeats:
        frames = tuple(segment.number for segment in subject.repeats[:4])
        yield Loses(frames=frames, count=0, lost=len(subject.repeats), many=subject.loses_many)
