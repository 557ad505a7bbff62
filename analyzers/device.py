"""Whose stack or box makes RSTs that look like this one, and does the RST itself say why?"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Segment, asked
from analyzers.attempts.hops import initial_ttl
from analyzers.attempts.subject import Subject
from analyzers.fingerprints import makers
from analyzers.model import Fact, fact

_MOST_MAKERS = 6  # a form that more than these make is no hint


@fact
class ResetForm(Fact):
    """What the header of the RST looks like. `makers` are known to make this form; none is proven by it."""

    form: str
    makers: tuple[str, ...]

    def text(self) -> str:
        known = f"is known from {', '.join(self.makers)}; a hint only" if self.makers else "is in no list"
        return f"its form ({self.form}) " + ("is common" if len(self.makers) > _MOST_MAKERS else known)


@fact
class ResetSays(Fact):
    """The RST carries a payload, as some devices send to say why (RFC 9293 section 3.5.3 allows it)."""

    said: str

    def text(self) -> str:
        return f"the RST itself carries text: {self.said!r}"


@fact
class ResetMirrors(Fact):
    """The RST bears the SYN's own IP-ID: its maker turned the SYN around, as cheap injectors and some small stacks do."""

    ip_id: int

    def text(self) -> str:
        return f"the RST repeats the SYN's IP-ID {self.ip_id:#06x}: its maker turned the SYN around, as cheap injectors do; a hint only"


def facts(subject: Subject) -> Iterator[Fact]:
    """The forms in which RSTs refused SYNs, each once, what they repeat, and what any RST says."""
    forms: dict[str, list[ResetForm]] = {}
    for attempt, group in subject.failing:
        rsts = [s for s in attempt.at(attempt.ending.rst_rows) if not s.client]
        for rst in rsts[:1]:
            if subject.symptom == "reset" and attempt.syns:
                syn = asked(attempt.syns, rst)
                form = _form(syn, rst, len(group))
                forms.setdefault(form.form, []).append(form)
                mine, theirs = syn.packet.ip, rst.packet.ip
                if mine is not None and theirs is not None and mine.ip_id and mine.ip_id == theirs.ip_id:
                    yield ResetMirrors(frames=(syn.number, rst.number), count=len(group), ip_id=mine.ip_id)
            if rst.tcp.payload:
                said = rst.tcp.payload[:80].decode("ascii", "replace")
                shown = "".join(c if c.isprintable() else "." for c in said)
                yield ResetSays(frames=(rst.number,), count=len(group), said=shown)
    for same in forms.values():
        yield ResetForm(
            frames=same[0].frames, count=sum(form.count for form in same), form=same[0].form, makers=same[0].makers
        )


def _form(syn: Segment, rst: Segment, count: int) -> ResetForm:
    ip = rst.packet.ip
    df = ip.df if ip is not None and ip.version == 4 else None
    window = "zero" if not rst.window else "syn" if rst.window == syn.window else "other"
    words = [f"initial TTL {initial_ttl(rst.ttl)}"]
    words += [] if df is None else [f"DF {'set' if df else 'clear'}"]
    words.append({"zero": "window 0", "syn": f"the SYN's window {rst.window}", "other": f"window {rst.window}"}[window])
    words += [f"sequence number {rst.tcp.seq}"] if rst.tcp.seq else []
    known = makers(initial_ttl(rst.ttl), df, window) if not rst.tcp.seq else ()
    return ResetForm(frames=(rst.number,), count=count, form=", ".join(words), makers=known)
