"""Sweeps in the packet notation, and the way that a capture of them shows."""

from pathlib import Path

from analyzers.attempts.route import Route
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.notation import packets, write_pcap

REFUSED = "0 > client-port 900 S 1 tos 0x48\n+.02 < client-port 900 R. 0 ack 2 ttl 62\n"


def syn(ttl: int, wait: float = 0.5) -> str:
    """A probe; its sequence number tells its TTL."""
    return f"+{wait} > S {1000 * ttl} ttl {ttl} tos 0x48 id {ttl}\n"


def ran_out(ttl: int, back: int | None = None, tos: int = 0x48, wait: float = 0.01) -> str:
    """The report of the router at that hop, which came over `back` routers."""
    back = ttl - 1 if back is None else back
    return (
        f"+{wait} < icmp 11/0 from 10.0.0.{ttl} ttl {64 - back} quotes S {1000 * ttl} tos {tos} id {ttl} quoted-ttl 1\n"
    )


def renamed(ttl: int, sport: int = 40000, seq: int = 0) -> str:
    """A report whose quote bears another source port than the probe, or another number."""
    quote = f"quotes S {seq or 1000 * ttl} tos 0x48 id {ttl} quoted-ttl 1"
    return f"+.01 < client-port {sport} icmp 11/0 from 10.0.0.{ttl} ttl {65 - ttl} {quote}\n"


def reset(ttl: int, back: int, wait: float = 0.01) -> str:
    return f"+{wait} < R. 0 ack {1000 * ttl + 1} ttl {64 - back}\n"


def sweep(*rows: str, first: str = REFUSED) -> str:
    return first + "".join(rows)


def routes(folder: Path, frames: list[tuple[int, bytes]]) -> dict[int, Route | None]:
    path = str(write_pcap(folder / "a.pcap", frames))
    with replay([path]) as done:
        return {service.port: done.route(service) for service in done.services(Filters().choose(done.ledger))}


def routed(folder: Path, script: str) -> Route:
    found = routes(folder, packets(script))[22]
    assert found is not None
    return found
