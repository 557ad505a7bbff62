"""How far do SYNs come that get no answer? What traceroutes of a silent port show."""

from collections import defaultdict
from dataclasses import dataclass

from analyzers.attempts.attempt import Segment
from analyzers.attempts.echoes import Echo, sender_of
from analyzers.attempts.hops import MDA_FLOWS, MOST_HOPS
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.pings import NO_PINGS, Pings
from analyzers.attempts.sweeps import Sweeps


@dataclass(frozen=True, slots=True)
class Vanished:
    """SYNs to a port get no answer beyond hop `last` (0: not even there).
    `least` is the hop that all flows reach which get lost.
    `goes_on` is a port whose SYNs are answered there or farther, 0 when there is none; `pinged` whether pings are; `target` the
    hop of the address, where another port of it is answered as by its stack, or pings are (`by_ping`), 0 for unknown;
    `translated` that of a box which translates in its name, 0 for none; `over` is a port of which a SYN that met the same router at
    hop `last` was answered, 0 for none."""

    last: int
    least: int
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
    target = min((echo.ttl for echo in ends.values()), default=pings.hop if pings.hop > last else 0)
    flows = sweeps.flows_at(last + 1, port)
    enough = len(flows) >= MDA_FLOWS
    before = enough and all(_on_the_way(echo, sweeps.target) for echo in flows)
    if enough and not any(echo.kind for echo in flows):
        # All of TCP goes the same way and vanishes: the next hop is not the target's where pings run out, that came with it.
        before = _run_out(pings, last + 1, {sender_of(e.ran_out) for e in heard if e.ttl == last}, sweeps.target)
    before = before and pings.hop != last + 1  # by another way the next hop is the target's
    own = min((echo.ttl for echo in heard if sender_of(echo.ran_out) == sweeps.target), default=0)
    final = max(heard, key=lambda echo: echo.ttl, default=None)
    reached = beyond.get(goes_on) or (pings.reply if pings.hop > last else None)
    frames = [f.number for f in (*_frames(final), *_frames(reached))]
    least = min(path.last_router(MOST_HOPS + 1, sweeps.target) for path in lost)
    return Vanished(
        last=last, least=least, goes_on=goes_on, pinged=pings.hop > last, before=before, target=target, by_ping=not ends, tries=tries,
        translated=own, over=_over(sweeps, port, final), frames=tuple(sorted(frames)),
    )  # fmt: skip


def _on_the_way(echo: Echo, target: str) -> bool:
    """Whether a probe ran out at a router that is not the target's own box, which passes others on."""
    return echo.kind == RAN_OUT and sender_of(echo.ran_out) != target


def _run_out(pings: Pings, ttl: int, before: set[str], target: str) -> bool:
    """Whether all pings run out at that hop, and did so at the hop before in the name of the same router."""
    here, nearer = pings.flows_at(ttl), pings.flows_at(ttl - 1)
    met = {sender_of(echo.ran_out) for echo in nearer}
    return bool(here) and all(_on_the_way(echo, target) for echo in here) and (ttl == 1 or met == before)


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


def _frames(echo: Echo | None) -> list[Segment]:
    return [echo.syn, echo.answer] if echo is not None and echo.answer is not None else []
