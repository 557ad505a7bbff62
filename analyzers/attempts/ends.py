"""At which hop does the way of a failing port end, and is that before the target, at it, or behind it?

Two witnesses: the smallest TTL with which a SYN is refused leaves two hops, as a router refuses what it forwards one TTL later
than it reports TTLs as used up; and the routers that the refusal passed on its way back, against those that the hops' own
reports passed, tell the two apart (knowledge base T1 to T3). The second lies where ways back differ; then both hops stand.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import reduce

from analyzers.attempts.attempt import Segment
from analyzers.attempts.hops import MDA_FLOWS, routers
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.pings import NO_PINGS, Pings
from analyzers.attempts.reflection import reflection
from analyzers.attempts.sweeps import Echo, Path, Router, Sweeps, sender_of

_NO_CONTAINER = 2  # a container is one hop behind its host: a box that passes on farther than that is no mere host


@dataclass(frozen=True, slots=True)
class End:
    """Refusals of `kind` begin at the TTL `begins`; who refuses stands at hop `low` to `high`, and is `router` where the hop is
    that of a router which reported TTLs as used up, to this very flow if `own`; `clear` when the reports of all hops came
    back over as many routers as the probes went, and no other port is refused by what is not the target's stack.

    `stands`: nearer, same or farther, against where other ports of the address are answered (at hop `target`, 0 when none
    is); before, when none of so many flows as leave no doubt (95 %) is answered as near as that; beside, when an open one is
    answered at the same hop, and the hop before it is somebody else's; behind a box that translates in the address's name;
    relay, when the refusing hop is such a box, which passes other ports on; or unknown.
    `last` is the largest TTL below that a router reported, 0 for none; `copies` when the refusals copy TTLs.
    """

    kind: str
    begins: int
    low: int
    high: int
    router: Router | None
    own: bool
    clear: bool
    stands: str
    target: int
    last: int
    copies: bool
    frames: tuple[int, ...]

    @property
    def forwarding(self) -> str:
        """Whether the device refuses what it forwards ("yes": its own hop still ran out), or before that ("no"); "" unknown."""
        if self.low != self.high:
            return ""
        return "yes" if self.high == self.begins - 1 else "no"


def end_of(
    sweeps: Sweeps, port: int, kind: str, arrived: frozenset[int] = frozenset(), opened: frozenset[int] = frozenset()
) -> End | None:
    """Where the sweeps of this port begin to be refused in this way; None without a sweep that was.

    `arrived` are the TTLs of refusals of whole connections: a probe whose refusal arrives with another met another refuser,
    and tells nothing of theirs, unless the maker copies TTLs. `opened` are the TTLs of SYN-ACKs of the address's other ports.
    """
    found = {
        path: first for path in sweeps.refusable(port) if (first := path.begins(kind)) is not None and first.answer
    }
    ends = [
        _end(sweeps, path, first, opened) for path, first in found.items()
        if not arrived or path.copies_ttl or (first.answer and first.answer.ttl in arrived)
    ]  # fmt: skip
    return reduce(_both, ends) if ends else None


def _end(sweeps: Sweeps, path: Path, first: Echo, opened: frozenset[int]) -> End:
    assert first.answer is not None
    last = path.last_router(first.ttl, sweeps.target)
    others = sweeps.ends(path.port)
    at_target = {echo.ttl: routers(echo.answer.ttl) for echo in others.values() if echo.answer}
    copies = path.copies_ttl
    low, high = max(1, first.ttl - 1), first.ttl
    if copies:
        low = 1  # near ones do not arrive, and what lets the SYN pass may stand before routers that report it
    router = None
    if not copies:
        met = {**sweeps.routers, **path.routers()}
        # Another flow's routers may be on another way, which shows where their reports come back over more or fewer routers.
        astray = {hop for hop, router in met.items() if hop not in path.routers() and router.back != hop - 1}
        if _refused_alike(sweeps, path.port, first):
            at_target = at_target or {first.ttl: routers(first.answer.ttl)}  # it may be the host, over another way back
        as_far = routers(first.answer.ttl) in {*map(routers, opened), *at_target.values()}
        low, high, router = _picked(sweeps.target, met, astray, first, low, high, at_target, as_far)
        if low < high:
            back = routers(first.answer.ttl) + 1
            silent = low not in path.routers()  # small TTLs may be dropped where they are: then the refuser is nearer
            low, high = (min(low, back) if silent else low), max(high, back)
    before = path.at(last)
    frames = [first.syn.number, first.answer.number, *([before.ran_out.number] if before and before.ran_out else [])]
    frames += [echo.answer.number for echo in others.values() if echo.answer]
    target = min(at_target, default=0)
    return End(
        kind=first.kind, begins=first.ttl, low=low, high=high, router=router, own=router in path.routers().values(),
        clear=_clear(sweeps, path, first.ttl, at_target, others),
        stands=_stands(sweeps, path.port, first, (low, high), last, others), target=target, last=last, copies=copies,
        frames=tuple(sorted(frames)),
    )  # fmt: skip


def _clear(sweeps: Sweeps, path: Path, begins: int, at_target: dict[int, int], others: dict[Path, Echo]) -> bool:
    there_and_back = [(hop, router.back) for hop, router in path.routers().items() if hop < begins]
    alike = all(back == hop - 1 for hop, back in [*there_and_back, *at_target.items()])
    return alike and not any(other.begins("rst") for other in sweeps.elsewhere(path.port) if other not in others)


def _refused_alike(sweeps: Sweeps, port: int, first: Echo) -> bool:
    """Whether another port is refused from the same TTL on, over as many routers: perhaps all are, by host or filter."""
    ends = [path.begins("rst") for path in sweeps.elsewhere(port)] if first.kind == "rst" else []
    assert first.answer is not None
    back = routers(first.answer.ttl)
    return any(end and end.answer and (end.ttl, routers(end.answer.ttl)) == (first.ttl, back) for end in ends)


def _picked(
    target: str,
    met: dict[int, Router],
    astray: set[int],
    first: Echo,
    low: int,
    high: int,
    at_target: dict[int, int],
    as_far: bool,
) -> tuple[int, int, Router | None]:
    """Which of the two hops it is, by the sender's name, or else by the way back. What was met at hops `astray` speaks against
    others, but not for itself; `as_far`: an answer of the target passed as many routers."""
    assert first.answer is not None
    here = [met[hop] for hop in (low, high) if hop in met and met[hop].address != target]
    if first.answer.icmp and first.sender != target:
        named = [router for router in here if router.address == first.sender]
        if len(named) == 1:
            return named[0].hop, named[0].hop, named[0]
        if low != high and len(here) == 1 and here[0].hop == low:
            low = high  # the hop before gave another name
    back = routers(first.answer.ttl)
    known = {hop: met[hop].back for hop in (low, high) if hop in met}
    known |= {hop: there for hop, there in at_target.items() if hop in (low, high)}
    if as_far:
        known.setdefault(high, back)  # for this flow the target may be there
    fits = [hop for hop in range(low, high + 1) if known.get(hop) == back]
    if len(fits) == 1 and fits[0] in astray:
        fits = []
    if fits == [low] and low not in at_target and reflection(first.syn, first.answer) == "copied":
        fits = []  # what forwards this flow does not answer it with its own stack: the ways back differ
    if not fits and high not in known and known.get(low) == back - 1:
        fits = [high]
    if len(fits) == 1:
        low = high = fits[0]
    router = next((router for router in here if router.hop == low == high and low not in at_target), None)
    return low, high, router


def _stands(sweeps: Sweeps, port: int, first: Echo, hops: tuple[int, int], last: int, others: dict[Path, Echo]) -> str:
    """`hops` are the first and the last at which the refusing device can stand."""
    low, high = hops
    at_target = {echo.ttl: routers(echo.answer.ttl) for echo in others.values() if echo.answer}
    flows = sweeps.flows_at(first.ttl, port)
    assert first.answer is not None
    if sweeps.own is not None and sweeps.own.ttl < first.ttl:
        return "behind" if sweeps.own.ttl < low else "unknown"  # else the box itself may refuse what it passes on
    if not at_target:
        return "unknown"
    if sweeps.own is not None and sweeps.own.ttl == first.ttl and max(at_target) - first.ttl >= _NO_CONTAINER:
        return "relay"
    if first.ttl < min(at_target):  # whatever the way back says: with this TTL no other port is answered
        return (
            "before"
            if high < min(at_target) and len(flows) >= MDA_FLOWS and not any(_arrived(echo) for echo in flows)
            else "nearer"
        )
    if set(at_target) == {first.ttl}:
        back, before = routers(first.answer.ttl), sweeps.routers.get(first.ttl - 1)
        if back != at_target[first.ttl] or (before is not None and before.back == back):
            return "unknown"  # TTLs may be rewritten on the way back: all hops seem as far
        opened = any(echo.kind == "syn-ack" for echo in others.values())
        return "beside" if opened and last == first.ttl - 1 else "same"
    return "farther" if first.ttl > min(at_target) else "unknown"


def _arrived(echo: Echo) -> bool:
    """Whether a probe got as far as something that speaks in the target's name."""
    return echo.kind in ("rst", "syn-ack")


