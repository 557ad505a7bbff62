"""ICMP refusals: which errors count, who sent them and where that one stands."""

from pathlib import Path

import pytest

from analyzers.model import Strength
from tests.judge import LATER, by, said, verdict
from tests.sweeps import ran_out, syn

ROUTER = "203.0.113.1"


@pytest.mark.parametrize(
    ("code", "quoted", "back", "cause", "hop"),
    [
        ("3/13", 63, 64, "unreachable.network.firewall.admin-prohibited", 1),  # forwarding when it refused
        ("3/13", 64, 64, "unreachable.network", 1),  # a prohibiting route, or a filter before forwarding
        ("3/1", 64, 64, "unreachable.network.router.host-unreachable", 1),
        ("3/13", 63, 63, "unreachable.network", None),  # hop 1 or 2: whether it had counted the hop is not known
    ],
)
def test_what_the_quoted_ttl_tells(
    tmp_path: Path, code: str, quoted: int, back: int, cause: str, hop: int | None
) -> None:
    script = f"0 > S 1000 ttl 64\n+.02 < icmp {code} from {ROUTER} ttl {back} quotes S 1000 quoted-ttl {quoted}"
    found = verdict(tmp_path, script)
    assert (found.cause, found.place.hop, found.place.address) == (cause, hop, ROUTER)


def test_a_limit_on_errors_is_no_drop(tmp_path: Path) -> None:
    refused = f"+.01 > S 1000\n+.001 < icmp 3/13 from {ROUTER} quotes S 1000 quoted-ttl 63\n"
    script = "".join(by(700 + i, refused) for i in range(3)) + "".join(by(800 + i, "+.01 > S 1000\n") for i in range(9))
    found = verdict(tmp_path, script + LATER.format(10))
    assert found.cause.startswith("unreachable")
    assert "a limit on errors" in said(found)


@pytest.mark.parametrize(("asked_s", "late"), [(3.05, True), (0.02, False)])
def test_syns_that_waited_together_waited_for_a_neighbour(asked_s: float, late: bool, tmp_path: Path) -> None:
    """Errors are limited: one came for each port. A filter answers at once, and may have been silent before."""
    asked, other = f"0 > S 1000\n+{3.07 - asked_s} > port 80 S 7\n+{asked_s} < ", f"icmp 3/1 from {ROUTER} quotes "
    script = f"{asked}{other}S 1000 quoted-ttl 63\n+.001 < port 80 {other}S 7 quoted-ttl 63\n"
    found = verdict(tmp_path, script + LATER.format(2))
    assert found.cause == ("unreachable.network.router.host-unreachable" if late else "unreachable.network")


def test_silence_much_later_is_silence(tmp_path: Path) -> None:
    refused = f"+.01 > S 1000\n+.001 < icmp 3/13 from {ROUTER} quotes S 1000 quoted-ttl 63\n"
    script = by(700, refused) + "".join(by(800 + i, "+10 > S 1000\n") for i in range(9))
    assert verdict(tmp_path, script + LATER.format(10)).cause == "silence"


def test_an_error_that_quotes_another_sequence_number_is_not_obeyed(tmp_path: Path) -> None:
    script = (
        f"0 > S 1000\n+.02 < icmp 3/13 from {ROUTER} quotes S 999000 quoted-ttl 63\n+.01 < R. 0 ack 1001 ttl 60 win 0"
    )
    found = verdict(tmp_path, script)
    assert (found.outcome, found.strength) == ("refused-rst", Strength.CONSISTENT)
    assert "clients ignore it" in said(found)


@pytest.mark.parametrize(
    ("code", "cause"), [("3/13", "unreachable.target.filter.admin-prohibited"), ("3/0", "unreachable")]
)
def test_what_routes_say_may_be_said_by_a_nat_box_of_the_way_behind_it(tmp_path: Path, code: str, cause: str) -> None:
    """Though itself it answers other ports, from the same hop."""
    target = "198.51.100.1"
    first = f"0 > client-port 900 S 1 tos 0x48\n+.02 < client-port 900 icmp {code} from {target} ttl 63 quotes S 1 quoted-ttl 63\n"
    refuses = f"+.01 < icmp {code} from {target} ttl 63 quotes S {{}} quoted-ttl 1\n"
    mine = "".join(syn(ttl) + (ran_out(1) if ttl == 1 else refuses.format(1000 * ttl)) for ttl in (1, 2, 3))
    closed = "".join(
        syn(ttl) + (ran_out(1) if ttl == 1 else f"+.01 < R. 0 ack {1000 * ttl + 1} ttl 63 tos 0x48\n")
        for ttl in (1, 2, 3)
    )
    other = closed.replace("> S", "> client-port 800 port 9 S").replace(
        "< icmp 11/0", "< client-port 800 port 9 icmp 11/0"
    )
    assert verdict(tmp_path, first + mine + other.replace("< R.", "< client-port 800 port 9 R.")).cause == cause


def test_a_ban_that_the_questions_brought_about_does_not_hide_the_refusal(tmp_path: Path) -> None:
    refused = by(700, "+.01 > S 1000\n+.001 < R. 0 ack 1001 ttl 60\n")
    silent = "".join(by(800 + i, "+.01 > S 1000\n+1 > S 1000\n") for i in range(3))
    assert verdict(tmp_path, refused + silent + LATER.format(10)).outcome == "refused-rst"
