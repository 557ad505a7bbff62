"""A scenario as orders for the builder: which namespace gets which interfaces, addresses, routes and switches. Pure."""

from typing import Any

from netprobe.lab.scenario import Scenario
from netprobe.lab.topology import Topology

Orders = dict[str, Any]


def orders(scenario: Scenario, namespaces: dict[str, str]) -> Orders:
    """What inside/network.py is told on its standard input. `namespaces` gives each node's namespace."""
    topology = scenario.topology
    addresses: dict[str, list[list[object]]] = {node: [] for node in topology.nodes}
    links = []
    for number, link in enumerate(topology.links):
        ends = []
        for port, digit in ((link.one, 2 * number), (link.two, 2 * number + 1)):
            ends.append([namespaces[port.node], port.name, f"00:00:5e:00:53:{digit:02x}"])
            if port.address:
                addresses[port.node].append([port.name, port.address, port.length])
        links.append(ends)
    single = 32 if scenario.family == 4 else 128
    for node, does in scenario.nodes.items():
        addresses[node] += [["lo", address, single] for address in does.addresses]
    return {
        "links": links,
        "nodes": [
            {
                "namespace": namespaces[node],
                "router": node in topology.routers,
                "wire": bool(does.wire),
                "sysctl": {name.replace(".", "/"): value for name, value in does.sysctl.items()},
                "addresses": addresses[node],
                "routes": [] if does.wire else _routes(scenario, node),
            }
            for node, does in scenario.nodes.items()
        ],
    }


def _routes(scenario: Scenario, node: str) -> list[Orders]:
    """Routes to every network, the shortest way; then what the scenario says otherwise."""
    topology = scenario.topology
    single = 32 if scenario.family == 4 else 128
    wanted = {network: ends for network, ends in topology.networks.items() if node not in ends}
    for owner, does in scenario.nodes.items():
        if owner != node:
            wanted |= {f"{address}/{single}": (owner,) for address in does.addresses}
    routes = {
        network: {"to": network, "via": [topology.neighbours[node][way[node]]]}
        for network, ends in wanted.items()
        if node in (way := topology.ways(ends))
    }
    for text in scenario.nodes[node].routes:
        match text.split(" ", 2):
            case ["missing", destination]:
                routes.pop(_network_of(topology, destination))
            case ["unreachable" | "prohibit" | "blackhole" as kind, destination]:
                routes[destination] = {"to": f"{destination}/{single}", "type": kind}
            case [destination, "via", nodes]:
                gates = [topology.neighbours[node][name] for name in nodes.split(", ")]
                routes[destination] = {"to": f"{destination}/{single}", "via": gates}
            case _:
                raise ValueError(f"{scenario.name}: not a route: {text}")
    return list(routes.values())


def _network_of(topology: Topology, address: str) -> str:
    from ipaddress import ip_address, ip_network

    (network,) = [n for n in topology.networks if ip_address(address) in ip_network(n)]
    return network
