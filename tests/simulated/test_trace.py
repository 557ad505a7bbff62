"""`netprobe trace` in the simulated network: the way of each scenario, the same from its evidence, and its exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from netprobe import lab
from netprobe.cli import commands
from netprobe.lab.scenario import Scenario
from netprobe.live import diagnosis
from netprobe.live.network import Network
from tests.simulated.network import Simulated
from tests.simulated.scenarios import world
from tests.ways import CHECKS, block, check

Through = Callable[[Scenario], Callable[[str], Network]]


def plain(scenario: Scenario) -> Callable[[str], Network]:
    return lambda address: Simulated(world(scenario), address)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a live command against a scenario."""

    def run(scenario: Scenario, *args: str, through: Through = plain, command: str = "trace") -> Result:
        monkeypatch.setattr("netprobe.cli.trace._unable", lambda address: "")
        monkeypatch.setattr("netprobe.live.privileges.drop", lambda place: frozenset())
        monkeypatch.setattr(diagnosis, "opened", lambda targets, options: iter([through(scenario)(scenario.target)]))
        target = f"[{scenario.target}]:{scenario.port}" if scenario.family == 6 else scenario.target
        return CliRunner().invoke(commands, [command, target, *args])

    return run


def replayed(*args: str) -> Result:
    return CliRunner().invoke(commands, ["replay", "--path", *args])


def path_of(result: Result, scenario: Scenario) -> dict[str, Any]:
    services = json.loads(result.stdout)["services"]
    (service,) = [s for s in services if (s["address"], s["port"]) == (scenario.target, scenario.port)]
    found: dict[str, Any] = service["path"]
    return found


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", CHECKS)
def test_the_way_is_what_was_built_and_its_evidence_says_the_same(
    name: str, family: int, traced: Callable[..., Result], tmp_path: Path
) -> None:
    scenario = lab.load(name, family=family)
    evidence = str(tmp_path / "e.pcapng")
    said = traced(scenario, "-n", "-w", evidence, "--flows", "3")
    assert said.exit_code == (0 if scenario.truth.cause.startswith("healthy") else 1), said.output
    assert block(replayed("-n", evidence).stdout) == block(said.stdout)
    check(name, scenario, path_of(replayed("--json", "-n", evidence), scenario))
    live = traced(scenario, "-n", "--json", "-w", evidence, "--flows", "3")
    assert path_of(live, scenario) == path_of(replayed("--json", "-n", evidence), scenario)


def test_flows_that_met_different_routers_are_both_shown(traced: Callable[..., Result], tmp_path: Path) -> None:
    scenario = lab.load("ecmp-one-branch-filtered")
    said = block(traced(scenario, "-n", "-w", str(tmp_path / "e.pcapng"), "--flows", "4").stdout)
    addresses = scenario.topology.addresses
    (filtered,) = [line for line in said if f" {addresses['filtered']} " in line]
    (unfiltered,) = [line for line in said if f" {addresses['open']} " in line]
    assert filtered.split()[0] == "*"
    assert "source port" in filtered
    assert "source port" in unfiltered
    (refused,) = [line for line in said if " RST  " in line and line.lstrip().startswith(">")]
    ports = filtered.partition("source port")[2]
    assert refused.endswith(ports), "the flow that met the filter is the one refused"
    assert "   > from here on SYNs of this flow to port 22 are refused" in said


def test_names_that_dns_gave_stand_in_the_evidence(
    traced: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scenario = lab.load("router-reset")
    address = scenario.topology.addresses["firewall"]
    asked: list[set[str]] = []

    def names_of(addresses: set[str]) -> dict[str, str]:
        asked.append(set(addresses))
        return {address: "fw.example.net"}

    monkeypatch.setattr("netprobe.live.names.names_of", names_of)
    evidence = str(tmp_path / "e.pcapng")
    said = traced(scenario, "-w", evidence).stdout
    assert f"{address} " in next(line for line in said.splitlines() if line.endswith("  fw.example.net"))
    assert block(replayed(evidence).stdout) == block(said)
    assert "fw.example.net" not in replayed("-n", evidence).stdout
    assert asked == [{scenario.topology.addresses[node] for node in scenario.topology.first_row[1:]}]
    assert "fw.example.net" not in traced(scenario, "-n", "-w", evidence).stdout
    assert len(asked) == 1, "with -n nobody is asked"


def test_diagnose_shows_the_way_where_it_is_wanted(traced: Callable[..., Result], tmp_path: Path) -> None:
    scenario = lab.load("router-reset")
    evidence = str(tmp_path / "e.pcapng")
    said = traced(scenario, "-n", "--path", "-w", evidence, command="diagnose").stdout
    assert "  Evidence\n" in said
    assert block(said) == block(replayed("-n", evidence).stdout)
    assert "  Path" not in traced(scenario, "-n", "-w", evidence, command="diagnose").stdout


def test_no_more_hops_than_wanted(traced: Callable[..., Result], tmp_path: Path) -> None:
    scenario = lab.load("silent-routers", before=6)
    evidence = str(tmp_path / "e.pcapng")
    traced(scenario, "-n", "--max-hops", "4", "-w", evidence)
    flows = path_of(replayed("--json", evidence), scenario)["flows"]
    assert {hop["ttl"] for flow in flows for hop in flow["hops"]} == {1, 2, 3, 4}


class Interrupted(Simulated):
    """Ctrl-C once the first router has answered a probe of a sweep."""

    def send(self, packet: bytes) -> str:
        sent = sum(frame.direction == 2 and frame.data[8] == 2 for frame in self.frames)
        if sent:
            raise KeyboardInterrupt
        return super().send(packet)


def test_ctrl_c_prints_what_is_known(traced: Callable[..., Result], tmp_path: Path) -> None:
    def through(scenario: Scenario) -> Callable[[str], Network]:
        return lambda address: Interrupted(world(scenario), address)

    scenario = lab.load("router-reset")
    said = traced(scenario, "-n", "-w", str(tmp_path / "e.pcapng"), through=through)
    assert said.exit_code == 130
    assert "reset.network.firewall" in said.stdout or "\n  reset" in said.stdout


def test_without_the_right_to_send_raw_packets_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*words: int) -> None:
        raise PermissionError

    monkeypatch.setattr("socket.socket", refused)
    said = CliRunner().invoke(commands, ["trace", "-n", "127.0.0.1"])
    assert (said.exit_code, said.stdout) == (3, "")
    assert said.stderr == "netprobe: raw packets need root or CAP_NET_RAW: sudo netprobe trace ...\n"
