"""What recorded frames answer to SYNs: which probe, by whom, with what."""

from collections.abc import Iterable
from typing import NamedTuple

from analyzers.attempts.hops import routers
from analyzers.attempts.icmp import kind_of
from captures.flags import ACK, INBOUND, RST, SYN
from netprobe.live.recorder import Frame

RAW = 101


class Heard(NamedTuple):
    """What came back to one SYN: syn-ack, rst, or an ICMP kind, from whom, with which TTL; and a first guess at how many hops
    away."""

    kind: str
    sender: str
    hops: int
    ttl: int


def senders(frames: Iterable[Frame]) -> set[str]:
    """The addresses from which SYNs were answered."""
    answers = (answer_in(frame.data) for frame in frames if frame.direction == INBOUND)
    return {found[2].sender for found in answers if found is not None}


def marked(frames: Iterable[Frame], port: int) -> bool:
    """Whether a RST of this port bears a DSCP or a flow label, as those of stacks do and those of packet filters do not."""
    from analyzers.attempts.reflection import DSCP
    from captures.packet import decode

    answers = (decode(frame.data, RAW, len(frame.data)) for frame in frames if frame.direction == INBOUND)
    resets = (got for got in answers if got.tcp is not None and got.tcp.sport == port and got.tcp.flags & RST)
    return any(got.ip is not None and (got.ip.tos & DSCP or got.ip.flow_label) for got in resets)


def answer_in(data: bytes) -> tuple[tuple[int, int], int, Heard] | None:
    """Which SYN a packet answers, by source port and number; to which port it went; and what the answer is."""
    from captures.packet import decode

    got = decode(data, RAW, len(data))
    if got.ip is None:
        return None
    sender = str(got.ip.src)
    if got.icmp is not None and got.icmp.quoted is not None and got.icmp.quoted.tcp is not None:
        quoted, around = got.icmp.quoted.tcp, got.icmp.quoted.ip
        kind = kind_of(got.icmp.version, got.icmp.type, got.icmp.code)
        hops = routers(around.ttl) + 1 if around is not None else 0
        return (quoted.sport, quoted.seq), quoted.dport, Heard(kind, sender, hops, got.ip.ttl)
    if got.tcp is not None and got.tcp.flags & ACK and got.tcp.flags & (SYN | RST):
        kind = "rst" if got.tcp.flags & RST else "syn-ack"
        return (
            (got.tcp.dport, got.tcp.ack - 1 & 0xFFFFFFFF),
            got.tcp.sport,
            Heard(kind, sender, routers(got.ip.ttl) + 1, got.ip.ttl),
        )
    return None
