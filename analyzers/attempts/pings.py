"""Pings of an address, and UDP to it: signs of life that no TCP port needs to give, and with small TTLs traceroutes of their
own, as most people run them, which tell how far the address is though all of its ports keep silent.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzers.attempts.attempt import Segment
from analyzers.attempts.echoes import Echo
from analyzers.attempts.hops import MOST_HOPS
from analyzers.attempts.icmp import RAN_OUT, kind_of
from analyzers.attempts.sweeps import FLOW, Path
from captures.decoded import Sign
from captures.packet import Address, Icmp, Packet

REPLY = "echo-reply"
_UDP = 17
_MOST_ANSWER_NS = 10_000_000_000  # idents and numbers come again
_Question = tuple[str, int, int, int]
_Answers = dict[_Question, list[tuple[str, Sign]]]


@dataclass(frozen=True, slots=True)
class Pings:
    """What an address got by ping and UDP: `paths` with one entry for each sweep by TTL (their `client_port` is the echo's
    identifier, 0 for UDP, whose probes have ports of their own), `singles` for whole-way pings and flows of few TTLs; `udp` is an
    error in the address's own name about UDP that came there. An echo whose `kind` is REPLY was answered by the address.
    """

    paths: tuple[Path, ...] = ()
    singles: tuple[Echo, ...] = ()
    udp: Segment | None = None

    @property
    def echoes(self) -> list[Echo]:
        return [*self.singles, *(echo for path in self.paths for echo in path.echoes)]

    @property
    def reply(self) -> Echo | None:
        """The first ping that was answered by the address."""
        return next((echo for echo in self.echoes if echo.kind == REPLY and echo.syn.packet.icmp is not None), None)

    @property
    def answer(self) -> Echo | None:
        """The first answer of the address to anything, a ping if there is one."""
        return self.reply or next((echo for echo in self.echoes if echo.kind == REPLY), None)

    @property
    def unanswered(self) -> list[Echo]:
        """The pings that went all the way, if anything did, and got no answer whatever."""
        return [e for e in self.echoes if not e.kind and e.ttl > MOST_HOPS and e.syn.packet.icmp is not None]

    @property
    def hop(self) -> int:
        """The hop at which the sweeps that got there agree that the address answers; 0 when none shows it."""
        hops = {end.ttl for path in self.paths if (end := path.begins(REPLY)) is not None}
        return hops.pop() if len(hops) == 1 else 0

    def flows_at(self, ttl: int) -> list[Echo]:
        """What pings with that TTL got back, one entry for every flow."""
        swept = [echo for path in self.paths if (echo := path.at(ttl)) is not None]
        return swept + [echo for echo in self.singles if echo.ttl == ttl]


NO_PINGS = Pings()


class Signs:
    """The signs of a run by the address that they tell of; `trace` is where they were captured."""

    def __init__(self, signs: Iterable[tuple[int, Sign]]) -> None:
        self._about: dict[tuple[int, Address], list[Sign]] = defaultdict(list)
        self._found: dict[tuple[int, Address], Pings] = {}  # an address may have thousands of services
        for trace, sign in signs:
            ip, icmp = sign.packet.ip, sign.packet.icmp
            if ip is None:
                continue
            if icmp is None:
                self._about[trace, ip.dst].append(sign)
            elif icmp.quoted is not None and icmp.quoted.ip is not None:
                self._about[trace, icmp.quoted.ip.dst].append(sign)
            elif icmp.echo:
                self._about[trace, ip.dst if icmp.echo == "request" else ip.src].append(sign)

    def pings(self, trace: int, address: Address) -> Pings:
        """What an address got, as seen from one place."""
        if (trace, address) not in self._about:
            return NO_PINGS
        if (trace, address) not in self._found:
            self._found[trace, address] = _pings(self._about[trace, address], address)
        return self._found[trace, address]


def _pings(signs: Sequence[Sign], address: Address) -> Pings:
    flows: dict[tuple[Address, int], list[Sign]] = defaultdict(list)
    for sign in signs:
        ip, asked = sign.packet.ip, _asked(sign.packet)
        if ip is not None and asked is not None and ip.dst == address:
            flows[ip.src, asked[1] if asked[0] == "echo" else -1].append(sign)
    paths: list[Path] = []
    singles: list[Echo] = []
    answers = _answers(signs, address)
    for (source, ident), requests in flows.items():
        echoes = tuple(_echoes(requests, answers, source))
        if len({echo.ttl for echo in echoes if echo.ttl <= MOST_HOPS}) >= FLOW:
            paths.append(Path(max(0, ident), 0, ident >= 0, echoes))
        else:
            singles += echoes
    return Pings(tuple(paths), tuple(singles), _udp(signs, address))


def _echoes(requests: Sequence[Sign], answers: _Answers, source: Address) -> Iterator[Echo]:
    """One echo per TTL: the address's own word counts more than an error, and that more than silence."""
    by_ttl: dict[int, list[tuple[Sign, list[tuple[str, Sign]]]]] = defaultdict(list)
    for request in requests:
        ip = request.packet.ip
        assert ip is not None
        by_ttl[ip.ttl].append((request, list(_to(request, answers, source))))
    for ttl, asked in sorted(by_ttl.items()):
        found = [(kind, request, answer) for request, answers in asked for kind, answer in answers]
        ran_out = next((_segment(answer) for kind, _, answer in found if kind == RAN_OUT), None)
        best = min(found, key=lambda one: (one[0] != REPLY, one[0] == RAN_OUT), default=None)
        if best is None:
            yield Echo(ttl, "", _segment(asked[0][0], client=True), None, ran_out, len(asked))
        else:
            yield Echo(ttl, best[0], _segment(best[1], client=True), _segment(best[2]), ran_out, len(asked))


