"""A scenario file read: what stands in scenarios/NAME.toml, its parameters filled in.

The format, in full:

    title, story      what the user sees; what is really done
    chain             "client - before - firewall - behind - server": nodes in a row. A word that is a number parameter
                      stands for that many plain routers, named r1, r2 ... by their distance from the client.
                      Left out: "client - before - server"
    branches          more such rows, which begin or end at nodes already named
    requires          what the machine must have beyond the usual tools, like "sshd >= 9.8" or "libwrap"
    [parameters]      name = default (a number from 0 or 1 to 6), or name = [values], the first being the default.
                      before = 2, behind = 1 (both from 0), family = [4, 6], delay_ms = 0 and those of overlays.py go without
                      saying; a scenario may narrow them
    [target]          what the user connects to: address = "$server", port = 22
    [on.NODE]         what NODE does: see `Node`. NODE may be "routers": every plain router
    [truth]           what really happens: see `Truth`

In every text these can be used: $port, $target, each parameter, each node's address, $service (an address for a service),
$nobody and $neighbour (addresses nobody has, on the last and on the client's network), $ip and $icmp (nft's words, ip6 and
icmpv6 for family 6), $code (what netprobe calls the ICMP type $type of nft). A value of a parameter or of the truth may be a
table with one value for each family: { 4 = "host-unreachable", 6 = "no-route" }.
"""

import ast
import operator
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from string import Template
from typing import Any

from netprobe.lab.errors import UnknownScenario
from netprobe.lab.overlays import PARAMETERS, lay_over, with_detour
from netprobe.lab.topology import Topology

Value = int | str

_EVERYWHERE: dict[str, Any] = {"family": [4, 6], "before": 2, "behind": 1, "delay_ms": 0, **PARAMETERS}
_SMALLEST = {"before": 0, "behind": 0}
_LARGEST = {"delay_ms": 2000}


@dataclass(frozen=True)
class Node:
    """What one node does. Everything is optional; all texts are final."""

    sshd: str | None = None  # an sshd runs, with these lines of sshd_config
    haproxy: str = ""  # a HAProxy runs, with these lines after a "defaults" section for TCP
    programs: tuple[str, ...] = ()  # the lab's own programs, with arguments: see inside/services.py
    wire: str = ""  # not a router but a piece of cable, with its ways: see inside/wire.py
    routes: tuple[str, ...] = ()  # "unreachable|prohibit|blackhole|missing DEST" or "DEST via NODE[, NODE]"
    addresses: tuple[str, ...] = ()  # more addresses, to which the others have routes
    sysctl: Mapping[str, Value] = field(default_factory=dict)  # the kernel's switches, "net.ipv4.ip_default_ttl" = 128
    etc: Mapping[str, str] = field(default_factory=dict)  # files of the private /etc in which its daemons live
    vanishing: tuple[str, ...] = ()  # files of that /etc which are gone once the daemons run
    nat: Mapping[str, str] = field(default_factory=dict)  # hook -> nft rules, at the priority of NAT
    raw: Mapping[str, str] = field(default_factory=dict)  # hook -> nft rules, before connection tracking
    filter: Mapping[str, str] = field(default_factory=dict)  # hook -> nft rules, at the priority of filters


@dataclass(frozen=True)
class Truth:
    """What really happens to a connection to `server` ("ADDRESS PORT").

    `outcome` is how attempts end, in the words of the replay, and `cause` the deepest true id of why. Where chance, turn or timing
    decide, other attempts may end as `also` says; if they end well, `cause` is not about them. `actor` is the kind of device at
    fault, `node` its name, `hop` its distance from the client's interface: 0 for the client, 1 for its first router.
    """

    outcome: str
    cause: str
    actor: str
    node: str
    hop: int
    server: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One scenario with its parameters filled in, ready to be built."""

    name: str
    title: str
    story: str
    parameters: Mapping[str, Value]
    topology: Topology
    nodes: Mapping[str, Node]
    target: str
    port: int
    truth: Truth
    requires: tuple[str, ...] = ()

    @property
    def family(self) -> int:
        return int(self.parameters["family"])


def names() -> list[str]:
    """Every scenario's name, in alphabetical order."""
    folder = resources.files("netprobe.lab") / "scenarios"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str, **parameters: Value) -> Scenario:
    """Read a scenario. UnknownScenario if there is none, or if it has no such parameter or not this value of it."""
    entry = resources.files("netprobe.lab") / "scenarios" / f"{name}.toml"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not entry.is_file():
        raise UnknownScenario(f"no scenario named {name}; netprobe lab list shows them")
    return read(name, tomllib.loads(entry.read_text(encoding="utf-8")), parameters)


def options(name: str, family: int = 4) -> dict[str, list[Value]]:
    """A scenario's parameters, and the values that each may have in a family, the default first."""
    entry = resources.files("netprobe.lab") / "scenarios" / f"{name}.toml"
    document = tomllib.loads(entry.read_text(encoding="utf-8"))
    return {key: _allowed(key, _of_family(offer, family)) for key, offer in _offers(document).items()}


