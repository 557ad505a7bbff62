"""The way to a service, hop by hop: what the flows that asked it got back from each, and where its rejection begins.

A table to look at: what follows from it the analyzers say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzers.attempts.attempt import Segment
from analyzers.attempts.echoes import Echo, sender_of
from analyzers.attempts.hops import MOST_HOPS, routers
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.quotes import Change, Rewrite, changed, rewrites
from analyzers.attempts.subject import Subject
from analyzers.attempts.sweeps import Path, Sweeps


@dataclass(frozen=True, slots=True)
class Hop:
    """What SYNs with one TTL got back: `kind` as an `Echo` has it, "" for nothing. `router` is the address that reported the TTL
    as used up, "" for none, and `sender` the one that the answer bears.

    `back` routers were passed by the answer, None without one; `uneven` when that does not fit the way out, which a sender that
    starts at an unusual TTL or an answer's other way explain. `mpls` and `extensions` are those of the ICMP error.
    """

    ttl: int
    kind: str
    router: str
    sender: str
    trip_ns: int | None
    back: int | None
    uneven: bool
    tries: int
    mpls: tuple[tuple[int, int, int], ...]
    extensions: tuple[tuple[int, int], ...]
    changed: tuple[Change, ...]
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow's hops, by rising TTL. `client_port` is 0 where it changed from probe to probe; `end` is the first TTL that got
    another answer than a router's report, 0 when none did."""

    client_port: int
    port: int
    hops: tuple[Hop, ...]
    rewrites: tuple[Rewrite, ...]
    end: int

    def at(self, ttl: int) -> Hop | None:
        return next((hop for hop in self.hops if hop.ttl == ttl), None)

    @property
    def last(self) -> int:
        """The largest TTL with any answer, 0 when there was none."""
        return max((hop.ttl for hop in self.hops if hop.kind), default=0)


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a service. `flows` are those to its own port first, then those to other ports, of which `control` is the one
    to compare with (0 without one), and then those of pings and UDP, whose port is 0.

    SYNs are refused from TTL `refused_from` on; they vanish beyond hop `vanish_beyond`; None where they do not, or no sweep
    shows it.
    """

    address: str
    port: int
    control: int
    flows: tuple[Flow, ...]
    refused_from: int | None = None
    vanish_beyond: int | None = None

    def to(self, port: int) -> tuple[Flow, ...]:
        return tuple(flow for flow in self.flows if flow.port == port)


def route(subject: Subject) -> Route | None:
    """The way to the subject's service; None without a sweep to its port, or by ping or UDP."""
    sweeps, port = subject.sweeps, subject.service.port
    if not sweeps.to(port) and not subject.pings.paths:
        return None
    pinged = [replace(path, echoes=tuple(e for e in path.echoes if e.ttl <= MOST_HOPS)) for path in subject.pings.paths]
    paths = [*sweeps.to(port), *sweeps.elsewhere(port), *pinged]
    lost = subject.lost if subject.symptom == "silence" else None
    return Route(
        address=str(subject.service.address), port=port, control=_control(sweeps, port), flows=tuple(map(_flow, paths)),
        refused_from=subject.end.begins if subject.end is not None else None,
        vanish_beyond=lost.last if lost is not None else None,
    )  # fmt: skip


def _control(sweeps: Sweeps, port: int) -> int:
    """The other port that was asked first, unless only a later one was answered in the target's name."""
    others = sweeps.elsewhere(port)
    answered = [path.port for path in others if path.begins("rst", "syn-ack")]
    return next(iter(answered), others[0].port if others else 0)


def _flow(path: Path) -> Flow:
    end = min((echo.ttl for echo in path.echoes if echo.kind not in ("", RAN_OUT)), default=0)
    return Flow(path.client_port, path.port, tuple(_hops(path, end)), rewrites(path), end)


def _hops(path: Path, end: int) -> Iterator[Hop]:
    before = False  # whether the hop before reported a TTL as used up
    for echo in path.echoes:
        answer = echo.answer
        error = echo.ran_out or answer
        icmp = error.packet.icmp if error is not None else None
        back = routers(answer.ttl) if answer is not None else None
        yield Hop(
            ttl=echo.ttl, kind=echo.kind, router=sender_of(echo.ran_out), sender=echo.sender,
            trip_ns=answer.ts_ns - echo.syn.ts_ns if answer is not None else None,
            back=back, uneven=back is not None and back not in _fitting(echo, end, before), tries=echo.tries,
            mpls=icmp.mpls if icmp is not None else (), extensions=icmp.extensions if icmp is not None else (),
            changed=changed(echo), frames=_frames(echo.syn, answer, echo.ran_out),
        )  # fmt: skip
        before = echo.ran_out is not None


def _fitting(echo: Echo, end: int, before: bool) -> range:
    """How many routers the answer passes if it comes back the way that the SYN went: one less than the TTL at which the way
    ends, or two, as a router refuses what it forwards one TTL later than it reports TTLs as used up."""
    if echo.kind == RAN_OUT:
        return range(echo.ttl - 1, echo.ttl)
    first = min(echo.ttl, end or echo.ttl)
    if echo.kind == "syn-ack" and echo.ttl == first and before:
        return range(first - 1, first)
    return range(max(0, first - 2), first)


def _frames(*segments: Segment | None) -> tuple[int, ...]:
    return tuple(sorted({segment.number for segment in segments if segment is not None}))
