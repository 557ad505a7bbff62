"""What a live diagnosis found, in words and as JSON: the report of the replay, with what was asked beside it."""

from collections.abc import Iterator, Sequence
from typing import Any

from analyzers.attempts.context import Context
from analyzers.attempts.services import Service
from analyzers.model import Verdict
from analyzers.words import duration
from netprobe.live.diagnosis import Answer, Asked, judge
from netprobe.live.flow import explained
from netprobe.live.target import Target
from netprobe.replay.run import Replay
from netprobe.report.document import SCHEMA, service_object, source_object
from netprobe.report.path import way_lines
from netprobe.report.path_document import way_object
from netprobe.report.terminal import Line, name_of, service_lines, verdict_lines


def answer(target: Target, asked: Asked, numeric: bool, shows: Sequence[str], as_json: bool) -> Answer:
    """Judge what was asked, and report it."""
    for done, service, verdict in judge(asked):
        failed = not verdict.cause.startswith("healthy")
        if as_json:
            mine = part(target, asked, done, service, verdict, numeric, "path" in shows)
            return Answer(verdict.cause, failed, part=mine)
        return Answer(verdict.cause, failed, lines=list(lines(asked, done, service, verdict, numeric, shows)))
    works = greeted(asked.context)
    return Answer(
        "healthy" if works else "not judged", unjudged=asked.path is None and not works,
        lines=list(unjudged_lines(target, asked)), part=unjudged_part(target, asked),
    )  # fmt: skip


def lines(
    asked: Asked, done: Replay, service: Service, verdict: Verdict, numeric: bool, shows: Sequence[str] = ("verdict",)
) -> Iterator[Line]:
    """The verdict on one address or the way to it, or both, and where its evidence is."""
    if "verdict" in shows:
        yield from service_lines(done, service, verdict, numeric)
        yield from way_lines(done, service, verdict, numeric) if "path" in shows else ()
    else:
        yield from _traced(done, service, verdict, numeric)
    yield from _calls(asked.context)
    yield [("  Evidence file: ", "dim"), (str(asked.path), "dim")]


def _traced(done: Replay, service: Service, verdict: Verdict, numeric: bool) -> Iterator[Line]:
    """The way first, then the verdict in short: what speaks for it `replay` tells of the evidence file."""
    yield []
    yield [(f"{name_of(done, str(service.address), numeric)} port {service.port}", "bold")]
    way = list(way_lines(done, service, verdict, numeric))
    if not way:
        why = (
            "the way was not traced"
            if len(service.members)
            else "no SYN left this host, so that there is no way to show"
        )
        way = [[(f"  {why}", "dim")]]
    yield from way
    yield from verdict_lines(verdict)


def unjudged_lines(target: Target, asked: Asked) -> Iterator[Line]:
    """What connect() alone says, and that it decides nothing unless the server greeted."""
    yield []
    yield [(f"{asked.address} port {target.port}", "bold"), ("  not judged", "yellow")]
    yield from _calls(asked.context)
    for note in asked.context.notes:
        yield [(f"  ! {note}", "yellow")]
    if greeted(asked.context):
        yield [("  It works: an SSH server greeted.", "green")]
        return
    yield [("  The same words come from a closed port, a packet filter, a NAT box, a balancer", "")]
    yield [("  or this host itself; only the packets tell them apart. Run it as root, or give", "")]
    yield [("  Python CAP_NET_RAW, or record and replay:", "")]
    yield [("    $ ", "dim"), (f"sudo netprobe diagnose {target.typed}", "cyan")]
    yield [("    $ ", "dim"), (f"sudo tcpdump -ni any -w FILE 'host {asked.address} or icmp or icmp6'", "cyan")]


def greeted(context: Context) -> bool:
    """Whether an SSH server answered on the port: then it works, whoever may see the packets."""
    return any(call.port == context.port and call.said.startswith("SSH-") for call in context.calls)


def _calls(context: Context) -> Iterator[Line]:
    mine = [call for call in context.calls if call.port == context.port]
    for call in mine[:1]:
        said = "nothing yet" if call.errno is None else explained(call.errno)
        named = f"; the kernel names ICMP {', '.join(call.icmp)}" if call.icmp else ""
        yield [(f"  connect() said: {said}, after {duration(call.after_ns)}{named}", "dim")]
        if call.said:
            yield [(f"  the server said: {call.said}", "dim")]


def name_lines(target: Target, outcomes: Sequence[tuple[str, str]]) -> list[Line]:
    """One answer for a name with several addresses: ssh tries them in turn and prints the last error only."""
    works = [address for address, cause in outcomes if cause.startswith("healthy")]
    failing = [address for address, cause in outcomes if not cause.startswith("healthy")]
    said: list[Line] = [[], [(f"{target.typed}: {len(works)} of {len(outcomes)} addresses work", "bold")]]
    for address, cause in outcomes:
        said.append([(f"  {address}  ", ""), (cause, "green" if address in works else "magenta")])
    if failing and not works:
        said.append([("  ssh tries them in this order and prints the error of the last one only.", "dim")])
    return said


def part(
    target: Target, asked: Asked, done: Replay, service: Service, verdict: Verdict, numeric: bool, path: bool
) -> dict[str, Any]:
    """One address for the document; with `path` the way to it."""
    found = service_object(service, verdict, [source.name for source in done.sources], True, done.client(service))
    return {
        "target": _target(target, asked.context),
        "sources": [source_object(source) for source in done.sources],
        "service": found | (way_object(done, service, numeric) if path else {}),
    }


def unjudged_part(target: Target, asked: Asked) -> dict[str, Any]:
    """One address of which nothing could be recorded."""
    return {"target": _target(target, asked.context), "sources": [], "service": None}


def document(parts: Sequence[dict[str, Any]], complete: bool) -> dict[str, Any]:
    """The document of the replay, with `targets` in the order of `services` and of the addresses that were asked."""
    return {
        "schema": SCHEMA, "complete": complete,
        "sources": [source for part in parts for source in part["sources"]],
        "services": [part["service"] for part in parts if part["service"] is not None],
        "target": parts[0]["target"] if len(parts) == 1 else None,
        "targets": [part["target"] for part in parts],
    }  # fmt: skip


def _target(target: Target, context: Context) -> dict[str, Any]:
    return {
        "typed": target.typed, "address": context.address, "port": context.port, "addresses": list(target.addresses),
        "source": context.source, "device": context.device, "gateway": context.gateway, "mtu": context.mtu,
        "calls": [
            {"port": call.port, "local_port": call.local_port, "errno": call.errno, "after_ms": round(call.after_ns / 1e6, 3)}
            for call in context.calls
        ],
        "notes": list(context.notes),
    }  # fmt: skip
