"""Signs of life of an address whose port keeps silent: pings, UDP, other ports; and traceroutes by ping."""

from pathlib import Path

import pytest

from analyzers.model import Strength, Verdict
from tests.judge import LATER, said, verdict

SILENT = "+0 > client-port 50001 S 9 ttl 64\n+1 > client-port 50001 S 9 ttl 64\n"
VANISHES = "".join(
    f"+.01 > client-port 50020 S {1000 * ttl} ttl {ttl}\n"
    + (
        f"+.01 < client-port 50020 icmp TIME from 203.0.113.{ttl} ttl {65 - ttl} quotes S {1000 * ttl} quoted-ttl 1\n"
        if ttl < 3
        else ""
    )
    for ttl in range(1, 7)
)
PINGED = "+.1 > ping 7/64 ttl 64\n+.01 < ping 7/64 ttl 61\n"
BY_ROUTES = ("silence.target.host.down", "silence.target.host.no-return-route", "silence.network.router.no-route")


def sweep(ident: int, answers: dict[int, str]) -> str:
    """Pings with the given TTLs of one flow; an answer is `hop N` for a time-exceeded of router N, or `reply`."""
    script = ""
    for ttl, answer in answers.items():
        script += f"+.01 > ping {ident}/{ttl} ttl {ttl}\n"
        if answer.startswith("hop"):
            hop = int(answer[4:])
            script += f"+.01 < icmp TIME from 203.0.113.{hop} ttl {65 - hop} quotes ping {ident}/{ttl} quoted-ttl 1\n"
        elif answer:
            script += f"+.01 < ping {ident}/{ttl} ttl 61\n"
    return script


FAR = sweep(7, {1: "hop 1", 2: "hop 2", 3: "hop 3", 4: "reply", 5: "reply"})
FLOWS = "".join(f"+.01 > client-port {50030 + flow} port 9 S {flow} ttl 3\n" for flow in range(5))


def found(folder: Path, script: str, v6: bool = False) -> Verdict:
    script = script.replace("TIME", "3/0" if v6 else "11/0").replace("REFUSED", "1/4" if v6 else "3/3")
    if v6:
        script = script.replace("203.0.113.", "2001:db8:f::").replace("198.51.100.1", "2001:db8:1::1")
    return verdict(folder, script + LATER.format(9), v6)


def ruled_out(said_of: Verdict) -> set[str]:
    return {other.cause for other in said_of.alternatives if other.strength is Strength.RULED_OUT}


@pytest.mark.parametrize("v6", [False, True])
def test_a_host_that_answers_pings_is_up_and_has_ways_back(tmp_path: Path, v6: bool) -> None:
    silent = found(tmp_path, SILENT + PINGED, v6)
    assert silent.cause == "silence"
    assert "3 routers away" in said(silent)
    assert ruled_out(silent) >= set(BY_ROUTES)
    assert not ruled_out(found(tmp_path, SILENT, v6)) & set(BY_ROUTES)


@pytest.mark.parametrize("v6", [False, True])
def test_so_has_one_that_refuses_udp(tmp_path: Path, v6: bool) -> None:
    refused = found(tmp_path, SILENT + "+.1 < icmp REFUSED from 198.51.100.1 ttl 61 quotes udp quoted-ttl 60\n", v6)
    assert "had passed 4 routers" in said(refused)
    assert ruled_out(refused) >= set(BY_ROUTES)


def test_an_error_of_somebody_else_about_udp_is_no_sign(tmp_path: Path) -> None:
    other = found(tmp_path, SILENT + "+.1 < icmp REFUSED from 203.0.113.3 ttl 62 quotes udp quoted-ttl 60\n")
    assert "UDP" not in said(other)


def test_pings_without_an_answer_say_nothing_of_the_host(tmp_path: Path) -> None:
    silent = found(tmp_path, SILENT + "+.1 > ping 7/1 ttl 64\n+1 > ping 7/2 ttl 64\n")
    assert "2 pings" in said(silent)
    assert "silence.target.host.down" not in ruled_out(silent)
    assert (
        "pings"
        not in said(found(tmp_path, SILENT + "+.1 > ping 7/1 ttl 64\n+.1 < ping 7/1 ttl 61\n")).split("answers pings")[
            1
        ]
    )


def test_a_reply_to_another_host_or_of_long_ago_is_nobodys(tmp_path: Path) -> None:
    assert "answers pings" not in said(found(tmp_path, SILENT + "+.1 < ping 7/64 ttl 61\n"))
    late = SILENT + "+.1 > ping 7/64 ttl 64\n+30 < ping 7/64 ttl 61\n"
    assert "answers pings" not in said(found(tmp_path, late))


