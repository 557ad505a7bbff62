"""`netprobe explain`: the words of the cause table."""

import textwrap

import click

from analyzers.causes import CAUSES, PREFIXES, find
from netprobe.words import about
from netprobe.words.rates import measured, table


@click.command("explain")
@click.argument("cause", required=False)
def command(cause: str | None) -> None:
    """Say what CAUSE is, how it looks on the wire, how to tell it from its look-alikes, and how to confirm it.

    CAUSE is an id from a verdict or any dotted prefix of one. Without CAUSE all ids are listed.
    """
    if cause is None:
        width = max(len(row.id) for row in CAUSES)
        for row in CAUSES:
            click.echo(f"{row.id:<{width}}  {row.title}")
        return
    cause = cause.strip(".")
    rows = find(cause)
    if not rows and cause not in PREFIXES:
        near = [row.id for row in CAUSES if cause.split(".")[-1] in row.id][:5]
        hint = f"; did you mean {', '.join(near)}?" if near else "; netprobe explain lists all causes"
        raise click.UsageError(f"no cause {cause}{hint}")
    exact = next((row for row in rows if row.id == cause), None)
    title = exact.title if exact else PREFIXES.get(cause, cause)
    words = about(cause)
    click.echo(click.style(cause, bold=True))
    _paragraph(title[0].upper() + title[1:] + ".")
    for heading, field in (("", "what"), ("On the wire", "wire")):
        if field in words:
            _heading(heading)
            _paragraph(words[field])
    if words.get("apart"):
        _heading("Told from its look-alikes")
        for item in words["apart"]:
            _paragraph(item, bullet=True)
    for heading, field in (("Confirm", "confirm"), ("Next, from outside", "next")):
        if words.get(field):
            _heading(heading)
            for step in words[field]:
                _paragraph(step["why"])
                click.echo(f"    $ {step['command']}")
    if exact is None and rows:
        _heading("Below this prefix")
        for row in rows:
            click.echo(f"  {row.id}")
    rates = measured(exact) if exact else []
    if rates:
        _heading(f"How often its evidence misled, in {table()['networks']:,} drawn networks")
        for line in rates:
            _paragraph(line, bullet=True)
    sources = [*words.get("sources", []), *([exact.source] if exact and exact.source else [])]
    if sources:
        _heading("Sources")
        for source in dict.fromkeys(sources):
            _paragraph(source, bullet=True)


def _heading(text: str) -> None:
    click.echo()
    if text:
        click.echo(click.style(text, underline=True))


def _paragraph(text: str, bullet: bool = False) -> None:
    first, rest = ("  - ", "    ") if bullet else ("  ", "  ")
    click.echo(
        textwrap.fill(
            text, 80, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
    )
