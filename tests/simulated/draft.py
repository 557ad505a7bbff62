"""A path drawn by chance: how long it is, what its nodes are like, the way back, and what else there may be on it."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Any

from netprobe.live.locate import CONTROL_PORT, MORE_PORTS, USUAL_PORTS
from tests.simulated.chain import SERVER, client, joined, router, router_address, server
from tests.simulated.rows import Injector, Link, Node, Route
from tests.simulated.world import World

PORT = 22
WEB = (80, 443)
EVERY = tuple(sorted({PORT, CONTROL_PORT, *USUAL_PORTS, *MORE_PORTS}))  # that is asked
NOT_WEB = tuple(port for port in EVERY if port not in WEB)
_OPTIONS = ("record",) * 18 + ("drop", "pass")
_STACKS: tuple[dict[str, Any], ...] = (
    {}, {}, {}, {"ttl": 128}, {"ttl": 255},
    {"ttl": 128, "reflects": False, "signs": False}, {"ttl": 255, "reflects": False, "signs": False, "df": False},
    {"ttl": 64, "reflects": False, "signs": False}, {"ttl": 64, "reflects": False, "signs": False, "df": False},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happens: the cause, who did it, and how many hops away; `unless` is the router that must be avoided, `back`: it is
    the answer to which it happens."""

    cause: str
    actor: str
    hop: int
    unless: int = 0
    back: bool = False


@dataclass
class Draft:
    """A path in the making: what `routers` and the `server` at its end do, devices in the cables behind so many routers."""

    random: Random
    family: int = 4
    routers: list[dict[str, Any]] = field(default_factory=list)
    server: dict[str, Any] = field(default_factory=dict)
    injectors: dict[int, Injector] = field(default_factory=dict)
    target: str = ""
    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    back_until: int = 0  # the way back may leave the path at this hop at the farthest
    splits: int = 0  # the router at which ways part, 0 for by chance, if at all
    bypassed: int = 0  # the router that some flows avoid
    longer: int = 0  # by how many routers these flows' way is longer
    loss: float = 0.0  # of the packets on one cable
    others: dict[int, str] = field(default_factory=dict)  # what else listens at the end

    @property
    def length(self) -> int:
        return len(self.routers)

    @property
    def end(self) -> int:
        """The hop of the host at the end."""
        return self.length + 1

    def chance(self, share: float, word: str = "") -> bool:
        """True for this share of drafts; then the word is told of this one."""
        found = self.random.random() < share
        if found and word:
            self.words.append(word)
        return found

    def hop(self, least: int = 1) -> int:
        """One of the routers."""
        return self.random.randint(least, self.length)

    def on(self, hop: int, **does: Any) -> None:
        """The router of this hop does so as well."""
        for name, value in does.items():
            before = self.routers[hop - 1].get(name)
            self.routers[hop - 1][name] = before + value if isinstance(value, tuple) and before else value

    def ports(self) -> tuple[int, ...]:
        """What a rule is about: the port that is asked, every port, or all but those of a web server."""
        if self.chance(0.1, "every port"):
            return EVERY
        return NOT_WEB if self.chance(0.15, "all but web") else (PORT,)


def draws_apart(random: Random) -> Random:
    """Chance for what was thought of later: it leaves all that is drawn besides as it was."""
    return Random(str(random.getstate()[1][:8]))


def begun(random: Random) -> Draft:
    """A path without a failure."""
    apart = draws_apart(random)
    draft = Draft(random, random.choice((4, 6)))
    draft.routers = [{} for _ in range(random.randint(1, 7))]
    draft.target = SERVER[draft.family]
    draft.server = {"programs": {PORT: "ssh"}, **random.choice(_STACKS)}
    if draft.chance(0.4, "web open"):
        draft.others = {80: "http"}
    draft.server["options"] = apart.choice(_OPTIONS)
    draft.back_until = draft.end
    all_mute = draft.chance(0.1, "routers mute")
    for does in draft.routers:
        does["ttl"] = random.choice((64, 64, 64, 255, 128))
        does["mute"] = all_mute or random.random() < 0.15
        does["limited"] = random.random() < 0.3
        does["room"] = 8 if random.random() < 0.15 else 0
        does["options"] = apart.choice(_OPTIONS)
    if draft.chance(0.15, "DSCP bleached"):
        draft.on(draft.hop(), bleaches=True)
    if draft.chance(0.1, "carrier NAT"):
        draft.on(1, masquerades=(client(draft.family).addresses[0],))
    return draft


