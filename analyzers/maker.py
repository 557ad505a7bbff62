"""A SYN was answered by a RST: from how far did it come, and was it made by a TCP stack or by a packet filter?

Two passive tests, each with cases in which it lies, so that what they say together is one fact (`ResetMaker`):

- Distance: the routers that the RST passed against those that other answers of the same address passed (knowledge base
  T3). A port that is forwarded behind the address answers from farther away than the address itself does, as with
  containers, so that "one hop nearer" alone does not yet mean a device in front of the host.
- Reflection: a stack copies the SYN's DSCP where a packet filter sends zero. Holds for Linux, on paths that leave DSCP
  alone: only a closed port of the same address that does copy it shows both.
"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Segment, asked
from analyzers.attempts.ends import End
from analyzers.attempts.hops import initial_ttl, routers
from analyzers.attempts.pings import REPLY
from analyzers.attempts.reflection import marks, reflection
from analyzers.attempts.subject import Subject
from analyzers.attempts.surroundings import Answer
from analyzers.attempts.sweeps import Sweeps
from analyzers.model import Fact, Placed, Void, fact
from analyzers.words import duration, times
from captures.flags import RST

_FLOOR_NS = 4_000_000  # round trips below this vary too much to be halved
_CROWD = 3
_FLOWS = 3  # attempts to the refused port that agree on its distance


_AS_SWEPT = {
    "before": "nearer",
    "nearer": "unknown",
    "same": "same",
    "beside": "beside",
    "behind": "farther",
    "relay": "relay",
}

Refusal = tuple[Segment, Segment, int]
Refusals = list[Refusal]
"""SYN, RST and how many attempts went so."""


@fact
class ResetDistance(Fact):
    """The RST came from nearer, from as far as, or from farther than another answer of the same address, in routers passed."""

    relation: str
    ttl: int
    other_ttl: int
    other_port: int
    other_kind: str

    def text(self) -> str:
        whose = (
            f"{self.other_kind.upper()} of port {self.other_port}" if self.other_port else "answer to a ping or to UDP"
        )
        answer = f"the {whose} with TTL {self.other_ttl}"
        hops = times(abs(routers(self.ttl) - routers(self.other_ttl)), "hop")
        stack = ""
        if initial_ttl(self.ttl) != initial_ttl(self.other_ttl):
            stack = f", by another stack (they started at {initial_ttl(self.ttl)} and {initial_ttl(self.other_ttl)})"
        if self.relation == "same":
            same = "equals" if not stack else "is as many hops from its start as"
            return f"RST TTL {self.ttl} {same} {answer}: as if from the same distance{stack}"
        return f"RST TTL {self.ttl}, but {answer}: as if made {hops} {self.relation}{stack}"


@fact
class ResetReflection(Fact):
    """Whether the RST copies the marks of its SYN. `control` is the closed port that does, 0 when there is none."""

    copied: bool
    asked: str
    answered: str
    control: int

    def text(self) -> str:
        if "flow label" in self.asked:
            known = f"; the RST of port {self.control} of this address bears one" if self.control else ""
            if self.copied:
                return f"the RST has {self.answered} for a SYN with {self.asked}: Linux's own TCP sets a label, its filter does not"
            return f"the SYN had {self.asked}, this RST has {self.answered}{known}"
        if self.copied:
            said = f"the RST copies the SYN's {self.answered}, as Linux's own TCP does and its packet filter does not"
            return said + (" (0x10 is also the constant of pf and ipfw)" if self.answered == "TOS 0x10" else "")
        known = f", which the RST of port {self.control} of this address copies" if self.control else ""
        return f"the SYN had {self.asked}{known}; this RST has {self.answered}"


@fact
class ResetSooner(Fact):
    """The RST came in less than half the time that the same address needed for any SYN-ACK."""

    after_ns: int
    other_ns: int

    def text(self) -> str:
        return f"the RST came after {duration(self.after_ns)}; SYN-ACKs of other ports took {duration(self.other_ns)} or more"


@fact
class ResetCrowd(Fact):
    """RSTs with one TTL in the name of several addresses that themselves stand at different distances."""

    ttl: int
    addresses: int

    def text(self) -> str:
        return (
            f"RSTs with TTL {self.ttl} come in the name of {self.addresses} addresses that answer other ports from "
            "farther, different distances: one device in front of them all"
        )


@fact
class ResetMaker(Placed):
    """What reflection and distance say together. `made_by`: stack, filter, unlike-stack (marks not copied, no control),
    or unknown; `stands`: nearer, same, beside, relay (see `ends.End`), farther, one-of-several (attempts fail in strict
    rotation, or always from the same source ports), for-some (other flows are accepted, perhaps over another way), or unknown
    where the distances have an innocent explanation.

    The hop is told where the RST passed no router since it was made, on the client's side of the path.
    """

    made_by: str
    stands: str
    # Whose report the hop's time-exceeded was, to this port or to one that passes the hop: "other" than the target's address, which a
    # box that passes that on in the address's name would bear; or "" unknown.
    hop_is: str = ""
    received: bool = False  # SYNs get through to the address itself before they are refused
    swept: bool = False

    def text(self) -> str:
        maker = {
            "stack": "a TCP stack made this RST",
            "filter": "a packet filter made this RST, not the stack that answers other ports",
            "unlike-stack": "no Linux stack made this RST, if the path keeps DSCP",
        }.get(self.made_by, "this RST was made")
        where = {
            "nearer": ", in front of what answers other ports",
            "farther": ", behind what answers other ports of this address",
            "for-some": ", but only for some flows",
            "one-of-several": ", one of several behind the address",
            "same": ", as far away as what answers other ports",
            "beside": ", at the hop where another port of the address is open",
            "relay": ", at the hop of a box that passes other ports of the address on",
        }.get(self.stands, "; whose is not shown")
        return f"taken together: {maker}{where}"


def facts(subject: Subject) -> Iterator[Fact]:
    """Distance, reflection and time of the RSTs that refused SYNs, and what follows from them together."""
    refusals = list(_refusals(subject))
    if not refusals:
        return
    control = next((a for a in subject.elsewhere if a.kind == "rst" and _reflection(a) == "copied"), None)
    yield from _reflections(refusals, control)
    kinds = {reflection(syn, rst) for syn, rst, _ in refusals} - {"blank"} or {"blank"}
    if len(kinds) > 1 or len({rst.ttl for _, rst, _ in refusals}) > 1:
        return  # several makers: nothing holds for all of them together
    rst, kind = refusals[0][1], kinds.pop()
    other_form = control is not None and not _alike(rst, control.segment)
    ways = subject.sweeps
    if kind == "zero" and control and ways.remarked(subject.service.port) and not ways.remarked(control.port):
        kind = "blank"  # the path itself changes the mark, for this port only
    if kind == "copied" and control and _labelled(control.segment) and not _labelled(rst):
        kind = "other"  # in IPv6 the stack that answers the control sets a label as well
    made_by = {"copied": "stack", "zero": "filter" if control else "unlike-stack"}.get(kind, "unknown")
    if made_by == "filter" and other_form:
        made_by = "unlike-stack"  # the control is another machine's
    if subject.signed is not None and subject.signed.frames:
        closed = control or next((a for a in subject.elsewhere if a.kind == "rst"), None)
        same_form = closed is None or _alike(rst, closed.segment)
        made_by = "unknown" if made_by == "stack" else "filter" if same_form else "unlike-stack"
    # Another port whose RST looks just like this one may have the same maker: it is no independent witness.
    others = [
        a
        for a in subject.elsewhere
        if (a.kind == "syn-ack" and a.segment.window)
        or (a.kind == "rst" and (a.ttl, _reflection(a)) != (rst.ttl, kind))
    ] + list(_pinged(subject))
    distances = list(_distances(rst, others))
    yield from distances
    sooner = _sooner(refusals, others)
    if sooner is not None:
        yield sooner
    crowd = subject.around.crowd(subject.service, rst.ttl)
    if crowd >= _CROWD:
        yield ResetCrowd(frames=(rst.number,), ttl=rst.ttl, addresses=crowd)
    stands = _stands(refusals, made_by, others, crowd >= _CROWD)
    end = subject.end
    if end is not None and end.stands != "unknown":
        stands = _AS_SWEPT.get(end.stands, stands)
    if end is not None and end.stands == "unknown" and _not_as_it_seems(rst, end, ways, subject):
        stands = "unknown" if stands in ("same", "farther") else stands
    if subject.translated is not None:
        stands = "farther"
    if stands == "nearer" and subject.came_through and not (end is not None and end.stands == "before"):
        stands = "unknown"  # the port works at times: one of several machines, perhaps the nearest
    turns = subject.rotation or (subject.spread is not None and subject.spread.every and subject.dealt)
    if turns and stands in ("unknown", "same") and not (subject.fork is not None and subject.fork.hop):
        stands = "one-of-several"
    elif subject.mixed and stands not in ("farther", "relay") and (made_by == "stack" or stands in ("same", "beside")):
        stands = "one-of-several" if subject.dealt and made_by == "stack" else "for-some"  # a filter may stand anywhere
    if made_by in ("stack", "filter") or stands not in ("unknown", "same"):
        frames = tuple(sorted({rst.number, *(f for d in distances for f in d.frames)}))
        count = sum(count for _, _, count in refusals)
        beside = 1 if stands == "nearer" and not routers(rst.ttl) and not routers(refusals[0][0].ttl) else None
        receipt = subject.receipt
        passes = end is not None and end.router and ways.passes(subject.service.port, end.router)
        swept = end is not None and end.stands == "before" and end.forwarding == "yes" and end.clear and end.own
        yield ResetMaker(
            frames=frames, count=count, made_by=made_by, stands=stands, hop_min=beside, hop_max=beside, swept=swept,
            hop_is="other" if end is not None and end.router and (end.own or passes) else "",
            received=receipt is not None and receipt.came and receipt.refused and receipt.ttl == rst.ttl,
        )  # fmt: skip


def _not_as_it_seems(rst: Segment, end: End, ways: Sweeps, subject: Subject) -> bool:
    """Whether the sweeps belie a RST that arrives as if from as far as another port's answer, or farther, or show that this says
    nothing: it came over more routers than lie before the hop that refuses, every other port is answered farther on, or as many routers lie
    behind two hops that may refuse."""
    others = [path.begins("rst", "syn-ack") for path in ways.elsewhere(subject.service.port)]
    farther = [echo.ttl > end.begins for echo in others if echo is not None]
    return (
        routers(rst.ttl) + 1 > end.begins
        or (bool(farther) and all(farther))
        or (bool(end.target) and end.low < end.high)
    )


def _refusals(subject: Subject) -> Iterator[Refusal]:
    """SYN, RST and how many attempts went so, for every group that a RST refused."""
    for attempt, group in subject.failing if subject.symptom == "reset" else ():
        rst = attempt.answer
        if rst is not None and rst.has(RST) and attempt.syns:
            yield asked(attempt.syns, rst), rst, len(group)


def _pinged(subject: Subject) -> Iterator[Answer]:
    """The address's own answer to a ping or to UDP, where it was seen in the one place that its refusals were."""
    reply = subject.pings.answer
    if reply is not None and reply.answer is not None:
        yield Answer(subject.failing[0][0].trace, 0, REPLY, reply.syn, reply.answer)


