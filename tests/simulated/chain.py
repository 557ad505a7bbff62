"""Networks in one row: nodes in their order, an `Injector` between two of them in the cable, and addresses for them."""

from collections.abc import Sequence
from typing import Any

from tests.simulated.rows import Injector, Link, Node

CLIENT = {4: "192.0.2.10", 6: "2001:db8:1::10"}
SERVER = {4: "203.0.113.10", 6: "2001:db8:2::10"}
NOBODY = {4: "203.0.113.99", 6: "2001:db8:2::99"}
PUBLIC = {4: "198.51.100.250", 6: "2001:db8:3::80"}


def router_address(family: int, hop: int) -> str:
    return f"198.51.100.{hop}" if family == 4 else f"2001:db8:0:{hop:x}::1"


def client(family: int) -> Node:
    return Node("client", (CLIENT[family],))


def router(family: int, hop: int, more: tuple[str, ...] = (), **does: Any) -> Node:
    """The router so many hops from the client, with `more` addresses than its own."""
    return Node(f"r{hop}", (router_address(family, hop), *more), forwards=True, **does)


def server(family: int, **does: Any) -> Node:
    return Node("server", (SERVER[family],), **does)


def joined(row: Sequence[Node | Injector], delays_ns: Sequence[int] = ()) -> tuple[list[Node], list[Link]]:
    """The nodes of a row, and the links between them, with a delay each."""
    nodes: list[Node] = []
    links: list[Link] = []
    injector: Injector | None = None
    for one in row:
        if isinstance(one, Injector):
            injector = one
            continue
        if nodes:
            delay = delays_ns[len(links)] if len(links) < len(delays_ns) else 200_000
            links.append(Link(nodes[-1].name, one.name, delay, injector=injector))
            injector = None
        nodes.append(one)
    return nodes, links
