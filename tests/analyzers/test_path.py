"""Where the way of a failing port ends, from sweeps with one flow: routers 203.0.113.1, .2 and .3, then the server at hop 4."""

from pathlib import Path

import pytest

from tests.judge import said, verdict

CONNECTIONS = "".join(
    f"+.1 > client-port {port} S 9 ttl 64 tos 0x48\n+.01 < client-port {port} R. 0 ack 10 ttl {{back}} tos {{tos}} win 0\n"
    for port in (50001, 50002, 50003)
)


def sweep(port: int, client_port: int, answers: dict[int, str]) -> str:
    """SYNs with the given TTLs from one port; an answer is `hop N` for a time-exceeded of router N, or flags with their TTL."""
    script = ""
    for ttl, answer in answers.items():
        where, seq = f"client-port {client_port} port {port}", 1000 * ttl
        script += f"+.01 > {where} S {seq} ttl {ttl} tos 0x48\n"
        kind, _, rest = answer.partition(" ")
        if kind == "hop":
            hop = int(rest)
            script += f"+.01 < {where} icmp 11/0 from 203.0.113.{hop} ttl {65 - hop} quotes S {seq} quoted-ttl 1\n"
        elif kind:
            script += f"+.01 < {where} {kind} {'7' if kind == 'S.' else '0'} ack {seq + 1} {rest}\n"
    return script


ROUTERS = {1: "hop 1", 2: "hop 2", 3: "hop 3"}
CLOSED = "R. ttl 61 tos 0x48 win 0"
FILTER = "R. ttl 63 tos 0 win 0"
CONTROL = sweep(9, 50010, {**ROUTERS, 4: CLOSED, 5: CLOSED})
OTHERS = "".join(sweep(9, 50011 + flow, {3: "hop 3"}) for flow in range(5))


def test_a_filter_on_the_second_router_is_proven_when_no_flow_is_answered_as_near(tmp_path: Path) -> None:
    refused = CONNECTIONS.format(back=63, tos=0) + sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: FILTER, 4: FILTER})
    found = verdict(tmp_path, refused + CONTROL + OTHERS)
    assert (found.cause, found.strength.word) == ("reset.network.firewall", "proven")
    assert (found.place.hop, found.place.address) == (2, "203.0.113.2")
    few = verdict(tmp_path, refused + CONTROL)
    assert (few.cause, few.strength.word, few.place.hop) == ("reset.network.firewall", "indicated", 2)


def test_probes_are_no_attempts(tmp_path: Path) -> None:
    script = CONNECTIONS.format(back=63, tos=0) + sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: FILTER, 4: FILTER})
    assert "(3 of 3 attempts)" in said(verdict(tmp_path, script))


def test_a_filter_before_routing_does_not_report_its_own_hop(tmp_path: Path) -> None:
    refused = CONNECTIONS.format(back=63, tos=0) + sweep(22, 50020, {1: "hop 1", 2: FILTER, 3: FILTER})
    found = verdict(tmp_path, refused + CONTROL + "".join(sweep(9, 50011 + flow, {2: "hop 2"}) for flow in range(5)))
    assert (found.cause, found.strength.word) == ("reset.network.firewall", "indicated")
    assert (found.place.hop, found.place.address) == (2, None)  # a device in the cable looks the same


def test_the_hosts_own_filter_stands_where_the_host_does(tmp_path: Path) -> None:
    answer = "R. ttl 61 tos 0 win 0"
    refused = CONNECTIONS.format(back=61, tos=0) + sweep(22, 50020, {**ROUTERS, 4: answer, 5: answer})
    found = verdict(tmp_path, refused + CONTROL)
    assert (found.cause, found.strength.word, found.place.hop) == ("reset", "indicated", 4)
    assert "the target host's own, or that of a device in the cable before it" in found.summary


def test_an_open_port_at_the_same_hop_makes_it_the_hosts_own_closed_port(tmp_path: Path) -> None:
    refused = CONNECTIONS.format(back=61, tos=0x48) + sweep(22, 50020, {**ROUTERS, 4: CLOSED, 5: CLOSED})
    opened = sweep(2222, 50030, {**ROUTERS, 4: "S. ttl 61"})
    assert verdict(tmp_path, refused + CONTROL).cause == "reset"  # it might be a NAT box without a forward
    assert verdict(tmp_path, refused + CONTROL + opened).cause == "reset.target.closed-port"


