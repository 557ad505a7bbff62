"""Networks that fail for another reason and look the same from the client: each scenario's twin, and what a client sees of either.

Where a scenario has a twin, no question of ours tells the two apart, and a verdict that says more than both share is a guess.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from captures.flags import OUTBOUND
from captures.packet import Packet, decode
from netprobe.lab.scenario import Scenario
from netprobe.live.heard import RAW
from netprobe.live.recorder import Frame
from tests.simulated.rows import Forward, Injector, Link, Node, Route, Rule
from tests.simulated.scenarios import world
from tests.simulated.world import World

Change = Callable[[list[Node], list[Link], Scenario], tuple[list[Node], list[Link]]]
Seen = Counter[tuple[Any, ...]]


def _with(nodes: list[Node], name: str, **does: Any) -> list[Node]:
    return [replace(node, **does) if node.name == name else node for node in nodes]


def _node(nodes: list[Node], name: str) -> Node:
    return next(node for node in nodes if node.name == name)


def a_nat_box(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """What refuses is no host, but a box that translates, without a forward for the port; it has one for another."""
    name = scenario.truth.node
    nodes = _with(nodes, name, forwards=True, maps=(Forward(scenario.target, ("10.9.9.9",), (8500,)),))
    return [*nodes, Node("inside", ("10.9.9.9",), programs={8500: "http"})], [*links, Link(name, "inside", cost=100)]


def the_last_router(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """It is the router before the host that drops."""
    name = scenario.truth.node
    rules = tuple(replace(rule, hook="forward") for rule in _node(nodes, name).rules)
    return _with(_with(nodes, name, rules=()), _last(links, name), rules=rules), links


def a_device_in_the_cable(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """It is a device in the cable before the host that resets, as a packet filter does."""
    name = scenario.truth.node
    device = Injector((scenario.port,))
    nodes = _with(nodes, name, rules=())
    return nodes, [replace(link, injector=device) if name in (link.one, link.two) else link for link in links]


def a_filter_before_routes(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """It is a packet filter of that router, before it looks at its routes."""
    rule = Rule("prerouting", "admin-prohibited")
    return _with(nodes, scenario.truth.node, routes=(), rules=(rule,)), links


def no_way_back_here(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """That router has a way to the target, and none back to the client."""
    lost = tuple(Route(address, reason="missing") for address in _node(nodes, "client").addresses)
    return _with(nodes, scenario.truth.node, routes=lost), links


def a_way_to_nowhere(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """That router has a way back to the client, and none to the target."""
    return _with(nodes, scenario.truth.node, routes=(Route(scenario.target, reason="blackhole"),)), links


def no_way_back_at_all(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """The host gets the packets and has no route back."""
    lost = tuple(Route(address, reason="missing") for address in _node(nodes, "client").addresses)
    return _with(nodes, scenario.truth.node, strict=False, routes=lost), links


def a_check_of_sources(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """The host drops the packets, as its way back leads elsewhere."""
    return _with(nodes, scenario.truth.node, strict=True), links


def a_filter_of_syns(nodes: list[Node], links: list[Link], scenario: Scenario) -> tuple[list[Node], list[Link]]:
    """The host's packet filter drops new connections to the port."""
    rule = Rule("input", "drop", (scenario.port,), new=True)
    return _with(nodes, scenario.truth.node, full=(), programs={scenario.port: "ssh"}, rules=(rule,)), links


def a_stack_that_copies_nothing(
    nodes: list[Node], links: list[Link], scenario: Scenario
) -> tuple[list[Node], list[Link]]:
    """Nothing listens on that host, whose stack is not Linux's: its RSTs copy no marks, and it knows no signed SYNs."""
    name = scenario.truth.node
    others = {port: what for port, what in _node(nodes, name).programs.items() if port != scenario.port}
    return _with(nodes, name, rules=(), programs=others, reflects=False, signs=False), links


def _last(links: list[Link], name: str) -> str:
    near = next(link for link in links if name in (link.one, link.two))
    return near.one if near.two == name else near.two


# The scenario, the families in which it has this twin, the twin, and what is true there.
TWINS: tuple[tuple[str, tuple[int, ...], Change, str], ...] = (
    *(
        (name, (4, 6), a_nat_box, "reset.network.nat.no-mapping")
        for name in ("closed-port", "listen-elsewhere", "host-ttl", "silent-routers", "dscp-bleaching", "cgnat")
    ),
    ("host-drop", (6,), the_last_router, "silence.network.firewall.drop"),
    ("host-reset", (6,), a_device_in_the_cable, "reset.network.firewall"),
    ("nat-filtered-inside", (4,), a_stack_that_copies_nothing, "reset.backend.closed-port"),
    ("balancer-by-flow-filtered", (4,), a_stack_that_copies_nothing, "reset.backend.closed-port"),
    ("route-prohibit", (4, 6), a_filter_before_routes, "unreachable.network.firewall.admin-prohibited"),
    ("route-blackhole", (6,), no_way_back_here, "silence.network.return-path"),
    ("return-route-lost", (6,), a_way_to_nowhere, "silence.network.router.no-route"),
    ("host-rp-filter", (4,), no_way_back_at_all, "silence.target.host.no-return-route"),
    ("no-return-route", (4, 6), a_check_of_sources, "silence.target.host.rp-filter"),
    ("queue-full", (4, 6), a_filter_of_syns, "silence.target.filter.drop"),
)  # fmt: skip


def twin(scenario: Scenario, change: Change) -> World:
    """The scenario's network with another reason to fail."""
    net = world(scenario)
    links = {(one, two): link for one, ways in net.links.items() for two, link in ways.items() if one == link.one}
    return World(*change(list(net.nodes.values()), list(links.values()), scenario))


def seen(frames: Iterable[Frame]) -> Seen:
    """What the client sent, and all headers of what it got back, for each flow in its order; what is drawn by chance (ports,
    numbers, IP-IDs, labels) and times left out."""
    flows: dict[tuple[int, int], list[tuple[Any, ...]]] = defaultdict(list)
    for frame in frames:
        got = decode(frame.data, RAW, len(frame.data))
        sent = frame.direction == OUTBOUND
        about = got if got.icmp is None or got.icmp.quoted is None else got.icmp.quoted
        ports = _ports(about, sent or about is not got)
        flows[ports].append((sent, *_headers(got)))
    return Counter((ports[1], *sorted(rows, key=repr)) for ports, rows in flows.items())


def _ports(packet: Packet, as_sent: bool) -> tuple[int, int]:
    """The client's port and the other; of a ping its identifier."""
    if packet.tcp is not None:
        ends = packet.tcp.sport, packet.tcp.dport
        return ends if as_sent else (ends[1], ends[0])
    if packet.udp is not None:
        return packet.udp
    return (packet.icmp.ident if packet.icmp is not None else 0), 0


def _headers(packet: Packet) -> tuple[Any, ...]:
    ip, tcp, icmp = packet.ip, packet.tcp, packet.icmp
    assert ip is not None
    own = (str(ip.src), ip.ttl, ip.tos, ip.df, bool(ip.ip_id), bool(ip.flow_label), len(ip.options))
    if tcp is not None:
        return (*own, tcp.flags, tcp.window, tuple(option.kind for option in tcp.options), tcp.length)
    if icmp is not None:
        quoted = icmp.quoted.ip if icmp.quoted is not None else None
        return (*own, icmp.type, icmp.code, icmp.sequence, (quoted.ttl, quoted.tos) if quoted is not None else None)
    return own
