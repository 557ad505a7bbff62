"""`netprobe lab`: failing networks to look at, on one machine."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from netprobe.lab.errors import BuildFailed, Interrupted, Unavailable, UnknownScenario

EXIT_CODES = """
\b
Exit codes:
  0  done; for run and shell: the exit status of what was run
  2  usage error: no such scenario, parameter, node or lab
  3  the lab cannot be built here (not root, a tool is missing), or building
     failed; nothing is left of it
  127  run: there is no such command
  130  interrupted by Ctrl-C; nothing is left
"""


def _pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, sign, rest = value.partition("=")
        if not (key and sign and rest):
            raise click.BadParameter(f"{value} is not {option.metavar}")
        if key in pairs:
            raise click.BadParameter(f"{key} is given twice")
        pairs[key] = rest
    return pairs


_SET = click.option(
    "--set", "parameters", multiple=True, metavar="KEY=VALUE", callback=_pairs,
    help="A parameter of the scenario, like before=3 or family=6 (netprobe lab list NAME shows them).",
)  # fmt: skip
_CAPTURE = click.option(
    "--capture", "captures", multiple=True, metavar="NODE=FILE", callback=_pairs,
    help="Record what a node sees on all its interfaces, from the start: .pcapng with the direction of each frame, or else pcap.",
)  # fmt: skip
_AS = click.option(
    "--as", "label", metavar="LABEL", help="Another name for this lab, so that several of a scenario can be up."
)
_NODE = click.option("--node", default="client", metavar="NODE", help="The node to run it on (default: the client).")


@click.group("lab", epilog=EXIT_CODES)
def command() -> None:
    """Build a small network that fails in a known way, and look at it.

    A lab is made of network namespaces on this machine: a client, routers, a server, with real daemons and packet filters. It
    uses documentation addresses only, and no packet leaves it. Building needs root.

    \b
    netprobe lab list                               what can be built
    netprobe lab run router-reset -- ssh {target}   build, run, remove
    netprobe lab up router-reset --set before=4     build, and keep
    netprobe lab shell router-reset                 a shell on the client
    netprobe lab down router-reset                  remove
    """


@command.command("list", short_help="Show what can be built.")
@click.argument("scenario", required=False, metavar="[NAME]")
def list_(scenario: str | None) -> None:
    """List the scenarios, or tell one: what is done in it, its parameters, and which answer is true."""
    from netprobe.lab import load, names
    from netprobe.lab.scenario import options

    with _told():
        if scenario is None:
            width = max(map(len, names()))
            for name in names():
                click.echo(f"{name:{width}}  {load(name).title}")
            return
        one = load(scenario)
        click.echo(f"{one.name}: {one.title}\n")
        click.echo(click.wrap_text(one.story, 78) + "\n")
        click.echo(f"nodes       {' '.join(one.topology.nodes)}")
        click.echo(f"target      {one.target} port {one.port}")
        click.echo(
            f"truth       {one.truth.outcome}, {one.truth.cause}\n            {one.truth.actor} {one.truth.node}, hop {one.truth.hop}"
        )
        for key, values in options(scenario).items():
            few = ", ".join(map(str, values[1:])) if len(values) < 9 else f"up to {values[-1]}"
            click.echo(f"{'parameter':11} {key}={values[0]}" + (f" (or {few})" if few else ""))


@command.command("up", short_help="Build a lab and keep it.")
@click.argument("scenario", metavar="NAME")
@_SET
@_CAPTURE
@_AS
def up(scenario: str, parameters: dict[str, str], captures: dict[str, str], label: str | None) -> None:
    """Build a lab and leave it up, until netprobe lab down."""
    from netprobe.lab import load
    from netprobe.lab.labs import raise_lab
    from netprobe.lab.signals import deferred

    with _told(), deferred() as pending:
        lab = raise_lab(load(scenario, **parameters), label, captures, pending)
        name = lab.state.label
        click.echo(f"{name} is up: {' '.join(lab.nodes)}")
        click.echo(f"  target  {lab.target} port {lab.port}")
        click.echo(f"  enter   netprobe lab shell {_named(scenario, name)}")
        click.echo(f"  remove  netprobe lab down {name}")


@command.command(
    "run",
    short_help="Build a lab, run a command on its client, remove it.",
    context_settings={"allow_interspersed_args": True},
)
@click.argument("scenario", metavar="NAME")
@click.argument("argv", nargs=-1, required=True, metavar="-- CMD...", type=click.UNPROCESSED)
@_SET
@_CAPTURE
@_AS
@_NODE
def run(
    scenario: str,
    argv: tuple[str, ...],
    parameters: dict[str, str],
    captures: dict[str, str],
    label: str | None,
    node: str,
) -> None:
    """Build a lab, run CMD on its client, remove the lab; the exit status is that of CMD.

    {target}, {port} and {name} in CMD are filled in: the address and the port to connect to, the name of the scenario. If the
    lab is already up, CMD runs in it and it stays up.
    """
    _inside(scenario, list(argv), parameters, captures, label, node)


@command.command("shell", short_help="Have a shell on the client of a lab.")
@click.argument("scenario", metavar="NAME")
@_SET
@_CAPTURE
@_AS
@_NODE
def shell(scenario: str, parameters: dict[str, str], captures: dict[str, str], label: str | None, node: str) -> None:
    """A shell on the client of a lab. If the lab is not up, it is built, and removed when the shell ends."""
    _inside(scenario, [os.environ.get("SHELL") or "/bin/sh"], parameters, captures, label, node)


@command.command("down", short_help="Remove labs that are up.")
@click.argument("labels", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="All labs that are up.")
def down(labels: tuple[str, ...], everything: bool) -> None:
    """Remove labs that are up: their processes, namespaces and files. Without a name: the only one that is up."""
    from netprobe.lab import state
    from netprobe.lab.needs import check_root
    from netprobe.lab.signals import deferred

    with _told():
        there = state.labels()
        if not labels and not everything and len(there) > 1:
            raise UnknownScenario(f"which lab? {', '.join(there)} are up; --all takes all down")
        if not labels and not there:
            return
        check_root()
        with deferred():
            for label in labels if labels and not everything else there:
                state.remove_label(label)


def _inside(
    scenario: str, argv: list[str], parameters: dict[str, str], captures: dict[str, str], label: str | None, node: str
) -> None:
    from netprobe.lab import load, state
    from netprobe.lab.foreground import attend
    from netprobe.lab.labs import enter, raise_lab
    from netprobe.lab.needs import check_root
    from netprobe.lab.processes import environment
    from netprobe.lab.signals import deferred

    with _told(), deferred() as pending:
        wanted = load(scenario, **parameters)
        there = state.find(label or scenario)
        if shutil.which(argv[0], path=environment()["PATH"]) is None:
            click.echo(f"netprobe: no command {argv[0]}", err=True)
            sys.exit(127)
        if there is None:
            lab = raise_lab(wanted, label, captures, pending)
            try:
                code = attend(lab, node, argv, pending)
            finally:
                lab.down()
        else:
            check_root()
            if not there.built or there.scenario != scenario:
                raise BuildFailed(f"{there.label} is {there.scenario}, {'up' if there.built else 'not whole'}")
            if captures or (parameters and dict(wanted.parameters) != there.parameters):
                raise UnknownScenario(f"{there.label} is already up, and as it is; --as LABEL builds another")
            code = attend(enter(there), node, argv, pending)
    sys.exit(code)


def _named(scenario: str, label: str) -> str:
    return scenario if label == scenario else f"{scenario} --as {label}"


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong is one line and an exit code."""
    try:
        yield
    except UnknownScenario as error:
        raise click.UsageError(str(error)) from None
    except (Unavailable, BuildFailed) as error:
        click.echo(f"netprobe: {error}", err=True)
        sys.exit(3)
    except Interrupted as error:
        sys.exit(128 + error.number)
    except BrokenPipeError:
        raise
    except OSError as error:
        click.echo(f"netprobe: {error.filename or 'the lab'}: {error.strerror or error}", err=True)
        sys.exit(3)