def test_a_port_that_is_refused_like_another_is_no_control_for_it(tmp_path: Path) -> None:
    """All ports but one are refused by the second router: what they have in common is not the host."""
    ways = {1: "hop 1", 2: "hop 2", 3: FILTER, 4: FILTER}
    refused = CONNECTIONS.format(back=63, tos=0) + sweep(22, 50020, ways) + sweep(9, 50010, ways)
    assert verdict(tmp_path, refused).cause.startswith("reset")
    assert "target" not in verdict(tmp_path, refused + sweep(80, 50040, {**ROUTERS, 4: CLOSED})).cause


@pytest.mark.parametrize(("flows", "place"), [(5, (2, 3)), (0, (2, None))])
def test_silence_is_placed_where_others_pass_and_the_next_hop_is_not_the_target(
    tmp_path: Path, flows: int, place: tuple[int | None, int | None]
) -> None:
    script = "+0 > client-port 50001 S 9 ttl 64\n+1 > client-port 50001 S 9 ttl 64\n"
    script += sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: "", 4: "", 5: ""}) + CONTROL
    script += "".join(sweep(9, 50011 + flow, {3: "hop 3"}) for flow in range(flows))
    found = verdict(tmp_path, script + "+9 > client-port 999 port 9 . 1 ack 1")
    assert (found.place.hop_min, found.place.hop_max) == place
    assert found.cause == ("silence.network.firewall.drop" if flows else "silence")
    assert found.place.or_back == (not flows)
    assert "as far as hop 2" in said(found)


def test_a_loop_is_where_packets_come_back(tmp_path: Path) -> None:
    script = "+0 > client-port 50001 S 9 ttl 64\n"
    script += "+.1 < client-port 50001 icmp 11/0 from 203.0.113.2 ttl 63 quotes S 9 quoted-ttl 1\n"
    found = verdict(tmp_path, script + sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: "hop 3", 4: "hop 2", 5: "hop 3"}))
    assert (found.cause, found.place.hop_min, found.place.hop_max) == ("unreachable.network.router.ttl-exceeded", 2, 3)


def test_a_maker_that_copies_ttls_is_not_placed_by_them(tmp_path: Path) -> None:
    script = "+.1 > client-port 50001 S 9 ttl 64\n+.01 < client-port 50001 R. 0 ack 10 ttl 60 win 0\n"
    script += sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: "", 4: "", 5: "R. ttl 1 win 0", 6: "R. ttl 2 win 0"})
    found = verdict(tmp_path, script)
    assert "copies it, as no TCP stack does" in said(found)
    assert (found.cause, found.place.hop_min, found.place.hop_max) == ("reset.network.firewall", 1, 5)


@pytest.mark.parametrize(("back", "hop"), [(61, 4), (60, None)])
def test_what_speaks_something_else_and_does_not_close_stands_where_syns_are_accepted(
    tmp_path: Path, back: int, hop: int | None
) -> None:
    """Unless its words come over another number of routers than the SYN-ACK."""
    script = "+.1 > client-port 50001 S 9 ttl 64\n+.01 < client-port 50001 S. 7 ack 10 ttl 61\n"
    script += f'+.001 > client-port 50001 . 10 ack 8\n+.1 < client-port 50001 P. 8 ack 10 ttl {back} "HTTP/1.1 400 Bad\\r\\n"\n'
    script += sweep(22, 50020, {**ROUTERS, 4: "S. ttl 61", 5: "S. ttl 61"})
    found = verdict(tmp_path, script)
    assert (found.cause, found.place.hop) == ("wrong-service.target.http", hop)


