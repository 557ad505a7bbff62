"""The SYN is answered with a RST: by the target, by a filter, by a machine behind a forward."""

from __future__ import annotations

from tests.lab_recordings.lab import POOL, ROUTER1, ROUTER2, SERVER, SERVER6, SERVICE, Lab
from tests.lab_recordings.sample import (
    ACCEPTED,
    CLOSED_23,
    REFUSED,
    RESET_TO_SYN,
    SMALL_CLIENT,
    SMALL_SSHD,
    SYN_22,
    SYNACK_22,
    WORKS,
    WORKS6,
    Sample,
    Truth,
    Try,
    closed,
    filtered,
    icmp_error,
    logged_in,
    other_port,
    run,
)

ONE_OF_POOL = Try(address=SERVICE, options=SMALL_CLIENT)


def pool(lab: Lab, *keys: str) -> None:
    """Three machines behind one address, in turn; no sshd on the second. The others may have keys of their own."""
    for number, address in enumerate(POOL, 21):
        lab.add_server(f"be{number}", address, number)
    for node, name in zip(("be21", "be23"), keys or ("", ""), strict=True):
        lab.sshd(22, node=node, extra=SMALL_SSHD, **({"key": lab.host_key(name)} if name else {}))
    lab.forward(*POOL)


def backends_with_own_keys(lab: Lab) -> None:
    """As the pool, and each sshd has a host key of its own."""
    pool(lab, "key_one", "key_three")


def port_forward_closed(lab: Lab) -> None:
    """The gateway has the public address and an sshd; the machine that port 22 goes to has none."""
    lab.add_server("be21", POOL[0], 21)
    lab.ip("r2", "addr", "add", f"{SERVICE}/32", "dev", "lo")
    lab.sshd(2222, node="r2")
    lab.forward(POOL[0])


def forged_then_accepted(lab: Lab) -> None:
    """A box beside the first router resets what asks for port 22, and lets it pass."""
    lab.sshd(22, 2222)
    lab.start("r1", *lab.helper("inject", "lan", "22", "syn"), ready="ready")


