"""The questions that are asked of one address over the wire, in rounds: as few as decide something, gently.

A first connection, as ssh would make it. When it failed: a port that is most likely closed, as a control for the TTL and
the marks of what answered, and the same port from other source ports. Never more than four connections to the port in one
run, at most three of which may be accepted, or four where what the client says is answered by a RST, so that no limit, penalty
or ban is met (knowledge base, section 9). SYNs that this host resets before a program is told of them are none.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from analyzers.attempts.hops import MOST_HOPS
from captures.flags import INBOUND
from netprobe.live import host
from netprobe.live.flow import CONTROL_PORT, Flow, Plan
from netprobe.live.network import Kernel, Network, Recording
from netprobe.live.recorder import Frame

if TYPE_CHECKING:
    from analyzers.attempts.context import Context
    from netprobe.live.locate import Locator

_SETTLED_S = 0.06  # what comes with the last packet, as the answer to our own close, belongs to the evidence; longer on a long line
_ARRIVES_S = 0.002  # the kernel may hand out a packet a little later than connect() returns
_SILENT_S = 1.1  # without an answer for so long, the other questions need not wait
_REPORTED_S = 3.3  # a router that asks for a dead host in vain has said so by then
_REPEAT_S = 2.0  # between connections that may be accepted: no penalty adds up, no limiter is met
_SLOW_S = 2.5  # what goes well, or is turned away, has mostly done so by then
_LISTEN_S = 7.0  # to hear a service out
_PAUSE_S = 5.5  # the longest pause that is made before a close (libwrap's), and a little
_LIMITER_S = 1.1  # senders of ICMP errors allow themselves about one a second
_SMALL_MSS = 516  # with its headers of both families no more than 576 bytes, which every link carries (RFC 791)
_EXCEEDED_V4, _EXCEEDED_V6 = 11, 3  # ICMP types: a TTL was used up
# What reads answers, and what writes the evidence: imported while answers are on their way.
_LATER = ("captures.packet", "captures.wire.steps", "analyzers.attempts.context", "pathlib")
# What the end of connect() says of the answer.
_MET: dict[str | None, str] = {"": "syn-ack", "ECONNREFUSED": "rst", None: ""}

_CAME_UP = ("", "ECONNRESET")  # what connect() says of connections that were accepted

Tell = Callable[[str], None]


class Options(NamedTuple):
    """`wait_s` is how long an unanswered SYN is waited for: over 3.2 s, as a router may report a dead host that late.

    `trace`: the way is asked for even where nothing fails, up to `most_hops`, with so many `flows` more to the port. `names`:
    DNS is asked for the names of those who answered. `controls`: ports on which the target is known to answer.
    """

    wait_s: float = 4.5
    budget: int = 4
    source: str = ""
    device: str = ""
    only_syn: bool = False
    trace: bool = False
    flows: int = 0
    most_hops: int = MOST_HOPS
    names: bool = False
    controls: tuple[int, ...] = ()


class Session:
    """One address and port being asked, `through` this machine's kernel unless another network is given. `tell` gets a line
    for everything that is asked and answered; `meanwhile` is called while the first answer is on its way."""

    def __init__(
        self, name: str, address: str, port: int, options: Options, tell: Tell, through: Network | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.name, self.address, self.port, self.options, self.tell = name, address, port, options, tell
        self.network = through or Kernel(address, options.source, options.device)
        self.flows: list[Flow] = []
        self.recorder: Recording | None = None
        self.notes: list[str] = []
        self.interrupted = False
        self._meanwhile = meanwhile
        self._locator: Locator | None = None

    def run(self) -> None:
        """Ask until nothing more would change the verdict, or the budget is spent; Ctrl-C keeps what is known."""
        try:
            self.recorder = self.network.record()
        except PermissionError:
            self.notes.append("no CAP_NET_RAW: packets could not be recorded")
        except OSError as error:
            self.notes.append(f"packets could not be recorded: {error.strerror or error}")
        try:
            self._rounds()
        except KeyboardInterrupt:
            self.interrupted = True
        except OSError as error:  # the network went away: what was recorded still tells
            self.notes.append(f"asking ended early: {error.strerror or error}")
        finally:
            for flow in self.flows:
                if flow.errno is not None:
                    flow.close()
            trips = [flow.after_ns / 1e9 for flow in self.flows if flow.errno == ""]
            if self.recorder is not None and trips:
                self._pause(min(_SILENT_S, max(_SETTLED_S, 1.5 * max(trips))))
            self._turn(0)
            for flow in self.flows:  # those that waited until now: an answer behind their end would look unheard
                flow.close()
            self.network.close()

    def _rounds(self) -> None:
        first = self._start(self._plan("ssh" if self.port == 22 else "listen"))
        if self.options.trace:
            self._control()  # asked for in any case: then at once
        # Whoever is near answers now, and hears what the client says as early as from any other.
        self._pause(_ARRIVES_S)
        self._meanwhile()
        if self.options.trace:
            self._begin(first)
        self._wait([first], self.options.wait_s if first.errno is None else 0, silent_s=_SILENT_S)
        if first.errno is None:
            self._silence(first)
        elif first.errno == "":
            self._accepted(first)
        elif self._sent(first):
            self._refused(first)

    def _refused(self, first: Flow) -> None:
        """Something answered the SYN with a refusal: a control, and the same again from other source ports."""
        repeats, limited = min(3, self.options.budget - 1), self._limited(first)
        if limited:
            self._pause(_LIMITER_S)
            repeats = min(1, repeats)
        others = [self._control()] + [
            self._start(Plan(self.port, "listen", _SILENT_S, _SILENT_S)) for _ in range(repeats)
        ]
        if limited:
            self._wait(others, _SILENT_S)
        self._locate()
        self._wait(others, _SILENT_S)
        self._ask_inside()

    def _silence(self, first: Flow) -> None:
        """Nothing came yet: the control and one other flow, while the first goes on repeating its SYN. Where nothing came from the
        address at all, the last router may be asking for it: what is sent meanwhile would wait there, and use up its errors.
        Once it has reported that, each further SYN would take it as long."""
        others = [self._control()]
        if self.options.budget > 1:
            others.append(self._start(self._plan("no")))
        self._wait(others, _SILENT_S)
        if not self._errors() and not any(f.direction == INBOUND and _protocol(f) == 6 for f in self._frames):
            self._wait([first], first.started + _REPORTED_S - self.network.now())
            if self._locator is not None and self._limited(first):
                self._pause(_SETTLED_S)
                return
        if self._sent(first):
            self._locate()
        left = first.started + self.options.wait_s - self.network.now()
        self._wait([first, *others], max(0.0, left))
        if self._locator is not None and self._limited(first) and self.options.budget > 2:
            last = self._start(self._plan("no"))  # probes of the trace had used up the errors of its sender
            self._wait([last], self.options.wait_s)

    def _accepted(self, first: Flow) -> None:
        """Connected: hear it out, and where it ended badly ask once more, without a word; where it is slow, while it may still go
        on. Where it went well ask twice more: one of several machines, or of several ways, may refuse."""
        self._wait([first], _SLOW_S)
        others = [] if first.finished or self.options.budget < 2 else [self._start(self._second(first, _PAUSE_S))]
        self._wait([first, *others], self.options.wait_s + first.plan.listen_s)
        came_up = first.talk.well if first.talk.greeted else bool(first.talk.heard) and self.port != 22
        if came_up:
            left = min(2, self.options.budget - 1) - len(others)
            others += [self._start(Plan(self.port, "hear", 2 * _SILENT_S, _SILENT_S)) for _ in range(left)]
            self._wait(others, 3 * _SILENT_S)
            came_up = all(flow.errno == "" for flow in others)
            if not came_up and first.talk.greeted and self.options.budget > len(others) + 1:
                self._wait([self._start(self._plan("listen"))], _SILENT_S)  # whose host key?
        elif self.options.budget > 1 and not others:
            self._pause(_REPEAT_S)
            second = self._start(self._second(first))
            self._wait([second], second.plan.patience_s + second.plan.listen_s)
        unlike = self._unlike() if came_up else 0
        if unlike and self._asked < self.options.budget:
            self._wait([self._start(self._plan("hear")._replace(sport=unlike))], _SILENT_S)
        if not came_up or unlike or self.options.trace:
            self._locate(unlike)
        if not came_up:
            self._ask_inside()

    def _second(self, first: Flow, listen_s: float = _LISTEN_S) -> Plan:
        """The connection behind one that did not go well, or not yet: it waits to be spoken to. Where the first is stuck behind a
        greeting, is it for the size of what was said?"""
        stuck = first.talk.greeted and not first.finished
        plan = self._plan("listen" if stuck or first.plan.speaks == "ssh" else "no", listen_s)
        return plan._replace(mss=_SMALL_MSS) if stuck else plan

    def _ask_inside(self) -> None:
        """Ask on connections that came up for this host: a RST may have ended them before a program was told."""
        if self.recorder is None or self.options.only_syn:
            return
        from netprobe.live import inband, trigger

        mine = [flow for flow in self.flows if flow.plan.port == self.port and flow.errno in _CAME_UP]
        mine = [flow for flow in mine if not (flow.plan.mss and flow.talk.finished)]
        if mine:
            inband.ask(self.network, self.recorder, self.address, mine, self._another, self.tell)
            trigger.ask(self.network, self.recorder, self.address, mine, self._another)

    def _another(self, speaks: str = "no") -> Flow | None:
        """One more connection to the port on which nothing is said, as long as the budget lasts. One that is `deaf` never comes up:
        no pause is due before the next."""
        if self._asked >= self.options.budget:
            return None
        if speaks != "deaf":
            self._pause(_REPEAT_S)
        self.tell("connecting once more, to ask on that connection")
        flow = self._start(self._plan(speaks))
        if speaks != "deaf":
            self._wait([flow], flow.plan.patience_s)
        return flow

    def _unlike(self) -> int:
        """The source port of a SYN that fails though every connection was accepted, 0 without one."""
        if not self._has_way():
            return 0
        self._locator = self._locator or self._new_locator()
        return self._locator.unlike(self._met, self._asked)

    @property
    def _asked(self) -> int:
        """How many connections to the port were begun."""
        return sum(flow.plan.port == self.port for flow in self.flows)

    def _has_way(self) -> bool:
        """Whether there are hops to ask, and packets can be seen: none lead to an address of this host."""
        recorded = self.recorder.frames if self.recorder is not None and self.network.source() else ()
        return any(frame.device != "lo" for frame in recorded)

    def _locate(self, unlike: int = 0) -> None:
        """Hop by hop: where does the failing port's way end, and where those of other ports of the address? `unlike` is the source
        port of a SYN that fails where connections do not."""
        if self.recorder is None or not self._has_way():
            return
        failing = next((flow for flow in self.flows if flow.plan.port == self.port and flow.errno != ""), self.flows[0])
        from netprobe.live.heard import marked
        from netprobe.live.locate import Failing

        locator = self._locator or self._new_locator()
        limited = self._limited(failing)
        odd = (failing.errno == "ECONNREFUSED" or bool(unlike)) and not limited and not self.options.only_syn
        sport = failing.local_port if failing.errno else unlike
        unequal = bool(unlike) or (failing.errno in _MET and failing.errno != "" and not limited)
        recording = ":" not in self.address and not limited and not self.options.only_syn
        locator.run(Failing(sport, limited, odd, recording, self._met if unequal else None))
        life = failing.errno is None and not self.options.only_syn
        if life or (odd and locator.walled and not marked(self.recorder.frames, self.port)):
            from netprobe.live.pings import ping

            locator.ask_for_life(partial(ping, self.network, self.recorder, self.address))

    def _new_locator(self) -> "Locator":
        from netprobe.live.locate import Locator
        from netprobe.live.trace import MOST_PACKETS, Tracer

        most, flows = self.options.most_hops, self.options.flows
        trip_s = min((f.after_ns / 1e9 for f in self.flows if f.errno in ("", "ECONNREFUSED")), default=0.0)
        budget = MOST_PACKETS + 2 * most * flows
        assert self.recorder is not None
        tracer = Tracer(self.network, self.recorder, self.address, self._go_on, most, budget, trip_s)
        return Locator(tracer, self.port, flows, self.tell, self.options.controls)

    def _begin(self, first: Flow) -> None:
        """Begin to trace the way beside the first connection, once that was seen to leave: what this host's own rules keep
        back must not leave otherwise. Where the answer comes from near, it is waited for: with it less is asked."""
        while first.errno is None and not self._left(first):
            left = first.started + _SILENT_S - self.network.now()
            if left <= 0:
                return
            self._turn(left)
        self._pause(_ARRIVES_S - (self.network.now_ns() - self._left(first)) / 1e9)
        if first.errno is None and self.network.source():
            self._locator = self._new_locator()
            self._locator.begin()
            self._prepare(first)

    def _prepare(self, first: Flow) -> None:
        """Import what is needed later, until the first answer comes."""
        for module in _LATER:
            if first.errno is None:
                import_module(module)
                self._turn(0)

    def _met(self) -> set[str]:
        """The kinds of answers that connections to the port got, "" where one has waited long for any."""
        mine = [flow for flow in self.flows if flow.plan.port == self.port]
        return {
            _MET[f.errno] for f in mine if f.errno in _MET and (f.errno is not None or f.after_ns > _SILENT_S * 1e9)
        }

    def _plan(self, speaks: str, listen_s: float = _LISTEN_S) -> Plan:
        return Plan(self.port, speaks, self.options.wait_s, listen_s)

    def _control(self) -> Flow:
        """The connection to a port that is most likely closed, begun once."""
        begun = (flow for flow in self.flows[1:] if flow.plan.port == CONTROL_PORT)
        return next(begun, None) or self._start(Plan(CONTROL_PORT, "no", _SILENT_S, 0))

    def _start(self, plan: Plan) -> Flow:
        flow = self.network.connect(plan)
        self.flows.append(flow)
        return flow

    def _wait(self, flows: list[Flow], most_s: float, silent_s: float | None = None) -> None:
        """Until all of these flows are finished or out of patience; with `silent_s` no longer than that without answer."""
        until = self.network.now() + most_s
        if silent_s is not None:
            until = min(until, flows[0].started + silent_s) if flows[0].errno is None else until
        while True:
            now = self.network.now()
            open_flows = [f for f in flows if not f.finished and now < f.deadline]
            left = min([until, *(f.deadline for f in open_flows)]) - now
            if not open_flows or left <= 0:
                break
            self._turn(left)
            if silent_s is not None and flows[0].errno is not None:
                break
        if self.recorder is not None:
            self.recorder.drain()

    def _pause(self, seconds: float) -> None:
        until = self.network.now() + seconds
        while (left := until - self.network.now()) > 0:
            self._turn(left)

    def _go_on(self, left: float) -> int:
        """Wait at most so long for anything to happen; how many connections beside the first are in progress."""
        self._turn(left)
        now = self.network.now()
        return sum(flow.errno is None and now < flow.deadline for flow in self.flows[1:])

    def _turn(self, left: float) -> None:
        """Wait at most so long for anything to happen. Whoever lost patience with a connection is told all the same when it
        goes on: else it would seem as if this host had kept the answer from it."""
        before = [(flow, flow.errno) for flow in self.flows if not flow.finished]
        self.network.wait([flow for flow, _ in before], left)
        for flow, errno in before:
            if flow.errno != errno:
                self.tell(f"port {flow.plan.port}: {flow.errno or 'connected'} after {flow.after_ns / 1e6:.1f} ms")

    def _sent(self, flow: Flow) -> bool:
        """Whether a packet of this flow left the host; without a recorder it is taken for granted."""
        if self.recorder is None:
            return True
        if not self.recorder.closed:
            self._pause(_ARRIVES_S)
        return bool(self._left(flow)) or self.address.startswith("127.") or self.address == "::1"

    def _left(self, flow: Flow) -> int:
        """When a packet of this flow was first seen to leave the host, in nanoseconds; 0 when none was."""
        mine = (f for f in self._frames if f.device != "lo" and _local_port(f, outbound=True) == flow.local_port)
        return next((frame.ts_ns for frame in mine), 0)

    def _elsewhere(self, flow: Flow) -> str:
        """Where this host's own NAT sent the flow instead, as "ADDRESS port PORT"; "" when it did not."""
        from captures.packet import decode
        from netprobe.live.heard import RAW

        for frame in self.recorder.others if self.recorder is not None else ():
            if _local_port(frame, outbound=True) == flow.local_port:
                got = decode(frame.data, RAW, len(frame.data))
                if got.ip is not None and got.tcp is not None:
                    return f"{got.ip.dst} port {got.tcp.dport}"
        return ""

    @property
    def _frames(self) -> list[Frame]:
        return self.recorder.frames if self.recorder is not None else []

    def _limited(self, flow: Flow) -> bool:
        """Whether ICMP errors refuse the flow: their senders limit them, so that every question costs."""
        return bool(flow.errno) and (flow.errno != "ECONNREFUSED" or self._errors())

    def _errors(self) -> bool:
        """Whether ICMP errors came in that refuse; neighbour discovery is none, and TTLs were small on purpose."""
        inbound = [f for f in self._frames if f.direction == INBOUND]
        return any(
            (_protocol(f) == 1 and f.data[(f.data[0] & 15) * 4] != _EXCEEDED_V4)
            or (_protocol(f) == 58 and f.data[40] < 128 and f.data[40] != _EXCEEDED_V6)
            for f in inbound
        )

    def context(self) -> "Context":
        """What the wire cannot say, as it stands now."""
        from analyzers.attempts.context import Call, Context
        from analyzers.words import first_line

        calls = tuple(
            Call(f.local_port, f.plan.port, f.errno, f.after_ns, first_line(bytes(f.talk.heard)), f.icmp)
            for f in self.flows if f.plan.speaks != "deaf"
        )  # fmt: skip
        failed = any(f.errno for f in self.flows if f.plan.port == self.port) or not self.flows
        silent = all(f.errno is None for f in self.flows if f.plan.port == self.port)
        unsent = (failed or silent) and self.flows and not self._sent(self.flows[0])
        way = self.network.way() if unsent or silent else host.Way()
        return Context(
            name=self.name, address=self.address, port=self.port, until_ns=self.network.now_ns(), calls=calls, route=way.refused,
            device=way.device, source=way.source, gateway=way.gateway, mtu=way.mtu, neighbour=way.neighbour,
            filters=self.network.filter_hints(self.port) if unsent else (),
            elsewhere=self._elsewhere(self.flows[0]) if unsent else "", notes=tuple(self.notes),
        )  # fmt: skip


def _protocol(frame: Frame) -> int:
    return frame.data[9 if frame.data[0] >> 4 == 4 else 6]


def _local_port(frame: Frame, outbound: bool) -> int:
    """The port of this host's end of a TCP packet."""
    if _protocol(frame) != 6 or (frame.direction == 2) != outbound:
        return 0
    start = (frame.data[0] & 15) * 4 if frame.data[0] >> 4 == 4 else 40
    return int.from_bytes(frame.data[start : start + 2] if outbound else frame.data[start + 2 : start + 4], "big")
