"""A connection that came up says nothing, or is stuck: does the other end still have it, and do large segments come as far?

Asked with old bytes on the connection itself, which stateful filters let pass (`attempts.inband`). Proxies answer for the host:
what is found is whatever accepted the connection.
"""

from collections.abc import Iterator, Mapping, Sequence

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.closes import proxied_handshake, synacks_again, unheard
from analyzers.attempts.hops import routers
from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.inband import Probe, asked, held
from analyzers.attempts.reflection import marks, reflection
from analyzers.attempts.subject import Subject
from analyzers.model import Fact, Placed, Void, fact
from analyzers.words import times
from captures.flags import ACK, RST

_SURE = 2  # connections, or tries: one answer may be lost, and one connection forgotten by chance
_LARGE = 512  # bytes: of a probe that asks for the size, or of words that may be lost for theirs


@fact
class StillThere(Placed):
    """Old bytes on a connection that is open to this side are acknowledged: what accepted has it as well. `spoke` when its
    numbers tell of `unheard` bytes that it has sent and that never came, `few` when these are too few for a path MTU to be
    why, `steady` when nothing is known to be lost by chance; `half` when the handshake is not over for it; `everywhere` when no
    connection that was asked so is over for it."""

    hop: int
    everywhere: bool
    spoke: bool
    unheard: int
    few: bool
    steady: bool
    half: bool

    def text(self) -> str:
        where = f", from TTL {self.hop} on" if self.hop else ""
        said = f"its numbers tell of {times(self.unheard, 'byte')} that it sent and that never came"
        rest = said if self.spoke else "it has sent nothing that was lost on the way"
        return f"old bytes on the open connection are acknowledged{where}: what accepted still has it; {rest}"


@fact
class Forgotten(Fact):
    """An old byte on a connection that is open to this side is reset by the host's stack: there it is over, though neither a
    FIN nor a RST had come. `sure` when all connections asked, two at least, show it, and the host is known to have had one."""

    sure: bool
    shown: str

    def text(self) -> str:
        return (
            f"an old byte on the open connection is answered by the host's own RST ({self.shown} copied, as far away as the SYN-ACK): "
            "the host has no such connection any more, and no FIN or RST of its had come"
        )


@fact
class Held(Fact):
    """A connection on which the server could not speak, as its window was shut at once, lasts at the host: elsewhere it is over
    there after the same time."""

    def text(self) -> str:
        return (
            "a connection on which this side shut its window at once, so that the server could not speak, is still known to the host: "
            "the others ended when it spoke"
        )


@fact
class LostInside(Placed):
    """Old bytes on a connection that is open to this side are reported up to hop `last`, and none that go farther is heard of, though
    SYNs are reported by hop `beyond`, or accepted there. `nearer` when that is not where they are accepted."""

    last: int
    beyond: int
    nearer: bool

    def text(self) -> str:
        upto = f"get as far as hop {self.last}" if self.last else "are not even reported by hop 1"
        return f"old bytes on the open connection {upto}, none that goes farther is heard of; SYNs get to hop {self.beyond}"


def facts(subject: Subject) -> Iterator[Fact]:
    """What old bytes got back on each failing connection that was asked so."""
    if subject.symptom not in ("mute", "stalled"):
        return
    found = list(asked(attempt for attempt, _ in subject.failing))
    sizes = {attempt.index: len(group) for attempt, group in subject.failing}
    reset = any(probe.answer is not None and probe.answer.has(RST) for _, probes in found for probe in probes)
    for attempt, probes in found:
        answers = [p for p in probes if p.answer is not None and not p.answer.has(RST)]
        if answers and not proxied_handshake(attempt):
            yield from _still(subject, attempt, sizes[attempt.index], answers, probes, not reset)
    proxied = any(proxied_handshake(attempt) for attempt, _ in found)
    if found and not proxied and not any(probe.answer is not None for _, probes in found for probe in probes):
        yield from _lost(subject, [probe for _, probes in found for probe in probes])
    yield from _forgotten(found, sizes)
    if reset:
        lasting = [answer for attempt in subject.asking if (answer := held(attempt)) is not None]
        if lasting and not any(answer.has(RST) for answer in lasting):
            yield Held(frames=tuple(answer.number for answer in lasting), count=0)


