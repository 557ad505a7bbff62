"""Which SYNs ask the target for receipts: record-route options that get wrong at a hop (see `analyzers.attempts.receipts`)."""

from collections.abc import Iterable, Iterator

_MOST_HOPS = 10  # an IPv4 header has room to record nine
_BEYOND = 3  # hops behind the last one known that may be the target's

_ROOM = _MOST_HOPS - 1
Asked = tuple[int, str, int]
"""A port, the shape of the SYN to it (see `Tracer.odd`), and for how many hops it has room."""


def beside(port: int, control: int, hop: int, silent: bool) -> list[Asked]:
    """Of a port and another that is answered at this hop; the last report shows whether errors are limited. Of a `silent` port also
    SYNs with FIN, which a box that translates keeps for itself."""
    if not control or not 0 < hop <= _MOST_HOPS:
        return []
    mine, theirs, sound = (port, "spoilt", hop - 1), (control, "spoilt", hop - 1), (port, "recorded", hop - 1)
    contradictory = [(port, "synfin", 0), (control, "synfin", 0)] * 2 if silent else []
    pushed = [(port, "pushed", hop - 1), (control, "pushed", hop - 1)]
    return [mine, theirs, sound, mine, mine, theirs, *contradictory, *pushed]


def alone(port: int, last: int, hop: int) -> list[Asked]:
    """Of a port whose SYNs are known to come up to hop `last`, where the target is at `hop`, 0 when that is not known: then also
    with all the room there is, which only goes round fills."""
    if hop:
        return list(_alone(port, [hop]))
    return [*_alone(port, range(last + 1, last + 1 + _BEYOND)), (port, "spoilt", _ROOM)]


def _alone(port: int, hops: Iterable[int]) -> Iterator[Asked]:
    for hop in (hop for hop in hops if hop <= _MOST_HOPS):
        yield port, "spoilt", hop - 1
        yield port, "spoilt", hop - 1
        yield port, "recorded", hop - 1
