"""Where on the way: what is asked hop by hop, each round by what has answered until then.

First the ways to ports that have answered, and one SYN each to ports that may be open; then the ways to those that are, and
other flows where another port's way is longer than that of the failing one. A trace does not wait for first answers: `begin`
asks the ways to the port and to a control as far as most ways are.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from analyzers.attempts.hops import MDA_FLOWS
from analyzers.attempts.icmp import RAN_OUT
from netprobe.live import receipts
from netprobe.live.flow import CONTROL_PORT as CONTROL_PORT
from netprobe.live.spread import Spread
from netprobe.live.trace import Sweep, Tracer

USUAL_PORTS = (22, 80, 443, 2222)  # where something may be open, for comparison
MORE_PORTS = (25, 3389, 8080, 8443)  # that are asked where none of those is, and a RST refuses


class Failing(NamedTuple):
    """What became of the connections to the port. `sport` is the source port of one that failed, 0 to ask with another;
    `limited`: whoever answers limits how often, so that no other ports are tried; `odd`: a RST refuses, and SYNs of odd shapes may
    be sent; `recording`: they may, and IP can record routes; `met`: the kinds of answers that connections have got, where flows may
    differ in that, else None."""

    sport: int
    limited: bool
    odd: bool
    recording: bool = False
    met: Callable[[], set[str]] | None = None


class Locator:
    """The questions about one port, asked through a tracer, with so many `flows` more to it. `controls` are ports on which the
    address is known to answer."""

    def __init__(
        self, tracer: Tracer, port: int, flows: int, tell: Callable[[str], None], controls: Sequence[int] = ()
    ) -> None:
        self._tracer, self._port, self._flows, self._tell = tracer, port, flows, tell
        self._usual = [one for one in dict.fromkeys((*controls, *USUAL_PORTS)) if one not in (port, CONTROL_PORT)]
        self._more = [one for one in MORE_PORTS if one != port and not controls]
        self._failing = Failing(0, False, False)
        self._spread: Spread | None = None
        self._odd = self._receipts = False
        self._knocks: list[Sweep] = []
        self._singles: list[Sweep] = []
        self._ways: dict[int, Sweep] = {}
        self._begun: list[Sweep] = []
        self._beside: list[Sweep] | None = None
        self._ahead = False

    def begin(self) -> None:
        """Ask before anything was answered: the ways to the port and to a control, and what else may be open."""
        self._ahead = True
        self._wanted_knocks()
        self._ways = {port: self._tracer.sweep(port, ahead=True) for port in (self._port, CONTROL_PORT)}
        self._begun = list(self._ways.values())
        self._tell(f"asking the hops on the way to port {self._port}")
        self._tracer.begin(*self._knocks, *self._begun)

    def unlike(self, met: Callable[[], set[str]], connections: int) -> int:
        """The source port of a flow to the port that fails where so many connections, which have `met` these answers, do not; 0
        without one: some of several machines, or of several ways, may be broken."""
        self._tell(f"asking port {self._port} from other source ports")
        self._spread = Spread(self._tracer, self._port, CONTROL_PORT, met, connections)
        while batch := self._spread.wanted(None):
            self._tracer.ask(*batch)
        return self._spread.failed

    def run(self, failing: Failing) -> None:
        """Ask until the answers call for nothing more."""
        self._failing, self._odd, self._receipts = failing, failing.odd, failing.recording
        if failing.met is not None and self._spread is None:
            self._spread = Spread(self._tracer, self._port, CONTROL_PORT, failing.met)
        if self._begun:
            self._tracer.hear(*self._begun, only_ends=True)
            self._tracer.ask(*(way for way in self._begun if not way.end))
        while batch := [
            *self._wanted_beside(), *self._wanted_ways(), *self._wanted_flows(), *self._wanted_knocks(),
            *self._wanted_spread(),
        ] or self._wanted_rest():  # fmt: skip
            self._ask_oddly()
            self._tracer.ask(*batch)
        self._ask_oddly()
        self._ask_for_receipts(self._receipts_beside())
        self._tracer.watch()
        for port, way in self._ways.items():
            if (ending := way.heard.get(way.end)) is not None:
                self._tell(f"port {port}: {ending.kind} from TTL {way.end} on")

    def ask_for_life(self, ping: Callable[[int, int], int]) -> None:
        """Where SYNs to the port vanish: does the address answer pings or UDP, and from how far? Where all TCP is refused: do pings go
        farther? `ping` gets a first guess and the hop up to which SYNs came, and gives the hop, 0 when that is not known."""
        mine = self._ways[self._port]
        if mine.end:
            if self.walled:
                self._tell("asking whether pings go farther")
                ping(mine.end, mine.end)
            return
        self._tell("asking for signs of life by ping and UDP")
        known = max((way.end for way in self._ways.values()), default=0)
        hop = ping(known, mine.last)
        if hop > mine.last + 1 and not self._farther():
            self._tracer.ask(*(self._tracer.single(CONTROL_PORT, mine.last + 1) for _ in range(MDA_FLOWS - 1)))
        if not known:
            self._ask_for_receipts(receipts.alone(self._port, mine.last, hop if hop > mine.last else 0))
            self._tracer.watch()

    @property
    def walled(self) -> bool:
        """Whether a control is refused from the same TTL on as the port, and no other is open: by the host, or all of TCP before it."""
        mine, control = self._ways.get(self._port), self._ways.get(CONTROL_PORT)
        return bool(mine and control and 0 < mine.end == control.end) and not self._open()

    def _wanted_beside(self) -> list[Sweep]:
        """Once, where the way was asked ahead: that of the connection that failed, which is the one to ask if it fared otherwise,
        and of other flows: one less where whoever answers limits that."""
        if not self._ahead or self._beside is not None:
            return []
        sport, mine = self._failing.sport, self._ways[self._port]
        met, end = self._tracer.met.get(sport), mine.heard.get(mine.end)
        alike = not sport or (met is not None and end is not None and (met.kind, met.ttl) == (end.kind, end.ttl))
        more = self._flows - self._failing.limited if alike else max(self._flows, 1)
        self._beside = [self._way(self._port, sport if n == 0 else 0) for n in range(more)]
        if not alike:
            self._ways[self._port] = self._beside[0]
        return self._beside

    def _wanted_rest(self) -> list[Sweep]:
        """What was begun, once nothing else is wanted: the silent hops before its ends have answered by now, or are asked again;
        and where another port's way may still tell more, the open ones have answered."""
        rest, self._begun = self._begun, []
        if rest:
            self._tracer.hear(*rest, *([] if self._decided else self._knocks))
        return rest

    def _wanted_knocks(self) -> list[Sweep]:
        if not self._failing.limited and not self._knocks:
            self._knocks = [self._tracer.single(port) for port in self._usual]
            return self._knocks
        if self._failing.odd and self._more and not self._ahead and not self._open() and not self._farther():
            more, self._more = [self._tracer.single(port) for port in self._more], []
            self._usual += [sweep.port for sweep in more]
            return more
        return []

    def _open(self) -> list[int]:
        """The other ports on which a SYN was accepted."""
        answers = self._tracer.answers
        return [port for port in (CONTROL_PORT, *self._usual) if port in answers and answers[port].kind == "syn-ack"]

    def _wanted_ways(self) -> list[Sweep]:
        """To the port, a control and an open one: at first to those of which is known how far they may be."""
        answers = self._tracer.answers
        alive = [] if self._decided else self._open()
        wanted = []
        for port in dict.fromkeys((self._port, CONTROL_PORT, *alive[:1])):
            if port not in self._ways and (port in answers or self._failing.limited or self._knocks):
                self._ways[port] = self._way(port, self._failing.sport if port == self._port else 0)
                wanted.append(self._ways[port])
        if self._ways.get(self._port) in wanted:
            wanted += [self._way(self._port) for _ in range(self._flows)]
        return wanted

    def _way(self, port: int, sport: int = 0) -> Sweep:
        answers = self._tracer.answers
        heard = answers.get(port)
        distance = max(
            (answers[other].hops for other in (self._port, CONTROL_PORT, *self._usual) if other in answers), default=0
        )
        if heard is not None:
            distance = 0 if heard.kind == RAN_OUT else heard.hops
        self._tell(f"tracing the way to port {port}")
        return self._tracer.sweep(port, distance, limited=heard is not None and heard.kind != "rst", sport=sport)

    def _wanted_flows(self) -> list[Sweep]:
        """Where other ports are answered from farther away: as many flows as exclude, with those swept, a shorter way."""
        far = self._farther()
        coming = [way for way in self._ways.values() if not way.heard]
        missing = MDA_FLOWS - len(far) - len(coming) - len(self._singles) if far else 0
        more = [self._tracer.single(far[-1], self._near) for _ in range(missing)]
        self._singles += more
        return more

    def _wanted_spread(self) -> list[Sweep]:
        """Flows that differ in their source port; and where some get lost the way of such a one, if that of another was asked."""
        if self._spread is None:
            return []
        mine = self._ways.get(self._port)
        mine = mine if mine is not None and mine.heard else None
        lost = 0 if self._spread.lost in self._tracer.met else self._spread.lost  # a connection from there was answered
        if lost and mine is not None and mine.end and mine.sport != lost:
            self._ways[self._port] = self._way(self._port, lost)
            return [self._ways[self._port]]
        return self._spread.wanted(mine)

    def _farther(self) -> list[int]:
        """The other ports that are answered only from a larger TTL on than this one."""
        return [port for port, way in self._ways.items() if port != self._port and way.end > self._near > 0]

    @property
    def _decided(self) -> bool:
        """In a trace, whether neither open ports nor odd SYNs would tell more of the place: another port is answered from farther
        away than what refuses, and that passes SYNs on, so that it is no host and no box that translates."""
        mine = self._ways.get(self._port)
        end = mine.heard.get(mine.end) if mine is not None else None
        return self._ahead and mine is not None and end is not None and end.hops < mine.end and bool(self._farther())

    @property
    def _near(self) -> int:
        """The TTL from which on SYNs to the port are refused, or vanish; 0 before it was asked."""
        mine = self._ways.get(self._port)
        return (mine.end or mine.last + 1) if mine is not None and mine.heard else 0

    def _ask_oddly(self) -> None:
        """Once, when a control port is known to answer with a RST."""
        if self._ahead and (self._decided or not self._ways[self._port].heard):
            return
        control = self._tracer.answers.get(CONTROL_PORT)
        if self._odd and control is not None and control.kind == "rst":
            self._odd = False
            self._tell("asking with SYNs of odd shapes (--only-syn leaves them out)")
            port, signed = self._port, (CONTROL_PORT, "signed", 0)
            asked = [(port, "signed", 0), signed, (port, "synfin", 0)] * 2 + [signed, (port, "damaged", 0)]
            self._tracer.odd(asked, self._swept())

    def _receipts_beside(self) -> list[receipts.Asked]:
        """Where the port keeps silent, or a RST refuses at the hop at which others are answered: do SYNs get through to the target?"""
        mine = self._ways[self._port]
        if mine.end and (ending := mine.heard[mine.end]) and ending.kind != "rst":
            return []
        ends = {port: way.end for port, way in self._ways.items() if port != self._port and way.end}
        control = CONTROL_PORT if CONTROL_PORT in ends else next(iter(ends), 0)
        hop = ends.get(control, 0)
        return receipts.beside(self._port, control, hop, silent=not mine.end) if mine.end in (0, hop) else []

    def _ask_for_receipts(self, asked: list[receipts.Asked]) -> None:
        if self._receipts and asked:
            self._tell("asking with SYNs that record their route (--only-syn leaves them out)")
            self._tracer.odd(asked, self._swept())

    def _swept(self) -> dict[int, int]:
        """The source ports of the flows whose ways were asked, by port: what is asked besides is compared with these."""
        return {port: way.sport for port, way in self._ways.items()}
