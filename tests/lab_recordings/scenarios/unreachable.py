"""The SYN is answered with an ICMP error."""

from __future__ import annotations

from tests.lab_recordings.lab import CLIENT, CLIENT2, NOBODY, ROUTER2, SERVER, SERVER6, Lab
from tests.lab_recordings.sample import (
    NO_ROUTE,
    REFUSED,
    RESET_TO_SYN,
    SMALL_CLIENT,
    SMALL_SSHD,
    SYN_22,
    SYNACK_22,
    Sample,
    Truth,
    Try,
    filtered,
    healthy,
    icmp_error,
    run,
)

KNOWN = Try(options=SMALL_CLIENT)
STRANGER = Try("Permission denied", options=("User=guest", *SMALL_CLIENT))
BANNED = Try(REFUSED, options=SMALL_CLIENT)
ELSEWHERE = Try(options=(f"BindAddress={CLIENT2}", *SMALL_CLIENT))


def no_route(lab: Lab) -> None:
    """The link from r2 to the server's network is down, and the route went with it."""
    lab.sshd(22)
    lab.ip("r2", "link", "set", "lan", "down")


def routing_loop(lab: Lab) -> None:
    """Instead of its lost link, r2 uses r1 to reach the server's network; r1 still uses r2."""
    no_route(lab)
    lab.ip("r2", "route", "add", "203.0.113.0/24", "via", "198.51.100.1")


def two_addresses(lab: Lab) -> None:
    """The client has a second address."""
    lab.ip("cli", "addr", "add", f"{CLIENT2}/24", "dev", "eth0")
    lab.sshd(22, extra=SMALL_SSHD)


def ban(lab: Lab) -> None:
    """What fail2ban does with the client's first address."""
    lab.filter("srv", "input", f"ip saddr {CLIENT} tcp dport 22 reject with icmp port-unreachable")


def lift_the_ban(lab: Lab) -> None:
    """The rule is gone."""
    lab.unfilter("srv")


def error_limit(lab: Lab) -> None:
    """r2 rejects port 22, and has the kernel's usual limit on ICMP errors."""
    filtered("r2", "forward", "reject with icmp admin-prohibited")(lab)
    lab.sysctl("r2", "net.ipv4.icmp_ratelimit=1000", "net.ipv4.icmp_ratemask=6168")


