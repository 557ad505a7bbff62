"""How did SYNs to one port fare that differ in their source port only? What deals by flows, a router with several ways or a balancer
with several machines, sends some of them elsewhere.

How many to ask follows from how many kinds of answers came: so many that another kind, dealt as often as the others, would
have shown with 95 % (multipath detection algorithm, Augustin et al. 2007). What deals by source address alone never shows so.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from analyzers.attempts.attempt import Segment
from analyzers.attempts.echoes import Echo, sender_of
from analyzers.attempts.hops import FAR_TTLS, draws, enough, initial_ttl
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.reflection import reflection
from analyzers.attempts.sweeps import Path, Sweeps

_AGAIN = 6  # times that a flow was asked again and fared the same: chance alone rarely does that
_OF_EACH = 2
_TURNS = 3  # rounds of a strict order that are no accident
_COMES_AND_GOES = 3  # changes between refused and accepted that no single repair or breakdown explains


@dataclass(frozen=True, slots=True)
class Kind:
    """What flows have in common that one machine answered over one way: the answer as in `Echo`, its TTL, and its `form`, what
    else tells stacks and filters apart."""

    answer: str
    ttl: int
    form: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Fared:
    """One flow: its source port, its first answer, and the answer when it was asked again, None when it was not. `lossy`: it was
    answered once and once not."""

    sport: int
    kind: Kind
    echo: Echo
    again: str | None
    lossy: bool = False


@dataclass(frozen=True)
class Spread:
    """The flows in the order in which they were asked. Flows whose SYN got contradictory answers are not among them: `torn`."""

    flows: tuple[Fared, ...]
    torn: int = 0
    swept: Counter[str] = field(default_factory=Counter)  # how often swept flows failed again so, with larger TTLs
    order: tuple[str, ...] = ()  # the answers to their first SYNs, in the order in which these were sent

    def of(self, answer: str) -> list[Fared]:
        return [flow for flow in self.flows if flow.kind.answer == answer]

    @cached_property
    def kinds(self) -> Counter[Kind]:
        return Counter(flow.kind for flow in self.flows)

    @property
    def whole(self) -> bool:
        """Whether so many flows were asked that another kind is unlikely."""
        return len(self.flows) >= enough(len(self.kinds))

    @cached_property
    def fixed(self) -> bool | None:
        """Whether every flow fares the same again: dealt out by addresses and ports, not by turn, time or chance. None when too
        few were asked twice to say so."""
        twice = [flow for flow in self.flows if flow.again is not None]
        if any(flow.again != flow.kind.answer for flow in twice):
            return False
        if any(flow.lossy for flow in self.flows) and "" in {flow.kind.answer for flow in self.flows}:
            return None
        same = Counter(flow.kind.answer for flow in twice) + self.swept
        each = [same[answer] for answer in {flow.kind.answer for flow in self.flows}]
        sure = sum(each) >= _AGAIN and len(each) > 1 and min(each) >= _OF_EACH
        return True if sure and not self.torn else None

    @cached_property
    def every(self) -> int:
        """After how many flows, in strict turn, the same answers come again; 0 without such an order."""
        if self.fixed or self.torn or len(set(self.order)) < 2:
            return 0
        steps = range(2, len(self.order) // _TURNS + 1)
        return next((step for step in steps if self.order[step:] == self.order[:-step]), 0)

    @cached_property
    def mixed(self) -> bool:
        """Whether some were accepted and others refused or lost, so that no single listener that came or went explains it, nor loss."""
        ordered = bool(self.fixed or self.every)
        told = [
            flow.kind.answer for flow in self.flows if flow.kind.answer in ("rst", "syn-ack", "" if ordered else "rst")
        ]
        runs = len(list(groupby(told)))
        return runs > 1 and "syn-ack" in told and not self.torn and (ordered or runs > _COMES_AND_GOES)


def spread_of(sweeps: Sweeps, port: int, came: Collection[int] = ()) -> Spread | None:
    """What is known of flows to the port; None when too few were asked with one TTL to tell. From the source ports that `came`
    connections were accepted."""
    first: dict[int, list[Echo]] = {}
    for echo in sweeps.far(port):
        first.setdefault(echo.syn.tcp.sport, []).append(echo)
    flows, torn = [], 0
    for sport, echoes in first.items():
        echoes.sort(key=lambda echo: echo.syn.number)
        if any(echo.torn for echo in echoes):
            torn += 1
        elif echoes[0].ttl == max(FAR_TTLS) and echoes[0].kind != RAN_OUT:
            fared = _fared(sport, echoes)
            otherwise = sport in came and fared.kind.answer != "syn-ack"
            flows.append(replace(fared, again="syn-ack", lossy=not fared.kind.answer) if otherwise else fared)
    flows.sort(key=lambda flow: flow.echo.syn.number)
    asked = sorted((echoes[0] for echoes in first.values()), key=lambda echo: echo.syn.number)
    if len(flows) < enough(1):
        return None
    return Spread(tuple(flows), torn, _swept(sweeps, port), tuple(echo.kind for echo in asked))


def _swept(sweeps: Sweeps, port: int) -> Counter[str]:
    """How often flows that a sweep asked hop by hop failed again in the same way, having failed once."""
    found: Counter[str] = Counter()
    for path in sweeps.refusable(port):
        first = path.begins("rst")
        if path.constant and first is not None:
            found["rst"] += sum(echo.kind == "rst" for echo in path.echoes if echo.ttl > first.ttl)
        elif path.constant and {echo.kind for echo in path.echoes} == {RAN_OUT, ""}:
            last = max(echo.ttl for echo in path.echoes if echo.kind)
            found[""] += max(0, sum(echo.tries for echo in path.echoes if echo.ttl > last) - 1)
    return found


def _fared(sport: int, echoes: Sequence[Echo]) -> Fared:
    echo, later = echoes[0], next(iter(echoes[1:]), None)
    if later is None or (echo.kind and not later.kind):
        return Fared(sport, _kind(echo), echo, None, later is not None)
    if later.kind and not echo.kind:  # the first SYN, or its answer, may just be lost
        return Fared(sport, _kind(later), later, None, True)
    return Fared(sport, _kind(echo), echo, later.kind)


def _kind(echo: Echo) -> Kind:
    answer = echo.answer
    if answer is None:
        return Kind("", 0, ())
    return Kind(echo.kind, answer.ttl, _form(echo.kind, echo.syn, answer))


def _form(kind: str, syn: Segment, answer: Segment) -> tuple[object, ...]:
    ip, tcp = answer.packet.ip, answer.tcp
    start = (initial_ttl(answer.ttl), ip.df if ip is not None else None, answer.window)
    if kind == "rst":
        return (*start, reflection(syn, answer))
    if kind != "syn-ack":
        return (str(ip.src) if ip is not None else "",)
    return (*start, tuple(option.kind for option in tcp.options), tcp.option(3))


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of SYNs of which turn or chance decides, each anew, which are refused: the smallest TTL with which one was, how many with one
    less were answered otherwise, and the hops at which they are refused."""

    ttl: int
    spared: int
    hops: range
    frames: tuple[int, ...]


