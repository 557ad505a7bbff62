"""The door that a session is given: `netprobe.live.network.Network` over a simulated world."""

from collections.abc import Iterable
from math import ceil
from typing import cast

from netprobe.live import host
from netprobe.live.flow import Flow, Plan
from netprobe.live.network import Recording
from netprobe.live.recorder import Frame
from tests.simulated.client import DEVICE, ROUTES, Client, Socket
from tests.simulated.clock import BEGIN_NS
from tests.simulated.packets import read
from tests.simulated.world import World

_ERRNO_NAMES = {"unreachable": "EHOSTUNREACH", "prohibit": "EACCES", "blackhole": "EINVAL", "missing": "ENETUNREACH"}
assert _ERRNO_NAMES.keys() == ROUTES.keys()


class Simulated:
    """One address of a simulated world, as its asking host sees it; also the `Recording`."""

    def __init__(self, world: World, address: str) -> None:
        self._world, self._address = world, address
        self._client = Client(world, address)
        self.frames: list[Frame] = self._client.frames
        self.others: list[Frame] = []
        self.dropped = 0

    @property
    def closed(self) -> bool:
        return not self._client.recording

    def drain(self) -> None:
        pass

    def record(self) -> Recording:
        self._client.recording = True
        return self

    def close(self) -> None:
        self._client.recording = False

    def now(self) -> float:
        return (self._world.clock.now - BEGIN_NS) / 1e9

    def now_ns(self) -> int:
        return self._world.clock.now

    def connect(self, plan: Plan) -> Flow:
        def make(family: int, kind: int) -> Socket:
            return Socket(self._client)

        return Flow(self._address, plan, make=make, now=self.now, noise=self._world.random.randbytes)

    def send(self, packet: bytes) -> str:
        if reason := self._client.refused():
            return _ERRNO_NAMES[reason]
        return self._client.leave(read(packet))

    def hold(self, port: int = 0) -> int:
        return port or self._client.free_port() + 1

    def source(self) -> str:
        return "" if self._client.refused() else self._client.address

    def wait(self, flows: Iterable[Flow], seconds: float) -> None:
        clock, flows, seen = self._world.clock, list(flows), len(self.frames)
        end = clock.now + max(1, ceil(seconds * 1e9))
        while sum(map(self._advanced, flows)) == 0 and len(self.frames) == seen:
            if not clock.step(end):
                return

    def _advanced(self, flow: Flow) -> bool:
        one = cast(Socket, flow.socket)
        assert not one.closed, "select() raises where a socket is closed"
        readable, writable = flow.errno == "" and one.readable, flow.wants_to_write and one.writable
        if readable or writable:
            flow.advance(readable, writable)
        return readable or writable

    def way(self) -> host.Way:
        if reason := self._client.refused():
            return host.Way(refused=_ERRNO_NAMES[reason])
        node = self._client.node
        near = self._address in node.vacant
        return host.Way(
            source=self._client.address, device=DEVICE, mtu=1500, neighbour="FAILED" if near else "REACHABLE"
        )

    def filter_hints(self, port: int) -> tuple[str, ...]:
        rules = [rule for rule in self._client.node.rules if rule.hook == "output" and port in rule.ports]
        return tuple(f"tcp dport {port} {rule.act}" for rule in rules)
