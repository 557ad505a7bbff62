"""Attempts to one service went differently: did those that worked meet one SSH server or several?

A host key is a machine's own, as long as machines do not share keys, as copies of one image do; a version line or an offer of
algorithms is only a server program's. What changes once may be a new installation: several are at work where one that was met
before comes back, or where two are met within a second (knowledge base T17).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from analyzers.attempts.subject import Subject
from analyzers.attempts.talk import listen
from analyzers.model import Fact, fact
from analyzers.words import times

_LOOKED_AT = 32  # working attempts that are compared
_AT_ONCE_NS = 1_000_000_000  # nobody installs a server anew so soon after the old one was met


@fact
class SeveralMachines(Fact):
    """Working attempts, taking turns or within a second, met SSH servers with different host keys: several machines share the
    address."""

    keys: tuple[str, ...]

    def text(self) -> str:
        return f"several machines share this address: the working attempts met {len(self.keys)} host keys ({', '.join(self.keys[:3])})"


@fact
class SeveralServers(Fact):
    """Working attempts met SSH servers that differ in their version line, or in the algorithms that they offer: several programs,
    and most likely machines, share the address."""

    banners: tuple[str, ...]  # one where only the offers differ

    def text(self) -> str:
        if len(self.banners) > 1:
            return f"several servers share this address, by what the working attempts were told: {', '.join(self.banners[:3])}"
        return f"several servers share this address: those that say {self.banners[0]} offer different algorithms"


@fact
class OneKey(Fact):
    """Working attempts met one host key though flows are dealt out to several machines or ways."""

    attempts: int
    key: str

    def text(self) -> str:
        met = times(self.attempts, "working attempt")
        return f"{met} met one host key ({self.key}): one machine works, or several that share a key"


@dataclass(frozen=True, slots=True)
class _Met:
    """What one working attempt was told, and by which frame; `key` is "" where it did not come to that."""

    ts_ns: int
    frame: int
    banner: str
    offer: str
    kind: str
    key: str


def facts(subject: Subject) -> Iterator[Fact]:
    """Which servers the working attempts met, where others failed."""
    if subject.symptom in ("healthy", "unseen") or not subject.working:
        return
    met = list(_met(subject))
    several = list(_machines(met))
    yield from several
    if not several:
        yield from _servers(met)
        keyed = [one for one in met if one.key]
        if subject.mixed and len(keyed) > 1 and len({(one.kind, one.key) for one in keyed}) == 1:
            frames = tuple(one.frame for one in keyed[:4])
            yield OneKey(frames=frames, count=0, attempts=len(keyed), key=keyed[0].key)


def _met(subject: Subject) -> Iterator[_Met]:
    members = np.concatenate([group.members for _, group in subject.working])[:_LOOKED_AT]
    for index in np.sort(members).tolist():
        attempt = subject.attempt(index)
        talk = listen(attempt)
        if talk is not None and talk.server.banner:
            server = talk.server
            frame = (attempt.answer or attempt.segments[0]).number
            offer = server.offer.hassh(from_client=False) if server.offer is not None else ""
            kind, _, key = server.host_key.partition(" ")
            yield _Met(attempt.first_ns, frame, server.banner, offer, kind, key)


def _machines(met: Sequence[_Met]) -> Iterator[SeveralMachines]:
    """Different host keys of one type."""
    for kind in dict.fromkeys(one.kind for one in met if one.key):
        found = [(one, one.key) for one in met if one.kind == kind]
        if _several(found):
            yield SeveralMachines(frames=_first(found), count=0, keys=tuple(dict.fromkeys(key for _, key in found)))


def _servers(met: Sequence[_Met]) -> Iterator[SeveralServers]:
    banners = [(one, one.banner) for one in met]
    offers = [(one, one.offer) for one in met if one.offer]
    if _several(banners):
        yield SeveralServers(frames=_first(banners), count=0, banners=tuple(dict.fromkeys(name for _, name in banners)))
    elif _several(offers):
        yield SeveralServers(frames=_first(offers), count=0, banners=(offers[0][0].banner,))


def _several(found: Sequence[tuple[_Met, str]]) -> bool:
    """Whether one that was met before comes back behind another, or two differ so soon that nothing was exchanged between."""
    runs = [name for name, _ in groupby(name for _, name in found)]
    soon = any(a != b and after.ts_ns - before.ts_ns <= _AT_ONCE_NS for (before, a), (after, b) in pairwise(found))
    return len(runs) > len(set(runs)) or soon


def _first(found: Sequence[tuple[_Met, str]]) -> tuple[int, ...]:
    """The frame of the first of each."""
    return tuple(sorted({name: one.frame for one, name in reversed(found)}.values()))[:4]
