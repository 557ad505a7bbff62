"""The questions that are asked of one address over the wire, in rounds: as few as decide something, gently.

A first connection, as ssh would make it. When it failed: a port that is most likely closed, as a control for the TTL and
the marks of what answered, and the same port from other source ports. Never more than four connections to the port in one
run, at most three of which may be accepted, or four where what the client says is answered by a RST, so that no limit, penalty
or ban is met (knowledge base, section 9). SYNs that this host resets before a program is told of them are none.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from netprobe.live import host
from netprobe.live.flow import CONTROL_PORT, Flow, Plan
from netprobe.live.network import Kernel, Network
from netprobe.live.options import Options
from netprobe.live.wire import ARRIVES_S, SETTLED_S, SILENT_S, Tell, Wire

if TYPE_CHECKING:
    from analyzers.attempts.context import Context
    from netprobe.live.locate import Locator

_REPORTED_S = 3.3  # a router that asks for a dead host in vain has said so by then
_REPEAT_S = 2.0  # between connections that may be accepted: no penalty adds up, no limiter is met
_SLOW_S = 2.5  # what goes well, or is turned away, has mostly done so by then
_LISTEN_S = 7.0  # to hear a service out
_PAUSE_S = 5.5  # the longest pause that is made before a close (libwrap's), and a little
_LIMITER_S = 1.1  # senders of ICMP errors allow themselves about one a second
_ACCEPTED = 3  # connections of one run, at most, where nothing else calls for more
_SMALL_MSS = 516  # with its headers of both families no more than 576 bytes, which every link carries (RFC 791)
# What reads answers, and what writes the evidence: imported while answers are on their way.
_LATER = ("captures.packet", "captures.wire.steps", "analyzers.attempts.context", "pathlib")
_CAME_UP = ("", "ECONNRESET")  # what connect() says of connections that were accepted


class Session:
    """One address and port being asked, `through` this machine's kernel unless another network is given. `tell` gets a line
    for everything that is asked and answered; `meanwhile` is called while the first answer is on its way."""

    def __init__(
        self, name: str, address: str, port: int, options: Options, tell: Tell, through: Network | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.name, self.address, self.port, self.options, self.tell = name, address, port, options, tell
        self.wire = Wire(through or Kernel(address, options.source, options.device), address, port, tell)
        self.notes: list[str] = []
        self.interrupted = False
        self._meanwhile = meanwhile
        self._locator: Locator | None = None

    def run(self) -> None:
        """Ask until nothing more would change the verdict, or the budget is spent; Ctrl-C keeps what is known."""
        if note := self.wire.record():
            self.notes.append(note)
        try:
            self._rounds()
        except KeyboardInterrupt:
            self.interrupted = True
        except OSError as error:  # the network went away: what was recorded still tells
            self.notes.append(f"asking ended early: {error.strerror or error}")
        finally:
            self.wire.close()

    def _rounds(self) -> None:
        first = self.wire.start(self._plan("ssh" if self.port == 22 else "listen"))
        if self.options.trace:
            self._control()  # asked for in any case: then at once
        # Whoever is near answers now, and hears what the client says as early as from any other.
        self.wire.pause(ARRIVES_S)
        self._meanwhile()
        if self.options.trace:
            self._begin(first)
        self.wire.wait([first], self.options.wait_s if first.errno is None else 0, silent_s=SILENT_S)
        if first.errno is None:
            self._silence(first)
        elif first.errno == "":
            self._accepted(first)
        elif self.wire.sent(first):
            self._refused(first)

    def _refused(self, first: Flow) -> None:
        """Something answered the SYN with a refusal: a control, and the same again from other source ports."""
        repeats, limited = min(3, self.options.budget - 1), self.wire.limited(first)
        if limited:
            self.wire.pause(_LIMITER_S)
            repeats = min(1, repeats)
        others = [self._control()] + [
            self.wire.start(Plan(self.port, "listen", SILENT_S, SILENT_S)) for _ in range(repeats)
        ]
        if limited:
            self.wire.wait(others, SILENT_S)
        self._locate()
        self.wire.wait(others, SILENT_S)
        self._ask_inside()

    def _silence(self, first: Flow) -> None:
        """Nothing came yet: the control and one other flow, while the first goes on repeating its SYN. Where nothing came from the
        address at all, the last router may be asking for it: what is sent meanwhile would wait there, and use up its errors.
        Once it has reported that, each further SYN would take it as long."""
        others = [self._control()]
        if self.options.budget > 1:
            others.append(self.wire.start(self._plan("no")))
        self.wire.wait(others, SILENT_S)
        if first.errno == "":
            self._accepted(first)
            return
        if not self.wire.errors() and not self.wire.heard_tcp:
            self.wire.wait([first], first.started + _REPORTED_S - self.wire.network.now())
            if self._locator is not None and self.wire.limited(first):
                self.wire.pause(SETTLED_S)
                return
        if self.wire.sent(first):
            self._locate()
        left = first.started + self.options.wait_s - self.wire.network.now()
        self.wire.wait([first, *others], max(0.0, left))
        if self._locator is not None and self.wire.limited(first) and self.options.budget > 2:
            last = self.wire.start(self._plan("no"))  # probes of the trace had used up the errors of its sender
            self.wire.wait([last], self.options.wait_s)

    def _accepted(self, first: Flow) -> None:
        """Connected: hear it out, and where it ended badly ask once more, without a word; where it is slow, while it may still go
        on. Where it went well ask twice more: one of several machines, or of several ways, may refuse."""
        self.wire.wait([first], _SLOW_S)
        others = [] if first.finished or not self._room else [self.wire.start(self._second(first, _PAUSE_S))]
        self.wire.wait([first, *others], self.options.wait_s + first.plan.listen_s)
        came_up = first.talk.well if first.talk.greeted else bool(first.talk.heard) and self.port != 22
        if came_up:
            hears = Plan(self.port, "hear", 2 * SILENT_S, SILENT_S)
            others += [self.wire.start(hears) for _ in range(self._room)]
            self.wire.wait(others, 3 * SILENT_S)
            came_up = all(flow.errno == "" for flow in others)
            if not came_up and first.talk.greeted and self.options.budget > self.wire.asked:
                self.wire.wait([self.wire.start(self._plan("listen"))], SILENT_S)  # whose host key?
        elif self._room and not others:
            self.wire.pause(_REPEAT_S)
            second = self.wire.start(self._second(first))
            self.wire.wait([second], second.plan.patience_s + second.plan.listen_s)
        unlike = self._unlike() if came_up else 0
        if unlike and self.wire.asked < self.options.budget:
            again = self.wire.start(self._plan("hear")._replace(sport=unlike, patience_s=_REPORTED_S))
            self.wire.wait([again], _REPORTED_S)
            if again.errno is None:
                again.close()  # its flow is asked hop by hop: one that came up meanwhile would be disturbed
        if not came_up or unlike or self.options.trace:
            self._locate(unlike)
        if not came_up:
            self._ask_inside()

    @property
    def _room(self) -> int:
        """How many connections more may be made where all may be accepted."""
        return max(0, min(_ACCEPTED, self.options.budget) - self.wire.asked)

    def _second(self, first: Flow, listen_s: float = _LISTEN_S) -> Plan:
        """The connection behind one that did not go well, or not yet: it waits to be spoken to. Where the first is stuck behind a
        greeting, is it for the size of what was said?"""
        stuck = first.talk.greeted and not first.finished
        plan = self._plan("listen" if stuck or first.plan.speaks == "ssh" else "no", listen_s)
        return plan._replace(mss=_SMALL_MSS) if stuck else plan

    def _ask_inside(self) -> None:
        """Ask on connections that came up for this host: a RST may have ended them before a program was told."""
        if self.wire.recorder is None or self.options.only_syn:
            return
        from netprobe.live import inband, trigger

        mine = [flow for flow in self.wire.flows if flow.plan.port == self.port and flow.errno in _CAME_UP]
        mine = [flow for flow in mine if not (flow.plan.mss and flow.talk.finished)]
        if mine:
            inband.ask(self.wire.network, self.wire.recorder, self.address, mine, self._another, self.tell)
            trigger.ask(self.wire.network, self.wire.recorder, self.address, mine, self._another)

    def _another(self, speaks: str = "no") -> Flow | None:
        """One more connection to the port on which nothing is said, as long as the budget lasts. One that is `deaf` never comes up:
        no pause is due before the next."""
        if self.wire.asked >= self.options.budget:
            return None
        if speaks != "deaf":
            self.wire.pause(_REPEAT_S)
        self.tell("connecting once more, to ask on that connection")
        flow = self.wire.start(self._plan(speaks))
        if speaks != "deaf":
            self.wire.wait([flow], flow.plan.patience_s)
        return flow

    def _unlike(self) -> int:
        """The source port of a SYN that fails though every connection was accepted, 0 without one."""
        if not self.wire.has_way():
            return 0
        self._locator = self._locator or self._new_locator()
        return self._locator.unlike(self.wire.met, self.wire.asked)

    def _locate(self, unlike: int = 0) -> None:
        """Hop by hop: where does the failing port's way end, and where those of other ports of the address? `unlike` is the source
        port of a SYN that fails where connections do not."""
        if self.wire.recorder is None or not self.wire.has_way():
            return
        failing = next(
            (flow for flow in self.wire.flows if flow.plan.port == self.port and flow.errno != ""), self.wire.flows[0]
        )
        from netprobe.live.heard import marked
        from netprobe.live.locate import Failing

        locator = self._locator or self._new_locator()
        limited = self.wire.limited(failing)
        odd = (failing.errno == "ECONNREFUSED" or bool(unlike)) and not limited and not self.options.only_syn
        up = {flow.local_port for flow in self.wire.flows if flow.errno == ""}
        sport = failing.local_port if failing.errno else unlike if unlike not in up else 0
        unequal = bool(unlike) or (failing.errno in ("ECONNREFUSED", None) and not limited)
        recording = ":" not in self.address and not limited and not self.options.only_syn
        locator.run(Failing(sport, limited, odd, recording, self.wire.met if unequal else None))
        life = failing.errno is None and not self.options.only_syn
        if life or (odd and locator.walled and not marked(self.wire.recorder.frames, self.port)):
            from netprobe.live.pings import ping

            locator.ask_for_life(partial(ping, self.wire.network, self.wire.recorder, self.address))

    def _new_locator(self) -> "Locator":
        from netprobe.live.locate import Locator
        from netprobe.live.trace import MOST_PACKETS, Tracer

        most, flows = self.options.most_hops, self.options.flows
        trip_s = min((f.after_ns / 1e9 for f in self.wire.flows if f.errno in ("", "ECONNREFUSED")), default=0.0)
        budget = MOST_PACKETS + 2 * most * flows
        assert self.wire.recorder is not None
        tracer = Tracer(self.wire.network, self.wire.recorder, self.address, self.wire.go_on, most, budget, trip_s)
        return Locator(tracer, self.port, flows, self.tell, self.options.controls)

    def _begin(self, first: Flow) -> None:
        """Begin to trace the way beside the first connection, once that was seen to leave: what this host's own rules keep
        back must not leave otherwise. Where the answer comes from near, it is waited for: with it less is asked."""
        while first.errno is None and not self.wire.left(first):
            left = first.started + SILENT_S - self.wire.network.now()
            if left <= 0:
                return
            self.wire.turn(left)
        self.wire.pause(ARRIVES_S - (self.wire.network.now_ns() - self.wire.left(first)) / 1e9)
        if first.errno is None and self.wire.network.source():
            self._locator = self._new_locator()
            self._locator.begin()
            self._prepare(first)

    def _prepare(self, first: Flow) -> None:
        """Import what is needed later, until the first answer comes."""
        for module in _LATER:
            if first.errno is None:
                import_module(module)
                self.wire.turn(0)

    def _plan(self, speaks: str, listen_s: float = _LISTEN_S) -> Plan:
        return Plan(self.port, speaks, self.options.wait_s, listen_s)

    def _control(self) -> Flow:
        """The connection to a port that is most likely closed, begun once."""
        begun = (flow for flow in self.wire.flows[1:] if flow.plan.port == CONTROL_PORT)
        return next(begun, None) or self.wire.start(Plan(CONTROL_PORT, "no", SILENT_S, 0))

    def context(self) -> "Context":
        """What the wire cannot say, as it stands now."""
        from analyzers.attempts.context import Call, Context
        from analyzers.words import first_line

        calls = tuple(
            Call(f.local_port, f.plan.port, f.errno, f.after_ns, first_line(bytes(f.talk.heard)), f.icmp)
            for f in self.wire.flows if f.plan.speaks != "deaf"
        )  # fmt: skip
        failed = any(f.errno for f in self.wire.flows if f.plan.port == self.port) or not self.wire.flows
        silent = all(f.errno is None for f in self.wire.flows if f.plan.port == self.port)
        unsent = (failed or silent) and self.wire.flows and not self.wire.sent(self.wire.flows[0])
        way = self.wire.network.way() if unsent or silent else host.Way()
        return Context(
            name=self.name, address=self.address, port=self.port, until_ns=self.wire.network.now_ns(), calls=calls, route=way.refused,
            device=way.device, source=way.source, gateway=way.gateway, mtu=way.mtu, neighbour=way.neighbour,
            filters=self.wire.network.filter_hints(self.port) if unsent else (),
            elsewhere=self.wire.elsewhere(self.wire.flows[0]) if unsent else "", notes=tuple(self.notes),
        )  # fmt: skip
