"""What SYNs of odd shapes got back: is it a TCP stack that answers, and the one that answers plain SYNs?

Probes of a live diagnosis, each with a case in which it says nothing (knowledge base T7, T9, T11): stacks without TCP-MD5
answer signed SYNs, silence on a damaged one proves nothing, and firewalls that drop what connection tracking calls invalid
keep silent on a SYN with FIN.
"""

from collections.abc import Iterator

from analyzers.attempts.hops import routers
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, fact

_FLOWS = 2  # one that gets no answer may be lost


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


@fact
class InvalidToo(Fact):
    """SYNs with FIN to a silent port get no answer either, though the address refuses them on port `control`: no connection tracking
    forwards plain ones elsewhere, as these would be left to the box itself. Misleads where the box filters that port as well."""

    control: int

    def text(self) -> str:
        return (
            "SYNs with FIN, which connection tracking calls invalid and does not translate, get no answer here either, though port "
            f"{self.control} refuses them: this port is not forwarded from there"
        )


@fact
class InvalidRefused(Fact):
    """SYNs with FIN to a silent port are refused as those to port `control` are: plain ones are forwarded, or new connections dropped."""

    control: int

    def text(self) -> str:
        return (
            "SYNs with FIN, which connection tracking calls invalid and does not translate, are refused here as on port "
            f"{self.control}: plain ones are forwarded elsewhere, or a filter drops what is new"
        )


def facts(subject: Subject) -> Iterator[Fact]:
    """The odd SYNs to a port that a RST refuses, or that keeps silent."""
    if subject.symptom == "silence" and not subject.came_through:
        yield from _silent(subject)
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


def _silent(subject: Subject) -> Iterator[Fact]:
    """SYNs with FIN to a silent port, where another port shows what the address does with them."""
    sweeps, port = subject.sweeps, subject.service.port
    mine = sweeps.shaped(port, "synfin")
    others = {
        other: echo for other, echo in sweeps.singles if other != port and echo.shape == "synfin" and echo.kind == "rst"
    }
    for control, shown in list(others.items())[:1]:
        kinds = {echo.kind for echo in mine}
        answers = [echo.answer for echo in (shown, *mine) if echo.answer is not None]
        frames = tuple(sorted({mine[0].syn.number, *(answer.number for answer in answers)})) if mine else ()
        if len(mine) >= _FLOWS and kinds == {""}:
            yield InvalidToo(frames=frames, count=0, control=control)
        elif kinds == {"rst"} and len({routers(answer.ttl) for answer in answers}) == 1:
            yield InvalidRefused(frames=frames, count=0, control=control)