def nearest(sweeps: Sweeps, spread: Spread, port: int) -> Nearest | None:
    """From which hop on SYNs are refused, where the flow does not decide it; None where none was that did not go all the way, or none
    that did, so that it is not known what share of them is.

    All hops before the smallest TTL are left open where too few came that far. A packet filter refuses what it forwards from the
    next TTL on, a stack at its own hop.
    """
    asked = [echo for path in sweeps.to(port) for echo in path.echoes]
    asked += [echo for to, echo in sweeps.singles if to == port and not echo.shape]
    first = min((echo for echo in asked if echo.kind == "rst"), key=lambda echo: echo.ttl, default=None)
    if (
        first is None
        or first.answer is None
        or first.ttl in FAR_TTLS
        or spread.fixed is not False
        or not spread.of("rst")
    ):
        return None
    spared = sum(bool(echo.kind) for echo in asked if echo.ttl == first.ttl - 1)
    low = first.ttl - (reflection(first.syn, first.answer) != "copied")
    if spared < draws(len(spread.of("rst")) / len(spread.flows)):
        low = 1
    return Nearest(first.ttl, spared, range(max(1, low), first.ttl + 1), (first.syn.number, first.answer.number))


@dataclass(frozen=True, slots=True)
class Fork:
    """How the way of refused (or `lost`) flows compares with that of accepted ones. `hop` is the first at which other routers
    report, 0 when the last before the one fails is the same, and behind it the other is accepted or passed on in the target's name.

    `router` is the one of the refused flows, `others` those of the accepted ones; `refused` and `accepted` are how many flows
    were seen there, all of them in accord.
    """

    hop: int
    frames: tuple[int, ...]
    router: str = ""
    others: tuple[str, ...] = ()
    refused: int = 1
    accepted: int = 1
    lost: bool = False