@pytest.mark.parametrize(
    ("closing", "others", "place"),
    [
        ("R. 8 ack 10 ttl 60", CLOSED.replace("61", "60"), (5, 5)),  # as far back as the host's own answers
        ("R. 8 ack 10 ttl 59", CLOSED.replace("61", "60"), (4, None)),
        ("", "", (4, None)),  # nothing came any more
    ],
)
def test_behind_a_syn_proxy_stands_who_closes(
    tmp_path: Path, closing: str, others: str, place: tuple[int, int | None]
) -> None:
    script = "+.1 > client-port 50001 S 9 ttl 64\n+.01 < client-port 50001 S. 7 ack 10 ttl 62 win 0\n"
    script += "+.001 > client-port 50001 . 10 ack 8\n" + (f"+.1 < client-port 50001 {closing}\n" if closing else "")
    script += sweep(22, 50020, {**ROUTERS, 4: "S. ttl 62 win 0", 5: "S. ttl 62 win 0"})
    script += sweep(9, 50010, {**ROUTERS, 4: "hop 4", 5: others, 6: others})
    found = verdict(tmp_path, script + "+20 > client-port 999 port 9 . 1 ack 1")
    assert (found.place.hop_min, found.place.hop_max) == place
    assert "by a SYN proxy" in said(found)


def test_what_runs_out_at_the_targets_own_box_does_not_run_out_before_the_target(tmp_path: Path) -> None:
    """A NAT box that drops the port itself and passes all others on."""
    script = "+0 > client-port 50001 S 9 ttl 64\n+1 > client-port 50001 S 9 ttl 64\n"
    script += sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: "", 4: "", 5: ""})
    passed = sweep(9, 50010, {1: "hop 1", 2: "hop 2", 3: "hop 3", 4: CLOSED, 5: CLOSED})
    passed += "".join(sweep(9, 50011 + flow, {3: "hop 3"}) for flow in range(5))
    later = "+9 > client-port 999 port 9 . 1 ack 1"
    assert verdict(tmp_path, script + passed + later).cause == "silence.network.firewall.drop"
    assert verdict(tmp_path, script + passed.replace("203.0.113.3", "198.51.100.1") + later).cause == "silence"


@pytest.mark.parametrize(("tries", "low"), [(1, 2), (2, 3)])
def test_what_has_let_a_flow_pass_does_not_refuse_it(tmp_path: Path, tries: int, low: int) -> None:
    """Hop 3 is silent, and the RST comes back over one router only: perhaps another way."""
    refused = CONNECTIONS.format(back=63, tos=0) + sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: ""})
    refused += sweep(22, 50020, {3: ""}) * (tries - 1) + sweep(22, 50020, {4: FILTER, 5: FILTER})
    found = verdict(tmp_path, refused)
    assert (found.place.hop_min, found.place.hop_max) == (low, 4)


@pytest.mark.parametrize(("others", "high"), [(CONTROL.replace("ttl 61", "ttl 60"), 3), ("", 5)])
def test_a_probe_is_refused_no_farther_than_it_can_come(tmp_path: Path, others: str, high: int) -> None:
    """The RST starts with a TTL that makes it look like one of the target's; a box that raises small TTLs would raise them all."""
    near = "R. ttl 60 tos 0 win 0"
    refused = CONNECTIONS.format(back=60, tos=0) + sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: near, 4: near})
    found = verdict(tmp_path, refused + others)
    assert (found.place.hop_min, found.place.hop_max) == (2, high)


@pytest.mark.parametrize(("back", "place"), [(64, (1, 2)), (62, (2, 3))])
def test_a_router_that_gives_another_name_from_as_far_as_before_is_the_same_one(
    tmp_path: Path, back: int, place: tuple[int, int]
) -> None:
    script = "+0 > client-port 50001 S 9 ttl 64\n"
    script += "+.1 < client-port 50001 icmp 11/0 from 203.0.113.2 ttl 63 quotes S 9 quoted-ttl 1\n"
    way = sweep(22, 50020, {1: "hop 1", 2: "hop 2", 3: "hop 3", 4: "hop 2", 5: "hop 3"})
    found = verdict(tmp_path, script + way.replace("203.0.113.3 ttl 62", f"203.0.113.3 ttl {back}"))
    assert (found.place.hop_min, found.place.hop_max) == place
