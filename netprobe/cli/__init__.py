"""The command line: one file per command. Commands are imported when they are asked for, so that starting up is cheap."""

from importlib import import_module

import click

from netprobe import __version__

_COMMANDS = {
    "replay": "Say how every TCP connection attempt in a capture ended, and why.",
    "explain": "Say what a cause is, how it looks, and how to tell it from its look-alikes.",
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


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="netprobe")
def main() -> None:
    """Who refused this connection, where, and on what evidence?

    netprobe reads packet captures and says of every TCP connection attempt how it ended: a verdict with its
    evidence (frame numbers as in Wireshark), what else could explain the same frames, and what to run next.
    """
