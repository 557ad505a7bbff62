"""The connection stops in the middle, without an end."""

from __future__ import annotations

import time

from tests.lab_recordings.lab import CLIENT, SERVER, Lab, RecordError
from tests.lab_recordings.sample import ACCEPTED, Sample, Truth, Try, healthy, icmp_error


def black_hole(lab: Lab) -> None:
    """r2 drops what is larger than 1400 bytes and does not say so, as a tunnel with a broken ICMP filter does."""
    lab.sshd(22)
    lab.filter("r2", "forward", "meta length > 1400 drop")


def ban_during_session(lab: Lab) -> None:
    """A step: log in, and be banned a moment later."""
    options = ("ServerAliveInterval=1", "ServerAliveCountMax=6")
    ssh = lab.start("cli", *lab.ssh_command(SERVER, 22, *options, remote="echo in; sleep 60"), ready="in")
    time.sleep(1.5)
    lab.filter("srv", "input", f"ip saddr {CLIENT} tcp dport 22 reject with icmp admin-prohibited")
    said = ssh.communicate(timeout=20)[0]
    if "Timeout, server" not in said:
        raise RecordError(f"ssh did not lose its server: {said}")


SAMPLES = (
    Sample(
        name="pmtu-black-hole",
        title="ssh connected, exchanged version lines, and then hung until it said 'timed out'.",
        story="The second router dropped every packet of more than 1400 bytes and sent no ICMP error, like a tunnel whose "
        "'fragmentation needed' messages are filtered. The handshake and the version lines are smaller and passed, as "
        "did the server's list of algorithms. The first part of the client's own list is larger: it was repeated "
        "without an acknowledgement until ssh gave up after eight seconds. Its FIN waits behind that data.",
        truth=Truth("established", "stalled.network.path.mtu", "router", 2),
        prepare=black_hole,
        steps=(Try("timed out", options=("ServerAliveInterval=8", "ServerAliveCountMax=1")),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'tcp.payload contains "SSH-2.0-"': 2,
            "tcp.dstport == 22 && ip.len > 1400": range(6, 10),
            "tcp.srcport == 22 && ip.len > 1400": 0,
            "icmp || tcp.flags.fin == 1 || tcp.flags.reset == 1": 0,
        },
    ),
    Sample(
        name="ban-during-session",
        title="A working ssh session froze and ended after some seconds with 'Timeout, server not responding'.",
        story="The user was logged in and the session idle but for ssh's keep-alive messages. Then a rule that rejects "
        "this client with ICMP admin-prohibited was put into the server's own packet filter (INPUT). For such an error "
        "the client's kernel does not give up an open connection: it repeated its segment until ssh gave up, after six "
        "seconds without an answer.",
        truth=Truth("established", "stalled.target.filter.rule-inserted", "server-host", 3),
        prepare=healthy,
        steps=(ban_during_session,),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            icmp_error(3, 13, SERVER, ttl=62, quoted_ttl=62): range(4, 20),
            "tcp.flags.fin == 1 || tcp.flags.reset == 1": 0,
        },
    ),
)
