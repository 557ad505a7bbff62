"""How today's tools are read: their output in the lab, as nmap 7.93, traceroute 2.1.2, tcptraceroute 1.5beta7 and mtr 0.95 gave it."""

import json

import pytest

from tests.accuracy.readings import mtr, nmap_syn, nmap_traceroute, nmap_version, traceroute

TARGET, OWN, ROUTER, FIREWALL = "203.0.113.10", "192.0.2.10", "198.51.100.6", "198.51.100.10"
HEAD = "Nmap scan report for 203.0.113.10\nHost is up, received user-set (0.000096s latency).\n\n"
CLOSED = "reset.target.closed-port"
FORBIDDEN = """\
Nmap scan report for 203.0.113.10
Host is up, received user-set.

PORT   STATE    SERVICE REASON
22/tcp filtered ssh     no-response

sendto in send_ip_packet_sd: sendto(3, packet, 44, 0, 203.0.113.10, 16) => Operation not permitted
"""
NO_ROUTE = (
    "setup_target: failed to determine route to 203.0.113.10\nWARNING: No targets were specified, so 0 hosts scanned.\n"
)
NOBODY = "Nmap done: 1 IP address (0 hosts up) scanned in 1.47 seconds\n"


@pytest.mark.parametrize(
    ("row", "outcome", "cause", "address"),
    [
        ("22/tcp closed ssh     reset ttl 62", "reset", CLOSED, ""),
        ("22/tcp open  ssh     syn-ack ttl 62", "open", "", ""),
        ("22/tcp filtered ssh     no-response", "silent", "silence", ""),
        ("22/tcp filtered ssh     admin-prohibited from 198.51.100.10 ttl 62", "icmp", "unreachable.network", FIREWALL),
        ("22/tcp filtered ssh     admin-prohibited ttl 62", "icmp", "unreachable", TARGET),
        ("22/tcp filtered ssh     port-unreach ttl 62", "icmp", "unreachable", TARGET),
        (
            "22/tcp filtered ssh     time-exceeded from 198.51.100.10 ttl 62",
            "icmp", "unreachable.network.router.ttl-exceeded", FIREWALL,
        ),
    ],
)  # fmt: skip
def test_nmap_says_the_reason(row: str, outcome: str, cause: str, address: str) -> None:
    said = nmap_syn(f"{HEAD}PORT   STATE  SERVICE REASON\n{row}\n\nNmap done: 1 IP address (1 host up) scanned\n")
    assert (said.outcome, said.cause, said.hop_min, said.address) == (outcome, cause, None, address)


def test_nmap_says_what_this_host_refused() -> None:
    assert (nmap_syn(FORBIDDEN).outcome, nmap_syn(FORBIDDEN).cause, nmap_syn(FORBIDDEN).hop_max) == ("not-sent", "", 0)
    assert (nmap_version(NO_ROUTE).cause, nmap_version(NO_ROUTE).hop_min) == ("unreachable.origin.route", 0)
    assert (nmap_traceroute(NOBODY).outcome, nmap_traceroute(NOBODY).cause) == ("not-sent", "unreachable")


@pytest.mark.parametrize(
    ("row", "outcome", "cause"),
    [
        ("22/tcp closed ssh", "reset", CLOSED),
        ("22/tcp filtered ssh", "", ""),
        ("22/tcp open  ssh     OpenSSH 9.2p1 Debian 2+deb12u10 (protocol 2.0)", "open", "healthy.ssh"),
        ("22/tcp open  tcpwrapped", "open", "closed"),
        ("22/tcp open  ssh?", "open", ""),
        ("22/tcp open  http    nginx 1.22.1", "open", "wrong-service"),
    ],
)
def test_nmap_says_what_listens(row: str, outcome: str, cause: str) -> None:
    said = nmap_version(f"{HEAD}PORT   STATE  SERVICE VERSION\n{row}\n\nService detection performed.\n")
    assert (said.outcome, said.cause) == (outcome, cause)


def test_the_trace_of_nmap_counts_where_it_was_made_with_the_port() -> None:
    rows = "HOP RTT     ADDRESS\n1   0.02 ms 192.0.2.1\n2   ... 3\n4   0.01 ms 203.0.113.10\n"
    with_port = nmap_traceroute(
        f"{HEAD}PORT   STATE  SERVICE\n22/tcp closed ssh\n\nTRACEROUTE (using port 22/tcp)\n{rows}"
    )
    with_icmp = nmap_traceroute(
        f"{HEAD}PORT   STATE    SERVICE\n22/tcp filtered ssh\n\nTRACEROUTE (using proto 1/icmp)\n{rows}"
    )
    assert (with_port.outcome, with_port.cause, with_port.hop_min, with_port.address) == ("reset", CLOSED, 4, TARGET)
    assert (with_icmp.outcome, with_icmp.hop_min) == ("", None)