def _both(one: End, other: End) -> End:
    """What two flows say together: where they differ, the wider."""
    same = _identity(one.router) == _identity(other.router)
    return replace(
        one, begins=min(one.begins, other.begins), low=min(one.low, other.low), high=max(one.high, other.high),
        router=one.router if same else None, own=one.own and other.own and same,
        stands=one.stands if one.stands == other.stands else "unknown", last=min(one.last, other.last),
        copies=one.copies or other.copies,
    )  # fmt: skip


def _identity(router: Router | None) -> tuple[int, str, int] | None:
    """A router without the report that shows it, of which every flow has its own."""
    return (router.hop, router.address, router.back) if router is not None else None


@dataclass(frozen=True, slots=True)
class Vanished:
    """SYNs to a port get no answer beyond hop `last` (0: not even there).
    `goes_on` is a port whose SYNs are answered there or farther, 0 when there is none; `pinged` whether pings are; `target` the
    hop of the address, where another port of it is answered as by its stack, or pings are (`by_ping`), 0 for unknown;
    `translated` that of a box which translates in its name, 0 for none; `over` is a port of which a SYN that met the same router at
    hop `last` was answered, 0 for none."""

    last: int
    goes_on: int
    pinged: bool
    before: bool  # none of so many flows as leave no doubt is answered by the target at the hop behind the last
    target: int
    by_ping: bool
    tries: int
    translated: int
    over: int
    frames: tuple[int, ...]


