"""Routers and the path itself: no route, no host behind the last router, loops, loss, packets too big."""

from analyzers.after import NeverSpoke, SynAckAgain
from analyzers.attempts.icmp import KINDS
from analyzers.causes.filters import BY_ROUTES
from analyzers.causes.host import ALIVE
from analyzers.handshake import AbortedByClient, HalfOpen, Unheard
from analyzers.inband import LostInside, StillThere
from analyzers.loss import Loses
from analyzers.model import Cause, seen
from analyzers.path import Loop
from analyzers.silence import SynChecksumWrong, Unanswered
from analyzers.size import SmallerAllowed, SmallStuck
from analyzers.spread import FlowsDiffer
from analyzers.stalled import IcmpDuring, NoAlgorithms, SmallerPassed, Stalled
from analyzers.swallowed import LargePassed, SizeLimit
from analyzers.unreachable import ROUTING, IcmpRefusal

_BY_ROUTERS = sorted(BY_ROUTES & set(KINDS.values()))

CAUSES = (
    *(
        Cause(
            f"unreachable.network.router.{kind}", f"a router reports {kind}", "router",
            requires=(seen(IcmpRefusal, kind=kind, by_target=False),),
            supports=(
                *((seen(IcmpRefusal, kind=kind, late=True),) if kind in ("host-unreachable", "address-unreachable") else ()),
                *((seen(IcmpRefusal, kind=kind, forwarding="no", others=""),) if kind in ROUTING else ()),
            ),
            source="measured: unreachable, prohibit and missing routes, and hosts that do not answer ARP or ND",
        )
        for kind in _BY_ROUTERS
    ),
    Cause(
        "unreachable.network.router.ttl-exceeded", "the packet ran out of hops: a routing loop, or a probe with a small TTL",
        "router", requires=(seen(IcmpRefusal, kind="ttl-exceeded"),), supports=(seen(Loop),),
        source="RFC 792; measured with a loop of two routers",
    ),
    Cause(
        "silence.network.router.no-route", "a router on the path drops the packets without a word (blackhole, loop, filter of sources)",
        "router", requires=(seen(Unanswered),), supports=(seen(Loop),), excludes=ALIVE,
        source="measured: blackhole route, loop of two routers that report no TTLs",
    ),
    Cause(
        "silence.network.return-path", "the target answers, but its answer does not find the way back", "router",
        requires=(seen(Unanswered),), excludes=ALIVE, source="measured: fail2ban's route action, missing return route",
    ),
    Cause(
        "silence.origin.sender.bad-checksum", "the SYN itself is damaged: receivers drop it", "client-host",
        requires=(seen(Unanswered), seen(SynChecksumWrong)), source="measured: Linux drops TCP segments with a wrong checksum",
    ),
    Cause(
        "stalled.network.path.mtu", "segments above a certain size vanish: a path MTU black hole", "router",
        requires=(seen(Stalled, NoAlgorithms, large=True),),
        supports=(seen(SmallerPassed, steady=True), seen(SizeLimit), seen(SmallerAllowed)),
        excludes=(seen(IcmpDuring, says="too-big"), seen(LargePassed), seen(Stalled, small=True), seen(SmallStuck)),
        source="measured: KEXINIT repeated unanswered behind a filter for large packets, the client's or the server's",
    ),
    Cause(
        "stalled.network.path.lost", "the path stopped carrying packets", "router",
        requires=(seen(Stalled, NoAlgorithms),), excludes=(seen(SmallerPassed), seen(StillThere)), source="unverified",
    ),
    Cause(
        "stalled.network.router.undelivered", "a router reports that it cannot deliver the connection's packets any more",
        "router", requires=(seen(Stalled), seen(IcmpDuring, says="undelivered", by_target=False)),
        supports=(seen(IcmpDuring, says="undelivered", by_target=False),), source="RFC 1122 section 4.2.3.9: errors do not end it",
    ),
    Cause(
        "stalled.origin.sender.ignores-mtu", "the sender is told that its packets are too big and goes on sending them",
        "unknown", requires=(seen(Stalled, large=True), seen(IcmpDuring, says="too-big")),
        supports=(seen(IcmpDuring, says="too-big"),), source="RFC 1191, RFC 8201",
    ),
    Cause(
        "silence.network.path.loss", "the path loses so much that no try and no answer came through", "unknown",
        requires=(seen(Unanswered),), supports=(seen(Loses, many=True),), excludes=(seen(FlowsDiffer, fixed="yes"),),
        source="measured: a router that loses 30 to 70 of a hundred packets",
    ),
    Cause(
        "mute.network.path.loss", "the path loses so much that the server's first words did not come through", "unknown",
        requires=(seen(NeverSpoke), seen(Loses)), supports=(seen(Loses, many=True),),
        source="measured: a router that loses 30 to 70 of a hundred packets",
    ),
    Cause(
        "stalled.network.path.loss", "the path loses so much that a segment did not come through yet", "unknown",
        requires=(seen(Stalled, NoAlgorithms), seen(Loses)), supports=(seen(Loses, many=True),),
        source="measured: a router that loses 30 to 70 of a hundred packets",
    ),
    Cause(
        "mute.network.path.one-way", "what the client sends behind the handshake does not arrive", "unknown",
        requires=(seen(NeverSpoke), seen(SynAckAgain)), supports=(seen(SynAckAgain, often=True), seen(LostInside)),
        excludes=(seen(StillThere),),
        source="measured: a cable, and a router, that lose the client's acknowledgements",
    ),
    Cause(
        "mute.network.path.mtu", "the server's first words are too large for the path and vanish: a path MTU black hole", "router",
        requires=(seen(NeverSpoke), seen(StillThere, spoke=True, few=False)), source="unverified: greetings of 512 bytes and more",
    ),
    Cause(
        "mute.network.router.ttl-exceeded", "the client's data ran out of hops, as a traceroute's does", "router",
        requires=(seen(NeverSpoke), seen(IcmpDuring, kind="ttl-exceeded")),
        proof=(seen(IcmpDuring, kind="ttl-exceeded", everywhere=True),),
        source="RFC 792; CenTrace captures",
    ),
    Cause(
        "half-open.origin.client.left", "the client asked and left, as a SYN scanner does", "client-host",
        requires=(seen(HalfOpen, client_tried=False),), excludes=(seen(Unheard),), source="nmap -sS in a public capture",
    ),
    Cause(
        "half-open.network.path.ack-lost", "the SYN-ACK or the client's ACK is lost on the way", "unknown",
        requires=(seen(HalfOpen),), source="unverified",
    ),
    Cause(
        "half-open.origin.client.wrong-ack", "the client's ACK does not fit the SYN-ACK", "client-host",
        requires=(seen(HalfOpen, client_tried=True),), source="RFC 9293 section 3.10.7.4; synthetic public capture",
    ),
    Cause(
        "aborted.origin.client.gave-up", "the client reset its own SYN", "client-host", requires=(seen(AbortedByClient),),
        source="public capture of Zeek's tests",
    ),
)  # fmt: skip
