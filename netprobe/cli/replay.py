"""`netprobe replay`: captures in, verdicts out."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from analyzers.attempts.columns import Array
from analyzers.attempts.services import Service, alike, count_services
from analyzers.attempts.symptoms import symptom_of
from analyzers.model import Verdict
from netprobe.cli.filters import Filters, TimeOfCapture
from netprobe.errors import UnreadableInput
from netprobe.replay.inputs import expand
from netprobe.replay.run import Progress, Replay, replay

_SHOW_EACH = 40  # more services than this are shown in groups that ended alike
_PROGRESS_FROM = 32 << 20  # bytes: below this a bar would only flicker

EXIT_CODES = """
\b
Exit codes:
  0  read; nothing failed
  1  read; at least one service failed
  2  usage error, or an input that does not exist
  3  an input could not be read as a capture (the others are reported)
  4  no TCP connection attempt in the input, or none left by the filters
  5  the report could not be written
  130  interrupted by Ctrl-C; what was read until then is reported
"""


@click.command("replay", epilog=EXIT_CODES)
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--sample", metavar="NAME", help="Replay a capture that comes with netprobe (see: netprobe samples).")
@click.option("--json", "as_json", is_flag=True, help="One JSON document (schema netprobe.report/1).")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line for every attempt.")
@click.option("--host", "hosts", multiple=True, metavar="ADDR[/LEN]", help="Only attempts from or to these addresses.")
@click.option("--port", "ports", multiple=True, type=click.IntRange(0, 65535), help="Only attempts to these ports.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    metavar="WORD",
    help="Only attempts that ended so (refused-rst, silent, ...).",
)
@click.option(
    "--since",
    type=TimeOfCapture(),
    metavar="TIME",
    help="Only attempts that began at or after TIME (ISO 8601, UTC unless it says otherwise, or epoch seconds).",
)
@click.option("--until", type=TimeOfCapture(), metavar="TIME", help="Only attempts that began before TIME.")
@click.option("--path", "with_path", is_flag=True, help="Show the way hop by hop of what was traced.")
@click.option("--failed", is_flag=True, help="Leave out healthy services.")
@click.option(
    "-n",
    "--numeric",
    is_flag=True,
    help="Addresses only, also where the capture itself holds names. (netprobe never asks DNS.)",
)
def command(
    files: tuple[str, ...], sample: str | None, as_json: bool, as_jsonl: bool, hosts: tuple[str, ...], ports: tuple[int, ...],
    outcomes: tuple[str, ...], since: int | None, until: int | None, with_path: bool, failed: bool, numeric: bool,
) -> None:  # fmt: skip
    """Say how every TCP connection attempt in a capture ended, and why.

    FILE is a pcap or pcapng capture, plain or compressed (gzip, zstd, xz, lz4), a directory of captures, or - for
    stdin. Files that follow each other in time are read as one trace.
    """
    if as_json and as_jsonl:
        raise click.UsageError("--json and --jsonl exclude each other")
    if with_path and as_jsonl:
        raise click.UsageError("--path is about services: it goes with the report or with --json")
    with _inputs(files, sample) as paths:
        filters = Filters.parse(hosts, ports, outcomes, since, until)
        with _progress(paths) as progress:
            reading = replay(paths, progress)
        with reading as done:
            code = _report(done, filters, as_json, as_jsonl, with_path, failed, numeric)
        sys.exit(code)


@contextmanager
def _inputs(files: Sequence[str], sample: str | None) -> Iterator[list[str]]:
    if sample is not None:
        if files:
            raise click.UsageError("give either files or --sample, not both")
        from importlib import resources

        path = resources.files("captures.samples") / f"{sample}.pcap"
        if not path.is_file():
            raise click.UsageError(f"no sample named {sample}; netprobe samples lists them")
        with resources.as_file(path) as real:
            yield [str(real)]
        return
    if not files:
        raise click.UsageError("which capture? Give a file, - for stdin, or --sample NAME")
    try:
        paths = expand(list(files))
    except UnreadableInput as error:
        raise click.UsageError(str(error)) from None
    yield paths


@contextmanager
def _progress(paths: Sequence[str]) -> Iterator[Progress | None]:
    """A bar on stderr when it is a terminal and there is much to read."""
    sizes = [os.path.getsize(p) for p in paths if p != "-" and os.path.isfile(p)]
    if not sys.stderr.isatty() or ("-" not in paths and sum(sizes) < _PROGRESS_FROM):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        "reading", BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("reading", total=sum(sizes) or None)
        finished, last = 0, 0

        def advance(position: int, size: int | None) -> None:
            nonlocal finished, last
            if position < last:  # the next file
                finished += last
            last = position
            bar.update(task, completed=finished + position)

        yield advance


def _report(
    done: Replay, filters: Filters, as_json: bool, as_jsonl: bool, with_path: bool, failed: bool, numeric: bool
) -> int:
    unread = [source for source in done.sources if source.error]
    for source in unread:
        click.echo(f"netprobe: {source.error}", err=True)
    chosen = filters.choose(done.ledger)
    nothing = not len(chosen) and not any(source.contexts for source in done.sources)
    names = [source.name for source in done.sources if not source.error]
    bad = False
    if as_jsonl:
        from netprobe.report.document import attempt_object

        watches = done.watches
        for index in chosen.tolist():
            attempt = done.attempt(index)
            click.echo(json.dumps(attempt_object(attempt, names), ensure_ascii=False))
            bad = bad or symptom_of(attempt, watches[attempt.trace]) not in ("healthy", "unseen")
    elif as_json:
        from netprobe.report.document import document

        def judged() -> Iterator[tuple[Service, Verdict]]:
            nonlocal bad
            for service in done.services(chosen):
                verdict = done.verdict(service)
                healthy = verdict.cause.startswith("healthy")
                bad = bad or not (healthy or verdict.cause.startswith("unseen"))
                if not (failed and healthy):
                    yield service, verdict

        for piece in document(done, judged(), with_path, numeric):
            click.echo(piece, nl=False)
    else:
        bad = _print(done, chosen, nothing, filters, with_path, failed, numeric)
    if done.interrupted:
        return 130
    if unread:
        return 3
    return 4 if nothing else 1 if bad else 0


def _print(
    done: Replay, chosen: Array, nothing: bool, filters: Filters, with_path: bool, failed: bool, numeric: bool
) -> bool:
    from netprobe.cli.output import printer
    from netprobe.report import path, terminal

    show = printer()
    for source in done.sources:
        if not source.error:  # said on stderr
            show(terminal.source_lines(source))
    if nothing:
        show(terminal.nothing_lines(done, filtered=filters != Filters()))
        return False
    if count_services(done.ledger, chosen) > _SHOW_EACH:
        return terminal.show_alike(alike(done.ledger, chosen), show, failed)
    more = path.way_lines if with_path else None
    return terminal.show_services(done, done.services(chosen), show, failed, numeric, more)
