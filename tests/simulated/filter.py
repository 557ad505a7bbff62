"""Packet filters as netfilter has them: which rule meets a packet, and what its refusal looks like."""

from tests.simulated.packets import ACK, ERRORS, RST, SYN, Datagram, Other, Tcp, error, refusal
from tests.simulated.rows import Node, Rule


def meets(rule: Rule, hook: str, datagram: Datagram, spared: dict[Rule, int]) -> bool:
    """Whether the rule is about this packet at this hook; `spared` counts what the rule has let pass."""
    if rule.hook != hook:
        return False
    body = datagram.body
    if isinstance(body, Other):
        return False  # the rules here are about TCP, and about ICMP errors
    if not isinstance(body, Tcp):
        return any((body.type, body.code) == ERRORS[kind][datagram.v6] for kind in rule.icmp)
    if rule.icmp or (rule.ports and body.dport not in rule.ports) or (rule.sport and body.sport != rule.sport):
        return False
    if (rule.source and datagram.src != rule.source) or not body.payload.startswith(rule.begins):
        return False
    if rule.acks and body.flags & (SYN | RST):
        return False
    if rule.new and body.flags & (SYN | ACK) != SYN:
        return False
    if rule.longer and len(body.payload) + len(body.options) + (60 if datagram.v6 else 40) <= rule.longer:
        return False
    if rule.spare:
        if body.flags & SYN and spared.get(rule, 0) < rule.spare:
            spared[rule] = spared.get(rule, 0) + 1
            return False
        return bool(body.flags & SYN)
    return True


def refuse(node: Node, rule: Rule, datagram: Datagram, src: str, ident: int) -> Datagram | None:
    """What the filter sends for a packet that its rule refuses, None when it drops it.

    nf_reject_ipv4.c and nf_reject_ipv6.c: never for a RST or a wrong checksum; TOS, flow label, ID and window 0.
    """
    body = datagram.body
    if rule.act == "drop" or (isinstance(body, Tcp) and body.spoil):
        return None
    if rule.act == "reset":
        return None if not isinstance(body, Tcp) or body.flags & RST else refusal(datagram, node.ttl)
    return error(rule.act, datagram, src, node.ttl, node.room, ident)