SAMPLES = (
    Sample(
        name="closed-port",
        title="ssh said 'Connection refused' at once, while another port of the same machine worked.",
        story="No program listened on port 22 of the server, so its kernel answered the SYN with a RST. "
        "No packet filter was involved. Sshd ran on port 2222 of the same machine and was used "
        "right afterwards.",
        truth=Truth("refused-rst", "reset.target.closed-port", "server-host", 3),
        prepare=other_port,
        steps=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0x10": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="forged-reset",
        title="ssh said 'Connection refused' at once, though sshd was running on that port.",
        story="A rule in the FORWARD chain of the first router rejected port 22 with a TCP reset in the "
        "server's name. The server, two hops further on, ran sshd on ports 22 and 2222 and never "
        "saw the SYN to port 22. Port 2222 passed the router and worked.",
        truth=Truth("refused-rst", "reset.network.firewall", "firewall", 1),
        prepare=filtered("r1", "forward", "reject with tcp reset"),
        steps=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 64 && ip.dsfield == 0": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="forged-reset-v6",
        title="ssh to an IPv6 address said 'Connection refused' at once, though sshd was running there.",
        story="A rule in the FORWARD chain of the first router rejected port 22 with a TCP reset in the "
        "server's name. The server, two hops further on, ran sshd on ports 22 and 2222 and never "
        "saw the SYN to port 22. Port 2222 passed the router and worked. All of it over IPv6.",
        truth=Truth("refused-rst", "reset.network.firewall", "firewall", 1, f"{SERVER6} 22"),
        prepare=filtered("r1", "forward", "reject with tcp reset"),
        steps=(Try(REFUSED, address=SERVER6), WORKS6),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ipv6.hlim == 64 && ipv6.flow == 0 && ipv6.tclass == 0": 1,
            **logged_in(2222, "ipv6.hlim"),
        },
    ),
    Sample(
        name="host-reject",
        title="ssh said 'Connection refused' at once, though sshd was running on that port.",
        story="The server's own packet filter (INPUT) rejected port 22 with a TCP reset. Sshd listened "
        "on ports 22 and 2222 of that machine, and port 2222, which the filter left alone, worked.",
        truth=Truth("refused-rst", "reset.target.filter", "server-host", 3),
        prepare=filtered("srv", "input", "reject with tcp reset"),
        steps=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="mixed-backends",
        title="ssh to one address worked or said 'Connection refused', every third time.",
        story="The second router translates 198.51.100.80 port 22 to three machines on the network "
        "behind it, in turn. Nothing listened on port 22 of the second machine, 203.0.113.22, "
        "whose kernel answered with a RST; the other two ran sshd. The user tried nine times. Both "
        "ends were limited to one algorithm of each kind and no login key, to keep the recording "
        "small.",
        truth=Truth("refused-rst", "reset.backend.closed-port", "backend", 3, f"{SERVICE} 22"),
        prepare=pool,
        steps=(ONE_OF_POOL, Try(REFUSED, address=SERVICE), ONE_OF_POOL) * 3,
        shows={
            SYN_22: 9,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0x10": 3,
            ACCEPTED.format("ip.ttl", 22): 6,
            "tcp.flags.fin == 1": 12,
        },
    ),
    Sample(
        name="host-reject-control",
        title="ssh said 'Connection refused' on ports 22 and 23 alike; port 2222 worked.",
        story="The server's own packet filter (INPUT) rejected port 22 with a TCP reset, though sshd listened there. "
        "Nothing listened on port 23, which no rule named, and the kernel answered with a RST of its own. Sshd on "
        "port 2222 worked.",
        truth=Truth("refused-rst", "reset.target.filter", "server-host", 3),
        prepare=filtered("srv", "input", "reject with tcp reset"),
        steps=(Try(REFUSED), CLOSED_23, WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0": 1,
            f"{RESET_TO_SYN.format(23)} && ip.ttl == 62 && ip.dsfield == 0x10": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="host-reject-control-v6",
        title="ssh to an IPv6 address said 'Connection refused' on ports 22 and 23 alike; port 2222 worked.",
        story="The server's own packet filter (INPUT) rejected port 22 with a TCP reset, though sshd listened there. "
        "Nothing listened on port 23, which no rule named, and the kernel answered with a RST of its own. Sshd on "
        "port 2222 worked. All of it over IPv6.",
        truth=Truth("refused-rst", "reset.target.filter", "server-host", 3, f"{SERVER6} 22"),
        prepare=filtered("srv", "input", "reject with tcp reset"),
        steps=(Try(REFUSED, address=SERVER6), Try(REFUSED, 23, SERVER6), WORKS6),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ipv6.hlim == 62 && ipv6.flow == 0 && ipv6.tclass == 0": 1,
            f"{RESET_TO_SYN.format(23)} && ipv6.hlim == 62 && ipv6.flow != 0 && ipv6.tclass == 0x10": 1,
            **logged_in(2222, "ipv6.hlim"),
        },
    ),
    Sample(
        name="forged-reset-control",
        title="ssh said 'Connection refused' on ports 22 and 23 alike; port 2222 of the same machine worked.",
        story="A rule in the FORWARD chain of the second router, the last one before the server, rejected port 22 with "
        "a TCP reset in the server's name; sshd was listening there. Nothing listened on port 23, and the server's own "
        "kernel answered with a RST. Sshd on port 2222 worked. The user tried port 22 three times.",
        truth=Truth("refused-rst", "reset.network.firewall", "firewall", 2),
        prepare=filtered("r2", "forward", "reject with tcp reset"),
        steps=(Try(REFUSED), Try(REFUSED), Try(REFUSED), CLOSED_23, WORKS),
        shows={
            SYN_22: 3,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 63 && ip.dsfield == 0": 3,
            f"{RESET_TO_SYN.format(23)} && ip.ttl == 62 && ip.dsfield == 0x10": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="forged-then-accepted",
        title="ssh said 'Connection refused' at once, though sshd was running and port 2222 worked.",
        story="A box beside the first router saw copies of the client's packets and answered each SYN to port 22 with a "
        "reset in the server's name, with a TTL of its own. The SYN travelled on, so the server's SYN-ACK arrived a few "
        "milliseconds after the reset. Port 2222 was left alone.",
        truth=Truth("half-open-reset-by-server", "reset.network.firewall", "firewall", 1),
        prepare=forged_then_accepted,
        steps=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 64 && ip.dsfield == 0": 1,
            f"{SYNACK_22} && ip.ttl == 62 && frame.number > 2": 1,
            "tcp.dstport == 22 && tcp.flags.reset == 1": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="port-forward-closed",
        title="ssh to a gateway said 'Connection refused' on ports 22 and 23; port 2222 worked.",
        story="The second router owns the public address 198.51.100.80. It forwards port 22 to an inside machine, "
        "203.0.113.21, where nothing listens: that machine's kernel sent the RST. Port 23 is not forwarded and closed "
        "on the router itself, which also runs sshd on port 2222. The user tried port 22 three times.",
        truth=Truth("refused-rst", "reset.backend.closed-port", "backend", 3, f"{SERVICE} 22"),
        prepare=port_forward_closed,
        steps=(*[Try(REFUSED, address=SERVICE)] * 3, Try(REFUSED, 23, SERVICE), Try(port=2222, address=SERVICE)),
        shows={
            SYN_22: 3,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0x10": 3,
            f"{RESET_TO_SYN.format(23)} && ip.ttl == 63 && ip.dsfield == 0x10": 1,
            "tcp.flags.syn == 1 && tcp.flags.ack == 1 && ip.ttl == 63 && tcp.srcport == 2222": 1,
            **closed(2222),
        },
    ),
    Sample(
        name="backends-with-own-keys",
        title="ssh to one address worked or said 'Connection refused', every third time, and the host key kept changing.",
        story="The second router translates 198.51.100.80 port 22 to three machines on the network behind it, in turn. "
        "Nothing listened on port 22 of the second machine, 203.0.113.22, whose kernel answered with a RST; the other "
        "two ran sshd, each with a host key of its own. The user tried nine times. Both ends were limited to one "
        "algorithm of each kind and no login key, to keep the recording small.",
        truth=Truth("refused-rst", "reset.backend.closed-port", "backend", 3, f"{SERVICE} 22"),
        prepare=backends_with_own_keys,
        steps=(ONE_OF_POOL, Try(REFUSED, address=SERVICE), ONE_OF_POOL) * 3,
        shows={
            SYN_22: 9,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0x10": 3,
            ACCEPTED.format("ip.ttl", 22): 6,
            "ssh.message_code == 31": 6,
            "tcp.flags.fin == 1": 12,
        },
    ),
    Sample(
        name="traceroute-to-refused-port",
        title="ssh said 'Connection refused', and a TCP traceroute that the server itself refused, at hop 3.",
        story="A rule in the FORWARD chain of the second router rejected port 22 with a TCP reset in the server's name; the "
        "server ran sshd on that port. After ssh the user sent SYNs with TTL 1 to 5, from rising source ports. The "
        "routers answered TTL 1 and 2 with time-exceeded; from TTL 3 on the second router's reset came back, which is "
        "where the server's own would begin.",
        truth=Truth("refused-rst", "reset.network.firewall", "firewall", 2),
        prepare=filtered("r2", "forward", "reject with tcp reset"),
        steps=(
            Try(REFUSED),
            run("sweep", SERVER, "22", "5"),
        ),
        shows={
            SYN_22: 6,
            **{f"{SYN_22} && ip.ttl == {ttl}": 1 for ttl in range(1, 6)},
            icmp_error(11, 0, ROUTER1, ttl=64, quoted_ttl=1): 1,
            icmp_error(11, 0, ROUTER2, ttl=63, quoted_ttl=1): 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 63 && ip.dsfield == 0": 4,
        },
    ),
)
