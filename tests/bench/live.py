"""Live commands against their peers, whole processes in turn in one network of namespaces: seconds, and packets sent by netprobe.

    python tests/bench/live.py [--runs 5]        as root; peers that are not installed are left out by name

The network is the lab's forged reset, its first cable slow; in the second the first router never reports a TTL as used up.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from netprobe import lab
from netprobe.replay.run import replay

COMMANDS = {
    "netprobe diagnose": [sys.executable, "-m", "netprobe", "diagnose", "-n", "-w", "{evidence}", "{target}"],
    "netprobe trace": [sys.executable, "-m", "netprobe", "trace", "-n", "-w", "{evidence}", "{target}"],
    "nmap -sS": ["nmap", "-n", "-Pn", "-sS", "--reason", "-p", "22", "{target}"],
    "traceroute -T": ["traceroute", "-n", "-T", "-q1", "-p", "22", "{target}"],
    "tcptraceroute": ["tcptraceroute", "-n", "-q", "1", "{target}", "22"],
    "nmap --traceroute": ["nmap", "-n", "-Pn", "--traceroute", "-p", "22", "{target}"],
}


def timed(net: lab.Lab, command: list[str]) -> float:
    began = time.monotonic()
    net.run("client", command, timeout=120)
    return time.monotonic() - began


def sent(evidence: Path) -> int:
    """Packets in the evidence that this host sent: all but the answers."""
    with replay([str(evidence)]) as done:
        rows = done.ledger.rows
        return int(np.sum(~rows["icmp"] & ((rows["ttl"] <= 30) | (rows["ttl"] == 64)) & ((rows["flags"] & 2) > 0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--delay", type=int, default=30, help="milliseconds one way (30)")
    arguments = parser.parse_args()
    for silent in (0, 1):
        scenario = lab.load("router-reset", delay_ms=arguments.delay, silent=silent)
        with lab.up(scenario, label=f"bench{silent}") as net, tempfile.TemporaryDirectory() as folder:
            evidence = Path(folder) / "evidence.pcapng"
            fill = {"{target}": net.target, "{evidence}": str(evidence)}
            took: dict[str, list[float]] = {}
            for _ in range(arguments.runs):
                for name, command in COMMANDS.items():
                    if shutil.which(command[0]):
                        took.setdefault(name, []).append(timed(net, [fill.get(word, word) for word in command]))
            print(f"round trip {2 * arguments.delay} ms, {silent} silent routers")
            for name, seconds in took.items():
                packets = f"{sent(evidence)} SYNs" if name == "netprobe trace" else ""
                print(
                    f"  {name:<20} {min(seconds):6.2f} {statistics.median(seconds):6.2f} {max(seconds):6.2f} s  {packets}"
                )
            print("  not installed: " + ", ".join(c[0] for c in COMMANDS.values() if not shutil.which(c[0])))


if __name__ == "__main__":
    main()
