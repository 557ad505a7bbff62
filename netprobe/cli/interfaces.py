"""`netprobe interfaces`: what can be listened on."""

import json

import click


@click.command("interfaces")
@click.option("--json", "as_json", is_flag=True, help="One JSON document (schema netprobe.interfaces/1).")
def command(as_json: bool) -> None:
    """List what `netprobe capture -i` can listen on: name, whether it is up, link type, addresses. Needs no rights.

    "any" is all interfaces at once: packets that pass through this host are then seen twice.
    """
    from netprobe.live.host import interfaces

    found = interfaces()
    if as_json:
        document = {"schema": "netprobe.interfaces/1", "interfaces": [one._asdict() for one in found]}
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return
    width = max(len(one.name) for one in found)
    for one in found:
        state = {True: "up", False: "down", None: ""}[one.up]
        click.echo(f"{one.name:<{width}}  {state:<4}  {one.link:<12}  {' '.join(one.addresses)}".rstrip())