def read(name: str, document: dict[str, Any], parameters: Mapping[str, Value]) -> Scenario:
    """A scenario from its parsed file."""
    chosen = _choose(name, _offers(document), parameters)
    family = int(chosen["family"])
    settings: dict[str, dict[str, Any]] = dict(document.get("on", {}))
    chain = str(document.get("chain", "client - before - server"))
    delay = chosen["delay_ms"]
    if delay:
        chain = chain.replace("client -", "client - slow -", 1)
        settings["slow"] = {"wire": f"delay {delay}"}
    wires = {node for node, does in settings.items() if "wire" in does}
    topology = with_detour([chain, *document.get("branches", ())], chosen, wires, family)
    known: dict[str, Any] = {
        **chosen, **topology.addresses,
        "service": topology.service, "nobody": topology.nobody, "neighbour": topology.neighbour,
        "ip": "ip" if family == 4 else "ip6", "icmp": "icmp" if family == 4 else "icmpv6",
    }  # fmt: skip
    target = {"address": "$server", "port": 22, **document.get("target", {})}
    known["port"] = port = int(target["port"])
    known["target"] = address = Template(target["address"]).substitute(known)
    known["code"] = _CODES.get(str(chosen.get("type")), chosen.get("type"))

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return Template(value).substitute(known)
        if isinstance(value, list):
            return tuple(fill(item) for item in value)
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        return value

    plain = settings.pop("routers", {})
    if unknown := set(settings) - set(topology.nodes):
        raise ValueError(f"{name}: [on.{unknown.pop()}] is no node")
    settings.update({node: plain for node in topology.plain if node not in settings})
    told = {key: _of_family(value, family) for key, value in document["truth"].items()}
    truth = {**fill(told), "hop": evaluate(told["hop"], chosen)}
    truth.setdefault("server", f"{address} {port}")
    settings = lay_over(settings, chosen, topology, truth["node"], truth["hop"])
    return Scenario(
        name=name,
        title=document["title"],
        story=" ".join(fill(document["story"]).split()),
        parameters=chosen,
        topology=topology,
        nodes={node: _node(node, fill(settings.get(node, {}))) for node in topology.nodes},
        target=address,
        port=port,
        truth=Truth(**truth),
        requires=tuple(document.get("requires", ())),
    )


def _node(name: str, does: dict[str, Any]) -> Node:
    known = {f.name for f in fields(Node)}
    if unknown := set(does) - known:
        raise ValueError(f"[on.{name}] has no {unknown.pop()}")
    return Node(**does)


def _offers(document: dict[str, Any]) -> dict[str, Any]:
    """The parameters a scenario has: those that every scenario has, where its chain uses them, and its own."""
    chain = " ".join((document.get("chain", "client - before - server"), *document.get("branches", ())))
    common = {
        key: value for key, value in _EVERYWHERE.items() if key not in ("before", "behind") or key in chain.split()
    }
    return {**common, **document.get("parameters", {})}


def _of_family(value: Any, family: int) -> Any:
    return value[str(family)] if isinstance(value, dict) else value


# nft abbreviates some ICMP types.
_CODES = {
    "prot-unreachable": "protocol-unreachable",
    "addr-unreachable": "address-unreachable",
    "policy-fail": "policy-failed",
}


def _allowed(key: str, offer: Any) -> list[Value]:
    if isinstance(offer, list):
        return offer
    lowest, largest = _range(key, offer)
    return [offer, *(n for n in range(lowest, largest + 1) if n != offer)]


def _range(key: str, default: int) -> tuple[int, int]:
    return _SMALLEST.get(key, min(1, default)), _LARGEST.get(key, 6)


def _choose(name: str, offers: dict[str, Any], parameters: Mapping[str, Value]) -> dict[str, Value]:
    families = _allowed("family", offers["family"])
    family = next((n for n in families if str(n) == str(parameters.get("family"))), families[0])
    offers = {key: _of_family(offer, int(family)) for key, offer in offers.items()}
    chosen: dict[str, Value] = {key: _allowed(key, offer)[0] for key, offer in offers.items()}
    for key, value in parameters.items():
        if key not in offers:
            raise UnknownScenario(f"{name} has no parameter {key}; it has {', '.join(offers)}")
        by_text = {str(v): v for v in _allowed(key, offers[key])}
        if str(value) not in by_text:
            few = ", ".join(by_text) if isinstance(offers[key], list) else "{} to {}".format(*_range(key, offers[key]))
            raise UnknownScenario(f"{name}: {key} cannot be {value}; it can be {few}")
        chosen[key] = by_text[str(value)]
    return chosen


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mod: operator.mod,
}


def evaluate(expression: int | str, known: Mapping[str, Value]) -> int:
    """A sum of numbers and parameters, like "before + 1"; % is allowed too."""

    def value(node: ast.expr) -> int:
        match node:
            case ast.Constant(int(number)):
                return number
            case ast.Name(word):
                return int(known[word])
            case ast.BinOp(left, sign, right) if type(sign) in _OPERATORS:
                return _OPERATORS[type(sign)](value(left), value(right))
        raise ValueError(f"not a sum: {expression}")

    return value(ast.parse(str(expression), mode="eval").body)