def _reflection(answer: Answer) -> str:
    return reflection(answer.syn, answer.segment)


def _reflections(refusals: Refusals, control: Answer | None) -> Iterator[Fact]:
    kinds = [reflection(syn, rst) for syn, rst, _ in refusals]
    for (syn, rst, count), kind in zip(refusals, kinds, strict=True):
        if kind != "blank":
            frames = (syn.number, rst.number, *((control.frame,) if control else ()))
            yield ResetReflection(
                frames=frames, count=count, copied=kind == "copied", asked=marks(syn), answered=marks(rst),
                control=control.port if control else 0,
            )  # fmt: skip
    if set(kinds) == {"blank"}:
        yield Void(test="DSCP reflection", why="the SYN bore no DSCP that a TCP stack could have copied")
    elif "copied" not in kinds and control is None:
        yield Void(
            test="DSCP reflection",
            why="the RST does not copy the SYN's DSCP, but no closed port of this address shows that its stack does and "
            "that the path leaves DSCP alone",
        )  # fmt: skip


def _distances(rst: Segment, others: list[Answer]) -> Iterator[ResetDistance]:
    """One fact per distance at which other ports answer."""
    seen: set[tuple[str, int]] = set()
    for other in others:
        if (other.kind, other.ttl) in seen:
            continue
        seen.add((other.kind, other.ttl))
        apart = routers(other.ttl) - routers(rst.ttl)
        yield ResetDistance(
            frames=(other.frame,), relation="nearer" if apart > 0 else "farther away" if apart < 0 else "same", ttl=rst.ttl,
            other_ttl=other.ttl, other_port=other.port, other_kind=other.kind,
        )  # fmt: skip


