"""Live diagnoses in the lab: no verdict contradicts what was done, and replaying the evidence gives the same verdict."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netprobe import lab
from netprobe.lab.scenario import options
from tests.accuracy.score import BY_CHANCE
from tests.conftest import ROOT

pytestmark = pytest.mark.lab

SCENARIOS = [(name, int(family)) for name in lab.names() for family in options(name)["family"]]
NEEDS_NEWER = ("needs OpenSSH",)  # a scenario that this machine's daemons cannot make is left out by name
# What is found by asking on the connection itself: the cause, and how far the place may lie beside the hop, None for no place.
INSIDE: dict[str, tuple[str, tuple[int, int] | None]] = {
    "silent-service": ("mute.target", (0, 0)),
    "reset-on-banner": ("closed.network.firewall.injected-reset", (0, 0)),
    "reset-on-banner-one-sided": ("mute.network.firewall.one-sided", None),
    "router-reset-established": ("closed.network.firewall", (0, 0)),
    "no-state-reset": ("closed.network.firewall", (0, 0)),
    "acknowledgements-lost": ("mute.network.path.one-way", (0, 1)),
    "greeting-swallowed": ("mute.network.firewall.drop", None),
    "words-swallowed": ("stalled.network.firewall.drop", (0, 1)),
    "pmtu-black-hole": ("stalled.network.path.mtu", (0, 1)),
    "pmtu-black-hole-back": ("stalled.network.path.mtu", None),
}
TABLE: list[str] = []
AT_A_TIME = 4


def netprobe(net: lab.Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return net.run("client", [sys.executable, "-m", "netprobe", *arguments], timeout=120)


def verdict_in(document: str, target: str, port: int) -> dict[str, Any]:
    services = json.loads(document)["services"]
    (service,) = [s for s in services if (s["address"], s["port"]) == (target, port)]
    found: dict[str, Any] = service["verdict"]
    return found


@dataclass(frozen=True)
class Ran:
    """A live diagnosis that ended, and what is true of its scenario."""

    said: subprocess.CompletedProcess[str]
    truth: lab.Truth
    target: str
    port: int
    evidence: Path


def ran(name: str, family: int, evidence: Path) -> Ran:
    with lab.up(lab.load(name, family=family), label=f"{name}-v{family}") as net:
        where = f"[{net.target}]:{net.port}" if family == 6 else f"{net.target}:{net.port}"
        said = netprobe(net, "diagnose", "-n", "--json", "-w", str(evidence), where)
        return Ran(said, net.truth, net.target, net.port, evidence)


@pytest.fixture(scope="module")
def begun(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, int], Future[Ran]]]:
    """The diagnoses of all tests that were chosen, some at a time: they mostly wait."""
    folder = tmp_path_factory.mktemp("evidence")
    chosen = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is SOUND
    ]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            (each["name"], each["family"]): pool.submit(ran, **each, evidence=folder / f"{each['name']}-{each['family']}.pcapng")
            for each in chosen
        }  # fmt: skip
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("name", "family"), SCENARIOS)
def test_a_live_diagnosis_is_sound_and_replays_to_the_same(
    name: str, family: int, begun: dict[tuple[str, int], Future[Ran]]
) -> None:
    try:
        done = begun[name, family].result()
    except Exception as error:
        if any(need in str(error) for need in NEEDS_NEWER):
            pytest.skip(str(error))
        raise
    said, truth, target, port, evidence = done.said, done.truth, done.target, done.port, done.evidence
    assert said.returncode in (0, 1), said.stderr
    live = verdict_in(said.stdout, target, port)
    again = subprocess.run(
        [sys.executable, "-m", "netprobe", "replay", "--json", str(evidence)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert verdict_in(again.stdout, target, port) == live
    TABLE.append(f"{name:<28} v{family}  {truth.cause:<48} {live['cause']:<46} {live['strength']}")
    works = live["cause"].startswith("healthy") and live["outcome"] in (truth.outcome, *truth.also)
    causes = [truth.cause, *BY_CHANCE.get(name, ())]
    assert works or any(f"{cause}.".startswith(f"{live['cause']}.") for cause in causes), (live["cause"], truth.cause)
    assert live["place"]["actor"] in (truth.actor, "unknown")
    low, high = live["place"]["hop_min"], live["place"]["hop_max"]
    assert low is None or low <= truth.hop
    assert high is None or truth.hop <= high
    if name in INSIDE:
        cause, beside = INSIDE[name]
        place = (truth.hop + beside[0], truth.hop + beside[1]) if beside else (None, None)
        assert (live["cause"], live["strength"], (low, high)) == (cause, "indicated", place)


SOUND = test_a_live_diagnosis_is_sound_and_replays_to_the_same


def test_the_table_of_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """Scenario, truth, verdict, strength: printed for people."""
    with capsys.disabled():
        print("\n" + "\n".join(TABLE))
    assert len(TABLE) > 20 or not TABLE


def test_no_rights_are_left_while_asking() -> None:
    with lab.up(lab.load("host-drop"), label=f"rights-{os.getpid()}") as net:
        script = f"""
            {sys.executable} -m netprobe diagnose -n --budget 1 {net.target} > /dev/null & asking=$!
            for try in 1 2 3 4 5 6 7 8 9; do
                sleep 0.3; grep -q 'NoNewPrivs:.1' /proc/$asking/status && grep CapEff /proc/$asking/status && break
            done
            wait $asking"""
        said = net.run("client", ["sh", "-c", script], timeout=60)
    assert said.stdout.split() == ["CapEff:", "0000000000000000"], said


def test_a_link_local_target_is_asked_through_its_interface() -> None:
    with lab.up(lab.load("closed-port", family=6, before=1), label=f"link-{os.getpid()}") as net:
        shown = net.run("r1", ["ip", "-6", "-o", "addr", "show", "scope", "link", "dev", "to-client"]).stdout.split()
        address = shown[3].partition("/")[0]
        said = netprobe(net, "diagnose", "-n", "--json", f"[{address}%to-r1]:22")
    found = verdict_in(said.stdout, address, 22)
    assert (found["outcome"], found["place"]["hop"]) == ("refused-rst", 1), said.stdout


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_that_this_host_translates_is_not_called_filtered(family: int) -> None:
    with lab.up(lab.load("closed-port", family=family), label=f"translated-{os.getpid()}") as net:
        ip, gate = ("ip", "192.0.2.1") if family == 4 else ("ip6", "2001:db8:1::1")
        rule = f"{ip} daddr {net.target} tcp dport 22 dnat {ip} to {gate}"
        hook = "type nat hook output priority -100;"
        net.run("client", ["nft", f"table inet t {{ chain out {{ {hook} {rule}; }}; }}"]).check_returncode()
        where = f"[{net.target}]:22" if family == 6 else net.target
        said = netprobe(net, "diagnose", "-n", "--json", where)
    found = verdict_in(said.stdout, net.target, 22)
    assert (found["cause"], found["strength"]) == ("reset.origin.translated", "proven"), said.stdout
    assert f"{gate} port 22" in said.stdout


@pytest.mark.parametrize("verb", ["drop", "reject with tcp reset"])
def test_an_answer_that_this_host_keeps_out_is_not_health(verb: str) -> None:
    with lab.up(lab.load("healthy"), label=f"inbound-{os.getpid()}") as net:
        hook = "type filter hook input priority 0;"
        net.run("client", ["nft", f"table inet t {{ chain in {{ {hook} tcp sport 22 {verb}; }}; }}"]).check_returncode()
        said = netprobe(net, "diagnose", "-n", "--json", net.target)
    found = verdict_in(said.stdout, net.target, 22)
    assert (found["cause"], found["strength"]) == ("half-open.origin.local-rule", "proven"), said.stdout
    assert found["place"]["hop"] == 0


@pytest.mark.parametrize("family", [4, 6])
def test_the_interface_and_the_source_address_are_those_asked_for(family: int, tmp_path: Path) -> None:
    with lab.up(lab.load("closed-port", family=family), label=f"source-{os.getpid()}") as net:
        own = "192.0.2.10" if family == 4 else "2001:db8:1::10"
        other = "192.0.2.77" if family == 4 else "2001:db8:1::77"
        added = [
            "ip",
            "addr",
            "add",
            f"{other}/{24 if family == 4 else 64}",
            "dev",
            "to-r1",
            *(["nodad"] if family == 6 else []),
        ]
        net.run("client", added).check_returncode()
        where = f"[{net.target}]:22" if family == 6 else net.target
        said = netprobe(
            net, "diagnose", "-n", "--json", "--source", other, "-i", "to-r1", "-w", str(tmp_path / "e.pcapng"), where
        )
        wrong = netprobe(net, "diagnose", "-n", "-i", "missing0", where)
    assert verdict_in(said.stdout, net.target, 22)["outcome"] == "refused-rst", said.stdout
    shown = subprocess.run(
        ["tcpdump", "-nr", str(tmp_path / "e.pcapng")], capture_output=True, text=True, check=True
    ).stdout
    assert other in shown
    assert f"{own}." not in shown
    assert "Traceback" not in wrong.stderr


def test_several_ports_of_one_address_are_judged() -> None:
    with lab.up(lab.load("closed-port", family=4), label=f"ports-{os.getpid()}") as net:
        said = netprobe(net, "diagnose", "-n", "--json", net.target, f"{net.target}:80", net.target)
        services = json.loads(said.stdout)["services"]
        assert [service["port"] for service in services] == [22, 80, 22]
        assert {service["verdict"]["cause"] for service in services} == {"reset"}
