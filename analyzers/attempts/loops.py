"""Do packets go round? Routers that report one flow's TTLs as used up at two hops show it, and in IPv4 receipts do where all in the
loop keep silent about TTLs: a record-route option is filled by those in the loop, over and over.
"""

from collections.abc import Sequence

from analyzers.attempts.hops import routers
from analyzers.attempts.receipts import Report, reports
from analyzers.attempts.sweeps import Router, Sweeps

Round = tuple[Router, Router | None, range]
"""The router to which packets come back, the one that sends them back if it is known, and the hops of those in the loop."""


def loop(sweeps: Sweeps, port: int) -> Round | None:
    """The routing loop in which SYNs to this port end; None without one."""
    for path in sweeps.to(port):
        found = _round(path.routers(), sweeps.target) if path.constant else None
        if found is not None:
            return found
    told = reports(sweeps, port)
    found = _recorded(told)
    if found is None and told and not _left_room(sweeps, port, told):
        skipped = told[0].hop > (told[0].echo.room or 0) + 1  # where some record nothing, it may have been met before
        found = _met_twice(_known(sweeps, port, told) | _reporters(told)) if not skipped else None
    return found


def _left_room(sweeps: Sweeps, port: int, told: Sequence[Report]) -> bool:
    """Whether a SYN with more room than those reported got no report: it did not go round until that was used up."""
    most = max(one.echo.room or 0 for one in told)
    return any((echo.room or 0) > most and not echo.kind for echo in sweeps.shaped(port, "spoilt"))


def _reporters(told: Sequence[Report]) -> dict[int, Router]:
    return {one.hop: Router(one.hop, one.echo.sender, routers(one.answer.ttl), one.answer) for one in told}


def _known(sweeps: Sweeps, port: int, told: Sequence[Report]) -> dict[int, Router]:
    """The routers that report the TTLs of the flows of these reports, or of any where there is one way only."""
    flows = {one.echo.syn.tcp.sport for one in told}
    ways = [path for path in sweeps.to(port) if path.client_port in flows or not sweeps.several_ways]
    met = {hop: router for path in ways if path.constant for hop, router in path.routers().items()}
    return {hop: router for hop, router in met.items() if router.address != sweeps.target}


def _round(met: dict[int, Router], target: str) -> Round | None:
    known: dict[str, Router] = {}
    before: Router | None = None
    for hop, router in sorted(met.items()):
        if router.address == target:
            break
        first = known.setdefault(router.address, router)
        if first is not router and before is not None and before.hop == hop - 1 and before.hop > first.hop:
            return first, before, _entered(met, first.hop, hop - first.hop)
        before = router
    return None


def _recorded(told: Sequence[Report]) -> Round | None:
    """The loop by the routes that its routers recorded."""
    for one in told:
        period = next((n for n in range(2, len(one.route)) if one.route[-n - 1] == one.route[-1]), 0)
        again = [at for at in range(period, len(one.route)) if period and one.route[at - period] == one.route[at]]
        if len(again) < 2 or again[-1] - again[0] + 1 != len(again):
            continue  # one alone may be a router that had its packets looked at on the side
        low, high = again[0] - period + 1, again[0]
        met = {hop: Router(hop, one.route[hop - 1], 0, one.answer) for hop in (low, high)} | _reporters(told)
        return met[low], met[high], range(low, high + 1)
    return None


def _met_twice(met: dict[int, Router]) -> Round | None:
    """The loop by a router that was met at two hops, unless others were met beyond these. `met` are those who found an option wrong,
    and those of the same flows that report TTLs."""
    for hop, router in sorted(met.items()):
        again = min((h for h in met if h > hop + 1 and met[h].address == router.address), default=0)
        period = again - hop
        inside = {here: one.address for here, one in met.items() if hop <= here < again}
        rounds = [(inside.get(hop + (h - hop) % period), met[h].address) for h in met if again and h >= again]
        if again and all(at == address or (at is None and address in inside.values()) for at, address in rounds):
            return router, met.get(again - 1), _entered(met, hop, period)
    return None


def _entered(met: dict[int, Router], low: int, period: int) -> range:
    """The hops of a loop: from `low`, or a little before, where a hop was silent, or gave another name from as far (in IPv6 a
    router's errors bear the address at which the packet came in). As far, though the packet had passed more routers: the same one."""
    first, last = low, low + period
    while first > 1 and low - first + 1 < period:
        here, later = met.get(first - 1), met.get(first - 1 + period)
        if here is not None and (later is None or here.back != later.back):
            break
        if here is not None and here.back == here.hop - 1 and last == first + period:
            last -= 1
        first -= 1
    return range(first, last)
