"""Who made the RST: each combination of distance and marks whose truth is what was sent, and the look-alikes beside it."""

from pathlib import Path

import pytest

from analyzers.model import Strength
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.judge import by, said, verdict
from tests.notation import SERVER4, tcp_packet, write_pcap

OPEN = "+1 > port 2222 S 1 tos 0x10\n+.02 < port 2222 S. 9 ack 2 ttl {ttl}\n+.001 > port 2222 . 2 ack 10 tos 0x10\n"
CLOSED = "+1 > port 23 S 1 tos 0x10\n+.02 < port 23 R. 0 ack 2 ttl {ttl} tos {tos} win 0\n"


def refused(ttl: int, tos: int, asked: int = 0x10, answer: str = "R. 0 ack 1001") -> str:
    return f"+1 > S 1000 tos {asked}\n+.02 < {answer} ttl {ttl} tos {tos} win 0\n"


def flows(ttl: int, tos: int, asked: int = 0x10) -> str:
    return "".join(by(700 + i, refused(ttl, tos, asked)) for i in range(3))


@pytest.mark.parametrize(
    ("script", "cause", "strength"),
    [
        # Alone: nothing to compare with.
        (refused(62, 0x10), "reset", Strength.INDICATED),
        (refused(62, 0), "reset", Strength.CONSISTENT),
        (refused(62, 0, asked=0), "reset", Strength.CONSISTENT),
        # A filter on the host, whose closed port copies the marks from the same distance; or in the cable before it.
        (refused(62, 0) + CLOSED.format(ttl=62, tos=0x10), "reset", Strength.INDICATED),
        (refused(62, 0) + CLOSED.format(ttl=62, tos=0x10) + OPEN.format(ttl=62), "reset", Strength.INDICATED),
        # The path bleaches DSCP: the control shows zero as well.
        (refused(62, 0) + CLOSED.format(ttl=62, tos=0), "reset", Strength.CONSISTENT),
        # A firewall on the path. One hop counts when several flows agree on it.
        (refused(63, 0) + CLOSED.format(ttl=62, tos=0x10), "reset", Strength.CONSISTENT),
        (flows(63, 0) + CLOSED.format(ttl=62, tos=0x10), "reset.network.firewall", Strength.INDICATED),
        (refused(63, 0) + CLOSED.format(ttl=62, tos=0x10) + OPEN.format(ttl=62), "reset", Strength.CONSISTENT),
        (refused(64, 0) + CLOSED.format(ttl=62, tos=0x10), "reset.network.firewall", Strength.INDICATED),
        (refused(64, 0, asked=0) + CLOSED.format(ttl=62, tos=0x10), "reset.network", Strength.INDICATED),
        # An open port may be forwarded behind the host that refuses: with containers, over a VPN.
        (flows(63, 0) + OPEN.format(ttl=62), "reset", Strength.CONSISTENT),
        (flows(64, 0, asked=0) + OPEN.format(ttl=61), "reset", Strength.CONSISTENT),
        (refused(62, 0x10) + OPEN.format(ttl=61), "reset", Strength.INDICATED),
        (refused(64, 0x10) + CLOSED.format(ttl=62, tos=0x10), "reset", Strength.INDICATED),
        # A forwarded port: the address itself answers closed ports from nearer, with its stack's marks.
        (refused(61, 0x10) + CLOSED.format(ttl=62, tos=0x10), "reset", Strength.INDICATED),
        (flows(61, 0x10) + CLOSED.format(ttl=62, tos=0x10), "reset.backend.closed-port", Strength.INDICATED),
        (flows(61, 0) + CLOSED.format(ttl=62, tos=0x10), "reset", Strength.CONSISTENT),  # or an injector's odd TTL
        # Farther than an open port alone: a proxy in front may answer that one in the host's name.
        (flows(61, 0) + OPEN.format(ttl=62), "reset", Strength.CONSISTENT),
        # A control that is refused by the same device, or that another machine answers, is no control.
        (flows(64, 0) + CLOSED.format(ttl=64, tos=0) + OPEN.format(ttl=62), "reset", Strength.CONSISTENT),
        (flows(126, 0) + CLOSED.format(ttl=62, tos=0x10), "reset", Strength.CONSISTENT),
        # pf's constant is no copy.
        (refused(62, 0x10, asked=0x48), "reset", Strength.CONSISTENT),
    ],
)  # fmt: skip
def test_what_distance_and_marks_say_together(tmp_path: Path, script: str, cause: str, strength: Strength) -> None:
    found = verdict(tmp_path, script)
    assert (found.cause, found.strength) == (cause, strength)


def test_the_place_is_told_only_where_no_router_was_passed(tmp_path: Path) -> None:
    assert verdict(tmp_path, flows(64, 0) + CLOSED.format(ttl=62, tos=0x10)).place.hop == 1
    assert verdict(tmp_path, flows(63, 0) + CLOSED.format(ttl=61, tos=0x10)).place.hop is None


def test_without_a_control_the_test_is_void(tmp_path: Path) -> None:
    assert [why for why in verdict(tmp_path, refused(62, 0)).void if "no closed port" in why]
    assert [why for why in verdict(tmp_path, refused(62, 0, asked=0)).void if "bore no DSCP" in why]
    assert not verdict(tmp_path, refused(62, 0x10)).void


