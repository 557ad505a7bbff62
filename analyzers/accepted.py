"""The connection was accepted: whose hop does what ended it come from, the one that accepted, or another?"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt, Segment
from analyzers.attempts.closes import proxied_handshake, unheard
from analyzers.attempts.hops import MOST_HOPS, routers
from analyzers.attempts.subject import Subject
from analyzers.attempts.sweeps import Sweeps
from analyzers.model import Fact, Placed, fact
from analyzers.words import times
from captures.flags import ACK, FIN, RST


@fact
class EndsAt(Placed):
    """The machine that accepts stands at this hop."""

    hop: int

    def text(self) -> str:
        return f"SYNs to this port are accepted from TTL {self.hop} on: what accepts stands at hop {self.hop}"


@fact
class TakenOnTheWay(Fact):
    """What accepts stands nearer, out and back, than what answers other ports, at a hop where a router of another address reports
    SYNs to those, and the hop before it reports those of this port in the same name: a device on the way takes the connections.

    A box that forwards other ports only would bear the target's address itself; of flows that take another, longer way what
    answers would come back as far.
    """

    hop: int
    router: str
    back: int
    other_back: int

    def text(self) -> str:
        return (
            f"what accepts is {times(self.back, 'router')} away, what answers other ports {self.other_back}, and SYNs to these pass "
            f"{self.router} at hop {self.hop}: a device on the way takes connections to this port in the target's name"
        )


@fact
class BehindProxy(Placed):
    """A SYN proxy accepts from this TTL on; who closed, or keeps silent, stands behind it: at hop `target`, where what it sent
    passed as many routers as that hop's answers on other ports, 0 where that is not shown."""

    begins: int
    target: int

    def text(self) -> str:
        who = f"what closed came from as far as what answers other ports at hop {self.target}" if self.target else ""
        return f"SYNs to this port are accepted from TTL {self.begins} on by a SYN proxy; {who or 'its server stands there or behind'}"