def detours(draft: Draft) -> None:
    """Perhaps another way back, perhaps two ways out: when the failure is in place."""
    random, family = draft.random, draft.family
    if draft.back_until >= 3 and draft.chance(0.3, "another way back"):
        leaves = random.randint(3, draft.back_until)
        joins = random.randint(1, leaves - 2)
        askers = (client(family).addresses[0], router_address(family, 1))  # as it is, and as a carrier's NAT makes it
        names = _branch(draft, "back", _name(draft, leaves), f"r{joins}", askers)
        routes = tuple(Route(to, (names[0],)) for to in askers)
        if leaves == draft.end:
            draft.server["routes"] = draft.server.get("routes", ()) + routes
        else:
            draft.on(leaves, routes=routes)
    here = draft.length >= 3 and draft.target == SERVER[family]
    if here and (draft.chance(0.1) or draft.splits):
        draft.words.append("two ways")
        splits = draft.splits or random.randint(1, draft.length - 2)
        if not draft.routers[splits - 1].get("routes"):
            apart = draws_apart(random).random() < 0.3
            names = _branch(draft, "way", f"r{splits}", f"r{splits + 2}", (draft.target,))
            draft.on(splits, routes=(Route(draft.target, (f"r{splits + 1}", names[0])),), portless=apart)
            draft.bypassed, draft.longer = splits + 1, len(names) - 1


def _name(draft: Draft, hop: int) -> str:
    return "server" if hop == draft.end else f"r{hop}"


def holding(draft: Draft, truths: list[Truth]) -> list[Truth]:
    """The truths on each of the two ways, where there are two."""
    out = [truth for truth in truths if not truth.unless]
    if draft.bypassed:
        out += [truth for truth in truths if truth.unless in (draft.bypassed, draft.bypassed - 1)]
        out += [replace(truth, hop=truth.hop + draft.longer) for truth in out if truth.hop > draft.bypassed]
        # What goes round meets the bypassed router too, coming from behind it.
        rounds = [truth for truth in out if truth.cause.endswith("ttl-exceeded")]
        out += [replace(truth, hop=truth.hop + draft.longer + more) for truth in rounds for more in (0, 1, 2)]
    return out


def _branch(draft: Draft, kind: str, near: str, far: str, carried: tuple[str, ...]) -> list[str]:
    """A few more routers beside the path, from one of its nodes to another, which carry what is for these addresses there."""
    base = {"back": 100, "way": 150}[kind]
    names = [f"{kind}{number}" for number in range(1, draft.random.randint(1, 4) + 1)]
    for number, (name, onward) in enumerate(pairwise([*names, far]), 1):
        routes = tuple(Route(to, (onward,)) for to in carried)
        draft.nodes.append(Node(name, (router_address(draft.family, base + number),), forwards=True, routes=routes))
    draft.links += [Link(one, two, cost=100) for one, two in pairwise([near, *names, far])]
    return names


def built(draft: Draft, seed: int) -> World:
    """The network."""
    row: list[Node | Injector] = [client(draft.family)]
    for hop in range(draft.end):
        if hop in draft.injectors:
            row.append(draft.injectors[hop])
        if hop < draft.length:
            row.append(router(draft.family, hop + 1, **draft.routers[hop]))
    row.append(server(draft.family, **{**draft.server, "programs": {**draft.others, **draft.server["programs"]}}))
    delays = [draft.random.choice((100_000, 1_000_000, 5_000_000, 20_000_000)) for _ in row]
    nodes, links = joined(row, delays)
    if draft.loss:
        lost = draft.random.randrange(len(links))
        kept = links[lost]
        links[lost] = Link(kept.one, kept.two, kept.delay_ns, draft.loss, kept.injector)
    return World([*nodes, *draft.nodes], [*links, *draft.links], seed)
