"""The connection is accepted, and then closed, reset or left without an answer."""

from __future__ import annotations

from tests.lab_recordings.lab import CLIENT, SERVER, Lab, RecordError, call
from tests.lab_recordings.sample import (
    ACCEPTED,
    SMALL_CLIENT,
    SMALL_SSHD,
    SYNACK_22,
    Sample,
    Truth,
    Try,
    closed,
    run,
    with_helper,
)

CLOSED = "Connection closed by"
RESET = "Connection reset by"


def accept_close(lab: Lab) -> None:
    """HAProxy whose only server is disabled.

    With ``defer-accept`` it has read the client's greeting when it closes, so that a FIN ends the connection;
    without, a race decides between FIN and RST.
    """
    lab.haproxy("bind :22 defer-accept", "server one 203.0.113.21:22 disabled")


def proxy_no_server(lab: Lab) -> None:
    """HAProxy whose only server is disabled, which does not wait for the client's first words."""
    lab.haproxy("bind :22", "server one 203.0.113.21:22 disabled")


def proxy_backend_refuses(lab: Lab) -> None:
    """HAProxy whose only server is a closed port of the same machine."""
    lab.haproxy("bind :22", "server one 127.0.0.1:2022")


def tcp_wrappers(lab: Lab) -> None:
    """The client is listed in the server's hosts.deny."""
    if "libwrap" not in call("ldd", "/usr/sbin/sshd"):
        raise RecordError("this sshd does not know hosts.deny")
    (lab.etc / "hosts.deny").write_text(f"sshd: {CLIENT}\n")
    lab.sshd(22)


def max_startups(lab: Lab) -> None:
    """A connection from elsewhere, not logged in, holds the only place."""
    lab.sshd(22, extra="MaxStartups 1:100:1\n")
    lab.start("r2", *lab.helper("hold", SERVER, "22"), ready="ready")


def max_startups_half(lab: Lab) -> None:
    """A connection from elsewhere, not logged in, makes sshd refuse every second one by chance."""
    lab.sshd(22, extra=f"MaxStartups 1:50:10\n{SMALL_SSHD}")
    lab.start("r2", *lab.helper("hold", SERVER, "22"), ready="ready")


def try_anyway(lab: Lab) -> None:
    """A step: ssh, however it ends."""
    lab.ssh(SERVER, extra=SMALL_CLIENT)


def dropbear_limit(lab: Lab) -> None:
    """Dropbear, and five connections of the client that have not logged in."""
    call("dropbearkey", "-t", "ed25519", "-f", str(lab.etc / "dropbear_key"))
    dropbear = ("dropbear", "-F", "-E", "-s", "-p", "22", "-r", "/etc/dropbear_key", "-P", "/run/dropbear.pid")
    lab.room("srv", *dropbear, ports=(22,))
    lab.start("cli", *lab.helper("hold", SERVER, "22", "5"), ready="ready")


def no_common_kex(lab: Lab) -> None:
    """The server knows only an old key exchange method."""
    lab.sshd(22, extra="KexAlgorithms diffie-hellman-group14-sha1\n")


def syn_proxy_closed(lab: Lab) -> None:
    """r1 completes the handshakes for port 22 of a server where nothing listens."""
    lab.sysctl("r1", "net.netfilter.nf_conntrack_tcp_loose=0")
    lab.nft(
        "r1",
        "type filter hook prerouting priority raw; policy accept;",
        "tcp dport 22 tcp flags syn notrack",
        chain="untracked",
    )
    lab.filter(
        "r1",
        "forward",
        "tcp dport 22 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm",
        "ct state invalid drop",
    )


def reset_on_version(lab: Lab) -> None:
    """r1 resets the client when its first words are those of SSH, and keeps them from the server."""
    lab.sshd(22)
    lab.filter("r1", "forward", "tcp dport 22 @ih,0,32 0x5353482d reject with tcp reset")


def reset_on_version_copying(lab: Lab) -> None:
    """A box beside r1 does the same to a copy, with the TTL that the server's packets have there."""
    lab.sshd(22)
    lab.start("r1", *lab.helper("inject", "lan", "22", "version-copying-ttl"), ready="ready")


