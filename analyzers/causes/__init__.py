"""The cause table: one row per thing that can be to blame, one file per kind of device.

Ids are `symptom.where.device.mechanism`; every dotted prefix is a valid, shallower answer with a title in `PREFIXES`.
Ids are a public contract: a changed meaning is a new id.
"""

from analyzers.causes import capture, filters, healthy, host, nat, network, origin, proxy, sshd
from analyzers.model import Cause

CAUSES: tuple[Cause, ...] = (
    *host.CAUSES, *sshd.CAUSES, *proxy.CAUSES, *filters.CAUSES, *network.CAUSES, *nat.CAUSES, *origin.CAUSES, *capture.CAUSES,
    *healthy.CAUSES,
)  # fmt: skip

PREFIXES: dict[str, str] = {
    "reset": "refused by a RST; who sent it is not decided by this capture",
    "reset.target": "refused by a RST of the target host itself",
    "reset.origin": "refused by this host itself",
    "reset.network": "refused by a RST made by a device on the path, not by the target host",
    "reset.network.nat": "refused by a RST of a NAT box",
    "reset.backend": "refused by a RST of a host behind the address",
    "unreachable": "refused by an ICMP error; what made it is not decided by this capture",
    "unreachable.target": "refused by an ICMP error of the target host itself",
    "unreachable.target.filter": "refused with ICMP by a packet filter on the target host",
    "unreachable.origin": "this host itself could not or would not send",
    "unreachable.network": "refused with ICMP by a device on the path",
    "unreachable.network.router": "a router on the path could not deliver the packet",
    "unreachable.network.firewall": "a packet filter on the path refused the packet with ICMP",
    "unreachable.network.nat": "a NAT box passed on an ICMP error from behind it",
    "silence": "no answer at all; what swallowed the packets, or the answer, is not decided by this capture",
    "silence.target": "no answer: the target host got the packets, or should have, and kept silent",
    "silence.target.filter": "a packet filter on the target host drops the packets",
    "silence.target.host": "the target host does not answer",
    "silence.target.listener": "the listener on the target host takes no more connections",
    "silence.backend": "no answer from one of several hosts behind the address",
    "silence.network": "no answer: something on the path swallows the packets",
    "silence.network.firewall": "a packet filter on the path drops the packets",
    "silence.network.router": "a router on the path drops the packets",
    "silence.network.nat": "no answer: a NAT box passes the packets on to nobody",
    "silence.network.path": "no answer: the path loses the packets",
    "silence.origin": "no answer: the packets did not leave as they should",
    "silence.origin.sender": "no answer: the packets did not leave the client as they should",
    "closed": "accepted, then closed before the service came up; what closed it is not decided by this capture",
    "closed.target": "accepted, then closed by the target",
    "closed.target.host": "the host no longer knows the connection",
    "closed.target.sshd": "the SSH daemon accepted and turned the connection away",
    "closed.target.dropbear": "dropbear accepted and turned the connection away",
    "closed.target.proxy": "a proxy or load balancer accepted and had nowhere to pass the connection on",
    "closed.target.inetd": "a super-server accepted and could not, or would not, start the service",
    "closed.target.service": "the service on the target closed",
    "closed.target.filter": "a packet filter on the target host closed an established connection",
    "closed.network.path": "the server closed, its packets came another way",
    "closed.network": "a device on the path closed an established connection",
    "closed.network.firewall": "a firewall on the path closed an established connection",
    "wrong-service": "something that is not SSH answers on this port",
    "wrong-service.target": "something that is not SSH answers on this port",
    "wrong-service.target.other": "a service other than SSH answers on this port",
    "mute": "accepted, but nothing ever speaks; why is not decided by this capture",
    "mute.target": "the target accepted and never speaks",
    "mute.target.service": "the service on the target accepted and never speaks",
    "mute.target.proxy": "a proxy accepted and cannot reach its server",
    "mute.target.filter": "a packet filter on the target host keeps the two sides apart",
    "mute.target.listener": "the target's kernel answers, but its listener takes no more connections",
    "mute.network.path": "accepted, but the path does not carry what one side sends",
    "mute.network": "accepted, but a device on the path keeps the two sides apart",
    "mute.network.firewall": "accepted, but a firewall on the path keeps the two sides apart",
    "mute.network.router": "accepted, but a router on the path does not carry the client's data",
    "stalled": "the connection came up and then got stuck; why is not decided by this capture",
    "stalled.network": "the connection came up, then the path stopped passing its packets",
    "stalled.network.path": "the connection came up, then the path stopped passing its packets",
    "stalled.network.firewall": "the connection came up, then a filter stopped its packets",
    "stalled.network.router": "the connection came up, then a router could not deliver its packets",
    "stalled.origin": "the connection came up, then its sender did not do what the path asked",
    "stalled.origin.sender": "the connection came up, then its sender did not do what the path asked",
    "stalled.target": "the connection came up, then the target stopped acknowledging",
    "stalled.target.filter": "the connection came up, then a filter on the target stopped its packets",
    "stalled.target.service": "the connection came up, then the service did not go on",
    "stalled.target.host": "the connection came up, then the target stopped acknowledging",
    "half-open": "the target answered the SYN, but the handshake was never completed",
    "half-open.origin": "the client did not complete the handshake",
    "half-open.origin.client": "the client did not complete the handshake",
    "half-open.network": "the handshake was lost on the path",
    "half-open.network.path": "the handshake was lost on the path",
    "aborted": "the client gave up its own attempt",
    "aborted.origin": "the client gave up its own attempt",
    "aborted.origin.client": "the client gave up its own attempt",
    "unseen": "the capture does not show enough of this connection to judge it",
    "unseen.capture": "the capture does not show enough of this connection to judge it",
    "healthy": "works",
}


def find(name: str) -> list[Cause]:
    """The causes with that id or below that prefix, in table order."""
    return [cause for cause in CAUSES if cause.id == name or cause.id.startswith(name + ".")]
