"""What single scenarios must show, beyond what every scenario of their outcome does: one function each."""

from collections.abc import Callable

from tests.lab.experiment import Observation
from tests.lab.frames import Seen

Check = Callable[[Observation], None]


def answer(seen: Observation) -> Seen:
    """The first thing that the client got."""
    return next(f for f in seen.frames["client"] if not f.out and f.sport in (seen.scenario.port, 0))


def resets(seen: Observation) -> list[Seen]:
    return [f for f in seen.frames["client"] if not f.out and "R" in f.flags]


def kernel_made(seen: Observation) -> None:
    assert answer(seen).tos == 0x48, "a closed port reflects the DSCP of the SYN"


def filter_made(seen: Observation) -> None:
    assert answer(seen).tos == 0


def other_port_works(seen: Observation) -> None:
    filter_made(seen)
    assert seen.calls[1]["heard"].startswith("SSH-")


def works_elsewhere(seen: Observation) -> None:
    assert seen.calls[1]["heard"].startswith("SSH-")


def made_by(node: str, chosen: Callable[[Seen], bool]) -> Check:
    def check(seen: Observation) -> None:
        assert seen.origin(chosen) == {node}

    return check


def quoted_ttl(arrival: bool) -> Check:
    """FORWARD quotes the TTL after it was lowered, INPUT and routes as the packet came in."""

    def check(seen: Observation) -> None:
        quoted = answer(seen).quoted
        assert quoted is not None
        assert quoted.ttl == 64 - seen.scenario.truth.hop + arrival

    return check


def only_after(seconds: float) -> Check:
    def check(seen: Observation) -> None:
        assert seen.call["after"] > seconds

    return check


def the_server_answered(seen: Observation) -> None:
    assert seen.at("server", flags="SA", out=True)
    assert seen.at("router", flags="SA", out=False)
    assert not seen.at("router", flags="SA", out=True)


def errno(value: str, v6: str = "") -> Check:
    def check(seen: Observation) -> None:
        assert seen.call["errno"] == (v6 if v6 and seen.scenario.family == 6 else value)

    return check


def all_of(*checks: Check) -> Check:
    def check(seen: Observation) -> None:
        for one in checks:
            one(seen)

    return check


def in_turn(seen: Observation) -> None:
    assert seen.calls[0]["heard"].startswith("SSH-")
    assert [seen.calls[n]["errno"] for n in (1, 2)] == ["ECONNREFUSED", "ETIMEDOUT"]
    assert seen.origin(lambda f: f.flags in ("RA", "AR")) == {"two"}
    assert seen.reached(lambda f: f.flags == "S")[-3:] == ["one", "two", "three"]


def unacknowledged(seen: Observation) -> None:
    """The server never gets the acknowledgement of its SYN-ACK."""
    assert seen.at("server", flags="SA", out=True)
    assert not seen.at("server", flags="A", out=False)


def by_chance(seen: Observation) -> None:
    """All three machines are met, the second refuses, and the order is not strict."""
    met = seen.reached(lambda f: f.flags == "S")
    assert set(met) >= {"one", "two", "three"}
    assert {one["errno"] for one in seen.calls} == {None, "ECONNREFUSED"}
    assert seen.origin(lambda f: f.flags in ("RA", "AR") and f.seq == 0) == {"two"}
    refused = [one["errno"] for one in seen.calls]
    assert any(refused[step:] != refused[:-step] for step in (2, 3))


def haproxy_in_turn(seen: Observation) -> None:
    ends = sorted((call["heard"][:4], call["end"]) for call in seen.calls)
    assert ends == [("", "eof"), ("SSH-", "")]
    assert 2.5 < max(call["after"] for call in seen.calls) < 4
    assert seen.origin(lambda f: f.flags == "S" and f.target == seen.scenario.topology.addresses["one"]) == {"proxy"}


def closed_unsaid(seen: Observation) -> None:
    assert seen.call["heard"] == ""
    assert seen.call["end"] in ("eof", "reset")


def zero_window(seen: Observation) -> None:
    (first,) = [f for f in seen.at("client", flags="SA") if not f.out][:1]
    assert first.window == 0
    assert "proxy" in seen.origin(lambda f: f.flags == "SA" and f.window == 0)


def synproxy_closed(seen: Observation) -> None:
    zero_window(seen)
    assert seen.call["end"] == "reset"
    assert seen.origin(lambda f: "R" in f.flags) >= {"server"}


def mute(seen: Observation) -> None:
    assert (seen.call["heard"], seen.call["end"], seen.call["errno"]) == ("", "", "ETIMEDOUT")


