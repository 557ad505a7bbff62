"""Live commands against their peers, whole processes in turn in one network of namespaces: seconds, packets sent by netprobe,
and where the time of its last run went.

    python tests/bench/live.py [--runs 5]        as root; peers that are not installed are left out by name

The network is the lab's forged reset, its first cable slow; in the second the first router never reports a TTL as used up.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from netprobe import lab
from netprobe.replay.run import replay

NETPROBE = str(Path(sys.executable).parent / "netprobe")  # as installed beside this Python
COMMANDS = {
    "netprobe diagnose": [NETPROBE, "diagnose", "-n", "-w", "{evidence}", "{target}"],
    "netprobe trace": [NETPROBE, "trace", "-n", "-w", "{evidence}", "{target}"],
    "nmap -sS": ["nmap", "-n", "-Pn", "-sS", "--reason", "-p", "22", "{target}"],
    "traceroute -T": ["traceroute", "-n", "-T", "-q1", "-p", "22", "{target}"],
    "tcptraceroute": ["tcptraceroute", "-n", "-q", "1", "{target}", "22"],
    "nmap --traceroute": ["nmap", "-n", "-Pn", "--traceroute", "-p", "22", "{target}"],
}


_WAIT_NS = 8_000_000  # packets of one round are sent faster than that


def timed(net: lab.Lab, command: list[str]) -> float:
    began = time.monotonic()
    net.run("client", command, timeout=120)
    return time.monotonic() - began


def phases(evidence: Path, began_ns: int, ended_ns: int) -> str:
    """Milliseconds: until the first packet, then between packets wherever the network was waited for, then to the end."""
    with replay([str(evidence)]) as done:
        times = np.sort(done.ledger.rows["ts_ns"])
    gaps = np.diff(times)
    waits = gaps[gaps > _WAIT_NS]
    others = int(times[-1] - times[0] - np.sum(waits))
    parts = [int(times[0]) - began_ns, *waits.tolist(), others, ended_ns - int(times[-1])]
    start, *rounds, sending, end = (f"{part / 1e6:.0f}" for part in parts)
    return f"start {start}, waiting {' + '.join(rounds)}, sending {sending}, verdict and end {end} ms"


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
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: what Python compiled is kept
    for silent in (0, 1):
        scenario = lab.load("router-reset", delay_ms=arguments.delay, silent=silent)
        with lab.up(scenario, label=f"bench{silent}") as net, tempfile.TemporaryDirectory() as folder:
            evidence = Path(folder) / "evidence.pcapng"
            fill = {"{target}": net.target, "{evidence}": str(evidence)}
            took: dict[str, list[float]] = {}
            went: dict[str, str] = {}
            for run in range(arguments.runs + 1):
                for name, command in COMMANDS.items():
                    if not shutil.which(command[0]):
                        continue
                    began_ns = time.time_ns()
                    seconds = timed(net, [fill.get(word, word) for word in command])
                    if run:  # the first one warms the caches
                        took.setdefault(name, []).append(seconds)
                    if "{evidence}" in command:
                        went[name] = phases(evidence, began_ns, time.time_ns())
            print(f"round trip {2 * arguments.delay} ms, {silent} silent routers")
            for name, seconds in took.items():
                packets = f"{sent(evidence)} SYNs" if name == "netprobe trace" else ""
                print(
                    f"  {name:<20} {min(seconds):6.2f} {statistics.median(seconds):6.2f} {max(seconds):6.2f} s  {packets}"
                )
                if name in went:
                    print(f"  {'':<20} {went[name]}")
            print("  not installed: " + ", ".join(c[0] for c in COMMANDS.values() if not shutil.which(c[0])))


if __name__ == "__main__":
    main()
