"""Scenario files, the plan of a network, and the command, as far as they need no root."""

import os
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from click.testing import CliRunner

from analyzers.causes import CAUSES
from analyzers.model import ACTORS
from netprobe.cli import commands
from netprobe.lab import load, names
from netprobe.lab.errors import UnknownScenario
from netprobe.lab.plan import orders
from netprobe.lab.scenario import evaluate, options

DOCUMENTATION = [ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]

# Causes that only the lab can name so far.
NOT_YET = {
    "silence.target.host.no-return-route",
    *(
        f"{symptom}.origin.{what}"
        for symptom in ("reset", "silence", "unreachable")
        for what in ("local-rule", "route", "neighbour")
    ),
}


def every() -> list[tuple[str, dict[str, Any]]]:
    more = (
        {},
        {"before": 6},
        {"behind": 3},
        {"before": 0},
        {"behind": 0},
        {"detour": 3, "silent": 6, "hidden": 1, "bleach": 1},
    )
    return [(n, {"family": f, **m}) for n in names() for f in options(n)["family"] for m in more
            if all(value in options(n).get(key, ()) for key, value in m.items())]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters"), every(), ids=str)
def test_a_scenario_is_whole(name: str, parameters: dict[str, Any]) -> None:
    scenario = load(name, **parameters)
    truth = scenario.truth
    assert scenario.title
    assert scenario.story.endswith((".", ")"))
    assert truth.cause in {cause.id for cause in CAUSES} | NOT_YET
    assert truth.actor in ACTORS
    assert truth.server == f"{scenario.target} {scenario.port}"
    plan = orders(scenario, {node: f"np-x-{node}" for node in scenario.topology.nodes})
    used = [address for node in plan["nodes"] for _, address, _ in node["addresses"]]
    assert len(used) == len(set(used))
    assert all(any(ip_address(a) in n for n in DOCUMENTATION) for a in [*used, scenario.target])
    assert all(len(name) < 16 for ends in plan["links"] for _, name, _ in ends)
    assert all("-" not in node for node in scenario.topology.nodes)


def test_the_hop_of_the_truth_is_where_the_acting_node_stands() -> None:
    for name, parameters in every():
        scenario = load(name, **parameters)
        topology, truth = scenario.topology, scenario.truth
        hop, here = 0, truth.node
        if here not in topology.neighbours or name.startswith("routing-loop"):
            continue
        ways = topology.ways(("client",))
        while here != "client":
            hop, here = hop + 1, ways[here]
        assert hop == truth.hop, (name, parameters)


def test_routers_are_named_by_their_distance() -> None:
    assert load("router-reset", before=2, behind=2).topology.nodes == (
        "client",
        "r1",
        "r2",
        "firewall",
        "r4",
        "r5",
        "server",
    )
    assert load("healthy", before=1, delay_ms=5).topology.nodes == ("client", "slow", "r1", "server")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"before": 7}, "0 to 6"),
        ({"befour": 1}, "no parameter befour"),
        ({"family": 5}, "4, 6"),
        ({"type": "no-route"}, "cannot be"),
    ],
)
def test_a_parameter_that_cannot_be(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UnknownScenario, match=said):
        load("host-reject", **parameters)


def test_overlays_are_laid_over_the_nodes_that_they_name() -> None:
    scenario = load("router-reset", before=2, behind=2, silent=3, hidden=1, detour=2, init_ttl=128, bleach=1, limited=1)
    topology, nodes = scenario.topology, scenario.nodes
    assert topology.first_row == ("client", "r1", "r2", "firewall", "r4", "r5", "server")
    assert [node for node in topology.plain if "time-exceeded" in nodes[node].filter.get("output", "")] == [
        "r1",
        "r2",
        "r4",
    ]
    assert nodes["firewall"].filter["output"].split() == ["icmp", "type", "time-exceeded", "drop"]
    assert "reject with tcp reset" in nodes["firewall"].filter["forward"]
    assert [node for node, does in nodes.items() if "dscp" in does.filter.get("forward", "")] == ["r1"]
    routes = [(node, does.routes) for node, does in nodes.items() if does.routes]
    client = topology.addresses["client"]
    assert routes == [("r2", (f"{client} via r3",)), ("r3", (f"{client} via r4b",)), ("r4b", (f"{client} via r1",))]
    assert nodes["server"].sysctl["net.ipv4.ip_default_ttl"] == 128
    assert all(does.sysctl["net.ipv4.icmp_ratelimit"] == 1000 for does in nodes.values())


def test_what_the_scenario_says_of_a_switch_stays() -> None:
    nodes = load("host-rp-filter", limited=1, init_ttl=255).nodes
    assert nodes["server"].sysctl["net.ipv4.conf.all.rp_filter"] == 1
    assert nodes["server"].sysctl["net.ipv4.ip_default_ttl"] == 255


def test_sums() -> None:
    assert evaluate("before + 1 - (63 - before) % 2", {"before": 2}) == 2
    with pytest.raises(ValueError):
        evaluate("before.bit_length()", {"before": 2})


def test_the_list_has_the_name_first() -> None:
    lines = CliRunner().invoke(commands, ["lab", "list"]).output.splitlines()
    assert [line.split()[0] for line in lines] == names()
    told = CliRunner().invoke(commands, ["lab", "list", "router-reset"]).output
    assert "before=2" in told
    assert "reset.network.firewall" in told


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["up", "no-such"], 2, "no scenario named no-such"),
        (["up", "healthy", "--set", "before"], 2, "KEY=VALUE"),
        (["up", "healthy", "--set", "before=9"], 2, "before cannot be 9"),
        (["up", "healthy", "--capture", "nobody=x.pcap"], 2, "no node nobody"),
        (["up", "healthy", "--capture", "client=/no/such/x.pcap"], 2, "no such directory"),
        (["up", "healthy", "--as", "A b"], 2, "not a label"),
        (["run", "healthy", "--", "no-such-command-here"], 127, "no command"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: list[str], code: int, said: str) -> None:
    done = CliRunner().invoke(commands, ["lab", *arguments])
    assert done.exit_code == code
    assert said in done.output


def test_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = CliRunner().invoke(commands, ["lab", "up", "healthy"])
    assert done.exit_code == 3
    assert done.output == "netprobe: the lab needs root: it makes network namespaces (run it with sudo)\n"