@pytest.mark.parametrize("v6", [False, True])
def test_where_no_port_answers_pings_tell_that_the_syns_vanish_before_the_host(tmp_path: Path, v6: bool) -> None:
    control = VANISHES.replace("50020", "50021 port 9")
    silent = found(tmp_path, SILENT + VANISHES + control + FAR + FLOWS, v6)
    assert (silent.cause, silent.strength.word) == ("silence.network.firewall.drop", "indicated")
    assert (silent.place.hop_min, silent.place.hop_max) == (2, 3)
    assert "but pings go farther; the address is at hop 4" in said(silent)


def test_of_too_few_flows_that_is_not_believed(tmp_path: Path) -> None:
    few = found(tmp_path, SILENT + VANISHES + FAR)
    assert (few.cause, few.place.hop_min, few.place.hop_max) == ("silence", 2, None)
    assert few.place.or_back  # TCP's answers may be what is lost


def test_another_clients_answer_says_nothing_of_the_way_back_to_this_one(tmp_path: Path) -> None:
    """The same client's does: what routes keep from one port they keep from all."""
    answer = "+.1 > port 443 client-port 7 S 5\n+.01 < port 443 client-port 7 S. 9 ack 6 ttl 61\n"
    assert ruled_out(found(tmp_path, SILENT + answer)) >= set(BY_ROUTES)
    long_ago = answer + "+70 " + SILENT.removeprefix("+0 ")
    assert ruled_out(found(tmp_path, long_ago)) & set(BY_ROUTES) == {"silence.target.host.down"}


REFUSED = "".join(
    f"+1 > client-port {port} S 9 tos 0x10\n+.02 < client-port {port} R. 0 ack 10 ttl 63 tos 0 win 0\n"
    for port in (50001, 50002, 50003)
)


@pytest.mark.parametrize("v6", [False, True])
def test_that_a_reset_is_from_nearer_than_the_address_answers_pings_is_said(tmp_path: Path, v6: bool) -> None:
    near = found(tmp_path, REFUSED + PINGED, v6)
    assert near.cause == "reset"  # pings may come back another way: they prove nothing
    assert "but the answer to a ping or to UDP with TTL 61: as if made 2 hops nearer" in said(near)
    assert found(tmp_path, REFUSED, v6).cause == "reset"


@pytest.mark.parametrize("ttl", [63, 64])
def test_a_reset_from_as_far_or_farther_says_nothing_of_a_device_before_the_host(tmp_path: Path, ttl: int) -> None:
    assert found(tmp_path, REFUSED + PINGED.replace("ttl 61", f"ttl {ttl}")).cause == "reset"


def test_the_hop_of_a_traceroute_by_ping_that_is_as_far_back_is_named_but_is_no_place(tmp_path: Path) -> None:
    near = found(tmp_path, REFUSED + FAR)
    assert "as what 203.0.113.2, hop 2 of a traceroute by ping or UDP, reports: perhaps made there" in said(near)
    assert (near.cause, near.place.hop, near.place.address) == ("reset", None, None)
    assert "perhaps" not in said(found(tmp_path, REFUSED.replace("ttl 63", "ttl 61") + FAR))  # as far as the address


BY_UDP = "".join(
    f"+.1 > client-port {50 + ttl} port {33433 + ttl} udp ttl {ttl}\n"
    + (
        f"+.01 < client-port {50 + ttl} port {33433 + ttl} icmp TIME from 203.0.113.{ttl} ttl {65 - ttl} quotes udp quoted-ttl 1\n"
        if ttl < 4
        else f"+.01 < client-port {50 + ttl} port {33433 + ttl} icmp REFUSED from 198.51.100.1 ttl 61 quotes udp quoted-ttl {ttl - 3}\n"
    )
    for ttl in range(1, 6)
)


@pytest.mark.parametrize("v6", [False, True])
def test_a_traceroute_by_udp_tells_as_much(tmp_path: Path, v6: bool) -> None:
    near = found(tmp_path, REFUSED + BY_UDP, v6)
    assert "hop 2 of a traceroute by ping or UDP, reports" in said(near)
    control = VANISHES.replace("50020", "50021 port 9")
    silent = found(tmp_path, SILENT + VANISHES + control + FLOWS + BY_UDP, v6)
    assert (silent.cause, silent.place.hop_min, silent.place.hop_max) == ("silence.network.firewall.drop", 2, 3)


def test_pings_that_are_answered_nearer_than_syns_get_are_no_sign_of_life(tmp_path: Path) -> None:
    """A device on the way answers them in the address's name."""
    near = sweep(7, {1: "hop 1", 2: "reply", 3: "reply"})
    silent = found(tmp_path, SILENT + VANISHES + near)
    assert "but SYNs get farther: perhaps by something else" in said(silent)
    assert "silence.target.host.down" not in ruled_out(silent)
    assert "the address is at hop" not in said(silent)
