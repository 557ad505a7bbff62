"""Where everything stands: the nodes of a scenario in rows, the links between them, addresses, and routes that work.

Pure: rows of words in, a plan out. The client's network is 192.0.2.0/24, the one at the end of the first row 203.0.113.0/24, all
others are small pieces of 198.51.100.0/24 (2001:db8:1::/64, 2001:db8:2::/64 and 2001:db8:0:N::/64).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from ipaddress import ip_address, ip_network
from itertools import pairwise

_DETOUR = 100  # what a cable off the first row counts on the way: more than the whole row


@dataclass(frozen=True)
class Port:
    """One end of a cable: the interface is called after the node that it leads to. A wire's ports have no address ("")."""

    node: str
    name: str
    address: str = ""
    length: int = 0


@dataclass(frozen=True)
class Link:
    """A cable between two nodes."""

    one: Port
    two: Port


@dataclass(frozen=True)
class Topology:
    """The plan: `nodes` in the order of the rows, `routers` those that forward, `plain` the ones that the rows only count.

    `addresses` has each node's address that faces the client; `networks` the two nodes on each network; `neighbours`, for each
    node, the nodes it can send to and their addresses there; `row` the pairs of neighbours of the first row. `service`,
    `nobody` and `neighbour` are addresses for scenarios. The ends of the first row are hosts: they never forward.
    """

    nodes: tuple[str, ...]
    routers: frozenset[str]
    plain: tuple[str, ...]
    links: tuple[Link, ...]
    addresses: Mapping[str, str]
    networks: Mapping[str, tuple[str, ...]]
    neighbours: Mapping[str, Mapping[str, str]]
    row: frozenset[frozenset[str]]
    service: str
    nobody: str
    neighbour: str

    @property
    def first_row(self) -> tuple[str, ...]:
        """The nodes of the first row that have addresses, from the client on."""
        return tuple(node for node in self.nodes if any(node in pair for pair in self.row))

    def ways(self, destination: Sequence[str]) -> dict[str, str]:
        """For every node that is not among `destination`, the neighbour on the way there: the shortest, along the first row."""
        way: dict[str, str] = {}
        queue = [(0, index, node, node) for index, node in enumerate(destination)]
        settled: set[str] = set()
        while queue:
            cost, _, here, toward = heappop(queue)
            if here in settled:
                continue
            settled.add(here)
            if here not in destination:
                way[here] = toward
                if here not in self.routers:
                    continue
            for neighbour in self.neighbours[here]:
                step = 1 if frozenset((here, neighbour)) in self.row else _DETOUR
                heappush(queue, (cost + step, self.nodes.index(neighbour), neighbour, here))
        return way


def lay_out(rows: Iterable[str], counts: Mapping[str, object], wires: set[str], family: int) -> Topology:
    """The plan of these rows of nodes. `counts` says how many routers a word stands for; `wires` are nodes without addresses."""
    distance: dict[str, int] = {}
    written = list(rows)
    paths = [_expand(row, counts, wires, distance) for row in written]
    cables: list[tuple[str, str]] = []
    segments: list[list[str]] = []
    for path in paths:
        cables += pairwise(path)
        segments += _segments(path, wires)
    addresses: dict[str, str] = {}
    networks: dict[str, tuple[str, ...]] = {}
    neighbours: dict[str, dict[str, str]] = {node: {} for node in distance if node not in wires}
    ports: dict[tuple[str, str], tuple[str, int]] = {}
    last = len(_segments(paths[0], wires)) - 1
    for number, segment in enumerate(segments):
        network, low, high = _network(family, number, last)
        near, far = segment[0], segment[-1]
        networks[network] = (near, far)
        length = int(network.split("/")[1])
        if number == 0:  # the client is no router: it has the high address
            low, high = high, low
        for node, neighbour, address in ((near, segment[1], low), (far, segment[-2], high)):
            ports[node, neighbour] = (address, length)
            addresses.setdefault(node, address)
        neighbours[near][far], neighbours[far][near] = high, low
    links = []
    for one, two in cables:
        ends = [Port(a, f"to-{b}", *ports.get((a, b), ("", 0))) for a, b in ((one, two), (two, one))]
        links.append(Link(*ends))
    return Topology(
        nodes=tuple(distance),
        routers=frozenset(node for node, others in neighbours.items() if len(others) > 1) - {paths[0][0], paths[0][-1]},
        plain=tuple(node for node in distance if node not in " ".join(written).split()),
        links=tuple(links),
        addresses=addresses,
        networks=networks,
        neighbours=neighbours,
        row=frozenset(frozenset((segment[0], segment[-1])) for segment in segments[: last + 1]),
        service="198.51.100.250" if family == 4 else "2001:db8:3::80",
        nobody="203.0.113.99" if family == 4 else "2001:db8:2::99",
        neighbour="192.0.2.99" if family == 4 else "2001:db8:1::99",
    )


def _expand(row: str, counts: Mapping[str, object], wires: set[str], distance: dict[str, int]) -> list[str]:
    """The nodes of a row, with plain routers named by their distance from the client; `distance` grows by them."""
    path: list[str] = []
    hop = -1
    for word in row.split(" - "):
        count = counts.get(word)
        for _ in range(count if isinstance(count, int) else 1):
            if word in distance:
                name, hop = word, distance[word]
            else:
                hop += word not in wires
                name = word if not isinstance(count, int) else f"r{hop}"
                while isinstance(count, int) and name in distance:
                    name += "b"
                distance[name] = hop
            path.append(name)
    return path


def _segments(path: list[str], wires: set[str]) -> list[list[str]]:
    """The networks of a row: two nodes each, with the wires between them."""
    segments, current = [], [path[0]]
    for node in path[1:]:
        current.append(node)
        if node not in wires:
            segments.append(current)
            current = [node]
    return segments


def _network(family: int, number: int, last: int) -> tuple[str, str, str]:
    """The network of a segment, and the addresses of its near and its far end."""
    if family == 4:
        if number == 0:
            return "192.0.2.0/24", "192.0.2.1", "192.0.2.10"
        if number == last:
            return "203.0.113.0/24", "203.0.113.1", "203.0.113.10"
        base = ip_address("198.51.100.0") + 4 * number
        return f"{base}/30", str(base + 1), str(base + 2)
    prefix = "2001:db8:1::" if number == 0 else "2001:db8:2::" if number == last else f"2001:db8:0:{number:x}::"
    far = "10" if number in (0, last) else "2"
    return str(ip_network(f"{prefix}/64")), str(ip_address(f"{prefix}1")), str(ip_address(f"{prefix}{far}"))
