"""How each scenario is tried, and what its packets must show beyond what its outcome already says.

A scenario has one or more variants. `families`: a second variant need not be run in both.
"""

from dataclasses import dataclass, field
from typing import Any

from netprobe.lab.scenario import names
from tests.lab.checks import (
    Check,
    all_of,
    asymmetric,
    banner_reset,
    big_ones_vanish,
    big_ones_vanish_back,
    bleached,
    by_chance,
    by_port,
    closed_unsaid,
    copied,
    errno,
    filter_made,
    goes_round,
    haproxy_in_turn,
    heard,
    in_turn,
    kernel_made,
    like_a_firewall,
    limited,
    lossy,
    made_by,
    mute,
    no_router_spoke,
    one_sided,
    one_way_ends,
    only_after,
    other_port_works,
    quoted_ttl,
    rate,
    refused_by_injector,
    second_address_works,
    starts_with_ttl,
    stripped,
    swallowed,
    synproxy_closed,
    the_server_answered,
    the_server_too,
    translated,
    two_ways,
    unable,
    unacknowledged,
    words_swallowed,
    works_elsewhere,
    zero_window,
)


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


TWICE: list[dict[str, Any]] = [{}, {"port": 2222}]
SEVERAL: list[dict[str, Any]] = [{"wait": 0.2, "manner": "hush"} for _ in range(10)]
MANY_PORTS: list[dict[str, Any]] = [{"sport": n, "wait": 1.0} for n in range(2000, 2016)]
SHORTLY: list[dict[str, Any]] = [{"sport": n, "wait": 0.3} for n in range(2000, 2016)]
MORE_PORTS: list[dict[str, Any]] = [{"sport": n, "wait": 0.2} for n in range(2000, 2032)]
DEAD = Expectation(wait=4, also=only_after(2.9))
_One = Expectation

EXPECTATIONS: dict[str, list[Expectation]] = {
    "acknowledgements-lost": [_One(wait=2, also=all_of(mute, unacknowledged))],
    "asymmetric-return": [_One(instead=asymmetric)],
    "balancer": [_One(wait=0.4, tries=[{}, {}, {}], instead=in_turn)],
    "balancer-by-chance": [_One(wait=0.4, tries=[{"wait": 0.4}] * 30, instead=by_chance)],
    "balancer-by-flow-closed": [_One(tries=MORE_PORTS, instead=by_port)],
    "balancer-by-flow-filtered": [_One(tries=MORE_PORTS, instead=by_port)],
    "ban": [_One(tries=[{}, {"source": "service"}], also=second_address_works)],
    "cgnat": [_One(also=all_of(kernel_made, translated))],
    "client-filter-drop": [_One(wait=0.5, also=errno("ETIMEDOUT"))],
    "client-filter-input": [_One(also=errno("ETIMEDOUT"))],
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
    "ecmp-one-branch-black-hole": [_One(tries=SHORTLY, instead=one_way_ends("hole", "open"))],
    "ecmp-one-branch-drops": [_One(tries=SHORTLY, instead=one_way_ends("filtered", "open", "wide"))],
    "ecmp-one-branch-filtered": [_One(tries=MANY_PORTS, instead=two_ways)],
    "greeting-swallowed": [_One(tries=[{"manner": "hush"}], also=all_of(mute, swallowed))],
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
    "host-rp-filter": [_One()],
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
    "loss": [_One(wait=0.4, tries=[{}] * 20, instead=lossy, families=(4,))],
    "max-startups": [
        _One(also=all_of(heard("Exceeded MaxStartups"), made_by("server", lambda f: b"Exceeded" in f.payload)))
    ],
    "max-startups-new": [_One(also=heard("Not allowed"))],
    "nat-closed-inside": [_One(also=kernel_made), _One({"behind": 3}, also=kernel_made)],
    "nat-dead-inside": [DEAD],
    "nat-filtered-inside": [_One(tries=TWICE, also=other_port_works)],
    "nat-silent-inside": [_One(wait=4, tries=TWICE, also=works_elsewhere)],
    "nat-no-mapping": [_One(tries=TWICE, also=works_elsewhere)],
    "nat-open-inside": [_One()],
    "no-common-algorithm": [_One(wait=3, ssh=True, also=unable)],
    "no-return-route": [_One(), *(_One({"kind": k}, families=(4,)) for k in ("unreachable", "prohibit", "blackhole"))],
    "no-state-reset": [_One(wait=2, also=all_of(made_by("firewall", lambda f: f.flags == "R"), unacknowledged))],
    "option-stripping": [_One(also=stripped)],
    "penalties": [_One(also=heard("Not allowed"))],
    "pmtu-black-hole": [_One(wait=2, ssh=True, also=big_ones_vanish)],
    "pmtu-black-hole-back": [_One(wait=2, ssh=True, also=big_ones_vanish_back)],
    "queue-full": [_One()],
    "rate-limit": [_One(wait=2.5, tries=[{}] * 4, instead=limited)],
    "reset-on-banner": [_One(also=banner_reset)],
    "reset-on-banner-one-sided": [_One(tries=[{"manner": "hush"}], also=one_sided)],
    "return-route-lost": [_One(also=the_server_answered)],
    "route-blackhole": [_One()],
    "route-missing": [_One(wait=2.5, also=quoted_ttl(True))],
    "route-prohibit": [_One(wait=2.5, also=quoted_ttl(True))],
    "route-unreachable": [_One(wait=2.5, also=quoted_ttl(True))],
    "router-drop": [_One()],
    "router-drop-all": [_One()],
    "router-reject": [
        _One({"type": "admin-prohibited"}, wait=2.5, also=quoted_ttl(False)),
        _One({"type": "port-unreachable", "before": 1, "behind": 3}, wait=2.5),
    ],
    "router-reset": [_One(tries=TWICE, also=other_port_works), _One({"before": 1, "behind": 2}, also=filter_made)],
    "router-reset-early": [_One(tries=TWICE, also=other_port_works)],
    "router-reset-established": [
        _One(wait=2, also=all_of(made_by("firewall", lambda f: f.flags == "R"), unacknowledged))
    ],
    "routing-loop": [_One(wait=2.5), _One({"before": 1}, families=(4,))],
    "routing-loop-silent": [_One(instead=goes_round)],
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
    "words-swallowed": [_One(wait=2, ssh=True, also=words_swallowed)],
    "wrong-service": [_One(also=heard("400 Bad Request"))],
}

assert sorted(EXPECTATIONS) == names(), "every scenario is verified"
