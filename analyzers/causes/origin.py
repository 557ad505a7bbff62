"""This host itself: its own packet filter, its routes, its network. Known only where a live diagnosis watched all interfaces."""

from analyzers.handshake import HalfOpen, Unheard
from analyzers.model import Cause, seen
from analyzers.origin import NeighbourSilent, NothingSent, NoWayOut, SentElsewhere

_MEASURED = "measured: rules in OUTPUT, routes of every type, missing neighbours"

CAUSES = (
    Cause(
        "reset.origin.local-rule", "a rule of this host itself (packet filter or NAT) refuses, no packet left it", "client-host",
        requires=(seen(NothingSent, errno="ECONNREFUSED"),), supports=(seen(NothingSent, errno="ECONNREFUSED"),),
        proof=(seen(NothingSent, errno="ECONNREFUSED", looped=True),),
        excludes=(seen(SentElsewhere),), source=_MEASURED,
    ),
    Cause(
        "unreachable.origin.local-rule", "a packet filter of this host itself refuses with an ICMP error, no packet left it",
        "client-host", requires=(seen(NothingSent),), supports=(seen(NothingSent),), proof=(seen(NothingSent, looped=True),),
        excludes=(seen(NoWayOut), seen(NeighbourSilent), seen(SentElsewhere)), source=_MEASURED,
    ),
    Cause(
        "unreachable.origin.route", "this host's own routing has no way to the address", "client-host",
        requires=(seen(NothingSent), seen(NoWayOut)), proof=(seen(NoWayOut),), source=_MEASURED,
    ),
    Cause(
        "unreachable.origin.neighbour", "nobody on this host's own network has the next hop's address", "client-host",
        requires=(seen(NothingSent), seen(NeighbourSilent)), supports=(seen(NeighbourSilent),),
        proof=(seen(NeighbourSilent, noted=True),), source=_MEASURED,
    ),
    Cause(
        "silence.origin.local-rule", "a packet filter of this host itself drops, no packet left it", "client-host",
        requires=(seen(NothingSent),), supports=(seen(NothingSent),),
        excludes=(seen(NeighbourSilent), seen(SentElsewhere)), source=_MEASURED,
    ),
    Cause(
        "silence.origin.neighbour", "nobody on this host's own network has the next hop's address, so nothing could be sent",
        "client-host", requires=(seen(NothingSent), seen(NeighbourSilent)), supports=(seen(NeighbourSilent),),
        proof=(seen(NeighbourSilent, noted=True),), source=_MEASURED,
    ),
    Cause(
        "half-open.origin.local-rule", "a rule of this host itself keeps the target's answer out", "client-host",
        requires=(seen(HalfOpen), seen(Unheard, answer="SYN-ACK", fits=True)), proof=(seen(Unheard, answer="SYN-ACK", fits=True),),
        source="measured: drop and reject rules in INPUT",
    ),
    *(
        Cause(
            f"{symptom}.origin.translated", "this host's own NAT sends the connection to another address", "client-host",
            requires=(seen(NothingSent), seen(SentElsewhere)), proof=(seen(SentElsewhere),),
            source="measured: DNAT in OUTPUT, as for the service addresses of Kubernetes",
        )
        for symptom in ("reset", "unreachable", "silence")
    ),
)  # fmt: skip
