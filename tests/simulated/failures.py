"""What may be wrong on a drawn path: one function a failure, which puts it in place and says what is true then."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from netprobe.live.locate import CONTROL_PORT
from tests.simulated.chain import NOBODY, PUBLIC, SERVER, router_address
from tests.simulated.draft import EVERY, PORT, WEB, Draft, Truth, draws_apart
from tests.simulated.rows import Forward, Injector, Link, Node, Route, Rule

_KINDS = {
    4: ("admin-prohibited", "port-unreachable", "host-prohibited", "net-prohibited", "host-unreachable", "net-unreachable",
        "protocol-unreachable"),
    6: ("admin-prohibited", "port-unreachable", "no-route", "address-unreachable", "policy-failed", "reject-route"),
}  # fmt: skip
_DEAD = {4: "host-unreachable", 6: "address-unreachable"}
_ON_THE_WAY_BACK = 0.03  # of the filters that drop
Truths = list[Truth]


def healthy(draft: Draft) -> Truths:
    return [Truth("healthy.ssh", "server-host", draft.end)]


def closed_port(draft: Draft) -> Truths:
    draft.server["programs"] = {2222: "ssh"}
    return [Truth("reset.target.closed-port", "server-host", draft.end)]


def host_reset(draft: Draft) -> Truths:
    return _host_rule(draft, "reset", "reset.target.filter")


def host_reject(draft: Draft) -> Truths:
    kind = draft.random.choice(_KINDS[draft.family])
    return _host_rule(draft, kind, f"unreachable.target.filter.{kind}")


def host_drop(draft: Draft) -> Truths:
    early = draws_apart(draft.random).random() < 0.1
    return _host_rule(draft, "drop", "silence.target.filter.drop", "prerouting" if early else "input")


def _host_rule(draft: Draft, act: str, cause: str, hook: str = "input") -> Truths:
    draft.server["rules"] = (Rule(hook, act, draft.ports()),)
    return [Truth(cause, "server-host", draft.end)]


def router_reset(draft: Draft) -> Truths:
    return _router_rule(draft, "reset", "reset.network.firewall")


def router_reset_early(draft: Draft) -> Truths:
    return _router_rule(draft, "reset", "reset.network.firewall", "prerouting")


def router_reject(draft: Draft) -> Truths:
    kind = draft.random.choice(_KINDS[draft.family])
    early = draws_apart(draft.random).random() < 0.3
    truths = _router_rule(draft, kind, f"unreachable.network.firewall.{kind}")
    does = draft.routers[truths[0].hop - 1]
    if early and all(rule.ports == (PORT,) for rule in does["rules"]):  # for all ports it would be a route's in all
        draft.words.append("early")
        does["rules"] = tuple(replace(rule, hook="prerouting") for rule in does["rules"])
    return truths


def router_drop(draft: Draft) -> Truths:
    if draws_apart(draft.random).random() < _ON_THE_WAY_BACK:
        return _drop_back(draft)
    return _router_rule(draft, "drop", "silence.network.firewall.drop")


def _drop_back(draft: Draft) -> Truths:
    """A router drops the port's answers."""
    hop = draft.hop()
    draft.on(hop, rules=(Rule("forward", "drop", sport=PORT),))
    draft.back_until = 0
    return _bypass(draft, hop, [Truth("silence.network.firewall.drop", "firewall", hop, back=True)])


def banner_reset(draft: Draft) -> Truths:
    hop = draft.hop()
    draft.on(hop, rules=(Rule("forward", "reset", (PORT,), begins=b"SSH-"),))
    return _bypass(draft, hop, [Truth("closed.network.firewall.injected-reset", "firewall", hop)])


def swallows_large(draft: Draft) -> Truths:
    """A router drops large packets without a word."""
    hop = draft.hop()
    draft.on(hop, rules=(Rule(draft.random.choice(("forward", "prerouting")), "drop", longer=600),))
    return _bypass(draft, hop, [Truth("stalled.network.path.mtu", "router", hop)])