def vanished(sweeps: Sweeps, port: int, pings: Pings = NO_PINGS) -> Vanished | None:
    """Where SYNs to this port vanish; None unless a sweep of it was answered by routers, at most, and then by nobody."""
    mine = sweeps.refusable(port)
    if any(
        echo.kind == "syn-ack" for echo in sweeps.far(port)
    ):  # flows fare differently: this is about those that get lost
        mine = [path for path in mine if all(echo.kind != "syn-ack" for echo in path.echoes)]
    lost = [path for path in mine if all(echo.kind in ("", RAN_OUT) for echo in path.echoes)]
    lost = [path for path in lost if not path.echoes[-1].kind]
    if not lost or len(lost) < len(mine):
        return None
    heard = [echo for path in lost for echo in path.echoes if echo.kind == RAN_OUT]
    last = max((echo.ttl for echo in heard), default=0)
    tries = sum(echo.tries for path in lost for echo in path.echoes if echo.ttl == last + 1)
    beyond = {
        path.port: echo
        for path in sweeps.elsewhere(port)
        for echo in path.echoes
        if echo.kind and echo.ttl > last and not (echo.kind == RAN_OUT and echo.sender == sweeps.target)
    }
    goes_on = next(iter(beyond), 0)
    ends = sweeps.ends(port)
    target = min((echo.ttl for echo in ends.values()), default=pings.hop)
    flows = sweeps.flows_at(last + 1, port)
    enough = len(flows) >= MDA_FLOWS
    before = enough and all(echo.kind == RAN_OUT for echo in flows)
    if enough and not any(echo.kind for echo in flows):
        # All of TCP goes the same way and vanishes: the next hop is not the target's where pings run out, that came with it.
        before = _run_out(pings, last + 1, {sender_of(echo.ran_out) for echo in heard if echo.ttl == last})
    own = min((echo.ttl for echo in heard if sender_of(echo.ran_out) == sweeps.target), default=0)
    final = max(heard, key=lambda echo: echo.ttl, default=None)
    reached = beyond.get(goes_on) or (pings.reply if pings.hop > last else None)
    frames = [f.number for f in (*_frames(final), *_frames(reached))]
    return Vanished(
        last=last, goes_on=goes_on, pinged=pings.hop > last, before=before, target=target, by_ping=not ends, tries=tries,
        translated=own, over=_over(sweeps, port, final), frames=tuple(sorted(frames)),
    )  # fmt: skip


