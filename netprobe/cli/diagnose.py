"""`netprobe diagnose`: ask over the wire, keep the evidence, say who refused."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from netprobe.cli.beside import Beside
from netprobe.cli.options import probes, way
from netprobe.errors import BadTarget
from netprobe.live.session import Options
from netprobe.live.target import Target, resolve

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
    controls: tuple[int, ...], only_syn: bool, path: Path | None, with_path: bool, as_json: bool, numeric: bool,
) -> None:  # fmt: skip
    """Connect to HOST as ssh would, record what happens on every interface, and say who refused, where, on what evidence.

    HOST is a name, an address, an IPv6 address in brackets, or an alias of ssh_config; the port is 22 unless given. Every
    address of a name is asked. At most four connections go to the port and a few to one unused port of the same address.
    Recording needs root or CAP_NET_RAW.
    """
    shows = ("verdict", "path") if with_path else ("verdict",)
    found = wanted(targets, family or 0, port, numeric)
    options = Options(wait, budget, source, device, only_syn, controls=controls)
    sys.exit(run(found, options, path, as_json, numeric, shows))


def wanted(targets: Iterable[str], family: int, port: int | None, numeric: bool) -> list[Target]:
    """What was typed, resolved; a usage error where that cannot be."""
    try:
        return [_resolved(typed, family, port, numeric) for typed in targets]
    except BadTarget as error:
        raise click.UsageError(str(error)) from None


def _resolved(typed: str, family: int, port: int | None, numeric: bool) -> Target:
    found = resolve(typed, family, numeric)
    if port is None or found.port != 22 or typed.rstrip("]").endswith(":22"):
        return found
    return Target(found.typed, found.name, port, found.addresses)


def run(
    targets: list[Target], options: Options, path: Path | None, as_json: bool, numeric: bool, shows: tuple[str, ...]
) -> int:
    """Ask all targets and report each as soon as it is known; `shows` the verdict, the path, or both. Returns the exit code."""
    from netprobe.live import evidence, privileges
    from netprobe.live.diagnosis import ask, opened

    progress = sys.stderr.isatty() and not as_json

    def tell(line: str) -> None:
        if progress:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)

    try:
        evidence.check(path)
    except OSError as error:
        place = path or evidence.directory()
        click.echo(
            f"netprobe: the evidence cannot be written to {place}: {error.strerror}; -w FILE names another place",
            err=True,
        )
        return 5
    networks = opened(targets, options)
    privileges.drop(path if path is not None else evidence.directory())
    report = Beside("netprobe.report.live")
    bad = unjudged = interrupted = False
    parts: list[dict[str, object]] = []
    for number, target in enumerate(targets):
        chosen = path if path is None or number == 0 else path.with_stem(f"{path.stem}-target{number + 1}")
        outcomes: list[tuple[str, str]] = []
        for asked in ask(target, options, tell, chosen, lambda address: next(networks)):
            if progress:
                click.echo("\r\x1b[K", nl=False, err=True)
            interrupted = interrupted or asked.interrupted
            found = report("answer", target, asked, numeric, shows, as_json)
            bad = bad or found.failed
            unjudged = unjudged or found.unjudged
            outcomes.append((asked.address, found.cause))
            if as_json:
                parts.append(found.part)
            else:
                _show(found.lines)
        if len(target.addresses) > 1 and not as_json:
            _show(report("name_lines", target, outcomes))
        if interrupted:
            break
    if as_json:
        document = report("document", parts, not interrupted)
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    return 130 if interrupted else 1 if bad else 3 if unjudged else 0


def _show(lines: object) -> None:
    from netprobe.cli.output import printer

    printer()(lines)  # type: ignore[arg-type]
