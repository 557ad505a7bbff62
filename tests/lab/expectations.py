"""How each scenario is tried, and what its packets must show beyond what its outcome already says.

A scenario has one or more variants. `families`: a second variant need not be run in both.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netprobe.lab.scenario import names
from tests.lab.experiment import Observation
from tests.lab.frames import Seen

Check = Callable[[Observation], None]


@dataclass(frozen=True)
class Expectation:
    """`tries` are calls (see experiment.ask), each with a `wait`; `also` are checks on top of those for the outcome, `instead`
    replaces these."""

    parameters: dict[str, Any] = field(default_factory=dict)
    wait: float = 1.2
    tries: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    ssh: bool = False
    also: Check | None = None
    instead: Check | None = None
    families: tuple[int, ...] = (4, 6)


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
    assert seen.call["end"] == "reset"
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


def big_ones_vanish(seen: Observation) -> None:
    assert seen.call["heard"].startswith("SSH-")
    assert "SSH2_MSG_KEXINIT sent" in seen.said
    assert "SSH2_MSG_KEXINIT received" not in seen.said
    limit = int(seen.scenario.parameters["mtu"])
    head = 52 if seen.scenario.family == 4 else 72
    assert any(len(f.payload) + head > limit for f in seen.at("router", out=False))
    assert not any(len(f.payload) + head > limit for f in seen.at("router", out=True))


def unable(seen: Observation) -> None:
    assert "no matching key exchange method found. Their offer: diffie-hellman-group14-sha1" in seen.said


def lossy(seen: Observation) -> None:
    came, went = len(seen.at("router", out=False)), len(seen.at("router", out=True))
    assert 0.3 * came < went < 0.95 * came


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


TWICE: list[dict[str, Any]] = [{}, {"port": 2222}]
SEVERAL: list[dict[str, Any]] = [{"wait": 0.2, "manner": "hush"} for _ in range(10)]
DEAD = Expectation(wait=4, also=only_after(2.9))
_One = Expectation

EXPECTATIONS: dict[str, list[Expectation]] = {
    "asymmetric-return": [_One(instead=asymmetric)],
    "balancer": [_One(wait=0.4, tries=[{}, {}, {}], instead=in_turn)],
    "ban": [_One(tries=[{}, {"source": "service"}], also=second_address_works)],
    "cgnat": [_One(also=all_of(kernel_made, translated))],
    "client-filter-drop": [_One(wait=0.5, also=errno("ETIMEDOUT"))],
    "client-filter-reject": [_One(wait=2.5, also=errno("EHOSTUNREACH", "EACCES"))],
    "client-filter-reset": [_One(also=errno("ECONNREFUSED"))],
    "client-neighbour": [_One(wait=4, also=all_of(only_after(2.9), errno("EHOSTUNREACH")))],
    "client-route-blackhole": [_One(also=errno("EINVAL"))],
    "client-route-missing": [_One(also=errno("ENETUNREACH"))],
    "client-route-prohibit": [_One(also=errno("EACCES"))],
    "client-route-unreachable": [_One(also=errno("EHOSTUNREACH"))],
    "closed-port": [_One(also=kernel_made), _One({"before": 6, "delay_ms": 5}, also=kernel_made, families=(4,))],
    "dead-host": [DEAD],
    "dscp-bleaching": [_One(also=bleached)],
    "ecmp-one-branch-filtered": [_One(tries=[{"sport": n, "wait": 1.0} for n in range(2000, 2016)], instead=two_ways)],
    "haproxy-no-server": [_One(also=all_of(closed_unsaid, made_by("server", lambda f: f.flags == "SA")))],
    "haproxy-some-down": [_One(wait=6, tries=[{}, {}], instead=haproxy_in_turn)],
    "healthy": [_One(), _One({"before": 1, "delay_ms": 10})],
    "host-drop": [_One(tries=TWICE, also=works_elsewhere)],
    "host-reject": [
        _One({"type": "admin-prohibited"}, wait=2.5, also=quoted_ttl(True)),
        _One({"type": "port-unreachable"}, wait=2.5),
        _One({"type": "host-prohibited"}, families=(4,)),
        _One({"type": "prot-unreachable"}, families=(4,), also=errno("ENOPROTOOPT")),
        _One({"type": "policy-fail"}, wait=2.5, families=(6,)),
    ],
    "host-reset": [_One(tries=TWICE, also=other_port_works)],
    "host-ttl": [_One({"ttl": 128}, also=starts_with_ttl), _One({"ttl": 255}, also=starts_with_ttl, families=(4,))],
    "icmp-limited": [_One(tries=SEVERAL, instead=rate)],
    "injector": [
        _One({"copies": c}, instead=all_of(refused_by_injector, copied(c)), families=(4,))
        for c in ("ttl", "id", "window")
    ],
    "injector-255": [_One(also=all_of(refused_by_injector, like_a_firewall))],
    "injector-careless": [_One(also=refused_by_injector)],
    "injector-late": [_One(instead=the_server_too)],
    "listen-elsewhere": [_One(also=kernel_made)],
    "loss": [_One(wait=8, tries=[{}, {}], instead=lossy, families=(4,))],
    "max-startups": [
        _One(also=all_of(heard("Exceeded MaxStartups"), made_by("server", lambda f: b"Exceeded" in f.payload)))
    ],
    "max-startups-new": [_One(also=heard("Not allowed"))],
    "nat-closed-inside": [_One(also=kernel_made), _One({"behind": 3}, also=kernel_made)],
    "nat-dead-inside": [DEAD],
    "nat-no-mapping": [_One(tries=TWICE, also=works_elsewhere)],
    "nat-open-inside": [_One()],
    "no-common-algorithm": [_One(wait=3, ssh=True, also=unable)],
    "no-return-route": [_One()],
    "option-stripping": [_One(also=stripped)],
    "penalties": [_One(also=heard("Not allowed"))],
    "pmtu-black-hole": [_One(wait=2, ssh=True, also=big_ones_vanish)],
    "queue-full": [_One()],
    "rate-limit": [_One(wait=2.5, tries=[{}] * 4, instead=limited)],
    "reset-on-banner": [_One(also=banner_reset)],
    "reset-on-banner-one-sided": [_One(also=one_sided)],
    "return-route-lost": [_One(also=the_server_answered)],
    "route-blackhole": [_One()],
    "route-missing": [_One(wait=2.5, also=quoted_ttl(True))],
    "route-prohibit": [_One(wait=2.5, also=quoted_ttl(True))],
    "route-unreachable": [_One(wait=2.5, also=quoted_ttl(True))],
    "router-drop": [_One()],
    "router-reject": [
        _One({"type": "admin-prohibited"}, wait=2.5, also=quoted_ttl(False)),
        _One({"type": "port-unreachable", "before": 1, "behind": 3}, wait=2.5),
    ],
    "router-reset": [_One(tries=TWICE, also=other_port_works), _One({"before": 1, "behind": 2}, also=filter_made)],
    "router-reset-early": [_One(tries=TWICE, also=other_port_works)],
    "routing-loop": [_One(wait=2.5), _One({"before": 1}, families=(4,))],
    "silent-routers": [_One(also=no_router_spoke)],
    "silent-service": [_One(wait=0.5, also=mute)],
    "slow-link": [_One(wait=3, also=only_after(0.16), families=(4,))],
    "ssh-on-other-port": [_One(tries=TWICE, also=all_of(kernel_made, works_elsewhere))],
    "sshd-dies-after-accept": [_One(also=closed_unsaid)],
    "synproxy-closed": [_One(also=synproxy_closed)],
    "synproxy-dead": [_One(also=all_of(zero_window, mute))],
    "synproxy-open": [_One(also=zero_window)],
    "tarpit": [
        _One(
            wait=0.8,
            also=made_by("server", lambda f: f.payload.endswith(b"\r\n") and not f.payload.startswith(b"SSH-")),
        )
    ],
    "tcp-wrappers": [_One(wait=7, also=all_of(closed_unsaid, only_after(4.9)))],
    "virtual-ip": [_One(tries=TWICE, also=works_elsewhere)],
    "wrong-service": [_One(also=heard("400 Bad Request"))],
}

assert sorted(EXPECTATIONS) == names(), "every scenario is verified"
