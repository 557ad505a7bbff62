"""`netprobe diagnose`: ask over the wire, keep the evidence, say who refused."""

import sys

import click

from netprobe.cli.asking import run, wanted
from netprobe.cli.options import probes, way

EXIT_CODES = """
\b
Exit codes:
  0  every address that was asked is healthy
  1  at least one address failed
  2  usage error, or a target that does not resolve
  3  nothing could be judged: this user may not record packets
  5  the report or the evidence could not be written
  130  interrupted by Ctrl-C; what was known until then is reported
"""


@click.command("diagnose", epilog=EXIT_CODES)
@click.argument("targets", nargs=-1, required=True, metavar="HOST[:PORT]...")
@way
@click.option(
    "--wait", default=4.5, type=click.FloatRange(0.2, 120), help="Seconds to wait for an answer to a SYN (4.5)."
)
@click.option("--budget", default=4, type=click.IntRange(1, 4), help="Connections to the port at most (4).")
@probes
@click.option("--path", "with_path", is_flag=True, help="Show the way hop by hop as well, where it was traced.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document (schema netprobe.report/1).")
@click.option(
    "-n", "--numeric", is_flag=True, help="Take names as they are: no ssh_config, addresses only in the report."
)
def command(
    targets: tuple[str, ...], family: int | None, port: int | None, device: str, source: str, wait: float, budget: int,
    controls: tuple[int, ...], only_syn: bool, path: str | None, with_path: bool, as_json: bool, numeric: bool,
) -> None:  # fmt: skip
    """Connect to HOST as ssh would, record what happens on every interface, and say who refused, where, on what evidence.

    HOST is a name, an address, an IPv6 address in brackets, or an alias of ssh_config; the port is 22 unless given. Every
    address of a name is asked. At most four connections go to the port and a few to one unused port of the same address.
    Recording needs root or CAP_NET_RAW.
    """
    shows = ("verdict", "path") if with_path else ("verdict",)
    found = wanted(targets, family or 0, port, numeric)
    from netprobe.live.options import Options

    options = Options(wait, budget, source, device, only_syn, controls=controls)
    sys.exit(run(found, options, path, as_json, numeric, shows))
