"""`netprobe probe`: only the SYN question, of many ports and hosts."""

import json
import sys
from pathlib import Path

import click

from netprobe.errors import BadTarget
from netprobe.live.many import addresses, ports

EXIT_CODES = """
\b
Exit codes:
  0  asked; every port was answered by a SYN-ACK
  1  asked; at least one port was not
  2  usage error, or a target that does not resolve
  3  this user may not send raw packets
  130  interrupted by Ctrl-C; what was answered until then is reported
"""


@click.command("probe", epilog=EXIT_CODES)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option(
    "-p", "--ports", "wanted", default="22", metavar="PORTS", help="Ports to ask: 22,80,8000-8010,https (22)."
)
@click.option("--rate", default=100.0, type=click.FloatRange(0.1, 10_000), help="SYNs a second at most (100).")
@click.option(
    "-w", "--write", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the evidence here (pcapng)."
)
@click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line for every port.")
def command(targets: tuple[str, ...], wanted: str, rate: float, path: Path | None, as_jsonl: bool) -> None:
    """Send SYNs to the ports of every TARGET and say what came back, from how far, and what that means.

    TARGET is an address, a network (192.0.2.0/28), a range (192.0.2.1-20), a name, @FILE or - for a list of those. No
    connection is made: what is accepted is reset at once, as a SYN scanner does. An unanswered SYN is repeated twice.
    Needs root or CAP_NET_RAW.
    """
    from netprobe.live import evidence, privileges
    from netprobe.live.sweep import Question, Sweep

    try:
        questions = [Question(address, port) for address in addresses(targets) for port in ports(wanted)]
    except BadTarget as error:
        raise click.UsageError(str(error)) from None
    progress = sys.stderr.isatty()

    def tell(done: int, total: int) -> None:
        if progress:
            click.echo(f"\r\x1b[K{done} of {total} answered", nl=False, err=True)

    sweep = Sweep(questions, rate, tell)
    try:
        sweep.open()
    except PermissionError:
        click.echo("netprobe: raw packets need root or CAP_NET_RAW: sudo netprobe probe ...", err=True)
        sys.exit(3)
    privileges.drop(path if path is not None else evidence.directory())
    sweep.run()
    if progress:
        click.echo("\r\x1b[K", nl=False, err=True)
    from netprobe.live.answers import Answered, answered, evidence_file

    kept = evidence_file(sweep, path)
    rows = answered(sweep, kept)
    show = _json if as_jsonl else _line
    for row in rows:
        click.echo(show(row))
    if not as_jsonl:
        click.echo(f"evidence: {kept}", err=True)
    assert all(isinstance(row, Answered) for row in rows)
    sys.exit(130 if sweep.interrupted else 0 if all(row.answer == "syn-ack" for row in rows) else 1)


def _line(row: "Answered") -> str:  # type: ignore[name-defined]  # noqa: F821 - imported where it is used
    ttl = f"ttl {row.ttl}" if row.ttl else ""
    return f"{row.address:<24} {row.port:>5}  {row.answer:<18} {row.sender:<24} {ttl:<8} {row.cause}".rstrip()


def _json(row: "Answered") -> str:  # type: ignore[name-defined]  # noqa: F821
    values = {name: getattr(row, name) for name in row.__slots__}
    return json.dumps({name: value for name, value in values.items() if value not in ("", 0)}, ensure_ascii=False)
