"""What whoever asks may choose."""

from typing import NamedTuple

from analyzers.attempts.hops import MOST_HOPS


class Options(NamedTuple):
    """`wait_s` is how long an unanswered SYN is waited for: over 3.2 s, as a router may report a dead host that late.

    `trace`: the way is asked for even where nothing fails, up to `most_hops`, with so many `flows` more to the port. `names`:
    DNS is asked for the names of those who answered. `controls`: ports on which the target is known to answer.
    """

    wait_s: float = 4.5
    budget: int = 4
    source: str = ""
    device: str = ""
    only_syn: bool = False
    trace: bool = False
    flows: int = 0
    most_hops: int = MOST_HOPS
    names: bool = False
    controls: tuple[int, ...] = ()
