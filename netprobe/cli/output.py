"""Where lines go: stdout in colour on a terminal, plain everywhere else (NO_COLOR is honoured)."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from netprobe.report.terminal import Line


def printer(err: bool = False) -> "Callable[[Iterable[Line]], None]":
    """A function that prints lines of spans, with `err` to stderr. rich is imported only where colour is wanted."""
    if (
        not (sys.stderr if err else sys.stdout).isatty()
        or os.environ.get("NO_COLOR")
        or os.environ.get("TERM") == "dumb"
    ):
        return lambda lines: click.echo(
            "".join("".join(_safe(t) for t, _ in line).rstrip() + "\n" for line in lines), nl=False, err=err
        )
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True, stderr=err)

    def show(lines: "Iterable[Line]") -> None:
        for line in lines:
            console.print(Text.assemble(*((_safe(text), style) for text, style in line)))

    return show


def _safe(text: str) -> str:
    """Text from a capture must not steer a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "." for c in text)