def _asked(packet: Packet) -> _Question | None:
    """What tells one request from all others: its kind, its flow, and what its answer repeats."""
    if packet.udp is not None and packet.ip is not None:
        return "udp", packet.udp[0], packet.udp[1], packet.ip.ip_id or 0
    if packet.icmp is not None and packet.icmp.echo == "request":
        return "echo", packet.icmp.ident, packet.icmp.sequence, 0
    return None


def _answers(signs: Iterable[Sign], address: Address) -> _Answers:
    """Replies, and errors about requests, by the request."""
    found: _Answers = defaultdict(list)
    for sign in signs:
        ip, icmp = sign.packet.ip, sign.packet.icmp
        if icmp is None or ip is None:
            continue
        if icmp.quoted is not None and (about := _asked(icmp.quoted)) is not None:
            refused = about[0] == "udp" and ip.src == address and _kind(icmp) == "port-unreachable"
            found[about].append((REPLY if refused else _kind(icmp), sign))
        elif icmp.echo == "reply":
            found["echo", icmp.ident, icmp.sequence, 0].append((REPLY, sign))
    return found


def _to(request: Sign, answers: _Answers, source: Address) -> Iterator[tuple[str, Sign]]:
    asked = _asked(request.packet)
    assert asked is not None
    for kind, sign in answers.get(asked, ()):
        after = sign.ts_ns - request.ts_ns
        if 0 <= after < _MOST_ANSWER_NS and sign.packet.ip is not None and sign.packet.ip.dst == source:
            yield kind, sign


def _kind(icmp: Icmp) -> str:
    return kind_of(icmp.version, icmp.type, icmp.code)


def _udp(signs: Sequence[Sign], address: Address) -> Segment | None:
    for sign in signs:
        ip, icmp = sign.packet.ip, sign.packet.icmp
        quoted = icmp.quoted.ip if icmp is not None and icmp.quoted is not None else None
        if ip is None or icmp is None or quoted is None or ip.src != address:
            continue
        if quoted.protocol == _UDP and _kind(icmp) == "port-unreachable":
            return _segment(sign)
    return None


def _segment(sign: Sign, client: bool = False) -> Segment:
    return Segment.of(sign.packet, sign.number, sign.ts_ns, client)
