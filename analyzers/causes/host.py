"""The target host: nothing listens, it does not answer, or something else than SSH does."""

from analyzers.accepted import ClosedFrom
from analyzers.after import NeverSpoke, SlowLines, SpokeOtherProtocol, SynAckAgain, TookLeave, WindowShut
from analyzers.alive import AnswersPing, RefusesUdp
from analyzers.balance import Turns
from analyzers.closed import BareReset, ClosedWithoutWord, MadeBefore, NotTheServers, TookItIn, TooSoon, WentOn
from analyzers.inband import Forgotten, LostInside, StillThere
from analyzers.maker import ResetMaker
from analyzers.model import Cause, seen
from analyzers.path import Translated
from analyzers.receipts import OptionAccepted, RefusedBefore, SynNotReceived, SynReceived
from analyzers.reset import AcceptedToo, SynReset
from analyzers.servers import SeveralMachines
from analyzers.shapes import DamagedAnswered, InvalidNearer, SignedAnswered
from analyzers.silence import AnswersElsewhere, ListenerFull, Unanswered
from analyzers.spread import FlowsDiffer
from analyzers.stalled import IcmpDuring, NoAlgorithms, SmallerPassed, Stalled
from analyzers.trigger import AckRefused, WordsReset

# Routes are not for one port: what a route keeps from one it keeps from all of the address, on the same way.
ALIVE = (
    seen(AnswersPing, farther=False, alike=True),
    seen(RefusesUdp, alike=True),
    seen(AnswersElsewhere, alike=True),
)
HAS_IT = (seen(StillThere, spoke=False, half=False, everywhere=True, steady=True),)
HAS_IT_NOT = (seen(Forgotten, sure=True), seen(StillThere, spoke=True))

