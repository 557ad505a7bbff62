"""What the wire cannot say of a live diagnosis, as it travels inside the evidence file: what was asked and resolved, what
connect() returned, what this host's routes and neighbours were, and until when was listened."""

import json
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Any

from captures.packet import Address

PREFIX = "netprobe.context/1 "
"""How the comment of a section header begins that holds a context; the rest is JSON."""


@dataclass(frozen=True, slots=True)
class Call:
    """One connect() of this host's kernel. `errno` is its name, "" when connected, None when it had not returned."""

    local_port: int
    port: int
    errno: str | None
    after_ns: int
    said: str = ""  # the first line that came back
    icmp: tuple[str, ...] = ()  # kind and sender of the ICMP errors that the kernel named, where it was asked


@dataclass(frozen=True, slots=True)
class Context:
    """A live diagnosis of one address. `route` is what the kernel's routing says: an errno's name, or "" when there is a
    way out; `neighbour` the state of the next hop's link address; `filters` hints at rules of this host."""

    name: str
    address: str
    port: int
    until_ns: int
    calls: tuple[Call, ...] = ()
    route: str = ""
    device: str = ""
    source: str = ""
    gateway: str = ""
    mtu: int = 0
    neighbour: str = ""
    filters: tuple[str, ...] = ()
    elsewhere: str = ""  # where this host's own NAT sent the connection instead
    notes: tuple[str, ...] = field(default=())

    @property
    def target(self) -> Address:
        return ip_address(self.address.partition("%")[0])  # packets do not tell the interface of a link-local one

    def comment(self) -> str:
        """The section header's comment."""
        return PREFIX + json.dumps(asdict(self), ensure_ascii=False)


def read(comment: str) -> Context | None:
    """The context in a comment; None when it holds none, or a damaged one."""
    if not comment.startswith(PREFIX):
        return None
    try:
        values: dict[str, Any] = json.loads(comment[len(PREFIX) :])
        calls = values.get("calls", ())
        values["calls"] = tuple(Call(**{**call, "icmp": tuple(call.get("icmp", ()))}) for call in calls)
        for name in ("filters", "notes"):
            values[name] = tuple(str(item) for item in values.get(name, ()))
        found = Context(**values)
        ip_address(found.address)
        int(found.until_ns), int(found.port)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    return found
