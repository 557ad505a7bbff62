"""How an accepted connection stopped: how long the server had held it, and whether what ended it can be the server's."""

from analyzers.attempts.attempt import Attempt, Segment, asked
from captures.flags import ACK, FIN, RST, SYN

_FLOOR_NS = 4_000_000  # round trips below this vary too much to be compared
_AT_ONCE_NS = 500_000_000  # what is repeated for want of an answer is so after a second
_WINDOW = 1 << 20  # bytes: no number of the same connection is farther off
_CEILING_NS = 300_000_000  # and in longer ones a neighbour was still being looked for


def synacks_again(attempt: Attempt) -> list[Segment]:
    """A SYN-ACK, the client's acknowledgement of it, and the SYN-ACK repeated all the same, so late that it is no answer to a SYN
    that was repeated as well; empty where that did not happen.

    The listener's queue is full, or what the client sends does not arrive, of which nothing is acknowledged then. A SYN proxy's
    SYN-ACK (window 0) is its own story.
    """
    answers = attempt.at(attempt.ending.synack_rows)
    if len(answers) < 2 or not answers[0].window or attempt.client_acked > 1:
        return []
    between = (
        s for s in attempt.segments
        if s.client and s.has(ACK) and not s.flags & (SYN | RST) and answers[0].number < s.number < answers[-1].number
    )  # fmt: skip
    acknowledged = next(between, None)
    if acknowledged is None:
        return []
    since = max([acknowledged.ts_ns, *(syn.ts_ns for syn in attempt.syns)]) + _AT_ONCE_NS
    late = [segment for segment in answers if segment.ts_ns > since]
    return [answers[0], acknowledged, *late] if late else []


def served_ns(attempt: Attempt, closing: Segment) -> int:
    """How long the server held a connection before it closed it: from when the client's acknowledgement reached it to when
    it sent `closing`, which is a round trip less than passes between the frames on the client's side."""
    begun = attempt.accepted or attempt.segments[0]
    synack = attempt.synack
    trip = synack.ts_ns - asked(attempt.syns, synack).ts_ns if synack is not None and attempt.syns else 0
    return max(0, closing.ts_ns - begun.ts_ns - max(0, trip))


def went_on(attempt: Attempt) -> Segment | None:
    """What the server's side sent behind the RST in its name that it could not have sent before it: data beyond the RST's
    own sequence number, so that it was neither delayed nor repeated."""
    reset = attempt.first_close
    if reset is None or reset.client or not reset.has(RST) or reset.position is None:
        return None
    later = (s for s in attempt.segments if s.number > reset.number and not s.client and s.length and not s.has(RST))
    return next((s for s in later if s.position is not None and s.position + s.length > reset.position), None)


def too_soon(attempt: Attempt) -> tuple[int, int] | None:
    """How long after the handshake a RST in the server's name came, and the handshake's round trip, where the one is so much
    shorter than the other that the server cannot have seen the client's acknowledgement yet, let alone more."""
    reset, synack, begun = attempt.first_close, attempt.synack, attempt.accepted
    if reset is None or reset.client or not reset.has(RST) or synack is None or begun is None or not synack.window:
        return None
    trip = synack.ts_ns - asked(attempt.syns, synack).ts_ns
    after = reset.ts_ns - begun.ts_ns
    return (after, trip) if _FLOOR_NS <= trip <= _CEILING_NS and 0 <= 4 * after <= trip else None


def proxied_handshake(attempt: Attempt) -> bool:
    """Whether the SYN-ACK offered no window at all, as a SYN proxy's does: then it is not the server's own packet."""
    synack = attempt.synack
    return synack is not None and synack.window == 0


def foreign_reset(attempt: Attempt) -> bool:
    """Whether the RST that ended a connection arrived with another TTL than all else from the server's side, of which
    nothing was left out."""
    closing = attempt.first_close
    if closing is None or closing.client or not closing.has(RST) or proxied_handshake(attempt):
        return False
    mine = [s for s in attempt.segments if not s.client and not s.icmp]
    others = {s.ttl for s in mine if not s.has(RST)}
    return len(mine) == attempt.server_packets and bool(others) and closing.ttl not in others


def unacknowledged(attempt: Attempt, client: bool) -> list[Segment]:
    """The segments of one side, from the first copy on, that carry its most repeated data that was never acknowledged;
    empty when nothing was repeated twice."""
    acked = attempt.client_acked if client else attempt.server_acked
    sent: dict[int, list[Segment]] = {}
    for segment in attempt.segments:
        mine = segment.client == client and segment.length and not segment.has(RST)
        if mine and segment.position is not None and segment.position + segment.length > acked:
            sent.setdefault(segment.position, []).append(segment)
    most = max(sent.values(), key=len, default=[])
    return most if len(most) > 2 else []


def unheard(attempt: Attempt) -> int:
    """How many bytes the server's side has sent that never came: as the numbers of what did come tell, as far as the client has
    not acknowledged them."""
    rows = (
        s
        for s in (*attempt.segments, *attempt.behind)
        if not s.client and s.has(ACK) and not s.flags & (SYN | FIN | RST)
    )
    ends = (s.position + s.length for s in rows if s.position is not None and abs(s.ahead or 0) < _WINDOW)
    last = max(ends, default=0)
    return max(0, min(last - 1 - attempt.server_bytes, last - attempt.server_acked))
