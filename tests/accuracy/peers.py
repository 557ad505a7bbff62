"""Today's tools as they are run in a cell, beside netprobe and after it."""

import subprocess
import time
from collections.abc import Callable, Sequence

from netprobe.lab import Lab
from tests.accuracy import readings
from tests.accuracy.measure import TIMEOUT_S, Result, Tool
from tests.accuracy.readings import LIMIT
from tests.accuracy.score import Answer

Words = Callable[[Lab], list[str]]
Reading = Callable[[str, Lab], Answer]

_REFILL_S = 6.0  # what a Linux kernel's limit on ICMP errors needs to be as generous to the next tool


def peer(words: Words, reading: Reading) -> Tool:
    """A tool of this command line. One that does not end in time has said nothing, whatever it printed."""

    def ask(net: Lab) -> tuple[Answer, Result]:
        if net.scenario.parameters["limited"] or net.scenario.name == "icmp-limited":
            time.sleep(_REFILL_S)
        try:
            done = net.run("client", words(net), timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Answer(coarse=True), {"timeout": True}
        return reading(done.stdout + done.stderr, net), {"text": done.stdout + done.stderr}

    return ask


def _nmap(*options: str) -> Words:
    return lambda net: ["nmap", "-n", "-Pn", *options, *_six(net), "-p", str(net.port), net.target]


def _six(net: Lab) -> Sequence[str]:
    return ["-6"] if net.scenario.family == 6 else []


def _traced(reading: Callable[[str, str, str], Answer]) -> Reading:
    return lambda text, net: reading(text, net.target, net.scenario.topology.addresses["client"])


PEERS: dict[str, Tool] = {
    "nmap -sS --reason": peer(_nmap("-sS", "--reason"), lambda text, _: readings.nmap_syn(text)),
    "nmap -sV": peer(_nmap("-sV"), lambda text, _: readings.nmap_version(text)),
    "nmap --traceroute": peer(_nmap("--traceroute"), lambda text, _: readings.nmap_traceroute(text)),
    "traceroute -T": peer(
        lambda net: ["traceroute", "-T", "-O", "info", *_six(net), "-p", str(net.port), "-n", "-q", "1", "-m", str(LIMIT), net.target],
        _traced(readings.traceroute),
    ),
    "tcptraceroute": peer(  # IPv4 only
        lambda net: ["tcptraceroute", "-n", "-q", "1", "-w", "1", "-m", str(LIMIT), net.target, str(net.port)],
        _traced(readings.traceroute),
    ),
    "mtr -T": peer(
        lambda net: ["mtr", "-T", "-P", str(net.port), "-n", "-r", "-c", "1", "-m", str(LIMIT), "--json", *_six(net), net.target],
        _traced(readings.mtr),
    ),
}  # fmt: skip
NEEDED = {
    "nmap": "nmap",
    "traceroute": "traceroute",
    "tcptraceroute": "tcptraceroute",
    "mtr": "mtr-tiny",
}  # command: package
