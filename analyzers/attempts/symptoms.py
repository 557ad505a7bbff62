"""What a person would call the way in which one attempt failed: the symptom, with which every cause's id begins."""

from dataclasses import dataclass

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.closes import foreign_reset, unacknowledged
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.talk import Talk, greeting, last_words, listen

_TOO_SHORT_NS = 1_000_000_000  # several SYNs without answer are no silence when the capture ends sooner
_LONG_ENOUGH_NS = 3_200_000_000  # nor is a single one: a router reports a dead neighbour after about 3.1 s
_PATIENCE_NS = 3_000_000_000  # a server that says nothing for so long keeps silent, sooner it may just be slow
_LONG_WAIT_NS = 5_000_000_000  # a server that has greeted sends its list of algorithms at once
_TELLING_BYTES = 16  # of a server's first words, to say which protocol they are

# Every symptom, worst to name first when attempts to one service failed in several ways equally often.
SYMPTOMS = (
    "reset", "unreachable", "silence", "closed", "wrong-service", "mute", "stalled", "half-open", "aborted", "unseen",
    "healthy",
)  # fmt: skip

_BY_OUTCOME = {
    "refused-rst": "reset", "icmp-unreachable": "unreachable", "icmp-ttl-exceeded": "unreachable",
    "icmp-other": "silence", "silent": "silence", "half-open": "half-open", "half-open-reset-by-server": "half-open",
    "half-open-reset-by-client": "healthy", "aborted-by-client": "aborted", "one-sided-client": "unseen",
    "midstream": "unseen",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watch:
    """How long the capture point of a series of files was watched, and how many frames it says it lost (None: it does not say)."""

    first_ns: int = 0
    last_ns: int = 0
    dropped: int | None = None


def symptom_of(attempt: Attempt, watch: Watch) -> str:
    """What a person would call the way in which this attempt failed; healthy when it did not."""
    if attempt.ending.outcome == "silent" and ended_early(attempt, watch):
        return "unseen"
    if refused_first(attempt):
        return "reset"
    direct = _BY_OUTCOME.get(attempt.ending.outcome)
    if direct is not None:
        return direct
    if attempt.ending.handshake == "partial":
        return "unseen"
    talk = listen(attempt)
    server_first = closed_by_server(attempt)
    if talk is not None and talk.server.banner:
        if talk.stage == "encrypted" and not _gave_up(attempt):
            return "healthy"
        if talk.missing or talk.server.text_after:
            return "closed"
        if left_waiting_ns(attempt, talk, watch) >= _LONG_WAIT_NS:
            return "stalled"
        if talk.client.disconnect:
            return "healthy"  # the client said goodbye, so that the server closed
        if server_first and attempt.server_bytes > len(attempt.stream(client=False)):
            return "unseen"  # more was said than the capture holds: it may have closed long after SSH came up
        if server_first:
            return "closed"
        return "stalled" if _gave_up(attempt) else "healthy"
    if attempt.server_bytes or attempt.stream(client=False):  # a FIN ahead of lost bytes hides that they came later
        return _spoke(attempt, expected_ssh=attempt.server_port == 22 or bool(talk and talk.client.banner))
    if server_first:
        return "closed"
    begun = attempt.accepted or attempt.segments[0]
    until = attempt.last_ns if attempt.first_close else watch.last_ns
    waited = until - begun.ts_ns >= _PATIENCE_NS
    asked = attempt.client_bytes > 0 or attempt.server_port == 22
    return "mute" if waited and asked else "healthy"


def ended_early(attempt: Attempt, watch: Watch) -> bool:
    """Whether the capture stops so soon behind its only SYN that an answer may just not have come yet."""
    listened = watch.last_ns - attempt.syns[0].ts_ns
    return listened < (_TOO_SHORT_NS if len(attempt.ending.syn_rows) > 1 else _LONG_ENOUGH_NS)


def ran_out_on_purpose(attempt: Attempt) -> bool:
    """Whether the SYN was sent with a small TTL and ran out of it on the way, as a traceroute's does."""
    return attempt.ending.outcome == "icmp-ttl-exceeded" and attempt.syns[0].ttl <= MOST_HOPS


def refused_first(attempt: Attempt) -> bool:
    """Whether a RST refused the SYN before a SYN-ACK accepted it, and the client obeyed the RST."""
    ending = attempt.ending
    resets = [row for row in ending.rst_rows if not attempt.segments[row].client]
    return bool(ending.handshake == "half-open" and resets and ending.synack_rows and resets[0] < ending.synack_rows[0])


def left_waiting_ns(attempt: Attempt, talk: Talk, watch: Watch) -> int:
    """How long a client that had sent its list of algorithms waited for the server's, behind whose greeting nothing came until
    the client gave up; 0 where something did."""
    said = len(talk.server.text_before) + len(talk.server.banner) + 2
    if (
        talk.client.offer is None
        or talk.server.offer is not None
        or min(attempt.server_bytes, attempt.server_acked - 1) > said
        or closed_by_server(attempt)
    ):
        return 0
    greeted = next((s.ts_ns for s in attempt.segments if not s.client and s.length), attempt.last_ns)
    asked = next((s.ts_ns for s in attempt.segments if s.client and s.length and s.ts_ns >= greeted), attempt.last_ns)
    until = attempt.first_close.ts_ns if attempt.first_close is not None else watch.last_ns
    return max(0, until - asked)


def closed_by_server(attempt: Attempt) -> bool:
    """Whether the server's side was the first to close or reset."""
    first = attempt.first_close
    return first is not None and not first.client


def _spoke(attempt: Attempt, expected_ssh: bool) -> str:
    """The symptom when the server spoke, but not SSH."""
    first = attempt.stream(client=False)
    server_first = closed_by_server(attempt)
    if expected_ssh and len(first) < min(attempt.server_bytes, _TELLING_BYTES):
        return "unseen"  # it said something, but the capture does not hold what
    if expected_ssh:
        words = greeting(first) == "text" and (server_first or last_words(first[:200].decode("latin-1")))
        return "closed" if words else "wrong-service"
    if _gave_up(attempt):
        return "stalled"
    return "closed" if attempt.ending.outcome == "reset-by-server" and foreign_reset(attempt) else "healthy"


def _gave_up(attempt: Attempt) -> bool:
    """Whether one side repeated data (twice at least) that the other never acknowledged, and they did not part in peace."""
    return attempt.ending.ending != "closed-normally" and bool(
        unacknowledged(attempt, client=True) or unacknowledged(attempt, client=False)
    )
