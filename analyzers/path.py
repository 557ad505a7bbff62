"""Where does the failing port's way end? What traceroutes to the address show, beside those to its other ports.

A traceroute prints the name that an answer bears; a forged RST bears the target's. Here the hop follows from the TTL at which
refusals begin, and from the routers that they passed on their way back.
"""

from collections.abc import Iterator

from analyzers.attempts.ends import End
from analyzers.attempts.hops import routers
from analyzers.attempts.loops import loop
from analyzers.attempts.subject import Subject
from analyzers.attempts.sweeps import Sweeps
from analyzers.attempts.vanish import Vanished
from analyzers.model import Fact, Placed, Void, fact
from analyzers.words import times
from captures.flags import RST


@fact
class RefusedFrom(Placed):
    """Probes are refused from this TTL on. `stands` as in `ends.End`."""

    kind: str
    begins: int
    last: int
    stands: str
    target: int

    def text(self) -> str:
        answer = "a RST" if self.kind == "rst" else f"ICMP {self.kind}"
        last = f"; TTL {self.last} still runs out on the way" if self.last else ""
        other = f"; other ports of the address are answered from TTL {self.target} on" if self.target else ""
        return f"SYNs to this port are answered by {answer} from TTL {self.begins} on{last}{other}"


@fact
class LikeHop(Placed):
    """A refusal came back over as many routers as the reports of one router on the way do, and of no other. Misleads when
    ways back differ in length, or when somebody copies TTLs."""

    ttl: int
    hop: int
    like: str
    forwarding: str = ""
    clear: bool = True  # the hops' reports come back over as many routers as the probes went

    def text(self) -> str:
        said = (
            f"the RST arrived with TTL {self.ttl}, over as many routers as the reports of {self.like} at hop {self.hop}: "
            "as if made there"
        )
        # A device in the cable before that router looks the same, and another flow may have met another router.
        return said + (", or in the cable before it" if self.forwarding == "no" else "")


@fact
class LikePingedHop(Fact):
    """A RST came back over as many routers as the reports of one router to pings or UDP do, and of no other, nor the address's own
    answers. No place: its maker may start with any TTL, and no SYN shows where it stands."""

    ttl: int
    hop: int
    like: str

    def text(self) -> str:
        return (
            f"the RST arrived with TTL {self.ttl}, over as many routers as what {self.like}, hop {self.hop} of a traceroute by "
            "ping or UDP, reports: perhaps made there"
        )


@fact
class PingsPass(Fact):
    """Pings go past the hop at which SYNs are refused, over the same router right before it: what refuses is not the end of the way.
    Misleads where pings alone are sent elsewhere."""

    begins: int
    router: str
    hop: int

    def text(self) -> str:
        return (
            f"pings pass where SYNs are refused from TTL {self.begins} on, and run out at {self.router}, hop {self.hop}: the address is "
            "farther than what refuses"
        )


@fact
class NamedHop(Placed):
    """The sender of the ICMP error is the router that reported TTLs as used up at this hop."""

    hop: int
    forwarding: str

    def text(self) -> str:
        when = {"yes": "; it refuses what it forwards", "no": "; it refuses before it forwards"}.get(
            self.forwarding, ""
        )
        return f"{self.sender} is the router at hop {self.hop}{when}"


@fact
class CopiesTtl(Fact):
    """The RSTs' TTL rises with that of the SYNs: a stack starts with a TTL of its own."""

    def text(self) -> str:
        return "the TTL of the RSTs follows that of the SYNs: their maker copies it, as no TCP stack does"


@fact
class Translated(Fact):
    """A probe ran out at something that bears the target's own address, before the way's end: a box that translates, or what
    stands behind it, whose errors the box rewrites."""

    hop: int
    before_end: bool

    def text(self) -> str:
        return f"a SYN with TTL {self.hop} ran out at the target's own address: a box there passes packets on behind it"


@fact
class VanishesBeyond(Placed):
    """Probes to this port are reported up to one hop, and not from the next on. `others_pass`: those to another `port`, or
    pings where that is 0, are answered there, having come `over` the same router where that is asked; `before_target`: that
    next hop is not the target's yet, which is at hop `target` (0 unknown)."""

    last: int
    tries: int
    port: int
    others_pass: bool
    before_target: bool
    target: int
    translated: bool
    over: bool = False

    def text(self) -> str:
        reached = (
            f"SYNs to this port get as far as hop {self.last}" if self.last else "no hop answers SYNs to this port"
        )
        beyond = f", beyond it {times(self.tries, 'SYN')} got no answer"
        if self.port:
            other = f"; SYNs to port {self.port} are answered" + (", over the same router" if self.over else "")
        elif self.over:
            other = "; whether those to another port are on the same way is not shown"
        else:
            other = "; nor is any other port answered" + (", but pings go farther" if self.others_pass else "")
        if self.target:
            other += f"; the address is at hop {self.target}"
        back = "" if self.before_target else "; it may be the answer that is lost, anywhere on its way back"
        return reached + beyond + other + back


@fact
class Loop(Placed):
    """Probes came back to a router that they had passed: a routing loop. The place is that of the routers in it, as it takes
    two to make one. `sends` is who sends them back, from `hop`; "" where that is not known, and `hop` that of the `first`."""

    first: str
    sends: str
    hop: int

    def text(self) -> str:
        if not self.sends:
            return f"a routing loop: the packets come back to {self.first}, which they had passed at hop {self.hop}"
        return f"a routing loop: {self.sends} at hop {self.hop} sends the packets back to {self.first}, which they had passed"