def one_sided(draft: Draft) -> Truths:
    """A router resets the server on its greeting, or drops that."""
    hop = draft.hop()
    draft.server["programs"] = {PORT: "greeting"}
    act, cause = draft.random.choice((("reset", "one-sided"), ("drop", "drop")))
    draft.on(hop, rules=(Rule("forward", act, sport=PORT, begins=b"SSH-"),))
    draft.words.append(f"greeting: {act}")
    draft.back_until = 0
    truths = [Truth(f"mute.network.firewall.{cause}", "firewall", hop)]
    if act == "reset":  # where the client speaks late, the host answers that it knows of nothing
        truths.append(Truth("closed.network.firewall.one-sided", "firewall", hop))
    return _bypass(draft, hop, truths)


def host_reads(draft: Draft) -> Truths:
    """The host's own filter resets what the client says."""
    draft.server["rules"] = (Rule("input", "reset", (PORT,), begins=b"SSH-"),)
    return [Truth("closed.target.filter.content", "server-host", draft.end)]


def _router_rule(draft: Draft, act: str, cause: str, hook: str = "forward") -> Truths:
    hop = draft.hop()
    if draft.chance(0.2, "closed behind"):
        draft.server["programs"] = {}
    draft.on(hop, rules=(Rule(hook, act, draft.ports()),), mute=False)
    if draws_apart(draft.random).random() < 0.2 and 2 <= hop < draft.length:
        draft.splits = hop - 1
    return _bypass(draft, hop, [Truth(cause, "firewall", hop)])


def _bypass(draft: Draft, hop: int, truths: Truths) -> Truths:
    """What flows find that take another way than over this router is true as well, where there are two ways."""
    draft.words.append(f"at hop {hop}")
    open_there = PORT in draft.server["programs"]
    cause = "healthy.ssh" if open_there else "reset.target.closed-port"
    return [*truths, Truth(cause, "server-host", draft.end, unless=hop)]


def injector(draft: Draft) -> Truths:
    random, behind = draft.random, draft.random.randint(0, draft.length)
    ttl = random.choice(("copy", 64, 128, 255, "like the target"))
    if ttl == "like the target":
        ttl = draft.server.get("ttl", 64) - (draft.length - behind)
    ident: int | str = random.choice((0, "copy", "random"))
    tos: int | str = "copy" if draft.chance(0.2, "copies TOS") else 0
    draft.words.append(f"ttl {ttl} id {ident} behind router {behind}")
    passes = draft.chance(0.2, "passes")
    plain = draws_apart(random).random() < 0.2
    draft.injectors[behind] = Injector(
        draft.ports(), ttl, ident, random.choice((0, "copy")), tos, random.random() < 0.5, passes, plain=plain
    )
    truths = [Truth("reset.network.firewall", "firewall", behind + 1)]
    if passes:  # the server's answer may be faster
        truths.append(Truth("healthy.ssh", "server-host", draft.end))
    return _bypass(draft, behind, truths)


def route(draft: Draft) -> Truths:
    """A router's route refuses, or swallows; perhaps on one of two ways only."""
    hop = draft.hop()
    reason = draft.random.choice(("unreachable", "prohibit", "missing", "blackhole"))
    if draws_apart(draft.random).random() < 0.4 and 2 <= hop < draft.length:
        reason, draft.splits = "blackhole", hop - 1
    kinds = {
        "unreachable": ("host-unreachable", "no-route"), "prohibit": ("admin-prohibited",) * 2, "missing": ("net-unreachable", "no-route"),
    }  # fmt: skip
    draft.on(hop, routes=(Route(draft.target, reason=reason),), mute=False)
    if reason == "blackhole":
        return _bypass(draft, hop, [Truth("silence.network.router.no-route", "router", hop)])
    kind = kinds[reason][draft.family == 6]
    return _bypass(draft, hop, [Truth(f"unreachable.network.router.{kind}", "router", hop)])


