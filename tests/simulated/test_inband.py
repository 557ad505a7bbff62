"""Connections that come up and fail behind it, asked from the inside: where, and who; and how gently."""

from pathlib import Path

import pytest

from analyzers.attempts.hops import MOST_HOPS
from analyzers.model import Strength, Verdict
from captures.flags import OUTBOUND
from captures.packet import Packet, decode_ip
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.chain import SERVER, client, joined, router, server
from tests.simulated.network import Simulated
from tests.simulated.rows import Rule
from tests.simulated.world import World

END = 5
GREETS = b"SSH-"


def diagnosed(
    path: Path, family: int, at: int = 0, rule: Rule | None = None, program: str = "ssh", options: Options | None = None
) -> tuple[Verdict, list[Packet]]:
    """The verdict on a service behind four routers; one of these, or its host, has a rule. And what was sent."""
    verdict, network = ran(path, family, at, rule, program, options)
    return verdict, [decode_ip(frame.data) for frame in network.frames if frame.direction == OUTBOUND]


def ran(
    path: Path, family: int, at: int = 0, rule: Rule | None = None, program: str = "ssh", options: Options | None = None
) -> tuple[Verdict, Simulated]:
    """The verdict, and the network as it was left."""
    routers = [router(family, hop, rules=(rule,) if rule and hop == at else ()) for hop in range(1, END)]
    world = World(
        *joined(
            [
                client(family),
                *routers,
                server(family, programs={22: program}, rules=(rule,) if rule and at == END else ()),
            ]
        )
    )
    network = Simulated(world, SERVER[family])
    target = Target(SERVER[family], SERVER[family], 22, (SERVER[family],))
    (asked,) = ask(target, options or Options(), lambda line: None, path / "e.pcapng", lambda address: network)
    ((_, _, verdict),) = judge(asked)
    return verdict, network


def inside(sent: list[Packet]) -> int:
    """How many segments of old bytes there are."""
    return sum(1 for p in sent if p.tcp is not None and p.ip is not None and p.tcp.payload and p.ip.ttl <= MOST_HOPS)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("program", ["silent", "mute"])
