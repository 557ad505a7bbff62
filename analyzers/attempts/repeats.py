"""What had to be said again and then came through: small segments of the client that were acknowledged only when repeated, and
segments of the server behind which one was missing until it was repeated. Large ones may be lost for their size, and are no sign.
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment

_SMALL = 500  # payload bytes: every link carries them (RFC 791)
_SACK = 5
_REPEATED_NS = 150_000_000  # what is said again sooner may only have come in another order


def small(attempt: Attempt) -> set[tuple[bool, int]]:
    """The small segments with data that were seen, however often, by side and position."""
    return {
        (s.client, s.position)
        for s in attempt.segments
        if not s.icmp and 0 < s.length < _SMALL and s.position is not None
    }


def repeats(attempt: Attempt) -> Iterator[Segment]:
    """The repeats with which something lost came through."""
    first: dict[int, Segment] = {}
    missing: Segment | None = None
    known = {block for segment in attempt.segments if not segment.client and (block := _had(segment))}
    for segment in attempt.segments:
        if segment.icmp or not segment.length or segment.position is None or segment.length >= _SMALL:
            continue
        if segment.client:
            once = first.setdefault(segment.position, segment)
            acked = segment.position + segment.length <= attempt.client_acked
            if segment.ts_ns - once.ts_ns >= _REPEATED_NS and acked and segment.tcp.seq not in known:
                known.add(segment.tcp.seq)
                yield segment
        elif (segment.ahead or 0) > 0:
            missing = missing or segment
        elif missing is not None and (segment.ahead or 0) < 0 and segment.ts_ns - missing.ts_ns >= _REPEATED_NS:
            missing = None
            yield segment


def _had(segment: Segment) -> int | None:
    """The number from which on the server says that it had got bytes before, None without one (RFC 2883)."""
    blocks = segment.tcp.option(_SACK)
    first = int.from_bytes(blocks[:4], "big") if blocks and len(blocks) >= 8 else None
    return first if first is not None and 0 < (segment.tcp.ack - first) & 0xFFFFFFFF < 1 << 31 else None