def _sooner(refusals: Refusals, others: list[Answer]) -> ResetSooner | None:
    accepted = [other for other in others if other.kind == "syn-ack"]
    floor = min((other.segment.ts_ns - other.syn.ts_ns for other in accepted), default=0)
    syn, rst, _ = min(refusals, key=lambda r: r[1].ts_ns - r[0].ts_ns)
    if floor < _FLOOR_NS or 2 * (rst.ts_ns - syn.ts_ns) > floor:
        return None
    return ResetSooner(frames=(rst.number, accepted[0].frame), after_ns=rst.ts_ns - syn.ts_ns, other_ns=floor)


def _stands(refusals: Refusals, made_by: str, others: list[Answer], one_device: bool) -> str:
    """Where the maker stands against other ports that are answered; unknown where that has an innocent explanation.

    An open port may be forwarded behind a host that itself refuses: only what another closed port answers tells whose RST is
    nearer, as pings may come back another way. And ways back may differ by a hop from flow to flow: one hop counts only when
    several flows agree on it.
    """
    ttl = refusals[0][1].ttl
    apart = [routers(other.ttl) - routers(ttl) for other in others]
    if one_device:
        return "nearer"
    if not apart or (min(apart) < 0 < max(apart)):
        return "unknown"
    if 0 in apart:
        return "same"
    closed = [other for other in others if other.kind == "rst"]
    agreed = sum(count for _, _, count in refusals) >= _FLOWS
    if not closed or not (agreed or min(map(abs, apart)) > 1):
        return "unknown"
    if min(apart) > 0:
        return "nearer"
    # An injector may start with any TTL, and a device in front may refuse the other port in the host's name: only stacks
    # that answer both ports, as the copied DSCP shows, tell of a machine behind another. Pings a device may answer for it.
    both = made_by == "stack" and any(other.kind == "rst" and _reflection(other) == "copied" for other in closed)
    return "farther" if both else "unknown"


def _labelled(segment: Segment) -> bool:
    ip = segment.packet.ip
    return ip is not None and bool(ip.flow_label)


def _alike(mine: Segment, other: Segment) -> bool:
    """Whether two RSTs could come from one machine: started with the same TTL, with the same form."""
    a, b = mine.packet.ip, other.packet.ip
    if a is None or b is None or initial_ttl(mine.ttl) != initial_ttl(other.ttl):
        return False
    return (a.df, bool(a.ip_id), mine.window) == (b.df, bool(b.ip_id), other.window)