def loop(draft: Draft) -> Truths:
    """A router sends it back where it came from, or a little before; perhaps none of those in the loop ever reports a TTL."""
    if draft.length < 2:
        return closed_port(draft)
    hop, apart = draft.hop(2), draws_apart(draft.random)
    if apart.random() < 0.5:
        return _silent_loop(draft, hop, hop - 2 if hop > 2 and apart.random() < 0.3 else hop - 1)
    draft.on(hop, routes=(Route(draft.target, (f"r{hop - 1}",)),), mute=False)
    draft.on(hop - 1, mute=False)
    ends = hop - (64 - hop) % 2
    truths = [Truth("unreachable.network.router.ttl-exceeded", "router", ends)]
    truths += [
        Truth("silence.network.router.no-route", "router", one) for one in (hop - 1, hop)
    ]  # where errors get lost
    return _bypass(draft, hop, truths)


def _silent_loop(draft: Draft, hop: int, back: int) -> Truths:
    draft.words.append(f"silent, {hop} to {back}")
    draft.on(hop, routes=(Route(draft.target, (f"r{back}",)),))
    if back < hop - 1:
        draft.links.append(Link(f"r{hop}", f"r{back}", cost=100))
    truths = []
    for one in range(back, hop + 1):
        draft.on(one, mutes=("ttl-exceeded",))
        truths.append(Truth("silence.network.router.no-route", "router", one))
    return _bypass(draft, hop, truths)


def dead_host(draft: Draft) -> Truths:
    draft.target = NOBODY[draft.family]
    draft.on(draft.length, vacant=(draft.target,), mute=False)
    return [Truth(f"unreachable.network.router.{_DEAD[draft.family]}", "router", draft.length)]


def return_lost(draft: Draft) -> Truths:
    hop, asker = draft.hop(), "192.0.2.10" if draft.family == 4 else "2001:db8:1::10"
    reason = draft.random.choice(("missing", "blackhole"))
    masked = router_address(draft.family, 1)
    draft.back_until = 0
    if "masquerades" in draft.routers[0]:
        del draft.routers[0]["masquerades"]
        draft.words.remove("carrier NAT")
    draft.on(
        hop,
        routes=(Route(asker, reason=reason), Route(masked, reason=reason))
        if hop > 1
        else (Route(asker, reason=reason),),
    )
    if draft.chance(0.5):
        draft.server["programs"] = {}
    return _bypass(draft, hop, [Truth("silence.network.return-path", "router", hop, back=True)])


def queue_full(draft: Draft) -> Truths:
    draft.server |= {"programs": {}, "full": (PORT,)}
    return [Truth("silence.target.listener.queue-full", "server-host", draft.end)]


def service(draft: Draft) -> Truths:
    """Something else than a healthy sshd listens."""
    program, cause = draft.random.choice((
        ("closing", "closed.target.service.closed"), ("after-banner", "closed.target.service.closed"),
        ("resetting", "closed.target.service.closed"), ("wrapped", "closed.target.sshd.tcp-wrappers"),
        ("busy", "closed.target.sshd.max-startups"), ("broken-child", "closed.target.sshd.broken-child"),
        ("old-ssh", "closed.target.sshd.no-common-algorithm"), ("http", "wrong-service.target.http"),
        ("silent", "mute.target.service.not-ssh"), ("mute", "mute.target.service.not-ssh"), ("tarpit", "wrong-service.target.tarpit"),
    ))  # fmt: skip
    draft.words.append(program)
    draft.server["programs"] = {PORT: program}
    return [Truth(cause, "server-host", draft.end)]


def _box(draft: Draft, forward: tuple[int, ...], inside: tuple[str, ...] = (), pick: str = "hash") -> int:
    """The last router or one before it becomes a NAT box with the address that is asked."""
    hop = draft.hop()
    draft.words.append(f"NAT at hop {hop}")
    draft.target = PUBLIC[draft.family] if draft.chance(0.5, "virtual address") else router_address(draft.family, hop)
    draft.on(hop, maps=(Forward(draft.target, inside or (SERVER[draft.family],), forward, pick),), mute=False)
    if draft.target == PUBLIC[draft.family]:
        draft.on(hop, more=(draft.target,))
    draft.back_until = hop
    return hop


def no_mapping(draft: Draft) -> Truths:
    """The box forwards nothing of that port; perhaps the control."""
    forwarded = (CONTROL_PORT, 2222) if draft.chance(0.3, "control forwarded") else (2222,)
    draft.server["programs"] = {PORT: "ssh", 2222: "ssh"}
    return [Truth("reset.network.nat.no-mapping", "nat", _box(draft, forwarded))]


