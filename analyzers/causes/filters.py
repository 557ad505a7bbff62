"""Packet filters, on the target host and on the path: they forge a RST, send an ICMP error, or drop."""

from analyzers.accepted import ClosedFrom
from analyzers.after import NeverSpoke
from analyzers.attempts.icmp import KINDS
from analyzers.closed import BareReset, ClosedWithoutWord, ForeignReset, MadeBefore, NotTheServers, TooSoon, WentOn
from analyzers.inband import Forgotten, StillThere
from analyzers.maker import ResetMaker
from analyzers.model import Cause, seen
from analyzers.path import CopiesTtl, LikeHop, PingsPass, Translated, VanishesBeyond
from analyzers.receipts import OptionAccepted, RefusedBefore, SynNotReceived, SynReceived
from analyzers.reset import AcceptedToo, ResetsDisagree, SynReset
from analyzers.shapes import DamagedAnswered, InvalidNearer
from analyzers.silence import Unanswered
from analyzers.spread import FlowsDiffer
from analyzers.stalled import IcmpDuring, NoAlgorithms, SmallerPassed, Stalled
from analyzers.swallowed import SizeLimit, WordsVanish
from analyzers.trigger import AckRefused, WordsReset
from analyzers.unreachable import ROUTING, IcmpRefusal

# Another port may pass because it takes another way; over the same router a route lets it only where it looks at ports.
BY_ROUTES = ROUTING | {"admin-prohibited"}

_ERRORS = sorted(
    {
        kind
        for kind in KINDS.values()
        if kind not in ("ttl-exceeded", "reassembly-timeout", "fragmentation-needed", "packet-too-big")
    }
)

STUCK_ON_SIZE = (seen(SmallerPassed), seen(SizeLimit), seen(StillThere))

