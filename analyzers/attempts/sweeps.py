"""Traceroutes to an address: what every SYN with a small TTL got back, hop by hop, for each flow that was asked so.

A router looks at the TTL before its filters on forwarded packets: it still reports time-exceeded at its own hop and refuses
from the next TTL on. What refuses before routing, or is the end of the way, refuses at its own hop (knowledge base T1, T20).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analyzers.attempts.attempt import Attempt, Recall, Segment, materialise
from analyzers.attempts.columns import Array
from analyzers.attempts.echoes import Echo, echoes, sender_of, shape_of
from analyzers.attempts.hops import FAR_TTLS, MOST_HOPS, routers
from analyzers.attempts.ledger import Ledger
from analyzers.attempts.reflection import DSCP, reflection
from analyzers.attempts.strays import Strays
from captures.packet import Address

FLOW = 3  # TTLs of one flow that make a sweep
_MOST = 512  # probes to one address that are looked at


@dataclass(frozen=True)
class Path:
    """One flow's sweep, or with `constant` False one whose source port changed from probe to probe. `echoes` by rising TTL."""

    client_port: int
    port: int
    constant: bool
    echoes: tuple[Echo, ...]

    def begins(self, *kinds: str) -> Echo | None:
        """The first echo of one of these kinds from which on nothing else came than these, or nothing; None without one."""
        found = None
        for echo in reversed(self.echoes):
            if echo.kind in kinds:
                found = echo
            elif echo.kind:
                break
        return found

    def last_router(self, below: int, target: str) -> int:
        """The largest TTL below this one that a router reported as used up; 0 when none did."""
        return max(
            (e.ttl for e in self.echoes if e.ran_out and e.ttl < below and sender_of(e.ran_out) != target), default=0
        )

    def routers(self) -> "dict[int, Router]":
        """The hops that reported this flow's TTLs as used up; behind a box that translates they bear the target's address."""
        return {
            e.ttl: Router(e.ttl, sender_of(e.ran_out), routers(e.ran_out.ttl), e.ran_out)
            for e in self.echoes if e.ran_out is not None
        }  # fmt: skip

    def at(self, ttl: int) -> Echo | None:
        return next((echo for echo in self.echoes if echo.ttl == ttl), None)

    @cached_property
    def copies_ttl(self) -> bool:
        """Whether the RSTs' TTL rises with that of their SYNs: their maker copies it, so that near ones never arrive."""
        seen = [(echo.ttl, echo.answer.ttl) for echo in self.echoes if echo.kind == "rst" and echo.answer]
        return len({back for _, back in seen}) > 1 and len({out - back for out, back in seen}) == 1


@dataclass(frozen=True, slots=True)
class Router:
    """A hop that reported a TTL as used up: its address, the routers its report passed, and the report itself."""

    hop: int
    address: str
    back: int
    report: Segment


