"""Flows that differ in their source port: routers 203.0.113.1, .2 and .3, then what answers at hop 4."""

from pathlib import Path

import pytest

from analyzers.attempts.hops import enough
from tests.analyzers.test_path import CLOSED, CONNECTIONS, CONTROL, ROUTERS, sweep
from tests.judge import by, said, verdict

OPEN = "S. ttl 61 tos 0 win 65160"
FAR_CLOSED = "R. ttl 125 tos 0x48 win 0"
REFUSED = CONNECTIONS.format(back=61, tos=0x48)
HUNG = (
    "".join(f"+.1 > client-port {port} S 9 ttl 64\n" for port in (50001, 50002))
    + "+9 > client-port 999 port 9 . 1 ack 1\n"
)
FIRST = 51_000


def flows(*answers: str, again: tuple[str, ...] = (), twice: int = 99) -> str:
    """One flow for each answer, and `twice` of them asked again, with the same answer unless `again` says another."""
    later = [*again, *answers[len(again) :]][:twice]
    asked = "".join(sweep(22, FIRST + number, {30: answer}) for number, answer in enumerate(answers))
    return asked + "".join(sweep(22, FIRST + number, {29: answer}) for number, answer in enumerate(later))


def ways(refused: dict[int, str], accepted: dict[int, str], at: int) -> str:
    """The sweep of a flow that is refused, and of the flow `at` that place among those of `flows`."""
    return sweep(22, 50_020, refused) + sweep(22, FIRST + at, accepted)


MIXED = (CLOSED, OPEN, OPEN, CLOSED, OPEN, CLOSED, CLOSED, OPEN, OPEN, OPEN, CLOSED)
LOST = ("", OPEN, OPEN, "", OPEN, OPEN, "", OPEN, OPEN, OPEN, OPEN)
CAME = by(50_003, "+.1 > S 3000\n+.02 < S. 7000 ack 3001 ttl 61\n+.01 > . 3001 ack 7001\n")
NEXT = "".join(sweep(9, 50_011 + flow, {3: "hop 3"}) for flow in range(6))  # hop 3 is not the target's yet
WAY_IN = ways({**ROUTERS, 4: CLOSED, 5: CLOSED}, {**ROUTERS, 4: OPEN}, at=1)


@pytest.mark.parametrize(("kinds", "flows"), [(1, 6), (2, 11), (3, 16), (4, 21), (5, 27), (6, 33)])
def test_the_stopping_rule(kinds: int, flows: int) -> None:
    assert enough(kinds) == flows


def test_flows_alike_are_said_with_what_that_does_not_show(tmp_path: Path) -> None:
    found = verdict(tmp_path, REFUSED + WAY_IN + CONTROL + flows(*[CLOSED] * 6, twice=0))
    assert "6 flows, each from a source port of its own, are all refused by a RST with TTL 61" in said(found)
    assert "by source address alone would not show" in said(found)
    few = verdict(tmp_path, REFUSED + WAY_IN + CONTROL + flows(*[CLOSED] * 5, twice=0))
    assert "source port of its own" not in said(few)


def test_flows_are_no_attempts(tmp_path: Path) -> None:
    assert "(3 of 3 attempts)" in said(verdict(tmp_path, REFUSED + WAY_IN + CONTROL + flows(*MIXED)))


def test_one_of_several_machines_refuses_what_other_flows_get(tmp_path: Path) -> None:
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*MIXED) + WAY_IN)
    assert (found.cause, found.strength.word) == ("reset.backend.closed-port", "indicated")
    words = said(found)
    assert "5 of 11 flows are refused by a RST with TTL 61; 6 of 11 flows are accepted with TTL 61" in words
    assert "its source port decides (other kinds would have shown with 95 %" in words
    assert "met the same last router" in words
    out = {alternative.cause for alternative in found.alternatives if alternative.strength.word == "ruled-out"}
    assert {"reset.target.closed-port", "reset.network.nat.no-mapping"} <= out


