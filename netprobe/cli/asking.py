"""What `diagnose` and `trace` do with what was typed: resolve it, ask, report each address as soon as it is known.

Importing takes longer than a packet to a near host: what is not needed before the first one is imported later, or beside.
"""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from netprobe.live.options import Options
    from netprobe.live.target import Target


def wanted(targets: Iterable[str], family: int, port: int | None, numeric: bool) -> "list[Target]":
    """What was typed, resolved; a usage error where that cannot be."""
    from netprobe.errors import BadTarget

    try:
        return [_resolved(typed, family, port, numeric) for typed in targets]
    except BadTarget as error:
        raise click.UsageError(str(error)) from None


def _resolved(typed: str, family: int, port: int | None, numeric: bool) -> "Target":
    from netprobe.live.target import Target, resolve

    found = resolve(typed, family, numeric)
    if port is None or found.port != 22 or typed.rstrip("]").endswith(":22"):
        return found
    return Target(found.typed, found.name, port, found.addresses)


def run(
    targets: "list[Target]", options: "Options", path: str | None, as_json: bool, numeric: bool, shows: tuple[str, ...]
) -> int:
    """Ask all targets and report each as soon as it is known; `shows` the verdict, the path, or both. Returns the exit code."""
    from netprobe.cli.beside import Beside
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
        chosen = path if path is None or number == 0 else f"-target{number + 1}".join(os.path.splitext(path))
        outcomes: list[tuple[str, str]] = []
        for asked in ask(target, options, tell, chosen, lambda address: next(networks), report.begin):
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
        import json

        document = report("document", parts, not interrupted)
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    return 130 if interrupted else 1 if bad else 3 if unjudged else 0


def _show(lines: object) -> None:
    from netprobe.cli.output import printer

    printer()(lines)  # type: ignore[arg-type]
