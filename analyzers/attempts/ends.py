"""At which hop does the way of a failing port end, and is that before the target, at it, or behind it?

Two witnesses: the smallest TTL with which a SYN is refused leaves two hops, as a router refuses what it forwards one TTL later
than it reports TTLs as used up; and the routers that the refusal passed on its way back, against those that the hops' own
reports passed, tell the two apart (knowledge base T1 to T3). The second lies where ways back differ; then both hops stand.
"""

from dataclasses import dataclass, replace
from functools import reduce

from analyzers.attempts.echoes import Echo, sender_of
from analyzers.attempts.hops import MDA_FLOWS, routers
from analyzers.attempts.reflection import reflection
from analyzers.attempts.sweeps import Path, Router, Sweeps

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
    sweeps: Sweeps,
    port: int,
    kind: str,
    arrived: frozenset[int] = frozenset(),
    opened: frozenset[int] = frozenset(),
    past: bool = False,
) -> End | None:
    """Where the sweeps of this port begin to be refused in this way; None without a sweep that was.

    `arrived` are the TTLs of refusals of whole connections: a probe whose refusal arrives with another met another refuser,
    and tells nothing of theirs, unless the maker copies TTLs. `opened` are the TTLs of SYN-ACKs of the address's other ports. `past`:
    pings go past that hop, so that no host is there.
    """
    found = {
        path: first for path in sweeps.refusable(port) if (first := path.begins(kind)) is not None and first.answer
    }
    ends = [
        _end(sweeps, path, first, arrived, opened, past) for path, first in found.items()
        if not arrived or path.copies_ttl or (first.answer and first.answer.ttl in arrived)
    ]  # fmt: skip
    return reduce(_both, ends) if ends else None


def _end(sweeps: Sweeps, path: Path, first: Echo, arrived: frozenset[int], opened: frozenset[int], past: bool) -> End:
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
        if _refused_alike(sweeps, path.port, first) and not past:
            at_target = at_target or {first.ttl: routers(first.answer.ttl)}  # it may be the host, over another way back
        as_far = routers(first.answer.ttl) in {*map(routers, opened), *at_target.values()}
        low, high, router = _picked(sweeps.target, met, astray, first, low, high, at_target, as_far)
        if low < high:
            back = routers(first.answer.ttl) + 1
            silent = low not in path.routers()  # small TTLs may be dropped where they are: then the refuser is nearer
            # A box may raise small TTLs, so that they arrive: not where those to other ports still run out.
            low, high = (min(low, back) if silent else low), high if high in sweeps.routers else max(high, back)
    if first.kind == "rst" and router is None:
        low = min(low, _answered_from(sweeps, path.port, first))
        if last < first.ttl - 1:  # small TTLs may be dropped on the way: the refusal itself may come from nearer
            low = min(low, routers(first.answer.ttl) + 1)
        if path.constant and not copies and arrived:
            low = max(low, _let_pass(path, last, first.ttl))
    before = path.at(last)
    frames = [first.syn.number, first.answer.number, *([before.ran_out.number] if before and before.ran_out else [])]
    frames += [echo.answer.number for echo in others.values() if echo.answer]
    target = min(at_target, default=0)
    return End(
        kind=first.kind, begins=first.ttl, low=low, high=high, router=router, own=router in path.routers().values(),
        clear=_clear(sweeps, path, first.ttl, at_target, others),
        stands="unknown" if _longer(sweeps, path) else _stands(sweeps, path.port, first, (low, high), last, others),
        target=target, last=last, copies=copies,
        frames=tuple(sorted(frames)),
    )  # fmt: skip


def _let_pass(path: Path, last: int, begins: int) -> int:
    """The first hop at which this flow can be refused, as all before it have let its probes pass: not before the last router that
    reported one, nor there where several that had to pass it got no answer."""
    beyond = [echo for ttl in range(last + 1, begins) if (echo := path.at(ttl)) is not None]
    return last + 1 if len(beyond) == begins - last - 1 and sum(echo.tries for echo in beyond) > 1 else last


def _answered_from(sweeps: Sweeps, port: int, first: Echo) -> int:
    """The TTL from which on any port is answered in the target's name over as many routers as this one's refusal: the probe of this
    port that got there may be lost."""
    assert first.answer is not None
    back = routers(first.answer.ttl)
    others = [path.begins("rst", "syn-ack") for path in sweeps.elsewhere(port)]
    return min((e.ttl for e in others if e and e.answer and routers(e.answer.ttl) == back), default=first.ttl)


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
        # With the probe that would have met it lost, its hop is nearer than those two.
        named = [router for hop, router in met.items() if hop <= high and router.address == first.sender]
        if len(named) == 1:
            return named[0].hop, named[0].hop, named[0]
        if low != high and len(here) == 1 and here[0].hop == low:
            low = high  # the hop before gave another name
    back = routers(first.answer.ttl)
    known = {hop: met[hop].back for hop in (low, high) if hop in met}
    known |= {hop: there for hop, there in at_target.items() if hop in (low, high)}
    passed = met.get(low)
    inside = first.answer.icmp and passed is not None and passed.address == target and low not in astray
    if as_far and not inside:
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


def _longer(sweeps: Sweeps, path: Path) -> bool:
    """Whether flows to other ports met a router of this one's way later: their way is longer, and its end no measure for this one's."""
    mine = {router.address: hop for hop, router in path.routers().items() if router.address != sweeps.target}
    theirs = [echo for other in sweeps.elsewhere(path.port) if other.constant for echo in other.echoes]
    theirs += [echo for asked, echo in sweeps.singles if asked != path.port and not echo.shape]
    return any(echo.ran_out is not None and echo.ttl > mine.get(sender_of(echo.ran_out), echo.ttl) for echo in theirs)


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
