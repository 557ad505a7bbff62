"""The SYN is not answered."""

from __future__ import annotations

import signal
import time

from tests.lab_recordings.lab import SERVER, SERVER6, Lab
from tests.lab_recordings.sample import (
    SYN_22,
    SYNACK_22,
    TIMED_OUT,
    WORKS,
    WORKS6,
    Sample,
    Truth,
    Try,
    filtered,
    logged_in,
)


def frozen_listener(lab: Lab) -> None:
    """Sshd that may keep five connections waiting (one more than its backlog), and then is stopped."""
    lab.sysctl("srv", "net.core.somaxconn=4")
    sshd = lab.sshd(22)
    sshd.send_signal(signal.SIGSTOP)


def fill_the_queue(lab: Lab) -> None:
    """A step: three connections, and a little later four at the same moment. All stay."""
    for count in ("3", "4"):
        lab.start("cli", *lab.helper("burst", SERVER, "22", count, "100"), ready="ready")
        time.sleep(0.5)


SAMPLES = (
    Sample(
        name="silent-drop",
        title="ssh said 'Connection timed out', while another port of the same machine worked.",
        story="A rule in the FORWARD chain of the second router dropped everything to port 22 without a "
        "word. Sshd ran on ports 22 and 2222 of the server behind it; port 2222 passed and worked.",
        truth=Truth("silent", "silence.network.firewall.drop", "firewall", 2),
        prepare=filtered("r2", "forward", "drop"),
        steps=(Try(TIMED_OUT), WORKS),
        shows={SYN_22: range(4, 9), "tcp.srcport == 22": 0, "icmp": 0, **logged_in(2222)},
    ),
    Sample(
        name="silent-drop-v6",
        title="ssh to an IPv6 address said 'Connection timed out', while another port of it worked.",
        story="A rule in the FORWARD chain of the second router dropped everything to port 22 without a "
        "word. Sshd ran on ports 22 and 2222 of the server behind it; port 2222 passed and worked. "
        "All of it over IPv6.",
        truth=Truth("silent", "silence.network.firewall.drop", "firewall", 2, f"{SERVER6} 22"),
        prepare=filtered("r2", "forward", "drop"),
        steps=(Try(TIMED_OUT, address=SERVER6), WORKS6),
        shows={SYN_22: range(4, 9), "tcp.srcport == 22": 0, "icmpv6": 0, **logged_in(2222, "ipv6.hlim")},
    ),
    Sample(
        name="queue-full",
        title="ssh said 'Connection timed out', again and again; some connections before that were accepted.",
        story="Sshd was stopped (SIGSTOP), and its queue of waiting connections holds five. Another program on the client "
        "had opened three connections, and then asked for four more at the same moment: the server's kernel answered "
        "all four SYNs, took two connections into the queue and ignored the ACKs of the other two, so it repeated "
        "their SYN-ACKs. It dropped every SYN after that, so ssh got no answer. No packet filter was involved.",
        truth=Truth("silent", "silence.target.listener.queue-full", "server-host", 3),
        prepare=frozen_listener,
        steps=(
            fill_the_queue,
            Try(TIMED_OUT, options=("ConnectTimeout=4",)),
            Try(TIMED_OUT, options=("ConnectTimeout=4",)),
        ),
        shows={
            f"{SYN_22} && frame.time_relative < 0.9": 7,
            f"{SYN_22} && frame.time_relative > 0.9": range(8, 12),
            f"{SYNACK_22} && frame.time_relative < 0.9": 7,
            f"{SYNACK_22} && frame.time_relative > 1.4": range(4, 12),
            "tcp.flags.reset == 1 || tcp.flags.fin == 1 || icmp": 0,
        },
    ),
)