def fork_of(sweeps: Sweeps, spread: Spread, port: int) -> Fork | None:
    """Where the ways part; None where hops that keep silent, or flows that contradict, leave that open."""
    went = {flow.sport for flow in spread.of("syn-ack")}
    failed = [path for path in sweeps.refusable(port) if path.constant]
    accepted = [path for path in sweeps.to(port) if path.client_port in went]
    for here in failed:
        for there in accepted:
            found = _parted(sweeps, here, there)
            if found:
                return _counted(sweeps, spread, here, found)
            if found == 0:
                ends = here.begins("rst") or here.echoes[-1], there.begins("syn-ack") or there.echoes[-1]
                return Fork(0, tuple(s.number for end in ends for s in (end.syn, end.answer) if s is not None))
    return None


def _parted(sweeps: Sweeps, here: Path, there: Path) -> int | None:
    """The first hop at which two flows meet different routers; 0 where the last router before the one fails is the same one, None
    where that is not known."""
    end, far = here.begins("rst"), there.begins("syn-ack")
    lost = {echo.kind for echo in here.echoes} <= {RAN_OUT, ""}
    mine, theirs = here.routers(), there.routers()
    if end is None and not (lost and mine):
        return None
    limit = end.ttl if end is not None else max(mine) + 1
    limit = min(limit, far.ttl) if far is not None else limit
    met = [hop for hop in range(1, limit) if hop in mine and hop in theirs]
    apart = [hop for hop in met if mine[hop].address != theirs[hop].address]
    if limit - 1 in {0, *met} and limit - 1 not in apart:
        at = there.at(limit)
        inside = at is not None and (at.kind == "syn-ack" or (at.kind == RAN_OUT and at.sender == sweeps.target))
        return 0 if inside else None
    return apart[0] if apart else None


def _counted(sweeps: Sweeps, spread: Spread, here: Path, hop: int) -> Fork | None:
    """The fork with all flows that were seen at its hop, those that failed as the path did; None where one of them contradicts."""
    failed = "rst" if here.begins("rst") else ""
    side = {
        flow.sport: flow.kind.answer == "syn-ack" for flow in spread.flows if flow.kind.answer in (failed, "syn-ack")
    }
    side[here.client_port] = False
    met: dict[bool, dict[int, Segment]] = {True: {}, False: {}}
    for echo in sweeps.asked(here.port, hop):
        sport = echo.syn.tcp.sport
        if echo.ran_out is not None and sport in side:
            met[side[sport]].setdefault(sport, echo.ran_out)
    refused, accepted = ({sender_of(segment) for segment in met[way].values()} for way in (False, True))
    if len(refused) != 1 or not accepted or refused & accepted:
        return None
    frames = sorted(segment.number for found in met.values() for segment in found.values())
    (router,) = refused
    return Fork(
        hop, tuple(frames[:8]), router, tuple(sorted(accepted)), len(met[False]), len(met[True]), lost=not failed
    )
