"""The command line: one file per command. Commands are imported when they are asked for, so that starting up is cheap."""

import gc
import os
import sys
from importlib import import_module

import click

from netprobe import __version__
from netprobe.errors import UnreadableInput

_FEW_COLLECTIONS = 100_000  # objects made between two: importing makes many, and hardly any garbage

_COMMANDS = {
    "demo": "Make a forged reset on this machine and find it out.",
    "diagnose": "Ask a host over the wire who refuses the connection, and why.",
    "trace": "Show the way hop by hop, and where on it the rejection begins.",
    "probe": "Ask many ports and hosts the SYN question only.",
    "capture": "Listen on an interface and say of every attempt that fails why.",
    "interfaces": "List what can be listened on.",
    "replay": "Say how every TCP connection attempt in a capture ended, and why.",
    "explain": "Say what a cause is, how it looks, and how to tell it from its look-alikes.",
    "lab": "Build a small network that fails in a known way, and look at it.",
    "samples": "List the captures that come with netprobe.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"netprobe.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def main() -> None:
    """The program. What goes wrong with the output is one line, and exit code 5.

    Leaves without taking the interpreter down piece by piece, which would cost a tenth of a short run.
    """
    if sys.stdout is None:  # started with a closed stdout
        sys.exit(5)
    gc.set_threshold(_FEW_COLLECTIONS)
    try:
        code = _run()
        sys.stdout.flush()
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except UnreadableInput as error:
        click.echo(f"netprobe: {error}", err=True)
        code = 3
    except BrokenPipeError:
        code = 5  # whoever read the report has seen enough
    except OSError as error:
        click.echo(f"netprobe: cannot write the report: {error.strerror or error}", err=True)
        code = 5
    os._exit(code)


def _run() -> int:
    try:
        code = commands(standalone_mode=False)
    except SystemExit as end:
        code = end.code
    return code if isinstance(code, int) else 0


@click.command("netprobe", cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="netprobe")
def commands() -> None:
    """Who refused this connection, where, and on what evidence?

    netprobe reads packet captures and says of every TCP connection attempt how it ended: a verdict with its
    evidence (frame numbers as in Wireshark), what else could explain the same frames, and what to run next.
    """
