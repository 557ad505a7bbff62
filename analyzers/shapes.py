"""What SYNs of odd shapes got back: is it a TCP stack that answers, and the one that answers plain SYNs?

Probes of a live diagnosis, each with a case in which it says nothing (knowledge base T7, T9, T11): stacks without TCP-MD5
answer signed SYNs, silence on a damaged one proves nothing, and firewalls that drop what connection tracking calls invalid
keep silent on a SYN with FIN.
"""

from collections.abc import Iterator

from analyzers.attempts.hops import routers
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact


@fact
class SignedAnswered(Fact):
    """A SYN with a TCP-MD5 signature is refused like any other, though a closed port of the address ignores it."""

    control: int

    def text(self) -> str:
        return (
            f"a SYN signed with TCP-MD5 is answered by a RST as well; Linux's TCP ignores those, as port {self.control} of this "
            "address does: a packet filter answers here"
        )


@fact
class DamagedAnswered(Fact):
    """A SYN with a wrong TCP checksum is refused."""

    def text(self) -> str:
        return "a SYN with a wrong TCP checksum is answered by a RST: neither a TCP stack nor Linux's packet filter does that"


@fact
class InvalidNearer(Fact):
    """SYNs with FIN, which connection tracking does not translate, are refused by a stack nearer than plain SYNs."""

    ttl: int
    other_ttl: int

    def text(self) -> str:
        return (
            f"a SYN with FIN, which connection tracking calls invalid and does not translate, is answered with TTL {self.ttl} over "
            f"{routers(self.ttl)} routers, a plain SYN with TTL {self.other_ttl} over {routers(self.other_ttl)}: a box in front "
            "translates"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """The odd SYNs to a port that a RST refuses."""
    if subject.symptom != "reset" or not subject.sweeps:
        return
    if subject.signed is not None and subject.signed.frames:
        yield SignedAnswered(frames=subject.signed.frames, count=0, control=subject.signed.control)
    for echo in subject.sweeps.shaped(subject.service.port, "damaged"):
        if echo.kind == "rst" and echo.answer is not None:
            yield DamagedAnswered(frames=(echo.syn.number, echo.answer.number), count=0)
    nearer = subject.translated
    if nearer is not None:
        yield InvalidNearer(
            frames=(nearer[0].number, nearer[1].number), count=0, ttl=nearer[0].ttl, other_ttl=nearer[1].ttl
        )
