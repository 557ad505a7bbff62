"""The simulated nodes answer raw packets as Linux was measured to: `cli - r1 - r2 - r3 - srv`, one failure after the other."""

from dataclasses import replace
from typing import Any

import pytest

from captures.flags import INBOUND
from captures.packet import Packet, decode_ip
from tests.simulated.chain import CLIENT, NOBODY, PUBLIC, SERVER, client, joined, router, router_address, server
from tests.simulated.network import Simulated
from tests.simulated.packets import ACK, FIN, SYN, Datagram, Tcp, written
from tests.simulated.rows import Forward, Injector, Link, Node, Route, Rule
from tests.simulated.world import World

RESET = Rule("forward", "reset", ports=(22,))
MD5 = b"\x13\x12" + bytes(16) + b"\1\1"
Row = list[Node | Injector]


def lan(family: int, changes: dict[str, dict[str, Any]] | None = None) -> Row:
    """The row, with what is done to its nodes."""
    row: list[Node] = [client(family), *(router(family, hop) for hop in (1, 2, 3)), server(family)]
    return [replace(node, **(changes or {}).get(node.name, {})) for node in row]


class Asker:
    """Sends raw packets into a row of nodes and says what came back for each."""

    def __init__(
        self, row: Row, family: int, target: str = "", more: tuple[Link, ...] = (), nodes: tuple[Node, ...] = ()
    ) -> None:
        self.family, self.target = family, target or SERVER[family]
        found, links = joined(row)
        self.network = Simulated(World([*found, *nodes], [*links, *more]), self.target)
        self.network.record()
        self.port = self.network.hold()

    def ask(
        self, ttl: int = 64, flags: int = SYN, tos: int = 0x48, options: bytes = b"", port: int = 22, sport: int = 0, spoil: int = 0
    ) -> Packet | None:  # fmt: skip
        body = Tcp(sport or self.port, port, 1000 + ttl, 0, flags, 64_240, options, spoil=spoil)
        label = 0x12345 if self.family == 6 else 0
        assert (
            self.network.send(written(Datagram(CLIENT[self.family], self.target, body, ttl, tos, 77, label=label)))
            == ""
        )
        seen = len(self.network.frames)
        self.network.wait([], 4)
        came = [frame for frame in self.network.frames[seen:] if frame.direction == INBOUND]
        return decode_ip(came[0].data) if came else None

    def source(self, **how: Any) -> str:
        """Who a time-exceeded is from; "RST" or "SYN-ACK"; "" for silence."""
        got = self.ask(**how)
        if got is None or got.ip is None:
            return ""
        if got.tcp is not None:
            return "RST" if got.tcp.flags & 4 else "SYN-ACK"
        return str(got.ip.src)

    def reset(self, **how: Any) -> tuple[int, int, bool]:
        """A RST's TTL and TOS, and whether it has a flow label."""
        got = self.ask(**how)
        assert got is not None
        assert got.ip is not None
        assert got.tcp is not None
        return got.ip.ttl, got.ip.tos, bool(got.ip.flow_label)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("changes", "first", "ttl", "reflects", "md5_answered"),
    [
        ({}, 4, 61, True, False),
        ({"r2": {"rules": (RESET,)}}, 3, 63, False, True),
        ({"r3": {"rules": (RESET,)}}, 4, 62, False, True),
        ({"server": {"rules": (Rule("input", "reset", ports=(22,)),)}}, 4, 61, False, True),
    ],
)
def test_what_separates_the_cases(
    family: int, changes: dict[str, dict[str, Any]], first: int, ttl: int, reflects: bool, md5_answered: bool
) -> None:
    asker = Asker(lan(family, changes), family)
    sweep = [asker.source(ttl=n) for n in range(1, 6)]
    assert sweep == [router_address(family, n) for n in range(1, first)] + ["RST"] * (6 - first)
    assert asker.reset() == (ttl, 0x48 if reflects else 0, reflects and family == 6)
    assert asker.source(options=MD5) == ("RST" if md5_answered else "")
    assert asker.source(spoil=0x1234) == ""
    assert asker.reset(flags=FIN)[0] == ttl
    assert asker.reset(flags=0)[0] == ttl


