"""What a network is made of, as rows: hosts and routers are `Node`s, cables `Link`s; they say what is done, not how."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a packet filter. `act` is "reset", "drop" or the kind of an ICMP error.

    `hook` is prerouting (behind address translation, before routes and TTL), input, forward or output. The rest says for which
    packets: destination ports, source port, source address, the beginning of the payload, more bytes than `longer`, ICMP
    errors instead of TCP. `spare`: the first so many connections pass; `new`: SYNs only; `acks`: neither SYNs nor RSTs.
    """

    hook: str
    act: str
    ports: tuple[int, ...] = ()
    sport: int = 0
    source: str = ""
    begins: bytes = b""
    longer: int = 0
    icmp: tuple[str, ...] = ()
    spare: int = 0
    new: bool = False
    acks: bool = False


@dataclass(frozen=True, slots=True)
class Forward:
    """Address translation: what comes for `address` and one of `ports` (all without) goes to one of `inside`, picked by the
    hash of addresses and ports, by "turn", or by "chance"."""

    address: str
    inside: tuple[str, ...]
    ports: tuple[int, ...] = ()
    pick: str = "hash"


@dataclass(frozen=True, slots=True)
class Route:
    """A way other than the shortest: to the neighbours `via`, one of which is picked by the flow's hash, or none, for a
    reason: unreachable, prohibit, blackhole, missing."""

    to: str
    via: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A host or router. `programs` are what listens on its ports (see services), `vacant` addresses of its networks that
    nobody has. `ttl` is what its own packets start with.

    `reflects` and `signs` are what Linux does: a closed port's RST copies the DSCP, and a SYN with an MD5 signature is ignored.
    `room` limits how much its ICMP errors quote behind the IP header; `limited` how often it sends them, as Linux does.
    """

    name: str
    addresses: tuple[str, ...]
    forwards: bool = False
    ttl: int = 64
    programs: Mapping[int, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    routes: tuple[Route, ...] = ()
    maps: tuple[Forward, ...] = ()
    masquerades: tuple[str, ...] = ()
    vacant: tuple[str, ...] = ()
    reflects: bool = True
    signs: bool = True
    df: bool = True  # set in the RSTs of its stack
    room: int = 0
    limited: bool = False
    mute: bool = False  # sends no ICMP errors
    mutes: tuple[str, ...] = ()  # kinds of ICMP errors that it does not send
    bleaches: bool = False  # sets the DSCP of what it carries to 0
    strips: tuple[int, ...] = ()  # TCP options that it takes out of SYNs
    loses: float = 0.0  # the share of what it carries that it loses
    strict: bool = False  # drops what does not come in the way that leads back (rp_filter)
    options: str = "record"  # what it does with IP options: record the route, drop the packet, or pass them on
    portless: bool = False  # of packets with IP options it takes addresses alone to choose a way, as its slow path does
    full: tuple[int, ...] = ()  # ports whose queue is full: SYNs to them are dropped


@dataclass(frozen=True, slots=True)
class Injector:
    """A device in a cable that answers SYNs to some ports in the target's name. "copy" takes the SYN's value.

    `passes`: the SYN goes on as well; `careless`: a wrong checksum does not matter to it; `astray` is added to the
    acknowledgement number; `plain`: it does not look at packets with IP options.
    """

    ports: tuple[int, ...]
    ttl: int | str = 64
    ident: int | str = 0
    window: int | str = 0
    tos: int | str = 0
    df: bool = True
    passes: bool = False
    careless: bool = False
    astray: int = 0
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between two nodes; `cost` counts on the way that routes choose, `loss` is the share of packets lost."""

    one: str
    two: str
    delay_ns: int = 200_000
    loss: float = 0.0
    injector: Injector | None = None
    cost: int = 1