CAUSES = (
    Cause(
        "reset.target.filter", "a packet filter on the target host refuses with a RST", "server-host",
        requires=(seen(SynReset),), supports=tuple(seen(ResetMaker, made_by="filter", stands=where) for where in ("same", "beside")),
        excludes=(seen(AcceptedToo), seen(Translated, before_end=True), seen(DamagedAnswered), seen(InvalidNearer)),
        source="Linux net/ipv4/netfilter/nf_reject_ipv4.c; measured",
    ),
    Cause(
        "reset.network.firewall", "a firewall on the path forges a RST in the target's name", "firewall",
        requires=(seen(SynReset),),
        supports=(
            *(seen(ResetMaker, made_by=maker, stands="nearer") for maker in ("filter", "unlike-stack", "unknown")),
            # in the cable before the host
            *(seen(ResetMaker, made_by="filter", stands=where, received=False) for where in ("same", "beside")),
            seen(ResetsDisagree), seen(AcceptedToo), seen(CopiesTtl), seen(DamagedAnswered),
            seen(RefusedBefore, OptionAccepted), seen(PingsPass),
            seen(LikeHop, forwarding="yes", clear=True),
        ),
        proof=(seen(ResetMaker, made_by="filter", stands="nearer", swept=True, hop_is="other"),),
        source="measured: nftables and iptables tcp-reset in a router's FORWARD chain",
    ),
    *(
        Cause(
            f"unreachable.target.filter.{kind}", f"a packet filter on the target host refuses with ICMP {kind}", "server-host",
            requires=(seen(IcmpRefusal, kind=kind, by_target=True),),
            # What routes say a NAT box may say of the way behind it, though itself it answers other ports.
            supports=() if kind in ROUTING else tuple(
                seen(IcmpRefusal, kind=kind, by_target=True, stands=where, others="pass") for where in ("same", "beside")
            ),
            excludes=(seen(IcmpRefusal, late=True), seen(Translated, before_end=True)),
            source="measured with iptables, nftables, ufw, fail2ban",
        )
        for kind in _ERRORS
    ),
    *(
        Cause(
            f"unreachable.network.firewall.{kind}", f"a firewall on the path refuses with ICMP {kind}", "firewall",
            requires=(seen(IcmpRefusal, kind=kind, by_target=False),),
            supports=(
                seen(IcmpRefusal, kind=kind, forwarding="yes", prompt=True),
                seen(IcmpRefusal, kind=kind, over=True, prompt=True),
                *(() if kind in BY_ROUTES else (seen(IcmpRefusal, kind=kind, others="pass"),)),
            ),
            excludes=(seen(IcmpRefusal, late=True),), source="measured with iptables and nftables on a router",
        )
        for kind in _ERRORS if kind != "beyond-scope"
    ),
    Cause(
        "silence.target.filter.drop", "a packet filter on the target host drops the packets", "server-host",
        requires=(seen(Unanswered),), supports=(seen(VanishesBeyond, translated=True), seen(SynReceived, answered=True)),
        excludes=(seen(FlowsDiffer, fixed="yes"),),
        source="measured with iptables, nftables, ufw; the default of most host firewalls",
    ),
    Cause(
        "silence.target.filter.stealth", "Windows with its firewall on keeps silent where nothing listens (stealth mode)", "server-host",
        requires=(seen(Unanswered),), supports=(seen(SynReceived, answered=True),),
        excludes=(seen(SynReceived, SynNotReceived, closed=True), seen(FlowsDiffer, fixed="yes")),
        source="Microsoft KB 2586744 and dd448557, read; BSD: blackhole(4)",
    ),
    Cause(
        "silence.network.firewall.drop", "a firewall or cloud rule on the path drops the packets", "firewall",
        requires=(seen(Unanswered),), supports=(
            seen(VanishesBeyond, others_pass=True, before_target=True, translated=False), seen(VanishesBeyond, translated=True),
        ),
        source="measured; the default of cloud security groups and most appliances",
    ),
    Cause(
        "closed.network.firewall.injected-reset", "a device on the path reset the established connection", "firewall",
        requires=(seen(NotTheServers, WordsReset),),
        supports=(
            seen(ForeignReset, telling=True), seen(WentOn), seen(TooSoon), seen(ClosedFrom), seen(MadeBefore),
            seen(WordsReset, filters=True),
        ),
        source="measured: a string match in a router's FORWARD chain; CenTrace captures",
    ),
    Cause(
        "closed.network.firewall.bare-reset", "a device on the path reset the established connection in the server's name", "firewall",
        requires=(seen(BareReset),), supports=(seen(BareReset, marks="zero"), seen(AckRefused)),
        excludes=(seen(WentOn), seen(TooSoon), seen(ForeignReset, telling=True), seen(MadeBefore), seen(WordsReset)),
        source="measured: tcp-reset rules on established connections",
    ),
    Cause(
        "closed.target.filter.content", "a packet filter on the target host resets what the client says", "server-host",
        requires=(seen(BareReset), seen(WordsReset, WentOn)), supports=(seen(WordsReset, filters=True), seen(WentOn)),
        excludes=(seen(TooSoon), seen(ClosedFrom), seen(MadeBefore), seen(ForeignReset, telling=True)),
        source="unverified: a string match in the host's INPUT chain",
    ),
    Cause(
        "closed.network.firewall.one-sided", "a device on the path reset the server only, whose host resets what the client says next",
        "firewall", requires=(seen(BareReset), seen(ClosedWithoutWord)), supports=(seen(BareReset, marks="copied"),),
        excludes=(seen(NotTheServers),), source="measured: a reset sent towards the server on its banner",
    ),
    Cause(
        "closed.network.firewall.no-state", "a firewall that knows no such connection reset it: it saw one direction only, or forgot it",
        "firewall", requires=(seen(BareReset),), supports=(seen(AckRefused),), excludes=(seen(WordsReset),),
        source="measured: conntrack's INVALID, as the SYN-ACK went another way; vendor documents: Juniper tcp-rst, Cisco ASA",
    ),
    Cause(
        "closed.network.path.other-way-back", "the server closed, and its RST came back another way", "server-host",
        requires=(seen(ForeignReset, programs=True),), excludes=(seen(WentOn), seen(MadeBefore)),
        source="unverified: ways of different length",
    ),
    Cause(
        "mute.network.firewall.one-sided", "a device on the path reset the server only, and the client waits", "firewall",
        requires=(seen(NeverSpoke),), supports=(seen(Forgotten, sure=True),), excludes=(seen(StillThere, everywhere=True),),
        source="measured: a reset sent towards the server on its banner",
    ),
    Cause(
        "mute.target.filter.one-sided", "a packet filter on the target host resets its own server", "server-host",
        requires=(seen(NeverSpoke), seen(Forgotten, sure=True)), excludes=(seen(StillThere, everywhere=True),),
        source="measured: a rule in the host's OUTPUT chain that rejects the greeting",
    ),
    Cause(
        "mute.network.firewall.drop", "a device on the path swallows what the server says", "firewall",
        requires=(seen(NeverSpoke), seen(StillThere, spoke=True)), supports=(seen(StillThere, spoke=True, few=True, steady=True),),
        source="measured: a rule that drops the server's greeting",
    ),
    Cause(
        "stalled.target.filter.rule-inserted", "a filter rule or ban on the target was put in place during the connection",
        "server-host", requires=(seen(Stalled),), supports=(seen(IcmpDuring, says="refused", by_target=True, as_far=True),),
        excludes=STUCK_ON_SIZE, source="measured: DROP and ICMP rejects on an established connection",
    ),
    Cause(
        "stalled.network.firewall.rule-inserted", "a filter rule or ban was put in place during the connection", "firewall",
        requires=(seen(Stalled),), supports=(
            seen(IcmpDuring, says="refused", by_target=False), seen(IcmpDuring, says="refused", by_target=True, as_far=False),
        ),
        excludes=STUCK_ON_SIZE, source="measured: DROP and ICMP rejects on an established connection",
    ),
    Cause(
        "stalled.target.filter.drop", "a packet filter on the target host swallows just this data, for what it says", "server-host",
        requires=(seen(Stalled, NoAlgorithms, lost=True), seen(StillThere)),
        excludes=(seen(SmallerPassed), seen(SizeLimit), seen(WordsVanish, nearer=True)),
        source="measured: a rule on the client's words in the host's INPUT chain",
    ),
    Cause(
        "stalled.network.firewall.drop", "a device on the path swallows just this data, for what it says", "firewall",
        requires=(seen(Stalled, NoAlgorithms, lost=True), seen(StillThere)), supports=(seen(WordsVanish, nearer=True),),
        excludes=(seen(SmallerPassed), seen(SizeLimit)), source="measured: a rule on the client's words in a router's FORWARD chain",
    ),
)  # fmt: skip