def _still(
    subject: Subject, attempt: Attempt, count: int, answers: Sequence[Probe], probes: Sequence[Probe], everywhere: bool
) -> Iterator[Fact]:  # fmt: skip
    shown = min(answers, key=lambda probe: probe.ttl)
    answer, synack = shown.answer, attempt.synack
    assert answer is not None
    if synack is None or routers(synack.ttl) != routers(answer.ttl):
        yield Void(test="old bytes", why="they are acknowledged from elsewhere than the SYN-ACK came from")
        return
    if not answer.window:
        return
    lost = unheard(attempt)
    last = max((p.ttl for p in probes if p.kind == RAN_OUT and p.ttl < shown.ttl), default=0)
    placed = not shown.whole and subject.symptom == "mute" and not lost and everywhere
    yield StillThere(
        frames=(shown.segment.number, answer.number), count=count, hop=0 if shown.whole else shown.ttl, everywhere=everywhere,
        spoke=lost > 0, unheard=lost, few=lost < _LARGE, steady=not subject.repeats,
        half=bool(synacks_again(attempt)), hop_min=last + 1 if placed else None, hop_max=shown.ttl if placed else None,
    )  # fmt: skip


def _lost(subject: Subject, probes: Sequence[Probe]) -> Iterator[LostInside]:
    """Each TTL up to the hop that SYNs get to was asked twice: senders of ICMP errors limit themselves."""
    paths = subject.sweeps.to(subject.service.port) if subject.symptom == "mute" and subject.sweeps else []
    ends = {echo.ttl for path in paths if (echo := path.begins("syn-ack", "rst"))}
    if len(ends) != 1 or subject.sweeps.several_ways:
        return
    (end,) = ends
    last = max((probe.ttl for probe in probes if probe.kind == RAN_OUT), default=0)
    beyond = min((hop for hop in subject.sweeps.routers if last < hop < end), default=end)
    asked = [[probe for probe in probes if probe.ttl == ttl] for ttl in range(last + 1, beyond + 1)]
    if last >= end or any(len(each) < _SURE for each in asked) or not any(probe.whole for probe in probes):
        return
    frames = [
        *(p.reported.number for p in probes if p.ttl == last and p.reported is not None), *(p.segment.number for p in asked[-1])
    ]  # fmt: skip
    yield LostInside(
        frames=tuple(sorted(frames)),
        count=0,
        last=last,
        beyond=beyond,
        nearer=beyond < end,
        hop_min=last,
        hop_max=beyond,
    )


def _forgotten(found: Sequence[tuple[Attempt, list[Probe]]], sizes: Mapping[int, int]) -> Iterator[Fact]:
    """Only what bears the marks of a stack and comes from as far as the SYN-ACK is the host's; only a host that acknowledged
    data, and repeated no SYN-ACK, is known to have had the connection."""
    resets = [
        (attempt, probe, probe.answer)
        for attempt, probes in found
        for probe in probes
        if probe.answer is not None and probe.answer.has(RST)
    ]
    if not resets:
        return
    for attempt, probe, answer in resets:
        synack = attempt.synack
        if synack is None or routers(synack.ttl) != routers(answer.ttl):
            yield Void(test="old bytes", why="they are reset from elsewhere than the SYN-ACK came from")
            return
        if answer.has(ACK) or reflection(probe.segment, answer) != "copied":
            yield Void(
                test="old bytes", why="the RST that answers them has not the marks of a stack: a filter may send it"
            )
            return
    had = [attempt for attempt, _, _ in resets if attempt.client_acked > 1]
    plain = not any(synacks_again(attempt) or proxied_handshake(attempt) for attempt, _, _ in resets)
    count, asked_of = (
        sum(sizes[index] for index in each)
        for each in ({attempt.index for attempt, _, _ in resets}, {attempt.index for attempt, _ in found})
    )
    yield Forgotten(
        frames=tuple(number for _, probe, answer in resets for number in (probe.segment.number, answer.number)),
        count=count, shown=marks(resets[0][1].segment), sure=count == asked_of >= _SURE and plain and bool(had),
    )  # fmt: skip
