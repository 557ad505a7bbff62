"""What one probe of the way got back: a SYN with a small TTL, or of an odd shape."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzers.attempts.attempt import Attempt, Segment, asked
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.icmp import RAN_OUT, kind_of
from analyzers.attempts.strays import Strays, about
from captures.flags import ACK, FIN, RST, SYN

_RECORD_ROUTE, _FIRST_PLACE = 7, 4


@dataclass(frozen=True, slots=True)
class Echo:
    """What a SYN with this TTL got back: `kind` is syn-ack, rst, an ICMP kind, or "" when nothing came; `tries` were sent,
    and `syn` is the last one before the answer.

    `ran_out` is the time-exceeded error where a router sent one, though something else answered as well; `torn` when one SYN
    was both accepted and refused. `pushed` counts the ACKs out of nothing that followed the SYN, `pushed_back` says whether any was
    refused.
    """

    ttl: int
    kind: str
    syn: Segment
    answer: Segment | None
    ran_out: Segment | None
    tries: int
    torn: bool = False
    pushed: int = 0
    pushed_back: bool = False

    @property
    def shape(self) -> str:
        """What is odd about the SYN, as in `shape_of`."""
        return shape_of(self.syn)

    @property
    def room(self) -> int | None:
        """The SYN's `room_of`."""
        return room_of(self.syn)

    @property
    def sender(self) -> str:
        """The address that the answer bears, "" without one."""
        return sender_of(self.answer)


def shape_of(syn: Segment) -> str:
    """What is odd about a SYN: signed (TCP-MD5), damaged (wrong checksum), synfin, recorded (a record-route option in its IP
    header), spoilt (the same without room at some hop), or "" for nothing."""
    tcp, ip = syn.tcp, syn.packet.ip
    if ip is not None and ip.options:
        return "recorded" if room_of(syn) is None else "spoilt"
    if tcp.option(19) is not None:
        return "signed"
    return "synfin" if tcp.flags & FIN else "damaged" if tcp.checksum_ok is False else ""


def room_of(syn: Segment) -> int | None:
    """For how many addresses the SYN's record-route option has room, where less than a whole one is left behind these, so
    that the next to record finds it wrong (RFC 791); None of others."""
    ip = syn.packet.ip
    if ip is None or len(ip.options) < 3 or ip.options[0] != _RECORD_ROUTE or ip.options[2] != _FIRST_PLACE:
        return None
    places, rest = divmod(ip.options[1] - 3, 4)
    return places if rest else None


def sender_of(segment: Segment | None) -> str:
    """The source address that a packet bears, "" for none."""
    return str(segment.packet.ip.src) if segment is not None and segment.packet.ip is not None else ""


def echoes(members: Sequence[Attempt], strays: Strays) -> Iterator[Echo]:
    """One echo per TTL: a word of the target's counts more than an ICMP error, and that more than silence."""
    by_ttl: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in members:
        by_ttl[attempt.syns[0].ttl].append(attempt)
    for ttl in sorted(by_ttl):
        came = [(attempt, list(_answers(attempt, strays))) for attempt in by_ttl[ttl]]
        answers = [(*pair, attempt.syns) for attempt, pairs in came for pair in pairs]
        torn = any({"rst", "syn-ack"} <= {kind for kind, _ in pairs} for _, pairs in came)
        ran_out = next((segment for kind, segment, _ in answers if kind == RAN_OUT), None)
        best = min(answers, key=lambda one: (one[0] not in ("rst", "syn-ack"), one[0] == RAN_OUT), default=None)
        tries = sum(len(attempt.syns) for attempt in by_ttl[ttl])
        acks = [_acks(attempt) for attempt in by_ttl[ttl]]
        pushed, back = sum(number for number, _ in acks), any(refused for _, refused in acks)
        if best is None:
            yield Echo(ttl, "", by_ttl[ttl][0].syns[0], None, ran_out, tries, False, pushed, back)
        else:
            kind, answer, syns = best
            yield Echo(ttl, kind, asked(syns, answer), answer, ran_out, tries, torn, pushed, back)


def _acks(attempt: Attempt) -> tuple[int, bool]:
    """How many ACKs bear a probe's TTL, and whether any was refused."""
    kept = attempt.segments
    acks = [i for i, s in enumerate(kept) if s.client and s.has(ACK) and s.ttl <= MOST_HOPS and not s.has(SYN)]
    return len(acks), bool(acks) and any(map(_about_ack, kept[acks[0] :]))


def _about_ack(segment: Segment) -> bool:
    """Whether this refuses an ACK: then it acknowledges nothing, as a RST about a SYN does (RFC 9293 section 3.10.7.1)."""
    return not segment.client and segment.has(RST) and not segment.has(ACK)


def _answers(attempt: Attempt, strays: Strays) -> Iterator[tuple[str, Segment]]:
    changed = about(attempt.syns[0], attempt.trace, strays) if strays else []
    pushed, _ = _acks(attempt)
    for segment in (*attempt.segments, *changed):
        if segment.icmp and (segment.client or segment in changed) and segment.packet.icmp is not None:
            icmp = segment.packet.icmp
            yield kind_of(icmp.version, icmp.type, icmp.code), segment
        elif not segment.client and segment.has(SYN | ACK):
            yield "syn-ack", segment
        elif not segment.client and segment.has(RST) and not (pushed and _about_ack(segment)):
            yield "rst", segment
