"""What the flows that a diagnosis asks beside its connections do to a real machine, and find out about real balancers."""

import os
import sys

import pytest

from netprobe import lab
from tests.lab.test_diagnose import netprobe, verdict_in

pytestmark = pytest.mark.lab

# Asks one port from 27 source ports, all of which are accepted, and says how many kernels thought so.
ASK = """
import sys
from netprobe.live.network import Kernel
from netprobe.live.trace import Tracer
address, port = sys.argv[1], int(sys.argv[2])
network = Kernel(address)
tracer = Tracer(network, network.record(), address, lambda left: network.wait([], left) or 0)
flows = [tracer.single(port, 30) for _ in range(27)]
tracer.ask(*flows)
network.wait([], 0.3)
network.close()
print(sum(flow.heard[30].kind == "syn-ack" for flow in flows if flow.heard[30]))
"""


@pytest.mark.parametrize("family", [4, 6])
def test_no_program_is_told_of_flows_that_are_accepted(family: int) -> None:
    """Our kernel resets them before the handshake is complete: no MaxStartups counts them, no penalty, no log."""
    with lab.up(lab.load("healthy", family=family), label=f"accepted-{os.getpid()}") as net:
        accepted = net.run("client", [sys.executable, "-c", ASK, net.target, str(net.port)], timeout=30)
        queue = net.run("server", ["ss", "-Htan", "sport", "=", ":22"], timeout=10).stdout
        opened = net.run("server", ["nstat", "-asz", "TcpPassiveOpens"], timeout=10).stdout.split()
    assert accepted.stdout.split() == ["27"], accepted.stderr
    assert {line.split()[0] for line in queue.splitlines()} == {"LISTEN"}
    assert opened[opened.index("TcpPassiveOpens") + 1] == "0", opened


@pytest.mark.parametrize("family", [4, 6])
def test_one_of_two_machines_refuses(family: int) -> None:
    """Some of eight diagnoses meet it, and say who else answers."""
    told = []
    with lab.up(lab.load("balancer-by-flow-closed", family=family), label=f"dealt-{os.getpid()}") as net:
        where = f"[{net.target}]:{net.port}" if family == 6 else f"{net.target}:{net.port}"
        for _ in range(8):
            said = netprobe(net, "diagnose", "-n", "--json", where)
            told.append(verdict_in(said.stdout, net.target, net.port))
    failed = [one for one in told if one["outcome"] == "refused-rst"]
    assert failed
    assert {one["cause"] for one in told} <= {"reset.backend.closed-port", "healthy.ssh"}
    words = [
        evidence["text"]
        for one in failed
        for evidence in one["evidence"]
        if "from source ports of their own" in evidence["text"]
    ]
    assert any("refused by a RST with TTL 125" in text and "its source port decides" in text for text in words), words