SAMPLES = (
    Sample(
        name="accept-close",
        title="ssh connected and said 'Connection closed by remote host' at once, without a greeting.",
        story="HAProxy listened on port 22 of the server in TCP mode, and its only backend was disabled. "
        "It took the client's greeting (option defer-accept) and closed the connection without "
        "sending a byte.",
        truth=Truth("closed-normally", "closed.target.proxy.no-backend", "load-balancer", 3),
        prepare=accept_close,
        steps=(Try("kex_exchange_identification: Connection closed by remote host"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "frame.time_relative > 0.1": 0,
            **closed(22),
        },
    ),
    Sample(
        name="tcp-wrappers",
        title="ssh connected, waited five seconds for a greeting and was disconnected.",
        story="The client's address was listed in the server's /etc/hosts.deny, which this sshd (linked "
        "with libwrap) obeys: it accepted the connection, waited 5 seconds and closed it without a "
        "byte.",
        truth=Truth("reset-by-server", "closed.target.sshd.tcp-wrappers", "server-host", 3),
        prepare=tcp_wrappers,
        steps=(Try("kex_exchange_identification: read: Connection reset by peer"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "tcp.srcport == 22 && tcp.flags.reset == 1": 1,
            "tcp.flags.reset == 1 && frame.time_relative > 4.9 && frame.time_relative < 5.3": 1,
        },
    ),
    Sample(
        name="max-startups",
        title="ssh connected and was disconnected at once, before any SSH greeting.",
        story="Sshd was set to allow one connection that has not logged in yet (MaxStartups 1:100:1), "
        "and another machine held that place. Sshd sent the line 'Exceeded MaxStartups' and closed "
        "the connection without having read the client's greeting, hence the RST.",
        truth=Truth("reset-by-server", "closed.target.sshd.max-startups", "server-host", 3),
        prepare=max_startups,
        steps=(Try("kex_exchange_identification"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'tcp.srcport == 22 && frame contains "Exceeded MaxStartups\\r\\n"': 1,
            "tcp.srcport == 22 && tcp.flags.reset == 1": range(1, 4),
            "tcp.dstport == 22 && tcp.flags.reset == 1": 0,
            "frame.time_relative > 0.1": 0,
        },
    ),
    Sample(
        name="no-common-kex",
        title="ssh said 'Unable to negotiate ... no matching key exchange method found'.",
        story="Sshd was set to offer diffie-hellman-group14-sha1 as its only key exchange method, like "
        "an old device. A current ssh client does not use that method any more, so the client "
        "closed the connection after the two lists had been exchanged.",
        truth=Truth("closed-normally", "closed.target.sshd.no-common-algorithm", "server-host", 3),
        prepare=no_common_kex,
        steps=(Try("no matching key exchange method found"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'frame contains "diffie-hellman-group14-sha1"': 1,
            "ssh.message_code == 20": 2,
            "ssh.message_code > 20": 0,
            **closed(22),
        },
    ),
    Sample(
        name="web-server-on-22",
        title="ssh connected and was disconnected; the answer was not an SSH greeting.",
        story="A web server listened on port 22 of the server. It took the client's SSH version line for "
        "a bad HTTP request, answered '400' with an error page and closed the connection.",
        truth=Truth("closed-normally", "wrong-service.target.http", "server-host", 3),
        prepare=with_helper("web"),
        steps=(Try("kex_exchange_identification"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'tcp.srcport == 22 && tcp.payload contains "HTTP/1.0 400"': 1,
            **closed(22),
        },
    ),
    Sample(
        name="silent-service",
        title="ssh connected, then said 'Connection timed out during banner exchange' after eight seconds.",
        story="A program listened on port 22 of the server, accepted the connection and never read or "
        "wrote anything. The client gave up after eight seconds and closed its side.",
        truth=Truth("half-closed-by-client", "mute.target.service.not-ssh", "server-host", 3),
        prepare=with_helper("mute"),
        steps=(Try("Connection timed out during banner exchange"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && (tcp.len > 0 || tcp.flags.fin == 1 || tcp.flags.reset == 1)": 0,
            "tcp.dstport == 22 && tcp.flags.fin == 1 && frame.time_relative > 7.5": 1,
        },
    ),
    Sample(
        name="proxy-no-server",
        title="Connections were accepted and closed at once, whether the client spoke or not.",
        story="HAProxy listened on port 22 of the server in TCP mode, and its only backend was disabled. First a client "
        "that says nothing connected, then ssh, which sends its version line at once. Both were closed without a byte.",
        truth=Truth("closed-normally", "closed.target.proxy.no-backend", "load-balancer", 3),
        prepare=proxy_no_server,
        steps=(run("quiet", SERVER, "22"), Try("Connection closed by remote host")),
        shows={
            ACCEPTED.format("ip.ttl", 22): 2,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "tcp.dstport == 22 && tcp.len > 0": 1,
            "tcp.srcport == 22 && tcp.flags.fin == 1": 2,
            "tcp.dstport == 22 && tcp.flags.fin == 1": 2,
            "tcp.srcport == 22 && tcp.flags.reset == 1": 0,
        },
    ),
    Sample(
        name="proxy-backend-refuses",
        title="ssh connected, waited three seconds without a greeting and was disconnected.",
        story="HAProxy listened on port 22 of the server in TCP mode. Nothing listened where its only backend should be, "
        "so every connection of its own was refused; after three more tries, a second apart, it closed the client's "
        "connection without a byte.",
        truth=Truth("closed-normally", "closed.target.proxy.backend-failed", "load-balancer", 3),
        prepare=proxy_backend_refuses,
        steps=(Try("Connection closed by remote host"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "tcp.srcport == 22 && tcp.flags.fin == 1 && frame.time_relative > 2.9 && frame.time_relative < 3.3": 1,
            **closed(22),
        },
    ),
    Sample(
        name="max-startups-now-and-then",
        title="ssh worked about every second time; otherwise it was disconnected before any greeting.",
        story="Sshd was set to refuse half of the connections while one has not logged in (MaxStartups 1:50:10), and "
        "another machine held such a connection. The user tried eight times. Both ends were limited to one algorithm "
        "of each kind and no login key, to keep the recording small.",
        truth=Truth("reset-by-server", "closed.target.sshd.max-startups", "server-host", 3),
        prepare=max_startups_half,
        steps=(try_anyway,) * 8,
        shows={
            ACCEPTED.format("ip.ttl", 22): 8,
            'tcp.srcport == 22 && frame contains "Exceeded MaxStartups\\r\\n"': range(3, 6),
            "ssh.message_code == 31": range(3, 6),
        },
    ),
    Sample(
        name="dropbear-limit",
        title="ssh connected and was disconnected at once, without a greeting, again and again.",
        story="Dropbear on port 22 of the server keeps at most five connections per address that have not logged in. Five "
        "from this client were open already, since before the recording began, so it closed each new one without a byte.",
        truth=Truth("reset-by-server", "closed.target.dropbear.limit", "server-host", 3),
        prepare=dropbear_limit,
        steps=(Try("kex_exchange_identification"),) * 2,
        shows={
            f"{ACCEPTED.format('ip.ttl', 22)} && ip.dsfield == 0x48": 2,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "frame.time_relative > 0.5": 0,
        },
        needs="dropbear",
    ),
    Sample(
        name="syn-proxy-closed",
        title="ssh connected and said 'Connection reset by peer' at once.",
        story="The first router is a SYN proxy for port 22: it answered the SYN itself, with window 0, and asked the "
        "server only when the client's ACK had come. Nothing listened on port 22 of the server, whose kernel refused "
        "the router's SYN; that RST reached the client as a reset of its open connection.",
        truth=Truth("reset-by-server", "closed.target.proxy.syn-proxy", "server-host", 3),
        prepare=syn_proxy_closed,
        steps=(Try(RESET),),
        shows={
            f"{SYNACK_22} && ip.ttl == 64 && tcp.window_size_value == 0": 1,
            "tcp.srcport == 22 && tcp.flags.reset == 1 && ip.ttl == 62": range(1, 3),
            "tcp.srcport == 22 && tcp.len > 0": 0,
        },
    ),
    Sample(
        name="reset-on-banner",
        title="ssh connected and said 'Connection reset by peer' at once, though sshd was running.",
        story="A rule in the FORWARD chain of the first router rejected the client's SSH version line with a TCP reset "
        "in the server's name, and did not forward it. The handshake had passed, so the server's own version line "
        "arrived a few milliseconds after the reset.",
        truth=Truth("reset-by-server", "closed.network.firewall.injected-reset", "firewall", 1),
        prepare=reset_on_version,
        steps=(Try(RESET),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.flags.reset == 1 && ip.ttl == 64 && ip.dsfield == 0": 1,
            'tcp.srcport == 22 && tcp.payload contains "SSH-2.0-" && ip.ttl == 62 && frame.number > 5': range(1, 3),
            "tcp.dstport == 22 && tcp.flags.reset == 1": range(1, 4),
        },
    ),
    Sample(
        name="reset-on-banner-same-ttl",
        title="ssh connected and said 'Connection reset by peer' at once, though sshd was running.",
        story="A box beside the first router saw copies of the client's packets. When the client's SSH version line came "
        "by, it sent the client a reset in the server's name, with the TTL that the server's own packets have at that "
        "place. The line travelled on; the server's version line arrived a few milliseconds after the reset.",
        truth=Truth("reset-by-server", "closed.network.firewall.injected-reset", "firewall", 1),
        prepare=reset_on_version_copying,
        steps=(Try(RESET),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.flags.reset == 1 && ip.ttl == 62 && ip.dsfield == 0": 1,
            'tcp.srcport == 22 && tcp.payload contains "SSH-2.0-" && ip.ttl == 62 && frame.number > 5': range(1, 3),
            "tcp.srcport == 22 && ip.ttl != 62": 0,
            "tcp.dstport == 22 && tcp.flags.reset == 1": range(1, 4),
        },
    ),
)
