"""Proxies and load balancers: they accept in the target's name."""

from analyzers.accepted import TakenOnTheWay
from analyzers.after import NeverSpoke, ProxiedHandshake
from analyzers.closed import BareReset, ClosedAfterWords, ClosedWithoutWord, MadeBefore, NotTheServers, TookItIn, WentOn
from analyzers.inband import Forgotten, Held, StillThere
from analyzers.model import Cause, seen
from analyzers.ssh import SshBanner, SshLastWords

CAUSES = (
    Cause(
        "closed.target.proxy.no-backend", "a proxy or load balancer accepted but has no server that it may use",
        "load-balancer", requires=(seen(ClosedWithoutWord, pace="at-once"),), supports=(seen(TookItIn), seen(TakenOnTheWay)),
        excludes=(seen(NotTheServers),),
        source="measured with HAProxy 2.6 (no server, all down) and docker-proxy 20.10",
    ),
    Cause(
        "closed.target.proxy.backend-failed", "a proxy accepted, tried its server for a while and gave up",
        "load-balancer", requires=(seen(ClosedWithoutWord),),
        supports=(seen(ClosedWithoutWord, pace="three-seconds", words="read", ssh=True), seen(TakenOnTheWay)),
        excludes=(seen(ClosedWithoutWord, pace="at-once"), seen(NotTheServers)),
        source="measured with HAProxy 2.6: 3.0 s when the server refuses, retries times connect timeout when it is silent",
    ),
    Cause(
        "closed.target.proxy.text", "a proxy answered in its own words and closed", "load-balancer",
        requires=(seen(ClosedAfterWords),), excludes=(seen(SshBanner), seen(SshLastWords), seen(NotTheServers)),
        source="unverified",
    ),
    Cause(
        "closed.target.proxy.own-header", "a proxy sends its own header first (PROXY protocol), which sshd takes for the client's line",
        "load-balancer", requires=(seen(SshLastWords, meaning="bad-identification", client_spoke_ssh=True),),
        supports=(seen(SshLastWords, meaning="bad-identification", client_spoke_ssh=True),),
        source="measured with HAProxy send-proxy in front of sshd",
    ),
    Cause(
        "closed.target.proxy.silent-drop", "a proxy accepted, forgot the connection without a word, and its host resets what follows",
        "load-balancer", requires=(seen(BareReset),), supports=(seen(BareReset, marks="copied"),),
        excludes=(seen(WentOn), seen(MadeBefore)), source="measured with HAProxy 2.6 (silent-drop)",
    ),
    Cause(
        "closed.target.proxy.syn-proxy", "a SYN proxy completed the handshake, then the server behind it refused",
        "unknown", requires=(seen(ProxiedHandshake, refused=True),), supports=(seen(ProxiedHandshake, refused=True),),
        source="measured: SYNPROXY on a router before a closed port",
    ),
    Cause(
        "mute.target.proxy.waiting", "a proxy or SYN proxy accepted and cannot reach its server", "unknown",
        requires=(seen(NeverSpoke),),
        supports=(seen(ProxiedHandshake, behind=False), seen(StillThere, spoke=False, half=False, everywhere=True, steady=True)),
        excludes=(seen(Forgotten, sure=True), seen(StillThere, spoke=True), seen(ProxiedHandshake, behind=True)),
        source="measured: SYNPROXY before a host that drops",
    ),
    Cause(
        "mute.target.proxy.silent-drop", "a proxy accepted and forgot the connection without a word", "load-balancer",
        requires=(seen(NeverSpoke), seen(Forgotten)), supports=(seen(Forgotten, sure=True),), excludes=(seen(Held),),
        source="measured with HAProxy 2.6 (silent-drop of connections)",
    ),
)  # fmt: skip