def test_a_refused_syn_that_is_accepted_after_all_was_not_refused_by_that_machine(tmp_path: Path) -> None:
    script = refused(63, 0) + "+.02 < S. 5000 ack 1001 ttl 61\n+.001 > R 1001 win 0"
    found = verdict(tmp_path, script)
    assert found.cause.startswith("reset")
    assert "accepts" in said(found)
    assert {a.cause for a in found.alternatives if a.strength is Strength.RULED_OUT} >= {"reset.target.closed-port"}


def test_two_resets_for_one_syn_have_two_makers(tmp_path: Path) -> None:
    script = refused(250, 0) + "+.02 < R. 0 ack 1001 ttl 61 win 0"
    found = verdict(tmp_path, script)
    assert (found.cause, found.strength) == ("reset.network.firewall", Strength.INDICATED)


def test_one_frame_seen_on_both_sides_of_a_router_is_one_reset(tmp_path: Path) -> None:
    script = "0 > S 1000 ttl 64\n+.0001 > S 1000 ttl 63\n+.02 < R. 0 ack 1001 ttl 61 win 0\n+.0001 < R. 0 ack 1001 ttl 60 win 0"
    assert "several makers" not in said(verdict(tmp_path, script))


def test_the_least_ttl_that_is_refused_bounds_the_place(tmp_path: Path) -> None:
    script = "0 > client-port 1 S 5 ttl 2\n+.01 < client-port 1 icmp 11/0 from 203.0.113.2 quotes S 5 quoted-ttl 1\n"
    script += "+1 > client-port 2 S 6 ttl 3\n+.01 < client-port 2 R. 0 ack 7 ttl 62 win 0\n"
    script += "+1 > client-port 4 S 5 ttl 1\n+.01 < client-port 4 icmp 11/0 from 203.0.113.1 quotes S 5 quoted-ttl 1\n"
    script += "+1 > client-port 5 S 5 ttl 1\n+.01 < client-port 5 icmp 11/0 from 203.0.113.1 quotes S 5 quoted-ttl 1\n"
    script += "+1 > client-port 3 S 7 ttl 9\n+.01 < client-port 3 R. 0 ack 8 ttl 62 win 0"
    found = verdict(tmp_path, script)
    assert (found.cause, found.place.hop_min, found.place.hop_max) == ("reset", 2, 3)


@pytest.mark.parametrize(("back", "cause", "hop"), [(63, "reset.network.firewall", 2), (62, "reset", 3)])
def test_a_reset_with_a_routers_own_ttl_was_made_there(tmp_path: Path, back: int, cause: str, hop: int | None) -> None:
    script = ""
    for ttl, reply in ((1, 64), (2, 63)):
        script += f"+1 > client-port {ttl} S 5 ttl {ttl}\n"
        script += f"+.01 < client-port {ttl} icmp 11/0 from 203.0.113.{ttl} ttl {reply} quotes S 5 quoted-ttl 1\n"
    for ttl in (3, 4):
        script += f"+1 > client-port {ttl} S 5 ttl {ttl}\n+.01 < client-port {ttl} R. 0 ack 6 ttl {back} win 0\n"
    found = verdict(tmp_path, script)
    assert (found.cause, found.place.hop) == (cause, hop)


@pytest.mark.parametrize("others", [(61, 60, 58), (61, 61, 61)])
def test_one_distance_for_hosts_at_several_is_one_box(tmp_path: Path, others: tuple[int, ...]) -> None:
    """Three hosts, each refuses port 22 with TTL 62 and answers another port from farther away."""
    frames, now = [], 10**18
    for number, ttl in enumerate(others):
        server = f"198.51.100.{number + 1}"
        for port, flags, back in ((22, 20, 62), (2222, 18, ttl)):
            now += 10**9
            frames.append((now, tcp_packet("192.0.2.1", server, 700 + port, port, 1000, 0, 2)))
            frames.append((now + 10**7, tcp_packet(server, "192.0.2.1", port, 700 + port, 0, 1001, flags, ttl=back)))
    with replay([str(write_pcap(tmp_path / "many.pcap", frames))]) as done:
        found = {str(s.address): done.verdict(s) for s in done.services(Filters().choose(done.ledger)) if s.port == 22}
    different = len(set(others)) > 1
    assert ("one device in front" in said(found[SERVER4])) == different
    assert found[SERVER4].cause == ("reset.network" if different else "reset")


def test_the_form_names_who_makes_such_resets(tmp_path: Path) -> None:
    found = verdict(tmp_path, "0 > S 1000 win 64240\n+.02 < R. 0 ack 1001 ttl 253 win 64240")
    assert "the SYN's window 64240" in said(found)
    assert found.cause == "reset"


def test_flow_labels_serve_in_ipv6(tmp_path: Path) -> None:
    """The notation writes no flow label: as a packet filter's RST."""
    found = verdict(tmp_path, "0 > S 1000 tos 0x10\n+.02 < R. 0 ack 1001 ttl 62 win 0", v6=True)
    assert "flow label 0" in said(found)
    assert found.cause == "reset"
