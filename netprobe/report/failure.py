"""One attempt of a capture that goes on, as soon as it is over: a block of a few lines, or one JSON object."""

from collections.abc import Iterator, Sequence
from typing import Any

from netprobe.live.settle import Settled
from netprobe.report.document import attempt_object, service_object
from netprobe.report.terminal import Line, cited, frame_text, place_text, shown_time, strength_style, wrapped


def lines(settled: Settled, names: Sequence[str]) -> Iterator[Line]:
    """When, between whom, how it ended and in which frames; the verdict; where; and its first evidence."""
    attempt, verdict = settled.attempt, settled.verdict
    client, server = _end(attempt.client, attempt.client_port), _end(attempt.server, attempt.server_port)
    ends = f"{client} -> {server}"
    when = shown_time(attempt.first_ns)
    shown = frame_text(_telling(settled), names)
    if not settled.failed:
        now = f"  after all, not {settled.before}" if settled.before else ""
        yield [(when, "dim"), (f"  {ends}  ", ""), ("healthy", "green"), (f"{now}  [{shown}]", "dim")]
        return
    yield []
    yield [(when, "dim"), (f"  {ends}", "bold")]
    now = f" (told before: {settled.before})" if settled.before else ""
    yield [("  ", ""), (attempt.ending.outcome + now, ""), (f"  [{shown}]", "blue")]
    yield [("  ", ""), (verdict.cause, "bold"), ("  ", ""), (verdict.strength.word.upper(), strength_style(verdict))]
    yield from wrapped(verdict.summary[0].upper() + verdict.summary[1:] + ".", "  ", "")
    if place := place_text(verdict):
        yield from wrapped(f"Where: {place}", "  ", "")
    for evidence in verdict.evidence[:1]:
        yield from cited(evidence.text, frame_text(evidence.frames, names))


def failure_object(settled: Settled, names: Sequence[str]) -> dict[str, Any]:
    """The attempt as `replay --jsonl` has it, with the verdict as `replay --json` has it of a service; `told_before` is the
    symptom under which it was told already."""
    out = attempt_object(settled.attempt, names)
    out["symptom"] = settled.symptom
    if settled.before:
        out["told_before"] = settled.before
    return out | {"verdict": service_object(settled.service, settled.verdict, names)["verdict"]}


def _end(address: object, port: int) -> str:
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def _telling(settled: Settled) -> list[int]:
    """The attempt's own frames that say most: its SYNs, what answered, what closed it."""
    attempt = settled.attempt
    chosen = [*attempt.syns[:3], attempt.answer, attempt.closing]
    return sorted({segment.number for segment in chosen if segment is not None}) or [attempt.segments[0].number]
