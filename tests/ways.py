"""What the way of a scenario must look like hop by hop, from its topology and truth: for the lab and for the simulated network."""

from collections.abc import Callable
from typing import Any

from netprobe.lab.scenario import Scenario

Flow = dict[str, Any]
CONTROL = 47_923


def block(text: str, port: int = 22) -> list[str]:
    """The lines of the table about a port in a report."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith((f"  Path  to port {port} ", "  Path  by ")))
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("   back:"))
    return lines[start : end + 1]


def check(name: str, scenario: Scenario, path: dict[str, Any]) -> None:
    """Hold the `path` of a document against what was built."""
    assert path["control_port"] == CONTROL
    flows = [flow for flow in path["flows"] if flow.get("port") == scenario.port]
    assert len({flow["source_port"] for flow in flows}) == len(flows) >= 2
    (control,) = (flow for flow in path["flows"] if flow.get("port") == CONTROL)
    CHECKS[name](scenario, path, flows, control)


def row(scenario: Scenario) -> list[str]:
    """The addresses of the first row from the first router on: their place is their hop, less one."""
    return [scenario.topology.addresses[node] for node in scenario.topology.first_row[1:]]


def hop_of(scenario: Scenario, node: str) -> int:
    return scenario.topology.first_row.index(node)


def answers(flow: Flow) -> dict[int, str]:
    return {hop["ttl"]: hop.get("answer", "") for hop in flow["hops"]}


def routers(flow: Flow) -> list[str]:
    return [hop["router"] for hop in flow["hops"] if "router" in hop]


def straight(hop: dict[str, Any]) -> bool:
    return "uneven" not in hop


def router_reset(scenario: Scenario, path: dict[str, Any], flows: list[Flow], control: Flow) -> None:
    firewall = scenario.truth.hop
    assert path["refused_from"] == firewall + 1
    for flow in flows:
        assert routers(flow) == row(scenario)[:firewall]
        # What lies beyond the end is not waited for.
        refused = [hop for hop in flow["hops"] if hop["ttl"] > firewall and "answer" in hop]
        assert {(hop["answer"], hop["address"], hop["back"]) for hop in refused} == {
            ("rst", scenario.target, firewall - 1)
        }
    assert routers(control) == row(scenario)[:-1]
    assert answers(control)[len(row(scenario))] == "rst"
    assert all(straight(hop) for flow in path["flows"] for hop in flow["hops"])


def nat_closed_inside(scenario: Scenario, path: dict[str, Any], flows: list[Flow], control: Flow) -> None:
    nat, inside = hop_of(scenario, "nat"), scenario.truth.hop
    assert path["refused_from"] == inside
    for flow in flows:
        assert routers(flow) == row(scenario)[: nat - 1] + [scenario.target] * (inside - nat)
        assert answers(flow)[inside] == "rst"
    assert answers(control)[nat] == "rst"
    assert routers(control) == row(scenario)[: nat - 1]


def ecmp_one_branch_filtered(scenario: Scenario, path: dict[str, Any], flows: list[Flow], control: Flow) -> None:
    branch, addresses = scenario.truth.hop, scenario.topology.addresses
    met = [next(hop["router"] for hop in flow["hops"] if hop["ttl"] == branch) for flow in flows]
    assert set(met) <= {addresses["filtered"], addresses["open"]}
    for flow, router in zip(flows, met, strict=True):
        if router == addresses["filtered"]:
            assert answers(flow)[branch + 1] == "rst"
        else:
            assert answers(flow)[branch + 1] == "ttl-exceeded"
            assert answers(flow)[len(row(scenario))] == "syn-ack"
    # Where all connections were lucky, nothing failed whose way could end, though a traced flow may have met the filter.
    assert "refused_from" not in path or addresses["filtered"] in met
    assert path.get("refused_from", branch + 1) == branch + 1


def changed_at(scenario: Scenario, flow: Flow, what: set[tuple[str, str]]) -> None:
    """A router's change shows in the quotes from the next one on."""
    router = hop_of(scenario, "router")
    assert {(one["what"], one["quoted"]) for one in flow["changed"]} == what
    assert {(one["intact"], one["hop"], one["lasting"]) for one in flow["changed"]} == {(router, router + 1, True)}
    for hop in flow["hops"]:
        assert ("changed" in hop) == (router < hop["ttl"] and "router" in hop)


def dscp_bleaching(scenario: Scenario, path: dict[str, Any], flows: list[Flow], control: Flow) -> None:
    assert path["refused_from"] == scenario.truth.hop
    for flow in (*flows, control):
        changed_at(scenario, flow, {("DSCP", "0")})


def option_stripping(scenario: Scenario, path: dict[str, Any], flows: list[Flow], control: Flow) -> None:
    assert "refused_from" not in path
    for flow in (*flows, control):
        changed_at(scenario, flow, {(what, "none") for what in ("timestamps", "SACK permitted", "window scale")})
        assert routers(flow) == row(scenario)[:-1]
    for flow in flows:
        assert answers(flow)[len(row(scenario))] == "syn-ack"


def silent_routers(scenario: Scenario, path: dict[str, Any], flows: list[Flow], control: Flow) -> None:
    server = scenario.truth.hop
    assert path["refused_from"] == server
    for flow in (*flows, control):
        assert routers(flow) == []
        assert {ttl: answer for ttl, answer in answers(flow).items() if ttl <= server} == {
            **dict.fromkeys(range(1, server), ""),
            server: "rst",
        }


CHECKS: dict[str, Callable[[Scenario, dict[str, Any], list[Flow], Flow], None]] = {
    "router-reset": router_reset, "nat-closed-inside": nat_closed_inside, "ecmp-one-branch-filtered": ecmp_one_branch_filtered,
    "dscp-bleaching": dscp_bleaching, "option-stripping": option_stripping, "silent-routers": silent_routers,
}  # fmt: skip
