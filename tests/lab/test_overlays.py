"""What can be laid over a scenario does what it says: a closed port and a forged reset, and every node's packets."""

import sys
from pathlib import Path
from typing import Any

import pytest

from netprobe.lab import Lab, load, up
from tests.lab.experiment import ask
from tests.lab.frames import Seen, read

pytestmark = pytest.mark.lab

SWEEP = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
option = (41, 16) if ":" in sys.argv[1] else (0, 2)
for ttl in map(int, sys.argv[3:]):
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(*option, ttl)
        sock.settimeout(0.15)
        try:
            sock.connect((sys.argv[1], int(sys.argv[2])))
        except OSError:
            pass
"""


def seen(folder: Path, name: str, ttls: tuple[int, ...] = (), **parameters: Any) -> tuple[Lab, dict[str, list[Seen]]]:
    """One call, then a SYN with each of these TTLs; what every node saw."""
    scenario = load(name, **parameters)
    files = {node: str(folder / f"{node}.pcapng") for node in scenario.topology.nodes}
    with up(scenario, f"ov-{folder.name[-20:].strip('_').replace('_', '-')}", files) as net:
        ask(net, 1)
        if ttls:
            net.run("client", [sys.executable, "-c", SWEEP, net.target, str(net.port), *map(str, ttls)])
    return net, {node: read(node, Path(file)) for node, file in files.items()}


def reset(frames: list[Seen]) -> Seen:
    return next(f for f in frames if "R" in f.flags and not f.out)


@pytest.mark.parametrize("family", [4, 6])
def test_the_way_back_is_longer_and_the_way_there_is_not(tmp_path: Path, family: int) -> None:
    _, frames = seen(tmp_path, "closed-port", (3,), family=family, before=3, detour=3)
    assert reset(frames["client"]).ttl == 64 - 2 - 3 - 1  # by r3 and r2, the detour, r1
    assert not any(f.flags == "S" for node in ("r3b", "r4", "r5") for f in frames[node])
    assert all(any("R" in f.flags for f in frames[node]) for node in ("r3b", "r4", "r5"))
    (exceeded,) = [f for f in frames["client"] if f.kind == "icmp"]
    assert exceeded.ttl == 64 - 1 - 3 - 1  # of r3: by r2, the detour, r1


def test_before_the_second_hop_nothing_is_different(tmp_path: Path) -> None:
    _, frames = seen(tmp_path, "router-reset", (1,), before=0, detour=2)
    assert reset(frames["client"]).ttl == 64


@pytest.mark.parametrize("family", [4, 6])
def test_silent_routers_are_those_nearest_to_the_acting_node(tmp_path: Path, family: int) -> None:
    net, frames = seen(tmp_path, "router-reset", (1, 2, 3), family=family, before=3, silent=1)
    spoke = {f.source for f in frames["client"] if f.kind == "icmp"}
    assert net.scenario.topology.addresses["r1"] in spoke
    assert len(spoke) == 2
    assert net.scenario.topology.addresses["r3"] not in spoke


def test_a_hidden_firewall_forges_and_never_says_time_exceeded(tmp_path: Path) -> None:
    shown = {}
    for hidden in (0, 1):
        folder = tmp_path / f"h{hidden}"
        folder.mkdir()
        _, frames = seen(folder, "router-reset", (2,), before=1, hidden=hidden)
        assert reset(frames["client"]).ttl == 63
        shown[hidden] = [f for f in frames["client"] if f.kind == "icmp"]
    assert len(shown[0]) == 1
    assert not shown[1]


def test_the_server_starts_with_another_ttl(tmp_path: Path) -> None:
    _, frames = seen(tmp_path, "closed-port", family=6, init_ttl=255)
    assert reset(frames["client"]).ttl == 253


@pytest.mark.parametrize("family", [4, 6])
def test_the_first_plain_router_bleaches(tmp_path: Path, family: int) -> None:
    _, frames = seen(tmp_path, "closed-port", family=family, bleach=1)
    assert next(f for f in frames["client"] if f.flags == "S").tos == 0x48
    assert next(f for f in frames["server"] if f.flags == "S").tos == 0


def test_icmp_errors_are_limited(tmp_path: Path) -> None:
    _, frames = seen(tmp_path, "closed-port", (1,) * 12, limited=1)
    assert 1 <= len({f.quoted.sport for f in frames["client"] if f.kind == "icmp" and f.quoted}) < 12
