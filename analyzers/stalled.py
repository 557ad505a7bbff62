"""A connection came up and got stuck: whose data is not acknowledged, did smaller segments pass, did anybody report it?"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.closes import unacknowledged, unheard
from analyzers.attempts.icmp import kind_of
from analyzers.attempts.services import Group
from analyzers.attempts.subject import Subject
from analyzers.attempts.symptoms import left_waiting_ns
from analyzers.attempts.talk import listen
from analyzers.model import Fact, fact
from analyzers.words import duration, times

_SMALL = 500  # RFC 791: every link carries 576 bytes
_LARGE = 1000  # payload bytes: below this no usual path MTU is the reason
_SACK = 5
REFUSING = frozenset({"port-unreachable", "admin-prohibited", "host-prohibited", "net-prohibited", "policy-failed"})
TOO_BIG = frozenset({"fragmentation-needed", "packet-too-big"})


@fact
class IcmpDuring(Fact):
    """ICMP errors about packets of the connection after its handshake. `says`: refused, too-big, ttl-exceeded or undelivered."""

    kind: str
    says: str
    sender: str
    by_target: bool
    everywhere: bool  # every failing attempt met this
    as_far: bool  # it came from as far as the server's own packets

    def text(self) -> str:
        who = f"the target's address {self.sender}" if self.by_target else self.sender
        return f"ICMP {self.kind} from {who} about packets sent after the handshake"


@fact
class Stalled(Fact):
    """One side keeps repeating data that is never acknowledged. `large` is True where the size can be the reason."""

    by_client: bool
    size: int
    large: bool
    small: bool  # too small for any path MTU to be the reason
    acknowledged_size: int  # the largest segment of that side before, in payload bytes
    lost: bool = True

    def text(self) -> str:
        who = "client" if self.by_client else "server"
        return (
            f"the {who} repeats a segment of {self.size} bytes that is never acknowledged "
            f"(the largest it had sent before has {self.acknowledged_size})"
        )


@fact
class NoAlgorithms(Fact):
    """Behind its greeting nothing came from an SSH server, though the client had sent its list of algorithms. `unheard` bytes it
    has sent all the same, as the numbers of its acknowledgements tell: `lost`; `large` where their size can be the reason."""

    waited_ns: int
    unheard: int
    large: bool
    lost: bool

    def text(self) -> str:
        lost = (
            f"; its numbers tell of {times(self.unheard, 'byte')} that it sent and that never came"
            if self.unheard
            else ""
        )
        return f"the server greeted, and then sent no list of algorithms for {duration(self.waited_ns)}, though the client did{lost}"


@fact
class SmallerPassed(Fact):
    """While a large segment was repeated in vain, a smaller one of the same side that was sent behind it arrived; `steady` where no
    small one was lost that is known of."""

    size: int
    passed: int
    steady: bool

    def text(self) -> str:
        return (
            f"a segment of {self.passed} bytes sent behind it did arrive (it is acknowledged selectively), so the path works "
            f"and swallows the one of {self.size} bytes"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """What got stuck in each group, and the ICMP errors about connections that had been accepted."""
    for attempt, group in subject.failing:
        if subject.symptom == "stalled":
            yield from _stalled(subject, attempt, group)
            yield from _waiting(subject, attempt, group)
        if subject.symptom in ("closed", "mute", "stalled"):
            yield from _icmp_during(subject, attempt, group)


def _waiting(subject: Subject, attempt: Attempt, group: Group) -> Iterator[Fact]:
    talk = listen(attempt)
    waited = left_waiting_ns(attempt, talk, subject.watches[attempt.trace]) if talk is not None else 0
    if waited and not unacknowledged(attempt, client=True):
        theirs = [s for s in attempt.segments if not s.client and not s.icmp]
        lost = unheard(attempt)
        frames = tuple(s.number for s in theirs if s.length or (s.ahead or 0) > 0)[:4]
        yield NoAlgorithms(
            frames=frames,
            count=len(group),
            waited_ns=waited,
            unheard=lost,
            large=lost >= _SMALL,
            lost=lost > 0,
        )


def _stalled(subject: Subject, attempt: Attempt, group: Group) -> Iterator[Fact]:
    for client in (True, False):
        stuck = unacknowledged(attempt, client)
        if not stuck:
            continue
        size, position = stuck[0].length, stuck[0].position or 0
        before = [s.length for s in attempt.segments if s.client == client and (s.position or 0) < position]
        yield Stalled(
            frames=tuple(s.number for s in stuck[:6]), count=len(group), by_client=client, size=size, large=size >= _LARGE,
            small=size < _SMALL, acknowledged_size=max(before, default=0),
        )  # fmt: skip
        witness = _sack(attempt, client, stuck[0])
        if size >= _LARGE and witness is not None:
            behind = [
                s
                for s in attempt.segments
                if s.client == client and 0 < s.length < size and (s.position or 0) > position
            ]
            if behind:
                frames = (behind[0].number, witness.number)
                passed = max(s.length for s in behind)
                yield SmallerPassed(
                    frames=frames, count=len(group), size=size, passed=passed, steady=not subject.repeats
                )


def _sack(attempt: Attempt, client: bool, stuck: Segment) -> Segment | None:
    """The other side's segment that acknowledges data behind the stuck one, but not that (RFC 2018)."""
    for segment in attempt.segments:
        if segment.client != client and segment.number > stuck.number and not segment.icmp:
            blocks = segment.tcp.option(_SACK)
            if blocks and len(blocks) >= 8:
                ahead = (int.from_bytes(blocks[:4], "big") - stuck.tcp.seq) & 0xFFFFFFFF
                if 0 < ahead < 1 << 31:
                    return segment
    return None


def _icmp_during(subject: Subject, attempt: Attempt, group: Group) -> Iterator[IcmpDuring]:
    kinds: dict[tuple[str, str, bool], list[int]] = {}
    for row in attempt.ending.icmp_rows:
        packet = attempt.segments[row].packet
        if packet.icmp is not None and packet.ip is not None:
            kind = kind_of(packet.icmp.version, packet.icmp.type, packet.icmp.code)
            kinds.setdefault((kind, str(packet.ip.src), packet.ip.src == attempt.server), []).append(row)
    for (kind, sender, by_target), rows in kinds.items():
        says = "refused" if kind in REFUSING else "too-big" if kind in TOO_BIG else "undelivered"
        yield IcmpDuring(
            frames=subject.frames(group, *rows[:4], most=1), count=len(group), kind=kind,
            says=kind if kind == "ttl-exceeded" else says, sender=sender, by_target=by_target,
            everywhere=all(a.ending.icmp_rows for a, _ in subject.failing),
            as_far=attempt.segments[rows[0]].ttl in {s.ttl for s in attempt.segments if not s.client and not s.icmp},
        )  # fmt: skip
