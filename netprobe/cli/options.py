"""Options that several live commands have, each once."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _together(*options: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """One decorator for several, in whose order the help lists them."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


way = _together(
    click.option("-4", "family", flag_value=4, type=int, help="IPv4 addresses only."),
    click.option("-6", "family", flag_value=6, type=int, help="IPv6 addresses only."),
    click.option("-p", "--port", type=click.IntRange(1, 65535), help="The port of a target that names none (22)."),
    click.option("-i", "--interface", "device", default="", metavar="NAME", help="Send through this interface only."),
    click.option("--source", default="", metavar="ADDR", help="Send from this address."),
)
"""`family`, `port`, `device` and `source`: what to ask, and from where."""

probes = _together(
    click.option(
        "--control",
        "controls",
        multiple=True,
        metavar="PORT",
        type=click.IntRange(1, 65535),
        help="A port on which the host is known to answer, to compare with. May be repeated.",
    ),
    click.option(
        "--only-syn",
        is_flag=True,
        help="Send plain SYNs only: no signed, damaged or contradictory ones (SYN with FIN), none with IP options.",
    ),
    click.option(
        "-w",
        "--write",
        "path",
        type=click.Path(dir_okay=False),
        help="Write the evidence here (pcapng).",
    ),
)
"""`controls`, `only_syn` and `path`: what may be sent, and where the evidence of it goes."""
