"""`netprobe samples`: the captures that come with netprobe."""

import tomllib
from importlib import resources
from typing import Any

import click


def catalogue() -> dict[str, dict[str, Any]]:
    """Every sample's title, story and truth, by name."""
    return tomllib.loads((resources.files("captures.samples") / "samples.toml").read_text("utf-8"))


@click.command("samples")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the captures that come with netprobe, or tell the story behind NAME.

    Replay one with: netprobe replay --sample NAME
    """
    samples = catalogue()
    if name is None:
        width = max(map(len, samples))
        for key, entry in samples.items():
            click.echo(f"{key:<{width}}  {entry['title']}")
        return
    if name not in samples:
        raise click.UsageError(f"no sample named {name}; netprobe samples lists them")
    entry = samples[name]
    click.echo(f"{name}\n\nSeen:  {entry['title']}\nTruth: {entry['story']}")
    click.echo(f"Cause: {entry['truth']['cause']}, at hop {entry['truth']['hop']} ({entry['truth']['actor']})")