def heard(text: str) -> Check:
    def check(seen: Observation) -> None:
        assert text in seen.call["heard"]

    return check


def limited(seen: Observation) -> None:
    assert seen.calls[0]["heard"].startswith("SSH-")
    assert seen.calls[-1]["errno"] == "ECONNREFUSED"
    assert seen.origin(lambda f: f.kind == "icmp") == {"server"}


def second_address_works(seen: Observation) -> None:
    assert seen.calls[1]["heard"].startswith("SSH-")
    assert seen.at("client", flags="S", out=True)[-1].source == seen.scenario.topology.service


def banner_reset(seen: Observation) -> None:
    assert seen.call["end"] in ("reset", "")  # "": the server's greeting was faster
    (reset,) = resets(seen)[:1]
    assert (reset.flags, reset.window, reset.tos) == ("R", 0, 0)
    assert 64 - reset.ttl == seen.scenario.truth.hop - 1
    assert "firewall" in seen.origin(lambda f: "R" in f.flags and f.sport == 22)
    assert not seen.at("server", payload=b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


def one_sided(seen: Observation) -> None:
    mute(seen)
    left = next(f.time for f in seen.frames["client"] if f.out and "F" in f.flags)
    assert all(f.time > left for f in resets(seen))
    assert any("R" in f.flags for f in seen.frames["server"] if not f.out)
    assert seen.at("server", out=True, flags="SA")


def swallowed(seen: Observation) -> None:
    greetings = [f for f in seen.frames["server"] if f.out and f.payload.startswith(b"SSH-")]
    assert len(greetings) > 1
    assert not resets(seen)
    assert not any(f.payload.startswith(b"SSH-") for f in seen.frames["client"] if not f.out)


def words_swallowed(seen: Observation) -> None:
    assert seen.call["heard"].startswith("SSH-")
    assert not resets(seen)
    assert (
        len(
            [
                f
                for f in seen.at("firewall", out=False)
                if f.payload.startswith(b"SSH-") and f.dport == seen.scenario.port
            ]
        )
        > 1
    )
    assert not any(
        f.payload.startswith(b"SSH-") for f in seen.at("firewall", out=True) if f.dport == seen.scenario.port
    )


def big_ones_vanish(seen: Observation) -> None:
    assert seen.call["heard"].startswith("SSH-")
    assert "SSH2_MSG_KEXINIT sent" in seen.said
    assert "SSH2_MSG_KEXINIT received" not in seen.said
    limit = int(seen.scenario.parameters["mtu"])
    head = 52 if seen.scenario.family == 4 else 72
    assert any(len(f.payload) + head > limit for f in seen.at("router", out=False))
    assert not any(len(f.payload) + head > limit for f in seen.at("router", out=True))


def big_ones_vanish_back(seen: Observation) -> None:
    assert seen.call["heard"].startswith("SSH-")
    assert "SSH2_MSG_KEXINIT received" not in seen.said
    limit = int(seen.scenario.parameters["mtu"]) - (52 if seen.scenario.family == 4 else 72)
    sent, came = (
        [f for f in seen.frames[node] if f.out == out and f.sport == seen.scenario.port] for node, out in ENDS
    )
    assert any(len(f.payload) > limit for f in sent)
    assert came
    assert not any(len(f.payload) > limit for f in came)
    assert any(len(f.payload) > limit for f in seen.frames["server"] if not f.out)


ENDS = (("server", True), ("client", False))


def unable(seen: Observation) -> None:
    assert "no matching key exchange method found. Their offer: diffie-hellman-group14-sha1" in seen.said


def lossy(seen: Observation) -> None:
    came, went = len(seen.at("router", out=False)), len(seen.at("router", out=True))
    assert 0.4 * came < went < 0.95 * came


def rate(seen: Observation) -> None:
    asked = len(seen.at("firewall", flags="S", out=False))
    answered = len(seen.at("firewall", kind="icmp", out=True))
    assert seen.origin(lambda f: f.kind == "icmp") == {"firewall"}
    if seen.scenario.family == 4:
        assert {call["errno"] for call in seen.calls} == {"EHOSTUNREACH", "ETIMEDOUT"}
        assert 6 <= answered < asked
    else:
        assert 6 <= answered <= asked


def asymmetric(seen: Observation) -> None:
    (reset,) = resets(seen)
    assert seen.call["errno"] == "ECONNREFUSED"
    assert seen.origin(lambda f: "R" in f.flags) == {"server"}
    assert not any("R" in f.flags for f in seen.frames["out"])
    assert any("R" in f.flags for f in seen.frames["back"])
    assert reset.ttl == 64 - 3


def bleached(seen: Observation) -> None:
    assert answer(seen).tos == 0
    assert seen.at("client", flags="S")[0].tos == 0x48
    assert seen.at("server", flags="S")[0].tos == 0


def stripped(seen: Observation) -> None:
    sent, got = seen.at("client", flags="S", out=True)[0], seen.at("server", flags="S", out=False)[0]
    kinds = {b"\x08\x0a": "timestamps", b"\x04\x02": "sack", b"\x03\x03": "window scaling"}
    assert all(kind in sent.options for kind in kinds)
    assert not any(kind in got.options for kind in kinds)


def translated(seen: Observation) -> None:
    carrier = {f.source for f in seen.at("carrier", flags="S", out=True)}
    assert carrier
    assert seen.scenario.topology.addresses["client"] not in carrier


def two_ways(seen: Observation) -> None:
    """Each source port always goes one way: through the filter and refused, or past it and answered."""
    ends = {one["errno"] for one in seen.calls}
    assert ends == {None, "ECONNREFUSED"}
    filtered = {f.sport for f in seen.at("filtered", flags="S", out=False)}
    past = {f.sport for f in seen.at("open", flags="S", out=False)}
    assert filtered
    assert past
    assert not filtered & past
    assert {f.dport for f in resets(seen)} == filtered
    assert seen.origin(lambda f: f.flags in ("RA", "AR") and f.seq == 0) == {"filtered"}


def one_way_ends(node: str, *others: str) -> Check:
    """Each source port always goes one way, odd ones and even ones: what meets this node goes no farther."""

    def check(seen: Observation) -> None:
        assert {one["errno"] for one in seen.calls} == {None, "ETIMEDOUT"}
        lost = {f.sport for f in seen.at(node, flags="S", out=False)}
        past = {f.sport for name in others for f in seen.at(name, flags="S", out=False)}
        assert lost
        assert not lost & past
        assert not [f for f in seen.at(node, flags="S", out=True) if f.dport == seen.scenario.port]
        assert lost == {2000 + n for n, one in enumerate(seen.calls) if one["errno"]}

    return check


def goes_round(seen: Observation) -> None:
    """The same SYN comes to the router again and again, and nothing is said of it."""
    (first, *later) = seen.at("router", flags="S", out=False)
    ttls = [f.ttl for f in later if f.ident == first.ident]
    assert ttls[:3] == [first.ttl - 2, first.ttl - 4, first.ttl - 6]
    assert not seen.at("client", kind="icmp", out=False)


def by_port(seen: Observation) -> None:
    """Each source port always meets one machine, and of both odd and even ones some are refused, by the second machine."""
    assert {one["errno"] for one in seen.calls} == {None, "ECONNREFUSED"}
    refused = {2000 + n for n, one in enumerate(seen.calls) if one["errno"]}
    assert {f.sport for f in seen.at("two", flags="S", out=False)} == refused
    assert {sport % 2 for sport in refused} == {sport % 2 for sport in set(range(2000, 2032)) - refused} == {0, 1}
    assert seen.origin(lambda f: f.flags in ("RA", "AR") and f.seq == 0) == {"two"}


def copied(what: str) -> Check:
    def check(seen: Observation) -> None:
        syn = seen.at("injector", flags="S", out=False)[0]
        made = next(f for f in seen.frames["injector"] if f.out and "R" in f.flags)
        field = {"ttl": "ttl", "id": "ident", "window": "window"}[what]
        assert getattr(made, field) == getattr(syn, field)

    return check


def refused_by_injector(seen: Observation) -> None:
    assert seen.call["errno"] == "ECONNREFUSED"
    assert seen.origin(lambda f: "R" in f.flags) == {"injector"}
    assert "server" not in seen.reached(lambda f: f.flags == "S")


def like_a_firewall(seen: Observation) -> None:
    (reset,), (syn,) = resets(seen), seen.at("client", flags="S", out=True)
    assert (reset.window, reset.ttl) == (syn.window, 255 - seen.scenario.truth.hop + 1)


def the_server_too(seen: Observation) -> None:
    assert seen.call["errno"] == "ECONNREFUSED"
    assert "injector" in seen.origin(lambda f: "R" in f.flags and f.sport == 22)
    first, second = [f for f in seen.frames["client"] if not f.out][:2]
    assert "R" in first.flags
    assert second.flags == "SA"


def starts_with_ttl(seen: Observation) -> None:
    assert resets(seen)[0].ttl == int(seen.scenario.parameters["ttl"]) - seen.scenario.truth.hop + 1
    kernel_made(seen)


def no_router_spoke(seen: Observation) -> None:
    kernel_made(seen)
    assert not [f for frames in seen.frames.values() for f in frames if f.kind == "icmp"]
