"""Which attempts to report: by host, port, outcome and time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

import click
import numpy as np

from analyzers.attempts.columns import Array
from analyzers.attempts.ledger import Ledger
from analyzers.attempts.services import client_sides

OUTCOMES = (
    "silent", "refused-rst", "icmp-unreachable", "icmp-ttl-exceeded", "icmp-other", "aborted-by-client", "half-open",
    "half-open-reset-by-client", "half-open-reset-by-server", "established", "closed-normally", "half-closed-by-client",
    "half-closed-by-server", "reset-by-client", "reset-by-server", "one-sided-client", "midstream",
)  # fmt: skip


class TimeOfCapture(click.ParamType[int]):
    """A moment: ISO 8601 (UTC unless it names an offset) or seconds since the epoch; nanoseconds as a value."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        try:
            if text.replace(".", "", 1).isdigit():
                whole, _, rest = text.partition(".")
                return int(whole) * 1_000_000_000 + int(rest[:9].ljust(9, "0") or 0)
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text} is not a time; write 2026-03-01T12:30:00 or seconds since 1970", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6) * 1000


@dataclass(frozen=True, slots=True)
class Filters:
    """An empty tuple or None means: no such filter."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    @classmethod
    def parse(
        cls,
        hosts: tuple[str, ...],
        ports: tuple[int, ...],
        outcomes: tuple[str, ...],
        since: int | None,
        until: int | None,
    ) -> "Filters":
        """From the command line's words; raises a usage error that says which word is wrong."""
        networks = []
        for host in hosts:
            try:
                networks.append(ip_network(host.strip("[]"), strict=False))
            except ValueError:
                raise click.UsageError(f"--host {host}: not an address or network") from None
        for outcome in outcomes:
            if outcome not in OUTCOMES:
                raise click.UsageError(f"--outcome {outcome}: not one of {', '.join(OUTCOMES)}")
        return cls(tuple(networks), ports, outcomes, since, until)

    def choose(self, ledger: Ledger) -> Array:
        """Indices of the attempts that pass, in the order in which they began."""
        columns = ledger.columns
        keep = ledger.seen()
        if self.networks:
            keep &= np.logical_or.reduce([_inside(columns, network) for network in self.networks])
        if self.ports:
            server = 1 - client_sides(ledger)
            keep &= np.isin(columns["port"][np.arange(len(ledger)), server], self.ports)
        if self.outcomes:
            wanted = np.array([ending.outcome in self.outcomes for ending in ledger.endings], np.bool_)
            keep &= wanted[ledger.story]
        if self.since is not None:
            keep &= columns["first_ts"] >= self.since
        if self.until is not None:
            keep &= columns["first_ts"] < self.until
        chosen = np.flatnonzero(keep)
        return chosen[np.argsort(columns["first_ts"][chosen], kind="stable")]


def _inside(columns: dict[str, Array], network: IPv4Network | IPv6Network) -> Array:
    """Attempts of which either end lies in the network."""
    low, high = int(network.network_address), int(network.broadcast_address)
    family = (columns["family"] == network.version)[:, None]
    hi, lo = columns["end_hi"], columns["end_lo"]
    mask = (1 << 64) - 1
    above = (hi > low >> 64) | ((hi == low >> 64) & (lo >= low & mask))
    below = (hi < high >> 64) | ((hi == high >> 64) & (lo <= high & mask))
    out: Array = (family & above & below).any(axis=1)
    return out
