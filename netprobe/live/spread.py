"""One port asked from many source ports: SYNs that arrive, as many as it takes to know that flows fare alike, or how they differ.

What deals by flows, a router with several ways or a balancer with several machines, sends some flows elsewhere. What is accepted
the kernel resets before any program is told of it.
"""

from collections.abc import Callable, Iterator

from analyzers.attempts.hops import FAR_TTLS, draws, enough
from analyzers.attempts.icmp import RAN_OUT
from netprobe.live.trace import Sweep, Tracer

MOST_FLOWS = 27  # for five kinds of answers
_ALIKE = 11  # flows that connections count among: of them one of up to four machines that fails is met with 95 %
_SHOWN = 4  # flows of each kind that are asked at the hop where the ways part
_TWICE = 4  # and that are asked whether they fare the same again
_AGAIN, _FIRST = FAR_TTLS

Asked = Iterator[tuple[Sweep, int]]


class Spread:
    """The flows to one port, asked in rounds as `Tracer.ask` does, until no more kinds of answers are to be expected; then some of
    them a second time, and where ways part. `met` gives the kinds of answers that connections have got, "" for none; `beside` is
    how many of these count as flows as long as all fare alike, so that no port is asked more often than it takes."""

    def __init__(self, tracer: Tracer, port: int, control: int, met: Callable[[], set[str]], beside: int = 0) -> None:
        self._tracer, self._port, self._control, self._met, self._beside = tracer, port, control, met, beside
        self._flows: list[Sweep] = []
        self._others: list[Sweep] = []
        self._near: list[Sweep] = []

    def wanted(self, failed: Sweep | None) -> list[Sweep]:
        """What to ask next, nothing at the end. `failed` is the way of a flow that failed, once it was asked for."""
        steps: dict[int, tuple[Sweep, list[int]]] = {}
        for flow, ttl in [*self._more(), *self._again(), *self._ways(failed), *self._nearer(failed)]:
            steps.setdefault(flow.sport, (flow, []))[1].append(ttl)
        for flow, ttls in steps.values():
            flow.steps = iter([ttls])
        return [flow for flow, _ in steps.values()]

    @property
    def failed(self) -> int:
        """The source port of a flow that is refused, or twice gets no answer, though one asked later is accepted, as behind
        no guard against so many; 0 without one."""
        accepted = self._answered("syn-ack")
        later = any(_kind_at(flow, _AGAIN) == "syn-ack" for flow in accepted)
        before = self._flows if later else self._flows[: max(map(self._flows.index, accepted), default=0)]
        refused = [flow for flow in before if _FIRST in flow.heard and _kind(flow) not in ("", "syn-ack", RAN_OUT)]
        silent = [flow for flow in before if _AGAIN in flow.heard and not _kind(flow)]
        found = sorted((*refused, *silent), key=lambda flow: _kind_at(flow, _AGAIN) == "syn-ack")
        return found[0].sport if found else 0

    @property
    def lost(self) -> int:
        """The source port of a flow that twice got no answer where others are accepted, 0 without one: its way is the one to ask."""
        silent = [flow for flow in self._answered("") if _AGAIN in flow.heard and not flow.heard[_AGAIN]]
        return silent[0].sport if silent and self._answered("syn-ack") else 0

    def _more(self) -> Asked:
        """As many flows more as the kinds of answers so far call for."""
        kinds = max(1, self._kinds())
        wanted = _ALIKE - self._beside if self._beside and kinds == 1 else enough(kinds)
        for _ in range(min(wanted, MOST_FLOWS) - len(self._flows)):
            flow = Sweep(self._port, self._tracer.hold())
            self._flows.append(flow)
            yield flow, _FIRST

    def _again(self) -> Asked:
        """Where they differ some flows of each kind a second time, and all that got no answer."""
        asked = [flow for flow in self._flows if _FIRST in flow.heard]
        for kind in sorted({_kind(flow) for flow in asked}) if self._kinds() > 1 else ():
            for flow in self._answered(kind)[: _TWICE if kind else None]:
                if _AGAIN not in flow.heard:
                    yield flow, _AGAIN

    def _ways(self, failed: Sweep | None) -> Asked:
        """Hop by hop an accepted flow against the one that failed; then others of both where these two part, and where flows get
        lost those of a control port: do they come farther from there?"""
        accepted = self._answered("syn-ack")
        if failed is None or not failed.last or not accepted or _kind_at(failed, failed.end) == "syn-ack":
            return
        one = accepted[-1]
        if len(accepted) <= _TWICE and _AGAIN not in one.heard:
            return  # it is being asked again: a SYN that meets one in progress may get no answer
        heard = one.heard[_FIRST]
        if 1 not in one.heard:
            yield from ((one, ttl) for ttl in range(1, heard.hops + 1 if heard else 0))
            return
        met = [hop for hop in sorted(one.heard) if _kind_at(one, hop) == _kind_at(failed, hop) == RAN_OUT]
        parts = next((hop for hop in met if _sender(one, hop) != _sender(failed, hop)), 0)
        if parts:
            alike = self._answered("rst" if failed.end else "")
            beside = [flow for flow in (*accepted[: _SHOWN - 1], *alike[:_SHOWN]) if flow.sport != failed.sport]
            yield from ((flow, parts) for flow in beside if parts not in flow.heard)
            if not failed.end and not self._others:
                self._others = [Sweep(self._control, self._tracer.hold()) for _ in range(_SHOWN)]
                yield from ((flow, ttl) for flow in self._others for ttl in (failed.last, _FIRST))

    def _nearer(self, failed: Sweep | None) -> Asked:
        """Where chance or turn decides, and not the flow: as many SYNs to the hop that refuses, and to the one before, as it takes
        to meet a refusal there."""
        refused, again = self._answered("rst"), [flow for flow in self._flows if _AGAIN in flow.heard]
        if not refused or failed is None or all(_kind(flow) == _kind_at(flow, _AGAIN) for flow in again):
            return
        heard = refused[0].heard[_FIRST]
        seen = [ttl for flow in (failed, *self._near) for ttl in flow.heard if _kind_at(flow, ttl) == "rst"]
        first = min(seen, default=heard.hops if heard is not None else 0)
        asked = {ttl for flow in self._near for ttl in flow.heard}
        for ttl in {first, first - 1} - {0, -1, *asked, *seen}:
            for _ in range(min(draws(len(refused) / len(self._flows)), MOST_FLOWS)):
                self._near.append(Sweep(self._port, self._tracer.hold()))
                yield self._near[-1], ttl

    def _answered(self, kind: str) -> list[Sweep]:
        return [flow for flow in self._flows if _FIRST in flow.heard and _kind(flow) == kind]

    def _kinds(self) -> int:
        heard = [flow.heard[_FIRST] for flow in self._flows if _FIRST in flow.heard]
        kinds = {(one.kind, one.ttl) if one else ("", 0) for one in heard}
        return len(kinds) + len(self._met() - {kind for kind, _ in kinds})


def _kind(flow: Sweep) -> str:
    return _kind_at(flow, _FIRST)


def _kind_at(flow: Sweep, ttl: int) -> str:
    heard = flow.heard.get(ttl)
    return heard.kind if heard else ""


def _sender(flow: Sweep, ttl: int) -> str:
    heard = flow.heard.get(ttl)
    return heard.sender if heard else ""
