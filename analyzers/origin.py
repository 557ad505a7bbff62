"""No packet left this host: what in the host itself refused?

Only a live diagnosis can tell: it recorded every interface while the kernel's connect() failed. What a local packet filter
answers comes back over the loopback interface in the target's name, and may be in the evidence.
"""

from collections.abc import Iterator

from analyzers.attempts.context import Call, Context
from analyzers.model import Fact, fact
from analyzers.words import duration

_SYMPTOMS = {"ECONNREFUSED": "reset", "ETIMEDOUT": "silence", None: "silence"}
_NEIGHBOUR_NS = 900_000_000  # a link address is asked for several times, a second apart, before the kernel gives up
_GAVE_UP_NS = 2_000_000_000  # a rule answers at once, or when the SYN is repeated after a second


@fact
class NothingSent(Fact):
    """connect() failed, or waited, and no packet to the target left any interface. `looped` when the answer came over lo."""

    errno: str
    after_ns: int
    looped: bool

    def text(self) -> str:
        said = f"connect() failed with {self.errno} after" if self.errno else "connect() was still waiting after"
        back = "; the answer came over the loopback interface" if self.looped else ""
        return f"{said} {duration(self.after_ns)}, and no packet left this host{back}"


@fact
class NoWayOut(Fact):
    """The kernel's routing itself refuses the destination."""

    errno: str

    def text(self) -> str:
        kind = _ROUTES.get(self.errno, "")
        return f"this host's routing refuses the address with {self.errno}" + (f": {kind}" if kind else "")


@fact
class NeighbourSilent(Fact):
    """The next hop, on this host's own network, did not tell its link address. `state` is what the kernel notes of it; "" where it
    has dropped that note already, and only the time until it gave up tells."""

    address: str
    state: str
    noted: bool

    def text(self) -> str:
        why = f"({self.state})" if self.noted else "(connect() failed as late as for want of that)"
        return f"{self.address} on this host's own network does not answer ARP or neighbour discovery {why}"


@fact
class SentElsewhere(Fact):
    """This host itself sent the connection to another address or port: its own NAT translates the target."""

    to: str

    def text(self) -> str:
        return f"this host's own NAT sent the connection to {self.to} instead: what answered is there"


@fact
class LocalFilter(Fact):
    """A hint: rules of this host that look as if they concern the connection."""

    rule: str

    def text(self) -> str:
        return f"this host has a rule: {self.rule}"


_ROUTES = {
    "ENETUNREACH": "no route, or the link is down", "EHOSTUNREACH": "a route of type unreachable",
    "EACCES": "a route of type prohibit, or a broadcast address", "EINVAL": "a route of type blackhole",
}  # fmt: skip


def symptom_of(call: Call, by_error: bool = False) -> str:
    """What a person sees of a connect() that sent nothing; `by_error`: an ICMP error came back over the loopback interface, which
    "connection refused" may stand for as well."""
    return "unreachable" if by_error else _SYMPTOMS.get(call.errno, "unreachable")


def facts(context: Context, call: Call, looped: tuple[int, ...]) -> Iterator[Fact]:
    """Why nothing was sent; `looped` are the frames that came back over the loopback interface."""
    yield NothingSent(frames=looped, errno=call.errno or "", after_ns=call.after_ns, looped=bool(looped))
    if context.route:
        yield NoWayOut(errno=context.route)
    elif context.neighbour in ("FAILED", "INCOMPLETE") and call.after_ns >= _NEIGHBOUR_NS:
        yield NeighbourSilent(address=context.gateway or context.address, state=context.neighbour, noted=True)
    elif call.errno == "EHOSTUNREACH" and call.after_ns >= _GAVE_UP_NS:
        yield NeighbourSilent(address=context.gateway or context.address, state="", noted=False)
    if context.elsewhere:
        yield SentElsewhere(to=context.elsewhere)
    for rule in context.filters:
        yield LocalFilter(rule=rule)
