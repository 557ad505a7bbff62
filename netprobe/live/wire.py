"""The connections of one run to one address, and what is recorded meanwhile: begun, waited for, and read as far as asking goes on.

What reads packets for more than their port or type is imported where it is needed, so that the first one leaves early.
"""

from collections.abc import Callable

from captures.flags import INBOUND, OUTBOUND
from netprobe.live.flow import Flow, Plan
from netprobe.live.network import Network, Recording
from netprobe.live.recorder import Frame

Tell = Callable[[str], None]

ARRIVES_S = 0.002  # the kernel may hand out a packet a little later than connect() returns
SILENT_S = 1.1  # without an answer for so long, the other questions need not wait
SETTLED_S = 0.06  # what comes with the last packet, as the answer to our own close, belongs to the evidence; longer on a long line
_EXCEEDED_V4, _EXCEEDED_V6 = 11, 3  # ICMP types: a TTL was used up
# What the end of connect() says of the answer.
_MET: dict[str | None, str] = {"": "syn-ack", "ECONNREFUSED": "rst", None: ""}


class Wire:
    """Connections to one address, of which those to `port` are what is asked about; `tell` gets a line for each that goes on.
    `flows` are all of them in the order of their begin; without the right to record packets there is no `recorder`."""

    def __init__(self, network: Network, address: str, port: int, tell: Tell) -> None:
        self.network, self._address, self._port, self._tell = network, address, port, tell
        self.flows: list[Flow] = []
        self.recorder: Recording | None = None

    def record(self) -> str:
        """Record from now on; what forbids it, in words, "" for nothing."""
        try:
            self.recorder = self.network.record()
        except PermissionError:
            return "no CAP_NET_RAW: packets could not be recorded"
        except OSError as error:
            return f"packets could not be recorded: {error.strerror or error}"
        return ""

    def close(self) -> None:
        """End every connection, and record how that is answered."""
        for flow in self.flows:
            if flow.errno is not None:
                flow.close()
        trips = [flow.after_ns / 1e9 for flow in self.flows if flow.errno == ""]
        if self.recorder is not None and trips:
            self.pause(min(SILENT_S, max(SETTLED_S, 1.5 * max(trips))))
        self.turn(0)
        for flow in self.flows:  # those that waited until now: an answer behind their end would look unheard
            flow.close()
        self.network.close()

    def start(self, plan: Plan) -> Flow:
        """A connection more, begun."""
        flow = self.network.connect(plan)
        self.flows.append(flow)
        return flow

    def wait(self, flows: list[Flow], most_s: float, silent_s: float | None = None) -> None:
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
            self.turn(left)
            if silent_s is not None and flows[0].errno is not None:
                break
        if self.recorder is not None:
            self.recorder.drain()

    def pause(self, seconds: float) -> None:
        """So long, while what is in progress goes on."""
        until = self.network.now() + seconds
        while (left := until - self.network.now()) > 0:
            self.turn(left)

    def go_on(self, left: float) -> int:
        """Wait at most so long for anything to happen; how many connections beside the first are in progress."""
        self.turn(left)
        now = self.network.now()
        return sum(flow.errno is None and now < flow.deadline for flow in self.flows[1:])

    def turn(self, left: float) -> None:
        """Wait at most so long for anything to happen. Whoever lost patience with a connection is told all the same when it
        goes on: else it would seem as if this host had kept the answer from it."""
        before = [(flow, flow.errno) for flow in self.flows if not flow.finished]
        self.network.wait([flow for flow, _ in before], left)
        for flow, errno in before:
            if flow.errno != errno:
                self._tell(f"port {flow.plan.port}: {flow.errno or 'connected'} after {flow.after_ns / 1e6:.1f} ms")

    @property
    def asked(self) -> int:
        """How many connections to the port were begun."""
        return sum(flow.plan.port == self._port for flow in self.flows)

    def met(self) -> set[str]:
        """The kinds of answers that connections to the port got, "" where one has waited long for any."""
        mine = [flow for flow in self.flows if flow.plan.port == self._port]
        return {_MET[f.errno] for f in mine if f.errno in _MET and (f.errno is not None or f.after_ns > SILENT_S * 1e9)}

    def has_way(self) -> bool:
        """Whether there are hops to ask, and packets can be seen: none lead to an address of this host."""
        recorded = self.recorder.frames if self.recorder is not None and self.network.source() else ()
        return any(frame.device != "lo" for frame in recorded)

    def sent(self, flow: Flow) -> bool:
        """Whether a packet of this flow left the host; without a recorder it is taken for granted."""
        if self.recorder is None:
            return True
        if not self.recorder.closed:
            self.pause(ARRIVES_S)
        return bool(self.left(flow)) or self._address.startswith("127.") or self._address == "::1"

    def left(self, flow: Flow) -> int:
        """When a packet of this flow was first seen to leave the host, in nanoseconds; 0 when none was."""
        mine = (f for f in self.frames if f.device != "lo" and _local_port(f, outbound=True) == flow.local_port)
        return next((frame.ts_ns for frame in mine), 0)

    def elsewhere(self, flow: Flow) -> str:
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
    def frames(self) -> list[Frame]:
        """What was recorded so far; nothing where this user may not."""
        return self.recorder.frames if self.recorder is not None else []

    @property
    def heard_tcp(self) -> bool:
        """Whether any segment came in."""
        return any(frame.direction == INBOUND and _protocol(frame) == 6 for frame in self.frames)

    def limited(self, flow: Flow) -> bool:
        """Whether ICMP errors refuse the flow: their senders limit them, so that every question costs."""
        return bool(flow.errno) and (flow.errno != "ECONNREFUSED" or self.errors())

    def errors(self) -> bool:
        """Whether ICMP errors came in that refuse; neighbour discovery is none, and TTLs were small on purpose."""
        inbound = [f for f in self.frames if f.direction == INBOUND]
        return any(
            (_protocol(f) == 1 and f.data[(f.data[0] & 15) * 4] != _EXCEEDED_V4)
            or (_protocol(f) == 58 and f.data[40] < 128 and f.data[40] != _EXCEEDED_V6)
            for f in inbound
        )


def _protocol(frame: Frame) -> int:
    return frame.data[9 if frame.data[0] >> 4 == 4 else 6]


def _local_port(frame: Frame, outbound: bool) -> int:
    """The port of this host's end of a TCP packet."""
    if _protocol(frame) != 6 or (frame.direction == OUTBOUND) != outbound:
        return 0
    start = (frame.data[0] & 15) * 4 if frame.data[0] >> 4 == 4 else 40
    return int.from_bytes(frame.data[start : start + 2] if outbound else frame.data[start + 2 : start + 4], "big")