class Sweeps:
    """All sweeps to one address from one place, and `singles`: ports with what flows got back that asked with few TTLs only.
    False when there is no sweep.
    """

    def __init__(self, paths: Sequence[Path], target: str, singles: Sequence[tuple[int, Echo]] = ()) -> None:
        self.paths, self.target, self.singles = tuple(paths), target, tuple(singles)

    def __bool__(self) -> bool:
        return bool(self.paths)

    def to(self, port: int) -> list[Path]:
        return [path for path in self.paths if path.port == port]

    def refusable(self, port: int) -> list[Path]:
        """Those to this port whose flow was not accepted when it was asked with a TTL that arrives."""
        accepted = {echo.syn.tcp.sport for echo in self.far(port) if echo.kind == "syn-ack"}
        return [path for path in self.to(port) if path.client_port not in accepted]

    def far(self, port: int) -> list[Echo]:
        """What flows to this port got back that were asked whether they arrive, one entry for every TTL."""
        return [e for asked, e in self.singles if asked == port and e.ttl in FAR_TTLS and not e.shape]

    def asked(self, port: int, ttl: int) -> list[Echo]:
        """What this port got back with that TTL, one entry for every flow."""
        swept = [echo for path in self.to(port) if path.constant and (echo := path.at(ttl)) is not None]
        return swept + [e for asked, e in self.singles if asked == port and e.ttl == ttl and not e.shape]

    def elsewhere(self, port: int) -> list[Path]:
        return [path for path in self.paths if path.port != port]

    @cached_property
    def routers(self) -> dict[int, Router]:
        """The routers by hop; a hop at which several answered, or from several distances, is left out."""
        found: dict[int, dict[tuple[str, int], Router]] = defaultdict(dict)
        for path in self.paths:
            for hop, router in path.routers().items():
                if router.address != self.target:
                    found[hop].setdefault((router.address, router.back), router)
        return {hop: next(iter(several.values())) for hop, several in sorted(found.items()) if len(several) == 1}

    @cached_property
    def several_ways(self) -> bool:
        """Whether different routers reported at one hop: SYNs to the address take several ways."""
        met: dict[int, set[str]] = defaultdict(set)
        for path in self.paths:
            for hop, router in path.routers().items():
                met[hop].add(router.address)
        return any(len(addresses - {self.target}) > 1 for addresses in met.values())

    @cached_property
    def own(self) -> Echo | None:
        """The first probe that ran out at something which bears the target's own address: a box that translates."""
        mine = [e for path in self.paths for e in path.echoes if sender_of(e.ran_out) == self.target]
        return min(mine, key=lambda echo: echo.ttl, default=None)

    def ends(self, port: int) -> dict[Path, Echo]:
        """Where sweeps of other ports are first answered in the target's name by what looks like a stack: a SYN-ACK, or a RST
        with the marks of its SYN. Other RSTs may come from whatever refuses this port."""
        ends = {path: path.begins("rst", "syn-ack") for path in self.elsewhere(port)}
        return {path: echo for path, echo in ends.items() if echo is not None and _by_stack(echo)}

    def flows_at(self, ttl: int, port: int) -> list[Echo]:
        """What other ports than this one got back with that TTL, one entry for every flow."""
        swept = [echo for path in self.elsewhere(port) if path.constant and (echo := path.at(ttl)) is not None]
        return swept + [e for asked, e in self.singles if asked != port and e.ttl == ttl and not e.shape]

    def passes(self, port: int, router: Router) -> Segment | None:
        """The report of this router about a SYN to another port than this one, which is answered farther on; None without one."""
        for path in self.elsewhere(port):
            met, first = path.routers().get(router.hop), path.begins("rst", "syn-ack")
            if met is not None and met.address == router.address and first is not None and first.ttl > router.hop:
                return met.report
        return None

    def shaped(self, port: int, shape: str) -> list[Echo]:
        """What SYNs of an odd shape to this port got back, one entry for every SYN. Those count that bear the ports of a flow whose
        way was swept, of one that failed where others did not; of other flows only where nothing shows that flows fare differently."""
        found = [echo for asked, echo in self.singles if asked == port and echo.shape == shape]
        swept = {path.client_port: path.begins("syn-ack") is None for path in self.to(port) if path.constant}
        failed = {sport for sport, fails in swept.items() if fails} or swept.keys()
        own = [echo for echo in found if echo.syn.tcp.sport in failed]
        return own if own or self._unlike(port) else found

    def _unlike(self, port: int) -> bool:
        """Whether flows to this port take several ways, or fare differently."""
        first = {(e.kind, e.answer.ttl if e.answer else 0) for e in self.far(port) if e.ttl == max(FAR_TTLS)}
        return len(first) > 1 or self.several_ways

    def remarked(self, port: int) -> bool:
        """Whether routers quote this port's SYNs with another DSCP than they were sent with."""
        for echo in (echo for path in self.to(port) for echo in path.echoes):
            icmp = echo.ran_out.packet.icmp if echo.ran_out is not None else None
            quoted = icmp.quoted.ip if icmp is not None and icmp.quoted is not None else None
            sent = echo.syn.packet.ip
            if quoted is not None and sent is not None and quoted.tos & DSCP != sent.tos & DSCP:
                return True
        return False

    def hop_back(self, back: int) -> Router | None:
        """The only router whose reports pass so many routers on the way back; None when there is none, or several."""
        fits = [router for router in self.routers.values() if router.back == back]
        return fits[0] if len(fits) == 1 else None


