"""ICMP errors that quote a packet of no flow in the capture: of which SYN do they tell, though its ends were changed on the way?

A box that translates addresses or ports should translate quotes back (RFC 5508), and not all do. A quote always holds the
sequence number (RFC 792: the first eight bytes): where only one SYN had it and one of the two ends is still the same, it is
that one's.
"""

from collections import defaultdict

import numpy as np

from analyzers.attempts.attempt import Recall, Segment, materialise
from analyzers.attempts.ledger import Ledger
from captures.packet import Packet

_MOST = 512  # errors that are looked at

Strays = dict[tuple[int, int], list[Segment]]
"""By trace and quoted sequence number."""


def strays(ledger: Ledger, recall: Recall) -> Strays:
    """The errors about packets that the capture does not hold."""
    unseen = np.flatnonzero((ledger.columns["packets"].sum(axis=1) == 0) & (np.diff(ledger.first_row) > 0))
    found: Strays = defaultdict(list)
    for number in unseen[:_MOST].tolist():
        attempt = materialise(ledger, number, recall)
        for segment in attempt.segments:
            quote = segment.packet.icmp.quoted if segment.packet.icmp is not None else None
            if quote is not None and quote.tcp is not None and quote.tcp.seq:
                found[attempt.trace, quote.tcp.seq].append(segment)
    return found


def about(syn: Segment, trace: int, known: Strays) -> list[Segment]:
    """Those that tell of this SYN."""
    sent = syn.packet
    return [
        error
        for error in known.get((trace, syn.tcp.seq), ())
        if error.number > syn.number and error.packet.icmp is not None and _same_end(sent, error.packet.icmp.quoted)
        and error.packet.ip is not None and sent.ip is not None and error.packet.ip.dst == sent.ip.src
    ]  # fmt: skip


def _same_end(sent: Packet, quoted: Packet | None) -> bool:
    """Whether one end at least is as it was: address and port."""
    if quoted is None or sent.ip is None or quoted.ip is None or sent.tcp is None or quoted.tcp is None:
        return False
    here = (sent.ip.src, sent.tcp.sport) == (quoted.ip.src, quoted.tcp.sport)
    there = (sent.ip.dst, sent.tcp.dport) == (quoted.ip.dst, quoted.tcp.dport)
    return here or there