SAMPLES = (
    Sample(
        name="port-unreachable",
        title="ssh said 'Connection refused' at once, on the SSH port and on an unused one.",
        story="The server's own packet filter rejected port 22 for this client's address with ICMP "
        "port-unreachable, as fail2ban does when it has banned somebody; sshd itself was running. "
        "Port 2323 of the same machine, where nothing listens and no rule applies, was tried next "
        "and gave a RST.",
        truth=Truth("icmp-unreachable", "unreachable.target.filter.port-unreachable", "server-host", 3),
        prepare=filtered("srv", "input", "reject with icmp port-unreachable", f"ip saddr {CLIENT}"),
        steps=(Try(REFUSED), Try(REFUSED, 2323)),
        shows={
            SYN_22: 1,
            icmp_error(3, 3, SERVER, ttl=62, quoted_ttl=62): 1,
            f"{RESET_TO_SYN.format(2323)} && ip.ttl == 62 && ip.dsfield == 0x10": 1,
        },
    ),
    Sample(
        name="admin-prohibited",
        title="ssh said 'No route to host' at once, though the route was fine.",
        story="A rule in the FORWARD chain of the second router rejected port 22 with ICMP "
        "admin-prohibited, from its own address 198.51.100.2. Sshd was running on the server "
        "behind it.",
        truth=Truth("icmp-unreachable", "unreachable.network.firewall.admin-prohibited", "firewall", 2),
        prepare=filtered("r2", "forward", "reject with icmp admin-prohibited"),
        steps=(Try(NO_ROUTE),),
        shows={
            SYN_22: 1,
            icmp_error(3, 13, ROUTER2, ttl=63, quoted_ttl=62): 1,
        },
    ),
    Sample(
        name="admin-prohibited-v6",
        title="ssh to an IPv6 address said 'Permission denied' before it had even connected.",
        story="A rule in the FORWARD chain of the second router rejected port 22 with ICMPv6 "
        "admin-prohibited, from its own address 2001:db8:12::2. Sshd was running on the server "
        "behind it.",
        truth=Truth(
            "icmp-unreachable",
            "unreachable.network.firewall.admin-prohibited",
            "firewall",
            2,
            f"{SERVER6} 22",
        ),
        prepare=filtered("r2", "forward", "reject with icmpv6 admin-prohibited"),
        steps=(Try("Permission denied", address=SERVER6),),
        shows={
            SYN_22: 1,
            "icmpv6.type == 1 && icmpv6.code == 1 && ipv6.src#1 == 2001:db8:12::2 && ipv6.hlim#1 == 63": 1,
        },
    ),
    Sample(
        name="no-route",
        title="ssh said 'Network is unreachable' at once.",
        story="The second router had lost its link to the server's network and the route with it, and "
        "had no default route. It answered the SYN with ICMP net-unreachable from its own address "
        "198.51.100.2.",
        truth=Truth("icmp-unreachable", "unreachable.network.router.net-unreachable", "router", 2),
        prepare=no_route,
        steps=(Try("Network is unreachable"),),
        shows={
            SYN_22: 1,
            icmp_error(3, 0, ROUTER2, ttl=63, quoted_ttl=63): 1,
        },
    ),
    Sample(
        name="dead-host",
        title="ssh said 'No route to host' after about three seconds.",
        story="No machine has the address 203.0.113.99. The second router, which is connected to that "
        "network, asked for it by ARP for about three seconds and then answered the waiting SYNs "
        "with ICMP host-unreachable.",
        truth=Truth(
            "icmp-unreachable",
            "unreachable.network.router.host-unreachable",
            "router",
            2,
            server=f"{NOBODY} 22",
        ),
        prepare=healthy,
        steps=(Try(NO_ROUTE, address=NOBODY),),
        shows={
            SYN_22: range(3, 5),
            icmp_error(3, 1, ROUTER2, ttl=63, quoted_ttl=62): range(1, 5),
            "icmp && frame.time_relative < 2.9": 0,
        },
    ),
    Sample(
        name="routing-loop",
        title="ssh said 'No route to host' within a second.",
        story="The two routers pointed the server's network at each other: the second one had lost its "
        "link to it and sent the packets back to the first. The SYN went to and fro until its TTL "
        "was used up, and the second router reported that with ICMP time-exceeded.",
        truth=Truth("icmp-ttl-exceeded", "unreachable.network.router.ttl-exceeded", "router", 2),
        prepare=routing_loop,
        steps=(Try(NO_ROUTE),),
        shows={
            SYN_22: 1,
            icmp_error(11, 0, ROUTER2, ttl=63, quoted_ttl=1): 1,
        },
    ),
    Sample(
        name="banned-after-failures",
        title="ssh worked, said 'Permission denied' twice, then 'Connection refused', and later worked again.",
        story="The user logged in once and then tried an account that does not exist, twice. After that the server's "
        "packet filter rejected port 22 for this address with ICMP port-unreachable, the rule that fail2ban sets, and "
        "three tries were refused. From another address of the same client ssh still worked. Then the ban was lifted "
        "and ssh worked from the first address again.",
        truth=Truth("icmp-unreachable", "unreachable.target.filter.port-unreachable", "server-host", 3),
        prepare=two_addresses,
        steps=(KNOWN, STRANGER, STRANGER, ban, BANNED, BANNED, BANNED, ELSEWHERE, lift_the_ban, KNOWN),
        shows={
            SYN_22: 8,
            SYNACK_22: 5,
            f"{SYNACK_22} && ip.dst == {CLIENT2}": 1,
            icmp_error(3, 3, SERVER, ttl=62, quoted_ttl=62): 3,
        },
    ),
    Sample(
        name="error-limit",
        title="Of twelve connections at the same moment, half said 'No route to host' and half waited longer.",
        story="A rule in the FORWARD chain of the second router rejected port 22 with ICMP admin-prohibited, and that "
        "router's kernel limits its errors as Linux does by default: six at once for each peer, then one a second. The "
        "client sent twelve SYNs within a few milliseconds and gave up after four seconds. Every SYN was "
        "rejected; not every one was told so.",
        truth=Truth("icmp-unreachable", "unreachable.network.firewall.admin-prohibited", "firewall", 2),
        prepare=error_limit,
        steps=(run("burst", SERVER, "22", "12", "4"),),
        shows={
            f"{SYN_22} && frame.time_relative < 0.1": 12,
            SYN_22: range(20, 40),
            icmp_error(3, 13, ROUTER2, ttl=63, quoted_ttl=62): range(6, 12),
            "tcp.srcport == 22 && !icmp": 0,
        },
    ),
)
