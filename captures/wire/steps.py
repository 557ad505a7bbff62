"""Header families, one per file. Each step reads one header from a `Draft` and names the step that follows, or None.

The names of steps are the names of layers in `Packet.layers`, as Wireshark's `frame.protocols` has them where it can.
"""

from collections.abc import Callable

from captures.packet import Draft
from captures.wire import icmp, ip, link, tcp, tunnel, wlan

Step = Callable[[Draft], str | None]

STEPS: dict[str, Step] = {**link.STEPS, **wlan.STEPS, **ip.STEPS, **tunnel.STEPS, **tcp.STEPS, **icmp.STEPS}

_LINKS = {
    0: "null", 1: "eth", 9: "ppp", 12: "raw", 14: "raw", 50: "ppp-hdlc", 51: "pppoes", 101: "raw", 105: "wlan",
    104: "chdlc", 108: "null", 109: "enc", 113: "sll", 119: "prism", 127: "radiotap", 192: "ppi", 204: "ppp-dir",
    228: "raw", 229: "raw", 276: "sll2",
}  # fmt: skip
_DEEPEST = 32  # headers in one frame; more is a crafted loop of encapsulations


def link_start(link: int) -> str | None:
    """The first step for a LINKTYPE_ number, None when that link type is not known."""
    return _LINKS.get(link)


def follow(draft: Draft, step: str | None) -> None:
    """Read headers until one says that it is the last, or something is missing."""
    if step is None:
        draft.problems.append("unknown link type")
    for _ in range(_DEEPEST):
        if step is None:
            return
        if step not in ("raw", "ip"):
            draft.layers.append(step)
        step = STEPS[step](draft)
    if step is not None:
        draft.problems.append("too many headers")