def closed_inside(draft: Draft) -> Truths:
    draft.server["programs"] = {2222: "ssh"}
    _box(draft, _forwarded(draft))
    return [Truth("reset.backend.closed-port", "backend", draft.end)]


def filtered_inside(draft: Draft) -> Truths:
    draft.server["rules"] = (Rule("input", "reset", draft.ports()),)
    _box(draft, _forwarded(draft))
    return [Truth("reset.backend.filter", "backend", draft.end)]


def _forwarded(draft: Draft) -> tuple[int, ...]:
    return draft.random.choice(((PORT,), (PORT, 2222), (PORT, *WEB), (PORT, CONTROL_PORT), ()))


def open_inside(draft: Draft) -> Truths:
    _box(draft, _forwarded(draft))
    return [Truth("healthy.ssh", "backend", draft.end)]


def dead_inside(draft: Draft) -> Truths:
    hop = _box(draft, (PORT,), (NOBODY[draft.family],))
    draft.on(hop, vacant=(NOBODY[draft.family],))
    if draws_apart(draft.random).random() < 0.3:  # the box keeps all errors to itself, and passes another port on
        draft.words.append("without a word")
        draft.server["programs"] = {2222: "ssh"}
        draft.on(
            hop,
            mutes=("ttl-exceeded", *_DEAD.values()),
            maps=(Forward(draft.target, (SERVER[draft.family],), (2222,)),),
        )
        return [Truth("silence.network.nat.dead-inside", "nat", hop)]
    return [Truth(f"unreachable.network.nat.{_DEAD[draft.family]}", "nat", hop)]


def firewall_before_nat(draft: Draft) -> Truths:
    box = _box(draft, _forwarded(draft))
    hop = draft.random.randint(1, box)
    if hop == box:
        return [Truth("healthy.ssh", "backend", draft.end)]
    draft.on(hop, rules=(Rule("forward", "reset", draft.ports()),), mute=False)
    return [Truth("reset.network.firewall", "firewall", hop)]


def balancer(draft: Draft) -> Truths:
    """Several machines behind one address, one of which refuses or is dead."""
    random, second = draft.random, "203.0.113.20" if draft.family == 4 else "2001:db8:2::20"
    hop = _box(
        draft,
        draft.random.choice(((PORT,), ())),
        (SERVER[draft.family], second),
        random.choice(("hash", "turn", "chance")),
    )
    broken = random.choice(("closed", "filtered", "dead"))
    draft.words.append(f"one {broken}")
    does: dict[str, Any] = {"programs": {}}
    if broken != "closed":
        does = {
            "programs": {PORT: "ssh"},
            "rules": (Rule("input", "reset" if broken == "filtered" else "drop", EVERY),),
        }
    near = "client" if draft.length == 0 else f"r{draft.length if random.random() < 0.5 else hop}"
    draft.nodes.append(Node("two", (second,), **does))
    draft.links.append(Link(near, "two"))
    causes = {"closed": "reset.backend.closed-port", "filtered": "reset.backend.filter", "dead": "silence.backend.down"}
    away = int(near[1:]) + 1
    return [Truth(causes[broken], "backend", away), Truth("healthy.ssh", "backend", draft.end)]


FAILURES: dict[Callable[[Draft], Truths], int] = {
    healthy: 4, closed_port: 10, host_reset: 8, host_reject: 5, host_drop: 3, router_reset: 12, router_reset_early: 5,
    router_reject: 8, router_drop: 4, banner_reset: 4, swallows_large: 2, one_sided: 2, host_reads: 1, injector: 12, route: 5,
    loop: 2, dead_host: 3, return_lost: 3, queue_full: 1, service: 8, no_mapping: 6, closed_inside: 6, filtered_inside: 5,
    open_inside: 2, dead_inside: 3, firewall_before_nat: 4, balancer: 5,
}  # fmt: skip


def chosen(random: Random) -> Callable[[Draft], Truths]:
    """One of them, by weight."""
    return random.choices(list(FAILURES), list(FAILURES.values()))[0]
