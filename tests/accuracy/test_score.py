"""What counts as right: a router at hop 3 that forges resets, and answers about it."""

import pytest

from netprobe.lab import Scenario, load
from tests.accuracy.compare import compare
from tests.accuracy.score import Answer, score

CAUSE = "reset.network.firewall"
FIREWALL = "198.51.100.10"  # its address that faces the client


@pytest.fixture
def forged() -> Scenario:
    return load("router-reset", family=4, before=2, behind=1)


@pytest.mark.parametrize(
    ("low", "high", "address", "place"),
    [
        (3, 3, "", "exact"),
        (3, 3, FIREWALL, "exact"),
        (3, 3, "203.0.113.10", "WRONG"),  # the right hop, but the server's address
        (2, 3, "", "within"),
        (2, 3, FIREWALL, "named"),
        (2, 3, "203.0.113.10", "WRONG"),
        (4, 5, FIREWALL, "WRONG"),
        (3, 4, "", "within"),
        (2, 4, "", "wide"),
        (2, None, "", "wide"),
        (None, 3, "", "wide"),
        (4, 5, "", "WRONG"),
        (4, None, "", "WRONG"),
        (None, 2, "", "WRONG"),
        (None, None, "", "none"),
        (None, None, FIREWALL, "named"),
        (None, None, "203.0.113.10", "WRONG"),
    ],
)
def test_place(forged: Scenario, low: int | None, high: int | None, address: str, place: str) -> None:
    assert score(Answer("refused-rst", CAUSE, low, high, address), forged).place == place


def test_another_kind_of_device_is_a_wrong_place(forged: Scenario) -> None:
    assert score(Answer("refused-rst", CAUSE, 3, 3, actor="nat"), forged).place == "WRONG"
    assert score(Answer("refused-rst", CAUSE, 3, 3, actor="unknown"), forged).place == "exact"


@pytest.mark.parametrize(
    ("said", "cause", "depth"),
    [
        (CAUSE, "exact", 1.0),
        ("reset.network", "prefix", 2 / 3),
        ("reset.net", "WRONG", 0.0),
        ("reset.network.nat.no-mapping", "WRONG", 0.0),
        ("reset.network.firewall.more", "WRONG", 0.0),
        ("healthy.ssh", "WRONG", 0.0),
        ("", "none", 0.0),
    ],
)
def test_cause(forged: Scenario, said: str, cause: str, depth: float) -> None:
    found = score(Answer("refused-rst", said), forged)
    assert (found.cause, found.depth) == (cause, depth)


def test_outcome(forged: Scenario) -> None:
    assert score(Answer("silent"), forged).outcome == "wrong"
    assert score(Answer(""), forged).outcome == "none"
    assert score(Answer("reset", coarse=True), forged).outcome == "right"
    assert score(Answer("open", coarse=True), forged).outcome == "wrong"


def test_what_works_by_turns_may_have_worked() -> None:
    balancer = load("balancer")
    assert score(Answer("closed-normally", "healthy.ssh", 2, 2), balancer).cause == "chance"
    assert score(Answer("silent", "healthy.ssh"), load("host-drop")).cause == "WRONG"
    assert score(Answer("silent", "silence"), load("loss")).cause == "prefix"


def test_a_tool_that_sees_the_handshake_only_is_not_asked_what_came_after_it() -> None:
    wrapped = load("tcp-wrappers")
    open_port = score(Answer("open", "healthy.ssh", 3, 3, "203.0.113.10", coarse=True), wrapped)
    assert (open_port.outcome, open_port.place, open_port.cause) == ("right", "none", "none")
    assert score(Answer("open", "wrong-service", coarse=True), wrapped).cause == "WRONG"
    assert score(Answer("closed-normally", "healthy.ssh"), load("silent-service")).cause == "WRONG"


def test_a_host_behind_an_address_is_known_by_it() -> None:
    assert (
        score(Answer("refused-rst", "reset", 5, 5, load("nat-closed-inside").target), load("nat-closed-inside")).place
        == "exact"
    )


def test_what_two_runs_differ_in() -> None:
    def run(cause: str, place: str) -> list[dict[str, object]]:
        depth = len(cause.split(".")) / 3
        scores = {"outcome": "right", "cause": "exact" if cause == CAUSE else "prefix", "place": place, "depth": depth}
        return [
            {
                "id": "x",
                "tools": {"netprobe": {"outcome": "", "cause": cause, "hop_min": 3, "hop_max": 3, "score": scores}},
            }
        ]

    old, new = run("reset", "none"), run(CAUSE, "exact")
    assert list(compare(old, new))[-1] == "1 better, 0 worse, 0 both; 0 answers in one run only"
    assert list(compare(new, old))[-1] == "0 better, 1 worse, 0 both; 0 answers in one run only"
    assert next(compare(run("reset", "exact"), run(CAUSE, "WRONG"))).startswith("mixed")
    assert len(list(compare(new, new))) == 1
