"""The services (address, port) that attempts were made to, and the groups of attempts to one that went alike."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from analyzers.attempts.columns import Array, distinct, mix
from analyzers.attempts.ending import Ending
from analyzers.attempts.hops import FAR_TTLS, MOST_HOPS
from analyzers.attempts.ledger import Ledger
from captures.packet import Address

_SWEEP = 3  # as many different small TTLs, or flows with one, are no accident


@dataclass(slots=True, eq=False)
class Group:
    """Attempts to one service that went alike: `members` are their indices in capture order."""

    ending: Ending
    members: Array

    def __len__(self) -> int:
        return len(self.members)


@dataclass(slots=True)
class Service:
    """What was asked of one address and port, by whomever: `groups` are largest first.

    `probes` are the SYNs of a traceroute to it, with TTLs too small to arrive or just large enough, and connections on which
    words were sent so: they are no attempts of anybody to connect, unless nothing else was asked.
    """

    address: Address
    port: int
    members: Array
    first_ns: int
    last_ns: int
    groups: list[Group] = field(default_factory=list)
    probes: list[Group] = field(default_factory=list)

    @property
    def probe_count(self) -> int:
        return sum(map(len, self.probes))

    @property
    def outcomes(self) -> dict[str, int]:
        """How many attempts ended with which outcome word, most frequent first."""
        counts: Counter[str] = Counter()
        for group in self.groups:
            counts[group.ending.outcome] += len(group)
        return dict(counts.most_common())


def services(ledger: Ledger, chosen: Array) -> list[Service]:
    """The services of the chosen attempts, in the order in which they were first asked."""
    if not len(chosen):
        return []
    by = _by_service(ledger, chosen, ledger.kind)
    kinds = ledger.kind[by.members]
    group_heads = np.flatnonzero(by.new | np.concatenate([[True], kinds[1:] != kinds[:-1]]))
    group_bounds = np.append(group_heads, len(by.members)).tolist()
    at_group = np.searchsorted(group_heads, by.bounds).tolist()
    bounds = by.bounds.tolist()
    out = []
    for i in np.argsort(by.first_ns, kind="stable").tolist():
        spans = group_bounds[at_group[i] : at_group[i + 1] + 1]
        groups = [Group(ledger.ending(int(by.members[a])), by.members[a:b]) for a, b in pairwise(spans)]
        groups.sort(key=len, reverse=True)
        members = np.sort(by.members[bounds[i] : bounds[i + 1]])
        first_ns, last_ns = int(by.first_ns[i]), int(by.last_ns[i])
        probes = _sweep(ledger, groups) if len(groups) > 1 else []
        probes += [group for group in groups if group.ending.limited]
        if len(probes) == len(groups):
            probes = []
        elif probes:
            groups = [group for group in groups if group not in probes]
            members = np.sort(np.concatenate([group.members for group in groups]))
            began = ledger.columns["first_ts"][members]
            first_ns, last_ns = int(began.min()), int(began.max())
        side = 1 - groups[0].ending.client_side
        sample = int(groups[0].members[0])
        address, port = ledger.address(sample, side), int(ledger.columns["port"][sample, side])
        out.append(Service(address, port, members, first_ns, last_ns, groups, probes))
    return out


def _sweep(ledger: Ledger, groups: list[Group]) -> list[Group]:
    """The groups whose SYNs are a traceroute's: several small TTLs from one client, some of which ran out on the way; or flows of
    one that otherwise begins with larger TTLs (see `FAR_TTLS`)."""
    by_client: dict[Address, list[tuple[int, Group]]] = defaultdict(list)
    larger: set[Address] = set()
    for group in groups:
        if group.ending.syn_rows:
            member = int(group.members[0])
            ttl = ledger.cell("ttl", member, group.ending.syn_rows[0])
            client = ledger.address(member, group.ending.client_side)
            if ttl <= MOST_HOPS:
                by_client[client].append((ttl, group))
            else:
                larger.add(client)
    out: list[Group] = []
    for client, found in by_client.items():
        ran_out = any(group.ending.outcome == "icmp-ttl-exceeded" for _, group in found)
        ttls = {ttl for ttl, _ in found}
        flows = client in larger and ttls <= set(FAR_TTLS) and sum(len(group) for _, group in found) >= _SWEEP
        if flows or (len(ttls) >= _SWEEP and (ran_out or min(ttls) <= _SWEEP)):
            out += [group for _, group in found]
    return out


@dataclass(slots=True)
class Alike:
    """Services whose attempts ended with the same set of outcomes, without a verdict on any of them."""

    outcomes: tuple[str, ...]
    services: int
    attempts: int
    addresses: list[Address]  # the first few
    address_count: int
    ports: list[int]
    first_ns: int
    last_ns: int


def count_services(ledger: Ledger, chosen: Array) -> int:
    """How many services the chosen attempts were made to."""
    return len(distinct(_service_key(ledger, chosen)))


def alike(ledger: Ledger, chosen: Array, shown: int = 8) -> list[Alike]:
    """All services of the chosen attempts in a few groups, largest first; cost follows the groups, not the services."""
    words = sorted({ending.outcome for ending in ledger.endings})
    bit = np.array([1 << words.index(ending.outcome) for ending in ledger.endings], np.int64)[ledger.story]
    by = _by_service(ledger, chosen, ledger.story)
    outcomes = np.bitwise_or.reduceat(bit[by.members], by.bounds[:-1])
    sizes = np.diff(by.bounds)
    sample = by.members[by.bounds[:-1]]
    side = 1 - client_sides(ledger)[sample]
    ports = ledger.columns["port"][sample, side]
    ends = mix(mix(ledger.columns["end_hi"][sample, side]) + ledger.columns["end_lo"][sample, side])
    out = []
    for mask in distinct(outcomes).tolist():
        mine = np.flatnonzero(outcomes == mask)
        _, first = np.unique(ends[mine], return_index=True)
        few = mine[np.sort(first)[:shown]]
        out.append(Alike(
            tuple(word for i, word in enumerate(words) if mask >> i & 1), len(mine), int(sizes[mine].sum()),
            [ledger.address(int(sample[i]), int(side[i])) for i in few], len(first), distinct(ports[mine]).tolist(),
            int(by.first_ns[mine].min()), int(by.last_ns[mine].max()),
        ))  # fmt: skip
    return sorted(out, key=lambda group: -group.services)


@dataclass(slots=True)
class _ByService:
    """`members` sorted by service; service `i` has those from `bounds[i]` to `bounds[i + 1]`; `new` marks each first."""

    members: Array
    new: Array
    bounds: Array
    first_ns: Array
    last_ns: Array


def _by_service(ledger: Ledger, chosen: Array, within: Array) -> _ByService:
    """The chosen attempts sorted by service, then by `within`, then in capture order."""
    key = _service_key(ledger, chosen)
    order = np.lexsort((chosen, within[chosen], key))
    members, ordered = chosen[order], key[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    heads = np.flatnonzero(new)
    first = np.minimum.reduceat(ledger.columns["first_ts"][members], heads)
    last = np.maximum.reduceat(ledger.columns["last_ts"][members], heads)
    return _ByService(members, new, np.append(heads, len(members)), first, last)


def _service_key(ledger: Ledger, chosen: Array) -> Array:
    """A 64-bit key of each attempt's server address and port: exact for IPv4, mixed for IPv6."""
    out: Array = ledger.columns["ends"][chosen, 1 - client_sides(ledger)[chosen]]
    return out


def client_sides(ledger: Ledger) -> Array:
    """The client's side of every attempt."""
    return np.array([ending.client_side for ending in ledger.endings], np.int64)[ledger.story]
