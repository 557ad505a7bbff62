"""Do pings go past the hop at which all of TCP is refused? Then what refuses is not the end of the way.

Only over the same router right before that hop: other pings may be on another, longer way.
"""

from dataclasses import dataclass

from analyzers.attempts.pings import Pings
from analyzers.attempts.sweeps import Router, Sweeps


@dataclass(frozen=True, slots=True)
class Past:
    """SYNs are refused from the TTL `begins` on; pings that met the same router before run out at `router`, there or farther on, whose
    name is not the address's: no box that translates passes them on."""

    begins: int
    router: Router


def past_of(sweeps: Sweeps, pings: Pings, port: int) -> Past | None:
    """What pings show so about a port that a RST refuses, None where they do not."""
    for path in sweeps.refusable(port):
        first = path.begins("rst")
        if first is None or not path.constant:
            continue
        before = path.routers().get(first.ttl - 1)
        for pinged in pings.paths:
            met = pinged.routers()
            same = met.get(first.ttl - 1)
            alike = first.ttl == 1 or (before is not None and same is not None and before.address == same.address)
            names = {router.address for hop, router in met.items() if hop < first.ttl} | {sweeps.target}
            beyond = [router for hop, router in sorted(met.items()) if hop >= first.ttl and router.address not in names]
            if pinged.constant and alike and beyond:
                return Past(first.ttl, beyond[0])
    return None
