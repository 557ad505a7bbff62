"""Nodes and links put together: packets travel, and take their time."""

from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappop, heappush
from random import Random

from tests.simulated.clock import Clock
from tests.simulated.host import Host
from tests.simulated.injector import meddle
from tests.simulated.nat import ends_of, flow_hash
from tests.simulated.packets import Datagram, Tcp
from tests.simulated.router import Answer, Deed, Here, Onward, State, receive, send, unresolved
from tests.simulated.rows import Link, Node

NEIGHBOUR_NS = 3_060_000_000  # three questions by ARP or neighbour discovery, a second each


class World:
    """A network. `asker` is the node whose kernel is simulated elsewhere: what comes for it goes to `deliver`."""

    def __init__(self, nodes: Iterable[Node], links: Iterable[Link], seed: int = 0, asker: str = "client") -> None:
        self.nodes = {node.name: node for node in nodes}
        self.asker = asker
        self.clock = Clock()
        self.random = Random(seed)
        self.deliver: Callable[[Datagram], None] = lambda datagram: None
        self.links: dict[str, dict[str, Link]] = {name: {} for name in self.nodes}
        for link in links:
            self.links[link.one][link.two] = self.links[link.two][link.one] = link
        self._states = {name: State() for name in self.nodes}
        self._hosts = {
            name: Host(node, self.clock, self.random, partial(self.emit, name)) for name, node in self.nodes.items()
        }
        self._owners: dict[str, str] = {}
        for node in self.nodes.values():
            self._owners |= dict.fromkeys(node.vacant + node.addresses, node.name)
        self._ways: dict[str, dict[str, str]] = {}

    def route(self, node: Node, datagram: Datagram) -> str:
        """The neighbour that a node sends this packet to, "" when the node itself has the network; or "-" and why not."""
        exception = next((row for row in node.routes if row.to == datagram.dst), None)
        if exception is not None and not exception.via:
            return f"-{exception.reason}"
        if exception is not None:
            tcp = isinstance(datagram.body, Tcp) and not (datagram.options and node.portless)
            ends = ends_of(datagram) if tcp else (datagram.src, 0, datagram.dst, 0)
            return exception.via[flow_hash(ends, node.name) % len(exception.via)]
        owner = self._owners.get(datagram.dst)
        if owner is None:
            return "-missing"
        if owner == node.name:
            return ""
        if owner not in self._ways:
            self._ways[owner] = self._towards(owner)
        return self._ways[owner].get(node.name, "-missing")

    def _towards(self, owner: str) -> dict[str, str]:
        """For each node the neighbour on the shortest way to the owner; only routers forward."""
        way: dict[str, str] = {}
        queue = [(0, 0, owner, owner)]
        order = {name: number for number, name in enumerate(self.nodes)}
        while queue:
            cost, _, here, onward = heappop(queue)
            if here in way:
                continue
            way[here] = onward
            if here == owner or self.nodes[here].forwards:
                for neighbour, link in self.links[here].items():
                    heappush(queue, (cost + link.cost, order[neighbour], neighbour, here))
        del way[owner]
        return way

    def emit(self, name: str, datagram: Datagram) -> None:
        """A node sends a packet of its own."""
        node = self.nodes[name]
        left = send(node, self._states[name], datagram)
        if left is None:
            return
        to = self.route(node, left)
        if left.dst in node.addresses or to.startswith("-"):
            return
        self.leave(name, left, to)

    def leave(self, name: str, datagram: Datagram, to: str) -> None:
        """A packet leaves a node towards a neighbour, or waits there for the link address of one that nobody has."""
        if not to:
            waiting = self._states[name].waiting
            if datagram.dst not in waiting:
                self.clock.after(NEIGHBOUR_NS, partial(self._unresolved, name, datagram.dst))
            waiting.setdefault(datagram.dst, []).append(datagram)
            return
        link = self.links[name][to]
        if link.loss and self.random.random() < link.loss:
            return
        if link.injector is None:
            self.clock.after(link.delay_ns, partial(self._arrive, to, name, datagram))
        else:
            self.clock.after(link.delay_ns // 2, partial(self._meet, link, name, to, datagram))

    def _meet(self, link: Link, name: str, to: str, datagram: Datagram) -> None:
        assert link.injector is not None
        goes_on, made = meddle(link.injector, datagram, self.random.getrandbits(16))
        if goes_on:
            self.clock.after(link.delay_ns // 2, partial(self._arrive, to, name, datagram))
        if made is not None:
            self.clock.after(link.delay_ns // 2, partial(self._arrive, name, to, made))

    def _arrive(self, name: str, came: str, datagram: Datagram) -> None:
        if name == self.asker:
            self.deliver(datagram)
            return
        node, state = self.nodes[name], self._states[name]
        self._do(name, receive(node, state, datagram, came, self.route, self.random, self.clock.now))

    def _unresolved(self, name: str, address: str) -> None:
        self._do(name, unresolved(self.nodes[name], self._states[name], address, self.random, self.clock.now))

    def _do(self, name: str, deeds: Iterable[Deed]) -> None:
        for deed in deeds:
            match deed:
                case Here(datagram):
                    self._hosts[name].arrive(datagram)
                case Answer(datagram):
                    self.emit(name, datagram)
                case Onward(datagram, to):
                    self.leave(name, datagram, to)
