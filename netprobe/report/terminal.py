"""The terminal report: services that fail get a verdict with its evidence, healthy ones a line each.

A line is a list of (text, style) spans, so that the same layout is printed in colour or plain.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from analyzers.attempts.attempt import frame_of
from analyzers.attempts.services import Alike, Service
from analyzers.model import Strength, Verdict
from analyzers.words import duration, times
from netprobe.replay.run import Replay, Source
from netprobe.words import advice

Span = tuple[str, str]
Line = list[Span]
Show = Callable[[Iterable[Line]], None]
More = Callable[[Replay, Service, Verdict, bool], Iterable[Line]]

WIDTH = 80
FAILED = frozenset(
    {"refused-rst", "silent", "icmp-unreachable", "icmp-ttl-exceeded", "icmp-other", "half-open", "half-open-reset-by-server",
     "reset-by-server"}
)  # fmt: skip
"""Outcomes that mean a failed connection whatever was said in it."""
_FRAMES_SHOWN = 6
_ALTERNATIVES_SHOWN = 5
_WEAKER_SHOWN = 3
_STEPS_SHOWN = 4
_STRENGTH_STYLE = {
    Strength.PROVEN: "bold green", Strength.INDICATED: "bold yellow", Strength.CONSISTENT: "bold cyan", Strength.RULED_OUT: "dim",
}  # fmt: skip


def strength_style(verdict: Verdict) -> str:
    """The colour of a verdict's strength."""
    return _STRENGTH_STYLE[verdict.strength]


def shown_time(ns: int) -> str:
    """A capture time for people, in UTC with milliseconds."""
    try:
        moment = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{ns / 1e9:.3f} s"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03d} UTC"


def source_lines(source: Source) -> Iterator[Line]:
    """What was read, in one line, and what was wrong with it."""
    parts = [source.format, times(source.frames, "frame")]
    if source.first_ns is not None and source.last_ns is not None:
        parts.append(duration(source.last_ns - source.first_ns))
    if source.dropped:
        parts.append(f"{times(source.dropped, 'frame')} lost by the capturer")
    if source.counts["fragment"]:
        parts.append(f"{times(source.counts['fragment'], 'later fragment')} not looked into")
    if source.counts["unreadable"]:
        parts.append(f"{times(source.counts['unreadable'], 'frame')} unreadable")
    yield [(source.name, "bold"), ("  " + ", ".join(parts), "dim")]
    for note in source.notes:
        yield [("  ! ", "bold yellow"), (note, "yellow")]


def name_of(replay: Replay, address: str, numeric: bool) -> str:
    """The address, with the name that the capture's own name records give it."""
    name = "" if numeric else known_name(replay, address)
    return f"{address} ({name})" if name else address


def known_name(replay: Replay, address: str) -> str:
    """The name that the capture's own name records give the address, "" for none."""
    return next((s.names[address] for s in replay.sources if address in s.names), "")


def service_lines(replay: Replay, service: Service, verdict: Verdict, numeric: bool) -> Iterator[Line]:
    """One service: a single line when healthy, else the verdict."""
    where = f"{name_of(replay, str(service.address), numeric)} port {service.port}"
    count = times(len(service.members), "attempt") if len(service.members) else "nothing was sent"
    if verdict.cause.startswith("healthy"):
        said = verdict.evidence[0].text if verdict.cause != "healthy.accepted" and verdict.evidence else ""
        yield [
            (where, "bold"),
            (f"  {count}  ", "dim"),
            (verdict.cause, "green"),
            (f"  {said or verdict.summary}", "dim"),
        ]
        return
    names = [source.name for source in replay.sources if not source.error]
    outcomes = ", ".join(f"{n:,} {word}" if len(service.outcomes) > 1 else word for word, n in service.outcomes.items())
    yield []
    probes = f"; traced with {times(service.probe_count, 'SYN')}" if service.probes else ""
    yield [(where, "bold"), ((f"  {count}: {outcomes}" if outcomes else f"  {count}") + probes, "")]
    yield [
        (
            f"  since {shown_time(service.first_ns)}"
            + (f", last {shown_time(service.last_ns)}" if len(service.members) > 1 else ""),
            "dim",
        )
    ]
    yield from verdict_lines(verdict)
    yield [("  Evidence", "underline")]
    for evidence in verdict.evidence:
        yield from cited(evidence.text, frame_text(evidence.frames, names))
    yield from _alternative_lines(verdict)
    for reason in verdict.void:
        yield from wrapped(f"Not usable here: {reason}", "  ", "dim")
    steps = advice(verdict.cause, service, replay.live(service), replay.client(service))
    if steps:
        yield [("  Next", "underline")]
        for step in steps[:_STEPS_SHOWN]:
            yield from wrapped(step["why"], "    ", "")
            yield [("      $ ", "dim"), (step["command"], "cyan")]
    yield [(f"  More: netprobe explain {verdict.cause}", "dim")]


