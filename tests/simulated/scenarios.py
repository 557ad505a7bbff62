"""The lab's scenarios as rows: the same files, read into nodes of the simulated network, with the truth they state.

What is not understood raises `Inexpressible` with the words in question, so that a test names what it leaves out.
"""

import re
from typing import Any

from netprobe.lab.scenario import Node as LabNode
from netprobe.lab.scenario import Scenario
from tests.simulated.rows import Forward, Injector, Link, Node, Route, Rule
from tests.simulated.world import World

_REJECTS = {
    "addr-unreachable": "address-unreachable", "prot-unreachable": "protocol-unreachable", "policy-fail": "policy-failed",
}  # fmt: skip
_OPTIONS = {"timestamp": 8, "sack-perm": 4, "window": 3}
_PROGRAMS = {"http": "http", "silent": "silent", "tarpit": "tarpit", "closing": "closing", "dying": "dying"}
_WIRE_NS = 200_000


class Inexpressible(Exception):
    """The simulated network has no such thing."""


def world(scenario: Scenario, seed: int = 0) -> World:
    """The scenario's network."""
    nodes = [
        _node(scenario, name, does) for name, does in scenario.nodes.items() if name in scenario.topology.addresses
    ]
    return World(nodes, _links(scenario), seed)


def _links(scenario: Scenario) -> list[Link]:
    """The networks between nodes, with what the cable does that stands in each."""
    wires = {name: does.wire for name, does in scenario.nodes.items() if does.wire}
    ends: dict[str, list[str]] = {name: [] for name in scenario.topology.nodes}
    for link in scenario.topology.links:
        ends[link.one.node].append(link.two.node)
        ends[link.two.node].append(link.one.node)
    out = []
    for one in scenario.topology.nodes:
        for first in ends[one] if one not in wires else ():
            path = [one, first]
            while path[-1] in wires:
                path.append(next(node for node in ends[path[-1]] if node != path[-2]))
            if scenario.topology.nodes.index(one) < scenario.topology.nodes.index(path[-1]):
                injector, delay = None, _WIRE_NS
                for wire in path[1:-1]:
                    what, first_word, *ways = wires[wire].split()
                    if what == "delay":
                        delay += int(first_word) * 1_000_000
                    else:
                        injector = _injector(int(first_word), ways)
                cost = 1 if frozenset((one, path[-1])) in scenario.topology.row else 100
                out.append(Link(one, path[-1], delay, 0.0, injector, cost))
    return out


def _injector(port: int, ways: list[str]) -> Injector:
    values = dict(way.split("=") for way in ways if "=" in way)
    fields = {"id": "ident"}
    chosen = {fields.get(name, name): value if value == "copy" else int(value) for name, value in values.items()}
    return Injector((port,), passes="pass" in ways, careless="careless" in ways, df=False, **chosen)


def _node(scenario: Scenario, name: str, does: LabNode) -> Node:
    if does.haproxy or does.raw:
        raise Inexpressible("HAProxy" if does.haproxy else "SYN proxy")
    topology, sysctl = scenario.topology, does.sysctl
    ttl = int(sysctl.get("net.ipv4.ip_default_ttl" if scenario.family == 4 else "net.ipv6.conf.all.hop_limit", 64))
    rules, carries = _filters(does)
    programs = dict(_listening(scenario, does))
    addresses = [topology.addresses[name], *does.addresses]
    addresses += [port.address for link in topology.links for port in (link.one, link.two) if port.node == name]
    return Node(
        name, tuple(dict.fromkeys(filter(None, addresses))), name in topology.routers, ttl,
        {port: what for port, what in programs.items() if what != "full"}, tuple(rules), tuple(_routes(scenario, does)),
        *_translations(scenario, does), vacant=_vacant(scenario, name),
        limited="net.ipv4.icmp_ratelimit" in sysctl, strict="net.ipv4.conf.all.rp_filter" in sysctl,
        full=tuple(port for port, what in programs.items() if what == "full"), **carries,
    )  # fmt: skip


def _vacant(scenario: Scenario, name: str) -> tuple[str, ...]:
    """The addresses nobody has, at the node that asks for them: the last router, and the client itself."""
    topology = scenario.topology
    if name == "client":
        return (topology.neighbour,)
    # The network at the end of the first row: its router is the neighbour of its last node.
    far = next(
        ends for network, ends in topology.networks.items() if network.startswith(("203.0.113.", "2001:db8:2::"))
    )
    return (topology.nobody,) if name == far[0] else ()


