"""How far a packet came: the initial TTL that it must have had, and the routers that it passed since.

Stacks start at 32, 64, 128 or 255 and every router takes one off, so the difference to the next higher of the four counts
routers, as long as nothing on the way rewrites TTLs or hides hops.
"""

from math import ceil, log

INITIAL_TTLS = (32, 64, 128, 255)
MDA_FLOWS = 6  # of one kind exclude a second way with 95 % (multipath detection algorithm, Augustin et al. 2007)
MOST_HOPS = 30  # a SYN with a larger TTL ran out in a loop, one with a smaller was meant to
FAR_TTLS = (MOST_HOPS - 1, MOST_HOPS)
"""Of SYNs that ask how flows fare which differ in their source port: they arrive and are no attempts; the smaller asks again."""

_DOUBT = 0.05


def initial_ttl(ttl: int) -> int:
    """The initial TTL that a received one most likely had: the next higher of the usual four."""
    return next(initial for initial in INITIAL_TTLS if ttl <= initial)


def routers(ttl: int) -> int:
    """How many routers a packet passed that arrived with this TTL, if it started at `initial_ttl`."""
    return initial_ttl(ttl) - ttl


def draws(share: float) -> int:
    """Of so many questions of which this share is refused by chance one at least is, with 95 %."""
    return ceil(log(_DOUBT) / log(1 - share)) if share < 1 else 1


def enough(kinds: int) -> int:
    """After so many flows with so many kinds of answers another one, dealt as often, is unlikely: 6, 11, 16, 21 for 1, 2, 3, 4
    (multipath detection algorithm)."""
    count = kinds
    while (kinds + 1) * (kinds / (kinds + 1)) ** count > _DOUBT:
        count += 1
    return count