def verdict_lines(verdict: Verdict) -> Iterator[Line]:
    """Cause and strength, what that means, and where."""
    yield [("  ", ""), (verdict.cause, "bold"), ("  ", ""), (verdict.strength.word.upper(), strength_style(verdict))]
    yield from wrapped(verdict.summary[0].upper() + verdict.summary[1:] + ".", "  ", "")
    place = place_text(verdict)
    if place:
        yield from wrapped(f"Where: {place}", "  ", "")


def place_text(verdict: Verdict) -> str:
    """The place in words, empty when nothing is known of it."""
    place = verdict.place
    parts = [] if place.actor == "unknown" else [place.actor.replace("-", " ")]
    if place.address:
        parts.append(place.address)
    if place.hop is not None:
        parts.append(f"hop {place.hop}")
    elif place.hop_min is not None and place.hop_max is not None:
        joined = "or" if place.hop_max - place.hop_min == 1 else "to"
        parts.append(f"hop {place.hop_min} {joined} {place.hop_max} from the point of capture")
    elif place.hop_min is not None:
        parts.append(f"hop {place.hop_min} from the point of capture, or beyond")
    return ", ".join(parts) + ("; unless it is the answer that gets lost, on its way back" if place.or_back else "")


def frame_text(ids: Sequence[int], names: Sequence[str]) -> str:
    """Frame numbers to look up in Wireshark, with the file where there are several."""
    if not ids:
        return ""
    file = frame_of(ids[0])[0]
    numbers = [str(frame_of(i)[1]) for i in ids if frame_of(i)[0] == file]
    text = ("frame " if len(numbers) == 1 else "frames ") + " ".join(numbers[:_FRAMES_SHOWN])
    text += " ..." if len(numbers) > _FRAMES_SHOWN else ""
    return text if len(names) < 2 else f"{text} of {names[file]}"


def _alternative_lines(verdict: Verdict) -> Iterator[Line]:
    below = [a for a in verdict.alternatives if a.strength is verdict.strength]
    weaker = [a for a in verdict.alternatives if Strength.RULED_OUT < a.strength < verdict.strength]
    ruled_out = [a for a in verdict.alternatives if a.strength is Strength.RULED_OUT]
    for heading, standing in (("One of these", below), ("Less likely, but possible", weaker)):
        if not standing:
            continue
        yield [(f"  {heading}", "underline")]
        most = _ALTERNATIVES_SHOWN if standing is below else _WEAKER_SHOWN
        most = len(standing) if len(standing) - most < 3 else most  # to hide one or two saves nothing
        for alternative in standing[:most]:
            yield [("    ", ""), (alternative.cause, "magenta")]
            yield from wrapped(alternative.why, "      ", "")
        if len(standing) > most:
            yield [(f"    and {len(standing) - most} more (--json lists all)", "dim")]
    by_reason: dict[str, list[str]] = {}
    for alternative in ruled_out:
        by_reason.setdefault(alternative.why, []).append(alternative.cause)
    if by_reason:
        yield [("  Ruled out", "underline")]
    for why, causes in by_reason.items():
        for cause in causes[:_ALTERNATIVES_SHOWN]:
            yield [("    ", ""), (cause, "dim")]
        yield from wrapped(f"because: {why}", "      ", "dim")