TRACES = [
    (  # a forged reset: the third hop made it
        " 1  192.0.2.1  0.033 ms\n 2  198.51.100.6  0.013 ms\n 3  198.51.100.10  0.014 ms\n 4  203.0.113.10 <rst,ack>  0.012 ms\n",
        "reset", "reset", (4, 4), TARGET,
    ),
    (" 1  192.0.2.1  0.061 ms\n 2  *\n 3  203.0.113.10 [closed]  0.054 ms\n", "reset", "reset", (3, 3), TARGET),
    (" 1  192.0.2.1  0.041 ms\n 2  203.0.113.10 <syn,ack>  0.026 ms\n", "open", "", (2, 2), TARGET),
    (" 1  192.0.2.1  0.041 ms\n 2  203.0.113.10 [open]  0.091 ms\n", "open", "", (2, 2), TARGET),
    (
        " 1  192.0.2.1  0.032 ms\n 2  198.51.100.10  0.014 ms\n 3  198.51.100.10  0.012 ms !X\n",
        "icmp", "unreachable.network", (2, 2), FIREWALL,
    ),
    (" 1  192.0.2.1  0.032 ms\n 2  *\n 3  198.51.100.10  0.012 ms !A\n", "icmp", "unreachable.network", (None, None), FIREWALL),
    (  # port-unreachable of a router, which traceroute does not mark
        " 1  192.0.2.1  0.031 ms\n 2  198.51.100.10  0.013 ms\n 3  198.51.100.10  0.012 ms\n",
        "icmp", "unreachable.network", (2, 2), FIREWALL,
    ),
    (" 1  192.0.2.1  0.087 ms\n 2  203.0.113.10  0.103 ms !A\n", "icmp", "unreachable", (2, 2), TARGET),
    (  # a NAT box whose inside is gone
        " 1  192.0.2.1  0.087 ms\n 2  203.0.113.10  0.103 ms\n 3  203.0.113.10  3070.314 ms !H\n",
        "icmp", "unreachable", (2, 2), TARGET,
    ),
    (" 1  192.0.2.1  0.041 ms\n 2  203.0.113.10  0.022 ms\n", "", "", (2, 2), TARGET),  # it answered, and how is not shown
    (" 1  192.0.2.1  0.041 ms\n 2  198.51.100.6  0.018 ms\n 3  *\n 4  *\n", "silent", "silence", (2, 3), ""),
    (" 1  *\n 2  *\n", "silent", "silence", (None, None), ""),
    (" 1  192.0.2.10  3077.410 ms !H\n", "not-sent", "unreachable.origin", (0, 0), ""),
    ("traceroute to 203.0.113.10 (203.0.113.10), 30 hops max\nsend: Operation not permitted\n", "not-sent", "", (0, 0), ""),
    ("\nconnect: Network is unreachable\n", "not-sent", "unreachable.origin.route", (0, 0), ""),
    ("Bad destination address: 2001:db8:2::10\n", "", "", (None, None), ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "outcome", "cause", "hops", "address"), TRACES)
def test_a_traceroute(text: str, outcome: str, cause: str, hops: tuple[int | None, int | None], address: str) -> None:
    said = traceroute(text, TARGET, OWN)
    assert (said.outcome, said.cause, (said.hop_min, said.hop_max), said.address) == (outcome, cause, hops, address)
    assert said.coarse


def test_a_loop_lies_at_its_two_routers() -> None:
    text = "".join(f"{hop:2}  {(FIREWALL, ROUTER)[hop % 2]}  0.3 ms\n" for hop in range(2, 17))
    said = traceroute(f" 1  192.0.2.1  0.409 ms\n{text}", TARGET, OWN)
    assert (said.outcome, said.hop_min, said.hop_max, said.address) == ("icmp", 2, 3, "")


@pytest.mark.parametrize(
    ("hosts", "outcome", "hops"),
    [
        (("192.0.2.1", ROUTER, TARGET), "", (3, 3)),
        (("192.0.2.1", ROUTER, FIREWALL, FIREWALL), "icmp", (3, 3)),
        (("192.0.2.1", ROUTER, "???"), "silent", (2, 3)),
        ((OWN,), "not-sent", (0, 0)),
        ((), "", (None, None)),
    ],
)
def test_mtr_does_not_show_how_a_hop_answered(
    hosts: tuple[str, ...], outcome: str, hops: tuple[int | None, int | None]
) -> None:
    hubs = [{"count": number, "host": host, "Loss%": 0.0} for number, host in enumerate(hosts, 1)]
    said = mtr(json.dumps({"report": {"mtr": {"dst": TARGET}, "hubs": hubs}}), TARGET, OWN)
    assert (said.outcome, (said.hop_min, said.hop_max)) == (outcome, hops)


def test_mtr_that_could_not_begin() -> None:
    assert mtr("mtr: udp socket connect failed: Network is unreachable\n", TARGET, OWN).outcome == "not-sent"