def test_time_exceeded_says_where_and_quotes_whole() -> None:
    asker = Asker(lan(4), 4)
    for hop in (1, 2, 3):
        got = asker.ask(ttl=hop)
        assert got is not None
        assert got.ip is not None
        assert got.icmp is not None
        assert got.icmp.quoted is not None
        assert got.icmp.quoted.ip is not None
        assert got.icmp.quoted.tcp is not None
        assert (got.ip.ttl, got.ip.tos, got.ip.df) == (65 - hop, 0xC8, False)
        assert (got.icmp.quoted.ip.ttl, got.icmp.quoted.ip.tos, got.icmp.quoted.ip.ip_id) == (1, 0x48, 77)
        assert got.icmp.quoted.tcp.seq == 1000 + hop


def test_a_port_forward_hides_what_is_behind_it() -> None:
    """Case E: the time-exceeded of the box and from behind bear the target's address; invalid segments the box answers."""
    row = lan(4, {"r3": {"maps": (Forward(SERVER[4], ("10.0.5.2",), (22,)),)}})
    inside = Node("inside", ("10.0.5.2",), ttl=128)
    asker = Asker(row, 4, more=(Link("r3", "inside"),), nodes=(inside,))
    assert [asker.source(ttl=n) for n in (2, 3, 4)] == [router_address(4, 2), SERVER[4], "RST"]
    assert asker.reset() == (125, 0x48, False)
    assert [asker.reset(flags=flags)[0] for flags in (FIN, 0, SYN | FIN)] == [61, 61, 61]
    assert asker.reset(flags=ACK)[0] == 125


@pytest.mark.parametrize("family", [4, 6])
def test_a_virtual_address_answers_invalid_segments_itself(family: int) -> None:
    box = router(family, 3)
    box = replace(box, addresses=(*box.addresses, PUBLIC[family]), maps=(Forward(PUBLIC[family], (SERVER[family],)),))
    row: Row = [client(family), router(family, 1), router(family, 2), box, server(family, ttl=128)]
    asker = Asker(row, family, PUBLIC[family])
    assert [asker.source(ttl=n) for n in (2, 3, 4)] == [router_address(family, 2), PUBLIC[family], "RST"]
    assert asker.reset()[0] == 125
    assert [(asker.source(ttl=3, flags=flags), asker.reset(flags=flags)[0]) for flags in (FIN, 0, SYN | FIN)] == [
        ("RST", 62)
    ] * 3


def test_prerouting_answers_before_the_ttl_and_routes_do_too() -> None:
    early = Asker(lan(4, {"r2": {"rules": (Rule("prerouting", "reset", ports=(22,)),)}}), 4)
    assert [early.source(ttl=n) for n in (1, 2)] == [router_address(4, 1), "RST"]
    for reason, kind in (("unreachable", (3, 1)), ("prohibit", (3, 13)), ("missing", (3, 0))):
        got = Asker(lan(4, {"r2": {"routes": (Route(SERVER[4], reason=reason),)}}), 4).ask(ttl=2)
        assert got is not None
        assert got.icmp is not None
        assert got.icmp.quoted is not None
        assert got.icmp.quoted.ip is not None
        assert ((got.icmp.type, got.icmp.code), got.icmp.quoted.ip.ttl) == (kind, 1)
    assert Asker(lan(4, {"r2": {"routes": (Route(SERVER[4], reason="blackhole"),)}}), 4).source() == ""


def test_a_forward_filter_quotes_the_ttl_lowered() -> None:
    got = Asker(lan(4, {"r2": {"rules": (Rule("forward", "admin-prohibited"),)}}), 4).ask(ttl=9)
    assert got is not None
    assert got.icmp is not None
    assert got.icmp.quoted is not None
    assert got.icmp.quoted.ip is not None
    assert (got.icmp.code, got.icmp.quoted.ip.ttl) == (13, 7)