CAUSES = (
    Cause(
        "reset.target.closed-port", "nothing listens on this port of the target", "server-host",
        requires=(seen(SynReset),),
        supports=tuple(seen(ResetMaker, made_by="stack", stands=where) for where in ("same", "unknown", "nearer", "beside")),
        excludes=(
            seen(AcceptedToo), seen(SeveralMachines), seen(FlowsDiffer, alternates=True), seen(ResetMaker, stands="relay"),
            seen(Translated, before_end=True), seen(DamagedAnswered), seen(InvalidNearer), seen(SignedAnswered),
            seen(RefusedBefore, OptionAccepted),
        ),
        source="RFC 9293 section 3.10.7.1; measured on Linux",
    ),
    Cause(
        "silence.target.host.down", "the target host is off, or no host has this address", "server-host",
        requires=(seen(Unanswered),),
        excludes=(seen(AnswersPing, farther=False), seen(RefusesUdp), seen(AnswersElsewhere), seen(Turns, alternates=True)),
        source="measured: a router that reports nothing leaves only the SYNs",
    ),
    Cause(
        "silence.target.listener.queue-full", "the listener's accept queue is full, so the host drops new SYNs",
        "server-host", requires=(seen(Unanswered),), supports=(seen(ListenerFull), seen(SynReceived, ignored=False, answered=True)),
        excludes=(seen(SynNotReceived),), source="measured with a stopped sshd; Linux net/ipv4/tcp_input.c",
    ),
    Cause(
        "mute.target.service.frozen", "the service accepted through its kernel but does not run", "server-host",
        requires=(seen(NeverSpoke),), supports=HAS_IT, excludes=(*HAS_IT_NOT, seen(TookLeave)),
        source="measured: sshd stopped by SIGSTOP with room in its queue",
    ),
    Cause(
        "mute.target.service.not-ssh", "a service that waits for the client to speak another protocol", "server-host",
        requires=(seen(NeverSpoke),), supports=HAS_IT, excludes=HAS_IT_NOT, source="measured with a silent listener",
    ),
    Cause(
        "stalled.target.service.frozen", "the server has greeted and does not go on", "server-host",
        requires=(seen(NoAlgorithms, lost=False),), excludes=(seen(NoAlgorithms, lost=True), seen(StillThere, spoke=True)),
        source="measured with a server that stops behind its greeting",
    ),
    Cause(
        "stalled.target.host.died", "the target went away in the middle of the connection", "server-host",
        requires=(seen(Stalled),), excludes=(seen(IcmpDuring, by_target=True), seen(SmallerPassed), seen(StillThere)),
        source="unverified",
    ),
    Cause(
        "closed.target.service.closed", "the service itself closed without a word", "server-host",
        requires=(seen(ClosedWithoutWord),), excludes=(seen(WentOn), seen(TooSoon), seen(MadeBefore)), source="RFC 9293: any program may",
    ),
    Cause(
        "closed.target.filter.rule-inserted", "a packet filter on the target host reset an established connection", "server-host",
        requires=(seen(BareReset),), supports=(seen(BareReset, marks="zero"), seen(AckRefused)),
        excludes=(seen(TooSoon), seen(ClosedFrom), seen(WordsReset), seen(MadeBefore)),
        source="measured: a tcp-reset rule put in place during a session",
    ),
    Cause(
        "closed.target.host.exhausted", "the host is out of processes, files or memory and cannot serve what it accepted", "server-host",
        requires=(seen(ClosedWithoutWord, pace="at-once"),), excludes=(seen(NotTheServers), seen(TookItIn)),
        source="unverified: OpenSSH sshd.c logs fork: and accept: errors",
    ),
    Cause(
        "closed.target.host.no-connection", "the host that answers now knows no such connection: restarted, or another machine",
        "server-host", requires=(seen(BareReset),), supports=(seen(BareReset, marks="copied"),),
        excludes=(seen(WentOn), seen(MadeBefore)), source="RFC 9293 section 3.10.7.1; Linux copies the DSCP, measured",
    ),
    Cause(
        "silence.target.host.no-return-route", "the target host gets the packets and has no route back to the client", "server-host",
        requires=(seen(Unanswered),), excludes=(*ALIVE, seen(FlowsDiffer, alternates=True)),
        source="measured: no route, or a blackhole route, on the server",
    ),
    Cause(
        "silence.target.host.rp-filter", "the target host drops the packets because its own route back leads elsewhere",
        "server-host", requires=(seen(Unanswered),), excludes=(*ALIVE, seen(FlowsDiffer, alternates=True)),
        source="measured: strict rp_filter",
    ),
    *(
        Cause(
            f"wrong-service.target.{protocol}", f"{name} answers on this port, not SSH", "unknown",
            requires=(seen(SpokeOtherProtocol, protocol=protocol),), proof=(seen(SpokeOtherProtocol, protocol=protocol),),
            source="the server's own first bytes",
        )
        for protocol, name in (
            ("http", "a web server"), ("tls", "a TLS service"), ("smtp", "a mail server (SMTP)"), ("ftp", "an FTP server"),
            ("pop3", "a POP3 server"), ("imap", "an IMAP server"), ("telnet", "a telnet server"), ("vnc", "a VNC server"),
            ("amqp", "an AMQP broker"), ("redis", "a Redis server"), ("mysql", "a MySQL server"), ("rsync", "an rsync daemon"),
        )
    ),
    Cause(
        "wrong-service.target.tarpit", "a tarpit holds the client with slow lines that never become an SSH greeting", "server-host",
        requires=(seen(SpokeOtherProtocol, protocol="text", open=True),), supports=(seen(SlowLines),),
        source="endlessh's manual; RFC 4253 section 4.2 allows the lines",
    ),
    Cause(
        "mute.target.listener.queue-full", "the listener's accept queue is full, so the connection waits half made", "server-host",
        requires=(seen(NeverSpoke), seen(SynAckAgain)), supports=(seen(SynAckAgain, often=True),),
        excludes=(seen(LostInside, nearer=True), seen(TookLeave)),
        source="measured with a stopped sshd: SYN-ACK again after 1, 3 and 7 s",
    ),
    Cause(
        "mute.target.service.tarpit", "a tarpit accepts and keeps its window shut, so that the client waits", "server-host",
        requires=(seen(NeverSpoke), seen(WindowShut)), supports=(seen(WindowShut),),
        source="unverified: the TARPIT target of xtables-addons",
    ),
    Cause(
        "wrong-service.target.other.text", "a service that greets in plain text, but not as SSH, answers on this port",
        "server-host", requires=(seen(SpokeOtherProtocol, protocol="text"),), source="the server's own first bytes",
    ),
    Cause(
        "wrong-service.target.other.binary", "a service that speaks an unknown binary protocol answers on this port",
        "server-host", requires=(seen(SpokeOtherProtocol, protocol="binary"),), source="the server's own first bytes",
    ),
)  # fmt: skip
