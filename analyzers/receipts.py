"""Do SYNs to the failing port get through to the target itself? Receipts tell, before its own filters and programs can refuse."""

from collections.abc import Iterator

from analyzers.attempts.hops import routers
from analyzers.attempts.loops import loop
from analyzers.attempts.receipts import FLOWS, Receipt, reports
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, Placed, fact


@fact
class SynReceived(Placed):
    """The target reports SYNs to this port as wrong that get wrong at its hop: what fails others stands behind its way in. Of
    silent ports that is the place, unless what comes back gets lost. `closed`: a closed port of the address refuses; `ignored`: so
    does it ACKs, which a port where somebody listens does as well, and this one not. `answered`: other ports are, from that hop,
    so that it is not all of TCP that gets lost on the way back. `opened`: open ports are answered from "behind" it, so that it may
    pass this one on, too, or "here"; "" without any."""

    hop: int
    control: int
    closed: bool
    refused: bool
    ignored: bool
    answered: bool
    opened: str

    def text(self) -> str:
        if self.refused:
            tail = "one with room to go on is refused: the RST is made behind the way in"
        else:
            tail = "they get through to it, and what keeps silent is its packet filter or its TCP, unless the answer gets lost"
            if self.opened == "behind":
                tail = "they get through to it; it passes other ports on behind it, and perhaps this one"
            if self.ignored:
                tail += f"; ACKs out of nothing get no RST here, as they do from port {self.control}: no TCP gets these"
        others = f", as those to port {self.control} are" if self.control else ""
        return f"{_asked('this port', self.hop)} are reported by the address itself{others}: {tail}"


@fact
class SynNotReceived(Placed):
    """The target does not report SYNs to this port that get wrong at its hop, though it does those to another, which is `closed`
    where its stack refuses plain ones."""

    hop: int
    control: int
    closed: bool

    def text(self) -> str:
        return (
            f"{_asked(f'port {self.control}', self.hop)} are reported by the address itself, those to this port are not: they get "
            "lost before it, or in a filter of the host that works before its IP does"
        )


@fact
class CameAsFar(Placed):
    """A router on the way reports a SYN to this port that gets wrong at its hop, though it reports no TTL as used up there: it drops the
    packets before it looks at that, as for want of a route, or is silent about TTLs."""

    hop: int
    router: str

    def text(self) -> str:
        return (
            f"{_asked('this port', self.hop)} are reported by {self.router}: they get as far as that, though it does not report their "
            "TTL as used up"
        )


@fact
class RefusedBefore(Fact):
    """What refuses the port also refuses SYNs that the address itself would have to report as wrong: it gets them first."""

    hop: int
    control: int

    def text(self) -> str:
        return (
            f"{_asked(f'port {self.control}', self.hop)} are reported by the address itself, those to this port are refused instead: "
            "the RST is made before the address's own stack sees them"
        )


@fact
class OptionAccepted(Fact):
    """SYNs with an IP option are accepted, plain ones refused: what refuses does not look at those."""

    def text(self) -> str:
        return "SYNs with an IP option are accepted, those without refused: something listens there, and something else refuses"


def _asked(port: str, hop: int) -> str:
    return f"SYNs to {port} whose record-route option has no room left at hop {hop}"


def facts(subject: Subject) -> Iterator[Fact]:
    """What receipts say of a port that refuses with a RST, or keeps silent."""
    accepted = [echo for echo in subject.sweeps.shaped(subject.service.port, "recorded") if echo.kind == "syn-ack"]
    if subject.symptom == "reset" and len(accepted) >= FLOWS and not subject.came_through:
        yield OptionAccepted(frames=tuple(e.answer.number for e in accepted if e.answer is not None), count=0)
    if subject.symptom == "silence":
        yield from _came_as_far(subject)
    receipt = subject.receipt
    if receipt is None or subject.symptom not in ("reset", "silence"):
        return
    if receipt.came and receipt.refused == (subject.symptom == "reset"):
        silent, opened = subject.symptom == "silence", _opened(subject, receipt)
        yield SynReceived(
            frames=receipt.frames, count=0, hop=receipt.hop, control=receipt.control, closed=receipt.closed,
            refused=receipt.refused, ignored=receipt.ignored, answered=receipt.control > 0, opened=opened,
            hop_min=receipt.hop if silent else None, hop_max=receipt.hop if silent and opened != "behind" else None, or_back=silent,
        )  # fmt: skip
    elif subject.symptom == "reset" and receipt.before:
        yield RefusedBefore(frames=receipt.frames, count=0, hop=receipt.hop, control=receipt.control)
    elif subject.symptom == "silence" and not receipt.came and not receipt.before:
        yield _not_received(subject, receipt)


def _opened(subject: Subject, receipt: Receipt) -> str:
    """Whether open ports of the address are answered from farther away than it reports from, or all from there."""
    passed = {routers(answer.ttl) for answer in subject.elsewhere if answer.kind == "syn-ack"}
    return "behind" if max(passed, default=0) > receipt.back else "here" if passed == {receipt.back} else ""


def _came_as_far(subject: Subject) -> Iterator[Fact]:
    port, last = subject.service.port, subject.lost.last if subject.lost is not None else None
    if any(echo.kind for echo in subject.sweeps.shaped(port, "recorded")) or loop(subject.sweeps, port) is not None:
        return  # SYNs with an option fare otherwise, or go round
    told = reports(subject.sweeps, port)
    if len({(one.hop, one.echo.sender) for one in told}) > len({one.echo.sender for one in told}):
        return  # whoever was met twice may have been met before
    found = max(told, key=lambda one: one.hop, default=None)
    if last is not None and found is not None and found.hop > last:
        frames = (found.echo.syn.number, found.answer.number)
        yield CameAsFar(
            frames=frames, count=0, hop=found.hop, router=found.echo.sender, hop_min=found.hop, or_back=True
        )


def _not_received(subject: Subject, receipt: Receipt) -> Fact:
    low = subject.lost.last if subject.lost is not None and subject.lost.last < receipt.hop else 0
    return SynNotReceived(
        frames=receipt.frames,
        count=0,
        hop=receipt.hop,
        control=receipt.control,
        closed=receipt.closed,
        hop_min=low or None,
        hop_max=receipt.hop,
    )
