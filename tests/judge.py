"""Verdicts on small scripts in the packet notation."""

from pathlib import Path

from analyzers.model import Verdict
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.notation import packets, write_pcap

HANDSHAKE = """
+1    > S 1000
+.020 < S. 5000 ack 1001 ttl 60
+.001 > . 1001 ack 5001
"""
BANNER = '+.01 < P. 5001 ack 1001 ttl 60 "SSH-2.0-x\\r\\n"\n+.001 > P. 1001 ack 5012 "SSH-2.0-y\\r\\n"\n'
LATER = "+{} > client-port 999 port 9 . 1 ack 1"  # an unrelated frame: the capture went on


def verdicts(folder: Path, *scripts: str, v6: bool = False) -> dict[int, Verdict]:
    """Verdicts by server port; each script is a file of its own."""
    paths = [str(write_pcap(folder / f"{chr(97 + i)}.pcap", packets(script, v6))) for i, script in enumerate(scripts)]
    with replay(paths) as done:
        return {service.port: done.verdict(service) for service in done.services(Filters().choose(done.ledger))}


def verdict(folder: Path, script: str, v6: bool = False) -> Verdict:
    """The verdict on port 22."""
    return verdicts(folder, script, v6=v6)[22]


def said(found: Verdict) -> str:
    """All its evidence in one line."""
    return " | ".join(evidence.text for evidence in found.evidence)


def by(client_port: int, script: str) -> str:
    """The script from another port of the client."""
    return script.replace("> ", f"> client-port {client_port} ").replace("< ", f"< client-port {client_port} ")
