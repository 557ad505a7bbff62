"""`netprobe trace`: the way itself, hop by hop, and where on it the rejection begins."""

import socket
import sys

import click

from netprobe.cli.asking import run, wanted
from netprobe.cli.options import probes, way

MOST_FLOWS = 8

EXIT_CODES = """
\b
Exit codes:
  0  every address that was asked is healthy
  1  at least one address failed
  2  usage error, or a target that does not resolve
  3  this user may not send raw packets
  5  the report or the evidence could not be written
  130  interrupted by Ctrl-C; what was known until then is reported
"""


@click.command("trace", epilog=EXIT_CODES)
@click.argument("target", metavar="HOST[:PORT]")
@way
@click.option(
    "--flows", default=1, type=click.IntRange(0, MOST_FLOWS), help="Trace from so many further source ports (1)."
)
@click.option("--max-hops", "most_hops", default=30, type=click.IntRange(3, 30), help="Largest TTL to send (30).")
@probes
@click.option("--json", "as_json", is_flag=True, help="One JSON document (schema netprobe.report/1).")
@click.option("-n", "--numeric", is_flag=True, help="Addresses only: DNS is not asked for names, nor ssh_config.")
def command(
    target: str, family: int | None, port: int | None, device: str, source: str, flows: int, most_hops: int,
    controls: tuple[int, ...], only_syn: bool, path: str | None, as_json: bool, numeric: bool,
) -> None:  # fmt: skip
    """Show the way to HOST hop by hop: who answers, for the port and for a control port, and where the rejection begins.

    Asks as diagnose does, and traces the way even where nothing fails: SYNs with rising TTL, one source port for a flow, so
    that balancing by flow does not mix ways. The row shows the round trip time, how many routers the answer passed on
    its way back, MPLS labels, and what was changed on the way, as the quoted packet tells. Needs root or CAP_NET_RAW.
    """
    found = wanted((target,), family or 0, port, numeric)
    if reason := _unable(found[0].addresses[0]):
        click.echo(f"netprobe: {reason}", err=True)
        sys.exit(3)
    from netprobe.live.options import Options

    options = Options(
        source=source,
        device=device,
        only_syn=only_syn,
        trace=True,
        flows=flows,
        most_hops=most_hops,
        names=not numeric,
        controls=controls,
    )
    sys.exit(run(found, options, path, as_json, numeric, shows=("path",)))


def _unable(address: str) -> str:
    """Why this user cannot trace, "" when nothing is in the way."""
    try:
        socket.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW
        ).close()
    except PermissionError:
        return "raw packets need root or CAP_NET_RAW: sudo netprobe trace ..."
    except OSError as error:
        return f"raw packets cannot be sent here: {error.strerror or error}"
    return ""