def test_nobody_answers_after_three_seconds() -> None:
    asker = Asker(lan(4, {"r3": {"vacant": (NOBODY[4],)}}), 4, NOBODY[4])
    before = asker.network.now()
    assert asker.source() == router_address(4, 3)
    assert 3 < asker.network.now() - before < 3.2


def test_linux_sends_six_errors_at_once_and_then_one_a_second() -> None:
    asker = Asker(lan(4, {"r1": {"limited": True}}), 4)
    for _ in range(30):
        body = Tcp(asker.port, 22, 1, 0, SYN)
        asker.network.send(written(Datagram(CLIENT[4], SERVER[4], body, 1)))
    asker.network.wait([], 0.5)
    while len(asker.network.frames) < 36:
        asker.network.wait([], 0.5)
    assert sum(frame.direction == INBOUND for frame in asker.network.frames) == 6
    asker.network.wait([], 1)
    assert asker.source(ttl=1) == router_address(4, 1)
    assert asker.source(ttl=1) == ""


@pytest.mark.parametrize(("way", "ttl"), [("copy", 62 + 1), (255, 255 - 1), (61 + 1, 61)])
def test_an_injector_makes_the_ttl_it_likes(way: int | str, ttl: int) -> None:
    row = lan(4, {"server": {"programs": {22: "ssh"}}})
    row.insert(2, Injector((22,), ttl=way, ident="random", window="copy"))
    asker = Asker(row, 4)
    got = asker.ask()
    assert got is not None
    assert got.ip is not None
    assert got.tcp is not None
    assert (got.ip.ttl, got.tcp.window, got.ip.tos) == (ttl - (way == "copy"), 64_240, 0)
    assert asker.source(spoil=1) == ""
    assert asker.source(port=23) == "RST"


def test_a_careless_injector_answers_what_a_host_ignores() -> None:
    row = lan(4)
    row.insert(3, Injector((22,), careless=True, astray=7))
    got = Asker(row, 4).ask(spoil=1)
    assert got is not None
    assert got.tcp is not None
    assert got.tcp.ack == 1000 + 64 + 1 + 7


def test_a_flow_always_takes_the_same_way_and_flows_take_both() -> None:
    row = lan(4, {"r1": {"routes": (Route(SERVER[4], ("r2", "long")),)}})
    long = Node("long", ("198.51.100.101",), forwards=True)
    longer = Node("longer", ("198.51.100.102",), forwards=True)
    more = (Link("r1", "long"), Link("long", "longer"), Link("longer", "r3"))
    asker = Asker(row, 4, more=more, nodes=(long, longer))
    seen = {port: {asker.source(ttl=2, sport=port) for _ in range(3)} for port in range(50_001, 50_020)}
    assert {frozenset(sources) for sources in seen.values()} == {
        frozenset({"198.51.100.2"}),
        frozenset({"198.51.100.101"}),
    }


def test_backends_are_dealt_by_turn_or_by_flow() -> None:
    for pick in ("turn", "hash"):
        box = router(4, 3)
        deals = Forward(PUBLIC[4], (SERVER[4], "10.0.5.2"), pick=pick)
        box = replace(box, addresses=(*box.addresses, PUBLIC[4]), maps=(deals,))
        row: Row = [client(4), router(4, 1), router(4, 2), box, server(4)]
        asker = Asker(row, 4, PUBLIC[4], more=(Link("r3", "two"),), nodes=(Node("two", ("10.0.5.2",), ttl=255),))
        ttls = [asker.reset(sport=50_001)[0] for _ in range(4)]
        if pick == "turn":  # the RST ends the connection: the next SYN is a new one
            assert ttls == [61, 252, 61, 252]
        else:
            assert len(set(ttls)) == 1
            assert {asker.reset(sport=port)[0] for port in range(50_002, 50_020)} == {61, 252}


def test_a_held_port_resets_what_is_accepted() -> None:
    asker = Asker(lan(4, {"server": {"programs": {22: "ssh"}}}), 4)
    assert asker.source() == "SYN-ACK"
    assert decode_ip(asker.network.frames[-1].data).tcp.flags == 4