def _by_stack(echo: Echo) -> bool:
    answer = echo.answer
    if echo.kind == "syn-ack":
        return answer is not None and answer.window > 0
    return answer is not None and reflection(echo.syn, answer) == "copied"


def by_target(ledger: Ledger) -> dict[Address, list[int]]:
    """The attempts whose SYN has a small TTL, by server address."""
    syn = np.array([e.syn_rows[0] if e.syn_rows else -1 for e in ledger.endings])[ledger.story]
    asked = np.flatnonzero(syn >= 0)
    ttl = ledger.rows["ttl"][ledger.order[ledger.first_row[asked] + syn[asked]]]
    out: dict[Address, list[int]] = defaultdict(list)
    small: Array = asked[ttl <= MOST_HOPS]
    for attempt in small.tolist():
        mine = out[ledger.address(attempt, 1 - ledger.ending(attempt).client_side)]
        if len(mine) < _MOST:
            mine.append(attempt)
    return out


def sweeps(
    ledger: Ledger, recall: Recall, attempts: Iterable[int], trace: int, target: Address, strays: Strays
) -> Sweeps:
    """The sweeps among these attempts that were seen at one place. Those whose flow changed are taken together by port.
    `strays` are errors which may tell of a probe whose ends were changed on the way."""
    flows: dict[tuple[str, int, int], list[Attempt]] = defaultdict(list)
    for number in attempts:
        attempt = materialise(ledger, number, recall)
        if attempt.trace == trace:
            flows[str(attempt.client), attempt.client_port, attempt.server_port].append(attempt)
    strays = _unmistakable(strays, flows.values())
    changing: dict[tuple[str, int], list[Attempt]] = defaultdict(list)
    paths: list[Path] = []
    singles: list[tuple[int, Echo]] = []
    climbing = {(key[0], key[2]) for key, members in flows.items() if min(FAR_TTLS) - 1 in map(_ttl, members)}
    for (client, client_port, port), asked in flows.items():
        members = [m for m in asked if not shape_of(m.syns[0])]
        singles += [(port, echo) for m in asked if m not in members for echo in echoes([m], strays)]
        # Where TTLs rise up to these, they are part of the sweep.
        apart = FAR_TTLS if (client, port) not in climbing else ()
        far, near = [m for m in members if _ttl(m) in apart], [m for m in members if _ttl(m) not in apart]
        singles += [(port, echo) for echo in echoes(far, strays)]
        if len(set(map(_ttl, near))) >= FLOW:
            paths.append(Path(client_port, port, True, tuple(echoes(near, strays))))
        else:
            changing[client, port] += near
            singles += [(port, echo) for echo in echoes(near, strays)]
    for (_, port), members in changing.items():
        if len({attempt.syns[0].ttl for attempt in members}) >= FLOW:
            paths.append(Path(0, port, False, tuple(echoes(members, strays))))
    return Sweeps(paths, str(target), singles)


def _ttl(attempt: Attempt) -> int:
    return attempt.syns[0].ttl


def _unmistakable(strays: Strays, flows: Iterable[Sequence[Attempt]]) -> Strays:
    """Without those whose number several probes bore."""
    if not strays:
        return strays
    bore = Counter((attempt.trace, attempt.syns[0].tcp.seq) for members in flows for attempt in members)
    return {key: errors for key, errors in strays.items() if bore[key] == 1}