def show_services(
    replay: Replay, services: Sequence[Service], show: Show, failed: bool, numeric: bool, more: More | None = None
) -> bool:
    """Print every service with its verdict and what `more` there is to say, failing ones first; True when something failed."""
    judged = [(service, replay.verdict(service)) for service in services]
    healthy = [pair for pair in judged if pair[1].cause.startswith("healthy")]
    failing = [pair for pair in judged if not pair[1].cause.startswith("healthy")]
    more = more or _nothing_more
    for service, verdict in failing:
        show(service_lines(replay, service, verdict, numeric))
        show(more(replay, service, verdict, numeric))
    if healthy and not failed:
        show([[]])
        for service, verdict in healthy:
            show(service_lines(replay, service, verdict, numeric))
            show(more(replay, service, verdict, numeric))
    return any(not verdict.cause.startswith("unseen") for _, verdict in failing)


def _nothing_more(*_: object) -> Iterable[Line]:
    return ()


def show_alike(groups: Sequence[Alike], show: Show, failed: bool) -> bool:
    """Print how very many services went, those that ended alike together; True when something failed."""
    bad = False
    for group in groups:
        fails = any(outcome in FAILED for outcome in group.outcomes)
        bad = bad or fails
        if fails or not failed:
            show(alike_lines(group))
    show([[], [("Too many services for a verdict each: choose some with --host, --port or", "dim")]])
    show([[("--outcome, or take --json for a verdict on every one.", "dim")]])
    return bad


def nothing_lines(replay: Replay, filtered: bool) -> Iterator[Line]:
    """What an empty result means: that no packet left, only where the whole capture could be read."""
    read = [source for source in replay.sources if not source.error]
    if filtered:
        yield [("No attempt is left by the filters.", "bold")]
    elif any(source.counts["unreadable"] or source.notes for source in read):
        yield [("No TCP connection attempt in what could be read of the input.", "bold")]
    elif len(replay.ledger):
        errors = sum(source.counts["icmp-error"] for source in read)
        yield [
            (
                f"No TCP connection attempt, but {times(errors, 'ICMP error')} about TCP packets that are not in the capture.",
                "bold",
            )
        ]
    elif any(not source.error for source in replay.sources):
        yield [("No TCP connection attempt in the input.", "bold")]
        yield from wrapped(
            "If this was recorded on the client's interface while the client failed, then no SYN left it: a rule, a route "
            "or an unanswered neighbour request on the client itself refused. If it was recorded elsewhere, the packets "
            "did not pass there.", "", "",
        )  # fmt: skip


def alike_lines(group: Alike) -> Iterator[Line]:
    """Many services that went the same way, in a few lines: how many, which addresses, which ports."""
    yield []
    yield [
        (times(group.services, "service"), "bold"),
        (f"  {times(group.attempts, 'attempt')}: {', '.join(group.outcomes)}", ""),
    ]
    yield from wrapped(f"addresses: {_few([str(a) for a in group.addresses], group.address_count)}", "  ", "")
    yield from wrapped(f"ports: {_few([str(port) for port in group.ports], len(group.ports))}", "  ", "")
    yield [(f"  since {shown_time(group.first_ns)}, last {shown_time(group.last_ns)}", "dim")]


def _few(items: Sequence[str], count: int, most: int = 8) -> str:
    rest = f" and {count - most:,} more" if count > most else ""
    return ", ".join(items[:most]) + rest


def wrapped(text: str, indent: str, style: str) -> Iterator[Line]:
    """A text in lines that fit the report."""
    for line in textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        yield [(line, style)]


def cited(text: str, frames: str) -> Iterator[Line]:
    """A piece of evidence with its frames behind it, on the same line where they fit."""
    lines = textwrap.wrap(text, WIDTH - 6, break_long_words=False, break_on_hyphens=False) or [""]
    cited = f"[{frames}]" if frames else ""
    for i, line in enumerate(lines):
        out: Line = [("    - " if i == 0 else "      ", ""), (line, "")]
        if cited and i == len(lines) - 1 and len(line) + len(cited) + 8 <= WIDTH:
            out.append((f"  {cited}", "blue"))
            cited = ""
        yield out
    if cited:
        yield [(f"      {cited}", "blue")]
