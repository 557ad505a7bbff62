"""`netprobe capture`: listen, and say of every attempt that fails why, as soon as it is over."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from netprobe.errors import BadTarget, NotAllowed

if TYPE_CHECKING:
    from netprobe.live.listen import Account
    from netprobe.live.settle import Settled, Settling

EXIT_CODES = """
\b
Exit codes:
  0  ended as asked (-c, -G with -W); nothing failed
  1  ended as asked; at least one attempt failed
  2  usage error: a filter that does not compile, an interface that is not there
  3  this user may not record packets, or the interface went away
  5  a file could not be written
  130  interrupted by Ctrl-C, 143 by SIGTERM; everything until then is reported
"""


@click.command("capture", epilog=EXIT_CODES)
@click.argument("expression", nargs=-1, metavar="[BPF]...")
@click.option("-i", "--interface", "name", default="", metavar="NAME", help="Listen here (see: netprobe interfaces).")
@click.option("-w", "--write", "path", metavar="FILE", help="Keep the packets (pcapng); - is stdout.")
@click.option(
    "-C", "size", type=click.IntRange(1), metavar="MB", help="Begin another file after so many million bytes."
)
@click.option(
    "-G",
    "seconds",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Begin another file after so long; its name takes the time, as in cap-%Y%m%dT%H%M%S.pcapng.",
)
@click.option(
    "-W",
    "files",
    type=click.IntRange(1),
    metavar="COUNT",
    help="With -C keep so many files, with -G end after so many.",
)
@click.option("-c", "count", type=click.IntRange(1), metavar="COUNT", help="End after so many packets.")
@click.option(
    "-s",
    "snaplen",
    default=262_144,
    type=click.IntRange(0, 262_144),
    metavar="BYTES",
    help="Take so much of a packet (all).",
)
@click.option("-p", "plain", is_flag=True, help="Only what is for this host: not promiscuous.")
@click.option("--all", "everything", is_flag=True, help="Print healthy attempts as well, a line each.")
@click.option(
    "--json", "--jsonl", "as_json", is_flag=True, help="One JSON object a line for every attempt that is printed."
)
def command(
    expression: tuple[str, ...], name: str, path: str | None, size: int | None, seconds: int | None, files: int | None,
    count: int | None, snaplen: int, plain: bool, everything: bool, as_json: bool,
) -> None:  # fmt: skip
    """Listen on an interface and say of every TCP connection attempt that fails, once it is over: who refused, on what evidence.

    The filter BPF is as tcpdump's (pcap-filter); without one it is TCP and ICMP, in VLANs as well. A refused attempt is judged
    at once, a silent one after 4.5 seconds, one that stays open when it has been quiet for 15. The verdict is the one that
    replay gives of what was captured until then. Frame numbers are those in FILE, or count from the start.

    Needs root or CAP_NET_RAW, which is given up as soon as the interface is open.
    """
    if not name:
        raise click.UsageError("which interface? -i NAME; netprobe interfaces lists them")
    if path is None and (size or seconds or files):
        raise click.UsageError("-C, -G and -W are about the files of -w FILE")
    if path == "-" and (size or seconds):
        raise click.UsageError("-w - is one stream: -C and -G need a FILE")
    if files and not (size or seconds):
        raise click.UsageError("-W counts the files of -C or -G")
    from netprobe.live import host, nic, privileges

    snaplen = snaplen or 262_144
    try:
        opened = nic.Nic(name, " ".join(expression), snaplen, not plain, host.hardware_address(name))
    except BadTarget as error:
        raise click.UsageError(str(error)) from None
    except NotAllowed as error:
        click.echo(f"netprobe: {error}", err=True)
        sys.exit(3)
    from pathlib import Path

    from netprobe.live.ring import Files, Rotation

    rotation = Rotation((size or 0) * 1_000_000, seconds or 0, files or 0)
    try:
        kept = Files(path, rotation, opened, name, snaplen)
    except BadTarget as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    more = Path(path).parent if path is not None and (size or seconds) else None
    privileges.drop(more)

    from netprobe.live.listen import Listener
    from netprobe.live.settle import Settling

    settling = Settling(opened.link)
    tell = _teller(kept.names, everything, as_json, err=path == "-")
    click.echo(f"listening on {name} for {' '.join(expression) or 'TCP and ICMP'}; Ctrl-C ends it", err=True)
    account = Listener(opened, kept, settling, tell, count or 0).run()
    _sum_up(account, settling)
    if account.signal:
        sys.exit(130 if account.signal == signal.SIGINT else 143)
    if account.error or account.gone:
        sys.exit(5 if account.error else 3)
    sys.exit(1 if settling.failures else 0)


def _teller(names: Sequence[str], everything: bool, as_json: bool, err: bool) -> Callable[["Settled"], None]:
    """What prints an attempt that is over: to stdout, or to stderr where stdout takes the packets."""
    from netprobe.cli.output import printer
    from netprobe.report.failure import failure_object, lines

    show = printer(err)

    def tell(settled: "Settled") -> None:
        if not (settled.failed or settled.before or everything):
            return
        if as_json:
            click.echo(json.dumps(failure_object(settled, names), ensure_ascii=False), err=err)
        else:
            show(lines(settled, names))

    return tell


def _sum_up(account: "Account", settling: "Settling") -> None:
    from analyzers.words import times

    for problem in filter(None, (account.gone, account.error)):
        click.echo(f"netprobe: {problem}; what was captured until then is reported", err=True)
    said = [times(account.packets, "packet"), f"{account.dropped:,} dropped by the kernel"]
    said += [times(settling.attempts, "attempt"), f"{settling.failures:,} failed"]
    if settling.unjudged:
        said.append(f"{settling.unjudged:,} too many to judge")
    click.echo(", ".join(said), err=True)