def test_a_filter_that_refuses_some_flows_may_be_anybodys(tmp_path: Path) -> None:
    """The host's, that of one machine of several, or a device's in the cable before it: nothing is said of one alone."""
    filtered = CLOSED.replace("0x48", "0")
    answers = tuple(filtered if answer == CLOSED else answer for answer in MIXED)
    way = ways({**ROUTERS, 4: filtered, 5: filtered}, {**ROUTERS, 4: OPEN}, at=1)
    found = verdict(tmp_path, CONNECTIONS.format(back=61, tos=0) + CONTROL + flows(*answers) + way)
    assert found.cause == "reset"
    assert "but only for some flows" in said(found)


def test_machines_are_told_by_their_ttl(tmp_path: Path) -> None:
    answers = tuple(FAR_CLOSED if answer == CLOSED else answer for answer in MIXED)
    refused = CONNECTIONS.format(back=125, tos=0x48)
    found = verdict(tmp_path, refused + CONTROL + flows(*answers))
    assert "5 of 11 flows are refused by a RST with TTL 125; 6 of 11 flows are accepted with TTL 61" in said(found)


def test_what_changes_for_the_same_flow_is_not_dealt_by_ports(tmp_path: Path) -> None:
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*MIXED, again=(OPEN, CLOSED)) + WAY_IN)
    assert found.cause == "reset"
    assert "not the source port decides, but turn, time or chance" in said(found)


def test_a_listener_that_came_up_meanwhile_is_no_second_machine(tmp_path: Path) -> None:
    later = (OPEN,) * 11
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*[CLOSED] * 5, *[OPEN] * 6, again=later) + WAY_IN)
    standing = {alternative.cause for alternative in found.alternatives if alternative.strength.word != "ruled-out"}
    assert "reset.target.closed-port" in {*standing, found.cause}


def test_machines_that_take_turns(tmp_path: Path) -> None:
    turns = (CLOSED, OPEN, OPEN) * 4
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*turns, again=(OPEN, CLOSED)) + WAY_IN)
    assert (found.cause, found.strength.word) == ("reset.backend.closed-port", "indicated")
    assert "in strict turn every 3 flows the same comes again" in said(found)


def test_the_ways_of_refused_flows_part_from_the_others(tmp_path: Path) -> None:
    other = {1: "hop 1", 2: "hop 22", 3: "hop 33", 4: OPEN}
    branches = "".join(sweep(22, FIRST + n, {2: "hop 2" if MIXED[n] == CLOSED else "hop 22"}) for n in (0, 2, 3))
    refused = REFUSED + CONTROL + flows(*MIXED) + ways({**ROUTERS, 4: CLOSED, 5: CLOSED}, other, at=1) + branches
    found = verdict(tmp_path, refused)
    assert "part by hop 2: 3 refused flows met 203.0.113.2 there, 2 accepted ones 203.0.113.22" in said(found)
    assert not found.cause.startswith("reset.backend"), "a device on one way may stand for the target"
    crossed = verdict(tmp_path, refused + sweep(22, FIRST + 4, {2: "hop 2"}))
    assert "part by hop" not in said(crossed), "a flow that is accepted came this way as well"


def test_ways_that_meet_again_before_the_refusal_do_not_explain_it(tmp_path: Path) -> None:
    other = {1: "hop 1", 2: "hop 22", 3: "hop 3", 4: OPEN}
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*MIXED) + ways({**ROUTERS, 4: CLOSED, 5: CLOSED}, other, at=1))
    assert "met the same last router" in said(found)
    assert (found.cause, found.strength.word) == ("reset.backend.closed-port", "indicated")


def test_a_router_behind_the_refusal_is_another_way(tmp_path: Path) -> None:
    """A device that refuses before it forwards shows no hop of its own: what forwards the others stands beside it."""
    found = verdict(
        tmp_path, REFUSED + CONTROL + flows(*MIXED) + ways({**ROUTERS, 4: CLOSED}, {**ROUTERS, 4: "hop 44"}, at=1)
    )
    assert "met the same last router" not in said(found)
    assert not found.cause.startswith("reset.backend")


def test_a_syn_that_is_accepted_and_refused_makes_no_second_machine(tmp_path: Path) -> None:
    torn = (
        f"+.01 > client-port 51099 S 30000 ttl 30\n+.01 < client-port 51099 {CLOSED.replace('R.', 'R. 0 ack 30001')}\n"
    )
    torn += f"+.01 < client-port 51099 {OPEN.replace('S.', 'S. 7 ack 30001')}\n"
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*MIXED) + torn + WAY_IN)
    assert not found.cause.startswith("reset.backend")


