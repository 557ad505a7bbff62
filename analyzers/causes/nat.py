"""NAT boxes: nothing behind the port, or something behind it that refuses."""

from analyzers.attempts.icmp import KINDS
from analyzers.balance import Rotation, Turns
from analyzers.maker import ResetMaker
from analyzers.model import Cause, seen
from analyzers.path import Translated, VanishesBeyond
from analyzers.receipts import OptionAccepted, RefusedBefore, SynReceived
from analyzers.reset import AcceptedToo, SynReset
from analyzers.servers import SeveralMachines, SeveralServers
from analyzers.shapes import DamagedAnswered, InvalidRefused, InvalidToo
from analyzers.silence import AnswersElsewhere, Unanswered
from analyzers.spread import FlowsDiffer, OneWay
from analyzers.unreachable import IcmpRefusal

CAUSES = (
    Cause(
        "reset.network.nat.no-mapping", "the address is a NAT box without a forward for this port", "nat",
        requires=(seen(SynReset),),
        supports=(
            seen(ResetMaker, made_by="stack", stands="nearer"), seen(ResetMaker, made_by="stack", stands="relay"),
            *(seen(ResetMaker, made_by=maker, stands="nearer", hop_is="") for maker in ("unlike-stack", "unknown")),
            *(seen(ResetMaker, made_by="stack", stands=where) for where in ("same", "unknown")),
        ),
        excludes=(
            seen(FlowsDiffer, alternates=True), seen(Turns, alternates=True), seen(AcceptedToo), seen(RefusedBefore, OptionAccepted),
            seen(DamagedAnswered),
        ),
        source="measured: a NAT gateway with a closed port of its own",
    ),
    Cause(
        "reset.backend.closed-port", "the port is forwarded to a host behind the address, where nothing listens", "backend",
        requires=(seen(SynReset),),
        supports=(
            *(
                seen(ResetMaker, made_by=maker, stands=where)
                for maker in ("stack", "filter", "unlike-stack", "unknown") for where in ("farther", "one-of-several")
            ),
            *(seen(ResetMaker, made_by="stack", stands=where) for where in ("same", "unknown")),
        ),
        excludes=(seen(OptionAccepted),), source="measured: DNAT to a host with a closed port",
    ),
    Cause(
        "reset.backend.filter", "the port is forwarded to a host behind the address, whose packet filter refuses with a RST",
        "backend", requires=(seen(SynReset),),
        supports=tuple(
            seen(ResetMaker, made_by=maker, stands=where)
            for maker in ("filter", "unlike-stack", "unknown") for where in ("farther", "one-of-several")
        ),
        source="Linux net/ipv4/netfilter/nf_reject_ipv4.c; DNAT leaves the RST's TOS as it is",
    ),
    Cause(
        "silence.network.nat.carrier", "the address has no public way in: the provider's carrier-grade NAT swallows the packets", "nat",
        requires=(seen(Unanswered),), excludes=(seen(AnswersElsewhere),), source="unverified: RFC 6598, general knowledge",
    ),
    Cause(
        "silence.backend.down", "attempts are dealt out to several hosts behind the address, and one of them keeps silent", "backend",
        requires=(seen(Unanswered), seen(Turns, FlowsDiffer, alternates=True)), supports=(seen(Rotation), seen(SeveralMachines),
            seen(SeveralServers), seen(OneWay, dealt=True, translated=True)),
        source="unverified: round robin with a dead machine",
    ),
    *(
        Cause(
            f"unreachable.network.nat.{kind}", f"a NAT box passes on ICMP {kind} from behind it", "nat",
            requires=(seen(IcmpRefusal, kind=kind, by_target=True),), supports=(
                seen(IcmpRefusal, by_target=True, late=True), seen(IcmpRefusal, by_target=True, stands="behind"),
                seen(Translated, before_end=True),
            ),
            source="measured: DNAT rewrites the ICMP source",
        )
        for kind in sorted(set(KINDS.values()))
    ),
    Cause(
        "silence.network.nat.dead-inside", "the port is forwarded to a host that does not answer", "nat",
        requires=(seen(Unanswered),),
        supports=(seen(VanishesBeyond, translated=True), seen(SynReceived, answered=True), seen(InvalidRefused)),
        excludes=(seen(Turns), seen(FlowsDiffer, alternates=True), seen(InvalidToo), seen(SynReceived, opened="here")),
        source="measured: DNAT to a host that drops",
    ),
)  # fmt: skip
