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
    """Sshd that is stopped while four connections wait for it; there is room for a fifth (its backlog and one)."""
    lab.sysctl("srv", "net.core.somaxconn=4")
    lab.sshd(22).send_signal(signal.SIGSTOP)
    lab.start("cli", *lab.helper("burst", SERVER, "22", "4", "100"), ready="ready")
    time.sleep(0.5)


def fill_the_queue(lab: Lab) -> None:
    """A step: three more connections at the same moment, which stay."""
    lab.start("cli", *lab.helper("burst", SERVER, "22", "3", "100"), ready="ready")
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
        "had opened four connections before the recording began, and then asked for three more at the same moment: the "
        "server's kernel answered these SYNs, took one connection into the queue and ignored the ACKs of the other two, "
        "so it repeated their SYN-ACKs. It dropped every SYN after that, so ssh, four times, got no answer. No packet "
        "filter was involved.",
        truth=Truth("silent", "silence.target.listener.queue-full", "server-host", 3),
        prepare=frozen_listener,
        steps=(fill_the_queue, *(Try(TIMED_OUT, options=("ConnectTimeout=3",)),) * 4),
        shows={
            f"{SYN_22} && frame.time_relative < 0.4": 3,
            f"{SYN_22} && frame.time_relative > 0.4": range(12, 18),
            f"{SYNACK_22} && frame.time_relative < 0.4": 3,
            f"{SYNACK_22} && frame.time_relative > 0.9": range(4, 12),
            "tcp.flags.reset == 1 || tcp.flags.fin == 1 || icmp": 0,
        },
    ),
)