def test_flows_that_hang_where_others_come_through(tmp_path: Path) -> None:
    lost = sweep(22, 50_020, {**ROUTERS, 4: "", 5: ""}) + sweep(22, FIRST + 1, {**ROUTERS, 4: OPEN})
    found = verdict(tmp_path, CAME + flows(*LOST) + lost + HUNG)
    assert (
        "3 of 11 flows are not answered; 8 of 11 flows are accepted with TTL 61; asked again each fares the same"
        in said(found)
    )
    out = {alternative.cause for alternative in found.alternatives if alternative.strength.word == "ruled-out"}
    assert {"silence.target.host.no-return-route", "silence.target.host.rp-filter"} <= out
    assert "met the same last router" in said(found)
    lossy = verdict(tmp_path, CAME + flows(*LOST, again=(OPEN,)) + lost + HUNG)
    assert "2 of 11 flows are not answered" in said(lossy), "a lost SYN is no kind of its own"


def test_a_drop_on_one_way_is_told_from_a_way_without_route(tmp_path: Path) -> None:
    """Other ports that pass tell of a rule for this one only where they come over the router behind which its flows are lost, and
    its flows that come through do not."""
    lost = sweep(22, 50_020, {1: "hop 1", 2: "hop 2", 3: "", 4: ""})
    other = sweep(22, FIRST + 1, {1: "hop 1", 2: "hop 22", 3: "hop 33", 4: OPEN})
    control = sweep(9, 50_010, {1: "hop 1", 2: "hop 2", 3: "hop 3", 4: CLOSED})
    dropped = verdict(tmp_path, CAME + flows(*LOST) + lost + other + control + NEXT + HUNG)
    assert (dropped.cause, dropped.strength.word) == ("silence.network.firewall.drop", "indicated")
    assert "SYNs to port 9 are answered, over the same router" in said(dropped)
    elsewhere = control.replace("203.0.113.2 ", "203.0.113.22 ")
    assert verdict(tmp_path, CAME + flows(*LOST) + lost + other + elsewhere + NEXT + HUNG).cause == "silence"
    splits = sweep(22, 50_020, {1: "hop 1", 2: "", 3: "", 4: ""})
    assert verdict(tmp_path, CAME + flows(*LOST) + splits + other + control + NEXT + HUNG).cause == "silence"


def test_by_chance_is_no_place_where_no_flow_is_refused(tmp_path: Path) -> None:
    """Connections are refused, a swept SYN too, of the flows none: what share of them turn or chance refuses is not known."""
    found = verdict(tmp_path, REFUSED + CONTROL + flows(*(OPEN,) * 11, again=(CLOSED,)) + WAY_IN)
    assert "by turn or chance, and there" not in said(found)


WELL = "".join(
    by(port, "+.1 > S 3000\n+.02 < S. 7000 ack 3001 ttl 61\n+.01 > . 3001 ack 7001\n") for port in (50_003, 50_004)
)


def test_where_connections_go_well_and_other_flows_fail_these_are_attempts(tmp_path: Path) -> None:
    found = verdict(tmp_path, WELL + CONTROL + flows(*MIXED) + WAY_IN)
    assert (found.cause, found.outcome) == ("reset.backend.closed-port", "refused-rst")
    assert found.summary.startswith("5 of 13 attempts: ")
    assert (
        "all 2 connections went well; of the SYNs that were sent beside them, each from a source port of its own, 5 did not"
        in said(found)
    )
    assert "strict rotation" not in said(found)


@pytest.mark.parametrize(
    "answers",
    [
        (OPEN,) * 3,
        (OPEN,) * 8 + (CLOSED,) * 3,  # a guard against so many
        (OPEN,) * 7 + ("",) * 2 + (OPEN,) * 2,  # lost by chance: asked again they are answered
    ],
)
def test_flows_beside_connections_that_prove_nothing_count_for_none(answers: tuple[str, ...], tmp_path: Path) -> None:
    again = tuple(answer or OPEN for answer in answers)
    found = verdict(tmp_path, WELL + flows(*answers, again=again, twice=len(answers) if "" in answers else 0))
    assert (found.cause, found.outcome) == ("healthy.accepted", "established")
    assert "2 of 2 attempts" in said(found)