def _listening(scenario: Scenario, does: LabNode) -> list[tuple[int, str]]:
    found = []
    if does.sshd is not None and "ListenAddress 127" not in does.sshd:
        kind = "ssh"
        if "MaxStartups" in does.sshd:
            kind = "not-allowed" if "PerSourcePenalties" in does.sshd else "busy"
        if any(words.startswith("call ") for words in scenario.nodes["client"].programs):
            kind = "not-allowed"
        if does.vanishing:
            kind = "broken-child"
        if "KexAlgorithms" in does.sshd:
            kind = "old-ssh"
        if "hosts.deny" in does.etc:
            kind = "wrapped"
        found += [(int(port), kind) for port in re.findall(r"Port (\d+)", does.sshd) or [str(scenario.port)]]
    for words in does.programs:
        what, port, *_ = words.split()
        if what == "full":
            found.append((int(port), what))
        elif what in _PROGRAMS:
            found.append((int(port), _PROGRAMS[what]))
    return found


def _routes(scenario: Scenario, does: LabNode) -> list[Route]:
    out = []
    for text in does.routes:
        match text.split(" ", 2):
            case ["missing" | "unreachable" | "prohibit" | "blackhole" as reason, to]:
                out.append(Route(to, reason=reason))
            case [to, "via", nodes]:
                out.append(Route(to, tuple(nodes.split(", "))))
            case _:
                raise Inexpressible(text)
    return out


def _translations(scenario: Scenario, does: LabNode) -> tuple[tuple[Forward, ...], tuple[str, ...]]:
    maps: list[Forward] = []
    for line in does.nat.get("prerouting", "").strip().splitlines():
        found = re.fullmatch(
            r"ip6? daddr (\S+) (?:tcp dport (\{.*?\}|\d+)|meta l4proto tcp) dnat ip6? to (.*)", line.strip()
        )
        if not found:
            raise Inexpressible(line)
        address, ports, to = found.groups()
        inside = tuple(re.findall(r"\d+ : ([^\s,}]+)", to)) or (to,)
        numbers = tuple(map(int, re.findall(r"\d+", ports or "")))
        pick = "turn" if "numgen inc" in to else "chance" if "numgen random" in to else "hash"
        maps.append(Forward(address, inside, numbers, pick))
    hidden = re.findall(r"saddr (\S+) masquerade", does.nat.get("postrouting", ""))
    return tuple(maps), tuple(hidden)


def _filters(does: LabNode) -> tuple[list[Rule], dict[str, Any]]:
    """Rules, and what the node does to what it carries."""
    rules: list[Rule] = []
    carries: dict[str, Any] = {}
    strips = []
    for hook, text in does.filter.items():
        for line in map(str.strip, text.strip().splitlines()):
            if line.endswith("dscp set cs0"):
                carries["bleaches"] = True
            elif found := re.fullmatch(r"tcp flags syn reset tcp option (\S+)", line):
                strips.append(_OPTIONS[found[1]])
            elif found := re.fullmatch(r"numgen random mod 100 < (\d+) drop", line):
                carries["loses"] = int(found[1]) / 100
            else:
                rules.append(_rule(hook, line))
    return rules, {**carries, **({"strips": tuple(strips)} if strips else {})}


def _rule(hook: str, line: str) -> Rule:
    condition, act = re.fullmatch(r"(.*?) (drop|reject with .*)", line).groups()
    what = act.split()[-1]
    act = "drop" if act == "drop" else "reset" if act.endswith("tcp reset") else _REJECTS.get(what, what)
    if act == "reset" and "tcp reset" not in line:
        raise Inexpressible(line)
    if condition.startswith(("icmp type", "icmpv6 type")):
        kinds = {"time-exceeded": ("ttl-exceeded",)}
        names = [
            k for word in re.findall(r"[a-z-]+", condition.split("type")[1]) for k in kinds.get(word, _UNREACHABLE)
        ]
        return Rule(hook, act, icmp=tuple(names))
    if condition == "meta l4proto tcp":
        return Rule(hook, act)
    if condition == "ct state invalid":  # where it sees one direction only: all but SYNs
        return Rule(hook, act, acks=True)
    if found := re.fullmatch(r"tcp dport (\d+) tcp flags & \(syn \| rst\) == 0", condition):
        return Rule(hook, act, (int(found[1]),), acks=True)
    if found := re.fullmatch(r"(?:ip6? saddr (\S+) )?meta length > (\d+)", condition):
        return Rule(hook, act, source=found[1] or "", longer=int(found[2]))
    found = re.fullmatch(
        r"(?:ip6? saddr (\S+) )?tcp (dport|sport) (\d+)( @ih,0,32 0x5353482d)?( ct state new limit rate over 2/minute burst 1 packets)?",
        condition,
    )
    if found is None:
        raise Inexpressible(line)
    source, end, port, greets, limit = found.groups()
    return Rule(
        hook, act, (int(port),) if end == "dport" else (), int(port) if end == "sport" else 0, source or "",
        b"SSH-" if greets else b"", spare=1 if limit else 0,
    )  # fmt: skip


_UNREACHABLE = ("net-unreachable", "host-unreachable", "port-unreachable", "admin-prohibited", "host-prohibited")
