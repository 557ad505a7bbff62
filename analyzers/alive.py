"""The port keeps silent: does the address live all the same? Its pings, and UDP to it, may be answered where no TCP port is."""

from collections.abc import Iterator

from analyzers.attempts.hops import routers
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact
from analyzers.words import times


@fact
class AnswersPing(Fact):
    """The address answers ICMP echo requests: it lives, and there are ways to it and back; unless SYNs get as far as that hop, or
    `farther`, without meeting the target: then something on the way may answer in its name. `alike`: nothing shows that flows take
    different ways, or meet different machines, so that this is the way of those that fail."""

    ttl: int
    hop: int
    farther: bool
    alike: bool = True

    def text(self) -> str:
        where = f", from TTL {self.hop} of the request on" if self.hop else ""
        if self.farther:
            return (
                f"pings are answered in the address's name (the reply's TTL is {self.ttl}){where}, but SYNs get farther: perhaps by "
                "something else"
            )
        return (
            f"the address answers pings (the reply's TTL is {self.ttl}, {times(routers(self.ttl), 'router')} away if it started at "
            f"the next usual value){where}: it lives, and there are ways to it and back"
        )


@fact
class RefusesUdp(Fact):
    """The address answers UDP with port-unreachable: it lives. `passed` are the routers that the UDP packet had passed there, as
    its quote shows; `alike` as in `AnswersPing`."""

    passed: int
    alike: bool = True

    def text(self) -> str:
        return (
            f"the address refuses UDP with ICMP port-unreachable, which quotes a packet that had passed "
            f"{times(self.passed, 'router')}: it lives, and there are ways to it and back"
        )


@fact
class PingsUnanswered(Fact):
    """Pings that went all the way got no answer, as from many hosts that are well."""

    tries: int

    def text(self) -> str:
        return f"nor is {times(self.tries, 'ping')} answered, which many hosts and firewalls never are"


def facts(subject: Subject) -> Iterator[Fact]:
    """What else than TCP shows that the address lives."""
    if subject.symptom != "silence":
        return
    pings = subject.pings
    reply, udp = pings.reply, pings.udp
    if reply is not None and reply.answer is not None:
        farther = subject.lost is not None and 0 < pings.hop <= subject.lost.last
        yield AnswersPing(
            frames=(reply.syn.number, reply.answer.number),
            count=0,
            ttl=reply.answer.ttl,
            hop=pings.hop,
            farther=farther,
            alike=not subject.mixed,
        )
    elif pings.unanswered:
        echoes = pings.unanswered
        yield PingsUnanswered(
            frames=tuple(e.syn.number for e in echoes[:3]), count=0, tries=sum(echo.tries for echo in echoes)
        )
    if udp is not None:
        quoted = udp.packet.icmp.quoted if udp.packet.icmp is not None else None
        passed = routers(quoted.ip.ttl) if quoted is not None and quoted.ip is not None else 0
        yield RefusesUdp(frames=(udp.number,), count=0, passed=passed, alike=not subject.mixed)
