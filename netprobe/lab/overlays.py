"""What can be laid over any scenario and leaves its truth as it is: what real networks have besides their fault. Pure.

    silent = n          so many of the plain routers never send ICMP errors: those nearest to the acting node, in front of it first
    hidden = 1          the acting node, if it is a router, never sends time-exceeded
    detour = n          the way back of everything from the second hop on leads over n routers that the way there never meets
    init_ttl = 128      the TTL that the last node of the first row begins with
    bleach = 1          the first plain router sets the DSCP of every packet to 0
    limited = 1         all nodes limit their ICMP errors as a Linux kernel does by default

A scenario whose truth would not stay narrows the parameter in its file: `detour = [0]`.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from netprobe.lab.topology import Topology, lay_out

PARAMETERS: Mapping[str, Any] = {
    "silent": 0, "hidden": [0, 1], "detour": [0, 1, 2, 3], "init_ttl": [64, 128, 255], "bleach": [0, 1], "limited": [0, 1],
}  # fmt: skip
LIMITS = {"net.ipv4.icmp_ratelimit": 1000, "net.ipv4.icmp_ratemask": 6168, "net.ipv6.icmp.ratelimit": 1000}

Settings = dict[str, dict[str, Any]]


def with_detour(rows: list[str], chosen: Mapping[str, Any], wires: set[str], family: int) -> Topology:
    """The plan of these rows, and of the way back if there is one: plain routers from the second hop to the first."""
    plan = lay_out(rows, chosen, wires, family)
    row = plan.first_row
    if not chosen["detour"] or len(row) < 3:
        return plan
    longer = lay_out([*rows, f"{row[2]} - detour - {row[1]}"], chosen, wires, family)
    return replace(longer, plain=(*plan.plain, *_added(plan, longer)))


def lay_over(settings: Settings, chosen: Mapping[str, Any], topology: Topology, acting: str, hop: int) -> Settings:
    """What the nodes do, with the overlays that were chosen. Texts still hold their $words."""
    row = topology.first_row
    does = _Does(settings)
    plain = [node for node in row if node in topology.plain and node != acting]
    nearest = sorted(plain, key=lambda node: (row.index(node) > hop, abs(row.index(node) - hop)))
    for node in nearest[: chosen["silent"]]:
        does.rule(node, "output", "$icmp type { destination-unreachable, time-exceeded } drop")
    if chosen["hidden"] and acting in topology.routers:
        does.rule(acting, "output", "$icmp type time-exceeded drop")
    back = [node for node in topology.plain if node not in row and chosen["detour"]]
    way = [row[2], *back[-chosen["detour"] :], row[1]] if back else []
    for node, following in pairwise(way):
        does.route(node, f"$client via {following}")
    if chosen["init_ttl"] != 64:
        ttl = chosen["init_ttl"]
        names = ("net.ipv4.ip_default_ttl", "net.ipv6.conf.default.hop_limit", "net.ipv6.conf.all.hop_limit")
        does.switch(row[-1], dict.fromkeys(names, ttl))
    for node in plain[: chosen["bleach"]]:
        does.rule(node, "forward", "$ip dscp set cs0")
    if chosen["limited"]:
        for node in topology.neighbours:
            does.switch(node, LIMITS)
    return does.settings


def _added(plan: Topology, longer: Topology) -> tuple[str, ...]:
    return tuple(node for node in longer.nodes if node not in plan.nodes)


class _Does:
    """Settings that grow; what the scenario itself says of a switch stays."""

    def __init__(self, settings: Settings) -> None:
        self.settings = {node: dict(does) for node, does in settings.items()}

    def rule(self, node: str, hook: str, text: str) -> None:
        there = self.settings.setdefault(node, {})
        rules = there.get("filter", {})
        there["filter"] = {**rules, hook: f"{text}\n{rules.get(hook, '')}"}

    def route(self, node: str, text: str) -> None:
        there = self.settings.setdefault(node, {})
        there["routes"] = [*there.get("routes", ()), text]

    def switch(self, node: str, values: Mapping[str, Any]) -> None:
        there = self.settings.setdefault(node, {})
        there["sysctl"] = {**values, **there.get("sysctl", {})}