@fact
class ClosedFrom(Placed):
    """A close came over as many routers as the reports of one router on the way do, and of no other, nearer than what accepted.
    Misleads as `path.LikeHop` does."""

    what: str
    ttl: int
    hop: int
    like: str

    def text(self) -> str:
        return (
            f"the {self.what} arrived with TTL {self.ttl}, over as many routers as the reports of {self.like} at hop {self.hop}: "
            "as if made there"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """Where what ended the connection, or spoke wrongly, stands: where it was accepted, or elsewhere."""
    sweeps = subject.sweeps
    if not sweeps or subject.symptom not in ("closed", "mute", "stalled", "wrong-service"):
        return
    # A listener that has answered one SYN of a flow refuses the next with a RST.
    begun = [path.begins("syn-ack", "rst") for path in sweeps.to(subject.service.port)]
    ends = {echo.ttl for echo in begun if echo is not None}
    if len(ends) != 1:
        return
    (hop,) = ends
    closing = _closing(subject) or _spoken(subject)
    synack = next((a.synack for a, _ in subject.failing if a.synack is not None), None)
    if any(proxied_handshake(attempt) for attempt, _ in subject.failing):
        yield _behind_proxy(sweeps, subject, hop, closing)
        return
    if synack is None or closing is None:
        return
    nearest = min((end.ttl for path in sweeps.paths if (end := path.begins("syn-ack", "rst"))), default=hop)
    if routers(closing.ttl) == routers(synack.ttl):
        if closing.flags & (FIN | ACK):  # a bare RST may be anybody's
            # Where other ports are answered from nearer on, the hops before may have lost what was sent.
            last = max(path.last_router(hop, sweeps.target) for path in sweeps.to(subject.service.port))
            yield EndsAt(
                frames=(synack.number,), count=0, hop=hop, hop_min=max(last + 1, min(nearest, hop)), hop_max=hop
            )
            yield from _taken(subject, hop, synack)
        return
    router = sweeps.hop_back(routers(closing.ttl))
    if router is not None and router.hop < nearest and _drawn_there(subject, sweeps, router.hop):
        what = "RST" if closing.flags & RST else "FIN"
        yield ClosedFrom(
            frames=(closing.number, router.report.number), count=0, what=what, ttl=closing.ttl, hop=router.hop, like=router.address,
            sender=router.address, hop_min=router.hop, hop_max=router.hop,
        )  # fmt: skip


def _taken(subject: Subject, hop: int, synack: Segment) -> Iterator[TakenOnTheWay]:
    sweeps, back = subject.sweeps, routers(synack.ttl)
    here = sweeps.routers.get(hop)
    others = [answer.segment for answer in subject.elsewhere]
    if here is None or sweeps.own is not None or sweeps.several_ways or not others:
        return
    nearest = min(others, key=lambda answer: routers(answer.ttl))
    passed = any(path.last_router(MOST_HOPS, sweeps.target) >= hop for path in sweeps.elsewhere(subject.service.port))
    if passed and _same_before(subject, hop) and back == here.back and routers(nearest.ttl) > back + 1:
        yield TakenOnTheWay(
            frames=(synack.number, here.report.number, nearest.number), count=0, hop=hop, router=here.address, back=back,
            other_back=routers(nearest.ttl),
        )  # fmt: skip


def _same_before(subject: Subject, hop: int) -> bool:
    """Whether the hop before reports the port's SYNs as it does those to others; one that translates them does so in the target's
    name."""
    before = subject.sweeps.routers.get(hop - 1)
    mine = [
        router
        for path in subject.sweeps.to(subject.service.port)
        if (router := path.routers().get(hop - 1)) is not None
    ]
    return hop == 1 or (before is not None and bool(mine) and all(router.address == before.address for router in mine))


def _behind_proxy(sweeps: Sweeps, subject: Subject, begins: int, closing: Segment | None) -> Fact:
    back = routers(closing.ttl) if closing is not None else -1
    ends = sweeps.ends(subject.service.port).values()
    as_far = {echo.ttl for echo in ends if echo.answer is not None and routers(echo.answer.ttl) == back}
    target = as_far.pop() if len(as_far) == 1 else 0
    frames = (closing.number,) if closing is not None else ()
    if target < begins:
        return BehindProxy(frames=frames, count=0, begins=begins, target=0, hop_min=begins)
    return BehindProxy(frames=frames, count=0, begins=begins, target=target, hop_min=target, hop_max=target)


def _spoken(subject: Subject) -> Segment | None:
    """What a server that does not close said, where that itself is what failed, or that it says no more though nothing is lost; and
    all of it came over as many routers."""
    if subject.symptom not in ("wrong-service", "stalled"):
        return None
    if subject.symptom == "stalled" and not all(_waited_for(attempt) for attempt, _ in subject.failing):
        return None
    said = [segment for a, _ in subject.failing for segment in a.segments if not segment.client and segment.length]
    return said[0] if said and len({routers(segment.ttl) for segment in said}) == 1 else None


def _waited_for(attempt: Attempt) -> bool:
    """Whether all that the client said has come to a server that has greeted and since then said nothing, as its numbers tell when
    it is asked in the end."""
    told = any(not s.client and not s.icmp and s.has(ACK) and not s.has(RST) for s in attempt.behind)
    said = max((s.position + s.length for s in attempt.segments if s.client and s.length and s.position), default=0)
    return told and attempt.server_bytes > 0 and not unheard(attempt) and attempt.client_acked >= said > 0


def _drawn_there(subject: Subject, sweeps: Sweeps, hop: int) -> bool:
    """Whether the TTL of words that draw a RST allows this hop: it, or the hop before, which must be known to be another."""
    sure = subject.drawn
    return sure is None or hop == sure.ttl - 1 or (hop == sure.ttl and hop - 1 in sweeps.routers)


def _closing(subject: Subject) -> Segment | None:
    """The server's side's close, where all of them came over as many routers."""
    closes = [
        a.first_close for a, _ in subject.failing
        if a.first_close is not None and not a.first_close.client and a.first_close.flags & (FIN | RST)
    ]  # fmt: skip
    return closes[0] if closes and len({routers(close.ttl) for close in closes}) == 1 else None