def facts(subject: Subject) -> Iterator[Fact]:
    """What the sweeps say of the place, according to how the attempts failed."""
    sweeps = subject.sweeps
    if not sweeps:
        yield from _pinged(subject)
        return
    end = subject.end
    if end is not None:
        yield from _refused(sweeps, end, subject)
    elif subject.symptom == "silence" and subject.lost is not None and loop(sweeps, subject.service.port) is None:
        mixed = subject.spread is not None and bool(subject.spread.of("syn-ack"))
        apart = subject.fork is not None and 0 < subject.fork.hop <= subject.lost.last
        yield from _lost(subject.lost, mixed, apart)
    looped = loop(sweeps, subject.service.port) if subject.symptom in ("unreachable", "silence") else None
    if looped is not None:
        back, sends, hops = looped
        yield Loop(
            frames=tuple(sorted({back.report.number, (sends or back).report.number})), count=0, first=back.address,
            hop=(sends or back).hop, sends=sends.address if sends is not None else "", hop_min=hops[0], hop_max=hops[-1],
        )  # fmt: skip
    past = subject.past
    if past is not None:
        yield PingsPass(
            frames=(past.router.report.number,), count=0, begins=past.begins, router=past.router.address, hop=past.router.hop
        )  # fmt: skip
    own = sweeps.own
    if own is not None and own.ran_out is not None:
        yield Translated(
            frames=(own.syn.number, own.ran_out.number),
            count=0,
            hop=own.ttl,
            before_end=end is None or own.ttl < end.low,
        )


def _pinged(subject: Subject) -> Iterator[Fact]:
    refusals = [a.answer for a, _ in subject.failing if a.answer is not None and a.answer.has(RST)]
    if subject.symptom != "reset" or len({routers(refusal.ttl) for refusal in refusals}) != 1:
        return
    back = routers(refusals[0].ttl)
    met = {r.hop: r for path in subject.pings.paths for r in path.routers().values() if r.back == back}
    reply = subject.pings.answer
    own = routers(reply.answer.ttl) if reply is not None and reply.answer is not None else None
    if len(met) == 1 and own != back:
        (router,) = met.values()
        frames = (refusals[0].number, router.report.number)
        yield LikePingedHop(frames=frames, count=0, ttl=refusals[0].ttl, hop=router.hop, like=router.address)


def _refused(sweeps: Sweeps, end: End, subject: Subject) -> Iterator[Fact]:
    named = end.router is not None and end.kind != "rst"
    yield RefusedFrom(
        frames=end.frames[:6], count=0, kind=end.kind, begins=end.begins, last=end.last, stands=end.stands, target=end.target,
        hop_min=end.low, hop_max=end.high,
    )  # fmt: skip
    if end.copies:
        yield CopiesTtl(frames=end.frames[:2], count=0)
        yield Void(
            test="return TTL",
            why="the maker of the RSTs copies TTLs, so that those with small ones do not arrive: its hop is an interval",
        )
    elif end.router is None and end.low != end.high:
        yield Void(
            test="return TTL",
            why=f"hops {end.low} and {end.high} are not told apart: not both reported a TTL as used up, or their reports "
            "and the refusal came back over other numbers of routers",
        )
    if named and end.router is not None:
        yield NamedHop(
            frames=(end.router.report.number,), count=0, hop=end.router.hop, forwarding=end.forwarding,
            sender=end.router.address, hop_min=end.router.hop, hop_max=end.router.hop,
        )  # fmt: skip
    elif end.router is not None:
        refusal = next(a.answer for a, _ in subject.failing if a.answer is not None)
        yield LikeHop(
            frames=(end.router.report.number,), count=0, ttl=refusal.ttl, hop=end.router.hop, like=end.router.address,
            forwarding=end.forwarding, clear=end.clear, sender=end.router.address if end.forwarding == "yes" and end.own else "",
            hop_min=end.router.hop, hop_max=end.router.hop,
        )  # fmt: skip


def _lost(lost: Vanished, mixed: bool, apart: bool) -> Iterator[Fact]:
    """`mixed`: other flows of the port itself come through, so that other ports tell only where they went the same way, which those
    flows did not, who went `apart`."""
    over = lost.over if apart else 0
    # Only where the next hop is not the target's is it the SYN that vanishes, and not the answer on its way back.
    before = lost.before and bool(lost.target) and lost.last + 1 < lost.target
    low, high = (lost.last or None, lost.last + 1) if before else (lost.least or None, None)
    alone = lost.target == 1 and not lost.last and not mixed  # no router is on the way, nor on the way back
    low, high = (1, 1) if alone else (low, high)
    yield VanishesBeyond(
        frames=lost.frames, count=0, last=lost.last, tries=lost.tries, port=over if mixed else lost.goes_on, over=mixed,
        others_pass=bool(over) if mixed else bool(lost.goes_on) or lost.pinged, before_target=before, target=lost.target,
        translated=bool(lost.translated) and not mixed, hop_min=low, hop_max=high, or_back=not before and not alone,
    )  # fmt: skip
