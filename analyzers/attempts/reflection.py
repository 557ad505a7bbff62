"""Does an answer copy the marks of the packet that it answers?

Linux's own RST copies the DSCP of the segment that it refuses (IPv6: and bears a flow label), netfilter's `tcp-reset` sends
zeros (net/ipv4/tcp_ipv4.c and nf_reject_ipv4.c, their IPv6 twins; measured). Other stacks have habits of their own, and
paths rewrite DSCP: a mark that is not copied says nothing without another answer of that address that is.
"""

from analyzers.attempts.attempt import Segment

DSCP = 0xFC  # the ECN bits are masked by newer kernels


def reflection(asked: Segment, answer: Segment) -> str:
    """copied, zero, other, or blank when the question bears no mark that could be copied (IPv4 without DSCP). In IPv6 a flow label
    counts as a copied DSCP."""
    mine, theirs = asked.packet.ip, answer.packet.ip
    if mine is None or theirs is None:
        return "blank"
    if mine.tos & DSCP:
        if theirs.tos & DSCP:
            return "copied" if theirs.tos & DSCP == mine.tos & DSCP else "other"
        # On its way the DSCP may get lost; a flow label of its own is a stack's all the same, one that is the SYN's a forger's.
        labelled = theirs.flow_label not in (0, mine.flow_label)
        return "copied" if labelled else "other" if theirs.flow_label else "zero"
    if mine.version == 6:
        return "copied" if theirs.flow_label else "zero"
    return "blank"


def marks(segment: Segment) -> str:
    """The marks in words: TOS 0x10; or class 0x10 and flow label 0x2a3b4 in IPv6."""
    ip = segment.packet.ip
    if ip is None:
        return "no IP header"
    if ip.version == 4:
        return f"TOS {ip.tos:#04x}"
    label = f"flow label {ip.flow_label:#07x}" if ip.flow_label else "flow label 0"
    return f"traffic class {ip.tos:#04x} and {label}"