def test_a_silent_service_has_the_connection(tmp_path: Path, family: int, program: str) -> None:
    found, sent = diagnosed(tmp_path, family, program=program)
    assert (found.cause, found.strength) == ("mute.target", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (END, END)
    assert inside(sent) <= END + 4


@pytest.mark.parametrize("family", [4, 6])
def test_who_answers_a_fin_with_a_fin_is_not_frozen(tmp_path: Path, family: int) -> None:
    """One that reads; of one that never does it is not known."""
    for program, strength in (("mute", Strength.RULED_OUT), ("silent", Strength.INDICATED)):
        found, _ = diagnosed(tmp_path, family, program=program)
        shown = {other.cause: other.strength for other in found.alternatives}
        assert shown["mute.target.service.frozen"] is strength
        assert any("a program runs that read it" in one.text for one in found.evidence) == (program == "mute")


@pytest.mark.parametrize("family", [4, 6])
def test_a_server_that_was_reset_has_it_no_more(tmp_path: Path, family: int) -> None:
    found, sent = diagnosed(tmp_path, family, 2, Rule("forward", "reset", sport=22, begins=GREETS), "greeting")
    assert (found.cause, found.strength) == ("mute.network.firewall.one-sided", Strength.INDICATED)
    assert inside(sent) == 3


def test_a_connection_that_is_forgotten_though_the_server_could_not_speak_says_no_more(tmp_path: Path) -> None:
    """A proxy that drops it, or a server that was faster than the window: reset as soon as it is accepted."""
    found, _ = diagnosed(tmp_path, 4, 2, Rule("forward", "reset", sport=22, begins=GREETS), "hasty")
    assert found.cause == "mute"


@pytest.mark.parametrize("family", [4, 6])
def test_a_greeting_that_is_swallowed_shows_in_the_numbers(tmp_path: Path, family: int) -> None:
    found, _ = diagnosed(tmp_path, family, 3, Rule("forward", "drop", sport=22, begins=GREETS), "greeting")
    assert (found.cause, found.strength) == ("mute.network.firewall.drop", Strength.INDICATED)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("hook", ["forward", "prerouting"])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_large_segments_vanish_at_a_hop_or_before_the_next(tmp_path: Path, family: int, hook: str, at: int) -> None:
    found, sent = diagnosed(tmp_path, family, at, Rule(hook, "drop", longer=600))
    assert (found.cause, found.strength) == ("stalled.network.path.mtu", Strength.INDICATED)
    last = at if hook == "forward" else at - 1
    assert (found.place.hop_min, found.place.hop_max) == (last, last + 1)
    assert len(sent) <= 150


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("hook", ["forward", "prerouting"])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_words_that_are_swallowed_vanish_at_a_hop_or_before_the_next(
    tmp_path: Path, family: int, hook: str, at: int
) -> None:
    found, sent = diagnosed(tmp_path, family, at, Rule(hook, "drop", (22,), begins=GREETS))
    last = at if hook == "forward" else at - 1
    assert (found.place.hop_min, found.place.hop_max) == (last, last + 1)
    # The cable before the host, the router at its end and the host itself would all look so.
    decided = ("stalled.network.firewall.drop", Strength.INDICATED), ("stalled", Strength.CONSISTENT)
    assert (found.cause, found.strength) == decided[last + 1 == END]
    assert len(sent) <= 150


@pytest.mark.parametrize("family", [4, 6])
def test_words_that_a_host_swallows_get_as_far_as_it(tmp_path: Path, family: int) -> None:
    found, _ = diagnosed(tmp_path, family, END, Rule("input", "drop", (22,), begins=GREETS))
    assert (found.cause, found.place.hop_min, found.place.hop_max) == ("stalled", END - 1, END)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("at", [1, 4])
def test_large_segments_that_vanish_on_their_way_back_do_not_where_small_ones_are_asked_for(
    tmp_path: Path, family: int, at: int
) -> None:
    found, sent = diagnosed(tmp_path, family, at, Rule("forward", "drop", sport=22, longer=600))
    assert (found.cause, found.strength) == ("stalled.network.path.mtu", Strength.INDICATED)
    assert any("of the server's get lost" in one.text for one in found.evidence)
    asked = {p.tcp.sport: p.tcp.mss for p in sent if p.tcp and p.tcp.flags & 2 and p.ip and p.ip.ttl > MOST_HOPS}
    assert [mss for mss in asked.values() if mss and mss < 1000] == [516]


@pytest.mark.parametrize("family", [4, 6])
def test_a_server_that_stops_behind_its_greeting_does_so_in_small_segments_too(tmp_path: Path, family: int) -> None:
    found, _ = diagnosed(tmp_path, family, program="greeting")
    assert (found.cause, found.strength) == ("stalled.target.service.frozen", Strength.CONSISTENT)
    assert any("size is not the reason" in one.text for one in found.evidence)
    assert (found.place.hop_min, found.place.hop_max) == (END, END)


@pytest.mark.parametrize("family", [4, 6])
def test_a_server_without_a_common_algorithm_has_its_place(tmp_path: Path, family: int) -> None:
    found, _ = diagnosed(tmp_path, family, program="old-ssh")
    assert (found.cause, found.strength) == ("closed.target.sshd.no-common-algorithm", Strength.PROVEN)
    assert (found.place.hop_min, found.place.hop_max) == (END, END)


def test_only_syns_where_no_more_is_wanted(tmp_path: Path) -> None:
    found, sent = diagnosed(tmp_path, 4, program="silent", options=Options(only_syn=True))
    assert found.cause == "mute"
    assert not inside(sent)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("hook", ["forward", "prerouting"])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_words_that_are_reset_on_the_way_are_placed_by_their_ttl(
    tmp_path: Path, family: int, hook: str, at: int
) -> None:
    found, sent = diagnosed(tmp_path, family, at, Rule(hook, "reset", (22,), begins=GREETS))
    assert (found.cause, found.strength) == ("closed.network.firewall.injected-reset", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (at, at)
    shown = " ".join(one.text for one in found.evidence)
    begins = at + 1 if hook == "forward" else at
    assert f"words are answered by a RST from TTL {begins} on" in shown
    assert ("made by something before it" in shown) == (begins < END)
    syns = {
        p.tcp.sport for p in sent if p.tcp and p.tcp.flags & 2 and p.ip and p.ip.ttl > MOST_HOPS and p.tcp.dport == 22
    }
    assert len(syns) <= 4


@pytest.mark.parametrize("family", [4, 6])
def test_a_service_that_resets_itself_does_so_where_it_is(tmp_path: Path, family: int) -> None:
    found, _ = diagnosed(tmp_path, family, program="resetting")
    assert found.cause.startswith("closed.target") or found.cause == "closed"
    assert (found.place.hop_min, found.place.hop_max) == (END, END)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("hook", ["forward", "prerouting"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_acknowledgements_that_are_reset_are_placed_by_their_ttl_and_are_no_words(
    tmp_path: Path, family: int, hook: str, at: int
) -> None:
    found, sent = diagnosed(tmp_path, family, at, Rule(hook, "reset", (22,), acks=True))
    assert (found.cause, found.strength) == ("closed.network.firewall", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (at, at)
    shown = " ".join(one.text for one in found.evidence)
    begins = at + 1 if hook == "forward" else at
    assert f"nothing new in them are answered by a RST from TTL {begins} on" in shown
    assert "had no words to look at" in shown
    assert inside(sent) <= 2 * (at + 2)


@pytest.mark.parametrize("family", [4, 6])
def test_old_bytes_that_are_reset_with_the_words_are_placed_by_their_ttl(tmp_path: Path, family: int) -> None:
    """A device that resets whatever carries bytes, be they old."""
    found, _ = diagnosed(
        tmp_path, family, 2, Rule("forward", "reset", (22,), acks=True, longer=52 if family == 4 else 72)
    )
    assert (found.cause, found.strength) == ("closed.network.firewall.injected-reset", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (2, 2)
    shown = " ".join(one.text for one in found.evidence)
    assert "segments with nothing new in them draw the RST with TTL 3" in shown
    assert "had no words to look at" not in shown


@pytest.mark.parametrize(
    ("program", "rule"),
    [
        ("silent", None), ("greeting", Rule("forward", "drop", sport=22, begins=GREETS)),
        ("greeting", Rule("forward", "reset", sport=22, begins=GREETS)), ("ssh", Rule("forward", "drop", longer=600)),
    ],
)  # fmt: skip
def test_connections_that_say_nothing_are_heard_out_beside_each_other(
    tmp_path: Path, program: str, rule: Rule | None
) -> None:
    _, network = ran(tmp_path, 4, 2, rule, program)
    frames = network.frames
    first, second = [
        f.ts_ns for f in frames if (p := decode_ip(f.data)).tcp and p.ip and p.ip.ttl == 64 and p.tcp.flags == 2
    ][:2]
    assert 2 * 10**9 <= second - first < 5 * 10**9
    assert frames[-1].ts_ns - first < 14 * 10**9


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("hook", ["forward", "prerouting"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_acknowledgements_that_are_lost_are_placed_by_what_is_still_reported(
    tmp_path: Path, family: int, hook: str, at: int
) -> None:
    found, _ = diagnosed(tmp_path, family, at, Rule(hook, "drop", (22,), acks=True))
    assert (found.cause, found.strength) == ("mute.network.path.one-way", Strength.INDICATED)
    last = at if hook == "forward" else at - 1
    assert (found.place.hop_min, found.place.hop_max) == (last, last + 1)


@pytest.mark.parametrize("family", [4, 6])
def test_acknowledgements_that_are_lost_behind_the_last_router_may_be_lost_at_the_host(
    tmp_path: Path, family: int
) -> None:
    found, _ = diagnosed(tmp_path, family, END - 1, Rule("forward", "drop", (22,), acks=True))
    assert found.cause == "mute"
    assert (found.place.hop_min, found.place.hop_max) == (END - 1, END)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("act", ["reset", "drop"])
def test_acknowledgements_that_the_host_itself_keeps_back_are_no_matter_of_the_way(
    tmp_path: Path, family: int, act: str
) -> None:
    found, _ = diagnosed(tmp_path, family, END, Rule("input", act, (22,), acks=True))
    assert found.cause == {"reset": "closed", "drop": "mute"}[act]
    assert found.place.hop_max == END