def _run_out(pings: Pings, ttl: int, before: set[str]) -> bool:
    """Whether all pings run out at that hop, and did so at the hop before in the name of the same router."""
    here, nearer = pings.flows_at(ttl), pings.flows_at(ttl - 1)
    met = {sender_of(echo.ran_out) for echo in nearer}
    return bool(here) and all(echo.kind == RAN_OUT for echo in here) and (ttl == 1 or met == before)


def _over(sweeps: Sweeps, port: int, final: Echo | None) -> int:
    """A port other than this one of which a flow met the router of that report, and was answered beyond it; 0 without one."""
    flows: dict[tuple[int, int], list[Echo]] = defaultdict(list)
    for path in sweeps.elsewhere(port):
        if path.constant:
            flows[path.port, path.client_port] += path.echoes
    for asked, echo in sweeps.singles:
        if asked != port and not echo.shape:
            flows[asked, echo.syn.tcp.sport].append(echo)
    for (asked, _), echoes in flows.items():
        met = final is not None and any(e.ttl == final.ttl and sender_of(e.ran_out) == final.sender for e in echoes)
        if met and any(e.kind in ("rst", "syn-ack") for e in echoes):
            return asked
    return 0


def loop(sweeps: Sweeps, port: int) -> tuple[Router, Router, range] | None:
    """Of a routing loop the router to which packets come back, the one that sends them back, and the hops that it may take;
    None without one."""
    for path in sweeps.to(port):
        met: dict[str, Router] = {}
        before: Router | None = None
        for hop, router in sorted(path.routers().items()) if path.constant else ():
            if router.address == sweeps.target:
                break
            known = met.setdefault(router.address, router)
            if known is not router and before is not None and before.hop == hop - 1 and before.hop > known.hop:
                return known, before, _entered(path.routers(), known.hop, hop - known.hop)
            before = router
    return None


def _entered(met: dict[int, Router], low: int, period: int) -> range:
    """The hops of a loop: from `low`, or a little before, where a hop was silent, or gave another name from as far (in IPv6 a
    router's errors bear the address at which the packet came in)."""
    first = low
    while first > 1 and low - first + 1 < period:
        here, later = met.get(first - 1), met.get(first - 1 + period)
        if here is not None and (later is None or here.back != later.back):
            break
        first -= 1
    return range(first, low + period)


def _frames(echo: Echo | None) -> list[Segment]:
    return [echo.syn, echo.answer] if echo is not None and echo.answer is not None else []
