"""The way to a service as a table: a row for each hop, with what the service's port and another one got back from there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from analyzers.attempts.icmp import RAN_OUT
from analyzers.attempts.pings import REPLY
from analyzers.attempts.quotes import NONE, Change, Rewrite
from analyzers.attempts.route import Flow, Hop, Route
from analyzers.attempts.services import Service
from analyzers.model import Verdict
from analyzers.words import duration
from netprobe.replay.run import Replay
from netprobe.report.terminal import Line, frame_text, known_name, wrapped

Name = Callable[[str], str]
"""The name of an address, "" where none is known."""

_WORDS = {RAN_OUT: "time exceeded", "rst": "RST", "syn-ack": "SYN-ACK", REPLY: "answer", "": "no answer"}
_PORTS_SHOWN = 3
_INDENT = " " * 12
# What routers add to their errors beside MPLS labels, by class. Source: IANA, ICMP extension object classes.
_EXTENSIONS = {2: "interface information (RFC 5837)", 3: "interface identification (RFC 8335)"}


@dataclass
class _Row:
    """One line of a hop: what was answered there, by port, and which flows to the service's port it is about."""

    router: str = ""
    answers: dict[int, Hop] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)

    @property
    def shown(self) -> Hop | None:
        """The answer whose time and way back stand in the row."""
        return next((hop for hop in self.answers.values() if hop.kind), None)


def way_lines(replay: Replay, service: Service, verdict: Verdict, numeric: bool) -> Iterator[Line]:
    """The way to a service as far as the capture shows it; nothing where no sweep of its port was captured."""
    route = replay.route(service)
    if route is not None:
        yield from path_lines(route, verdict, lambda address: "" if numeric else known_name(replay, address))


def path_lines(route: Route, verdict: Verdict, name: Name) -> Iterator[Line]:
    """The table, what was changed on the way, and what the marks mean."""
    ports = [port for port in dict.fromkeys((route.port, route.control, 0)) if route.to(port)]
    table = [(ttl, number, row) for ttl in _ttls(route, ports) for number, row in enumerate(_rows(route, ports, ttl))]
    heads = ["address", *(f"port {port}" if port else "ping, UDP" for port in ports), "time", "back"]
    cells = [_cells(row, ports) for _, _, row in table]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    mine = route.to(route.port)
    how = f"to port {route.port} from {_source_ports(mine)}" if mine else "by ping or UDP"
    yield [("  Path", "underline"), (f"  {how}", "dim")]
    yield [(_line("", "hop", heads, widths), "dim")]
    used = ""
    for (ttl, number, row), texts in zip(table, cells, strict=True):
        mark = _marks(route, verdict, ttl, row, [other for at, _, other in table if at == ttl])
        line = _line(mark, "" if number else str(ttl), texts, widths)
        several = sum(other == ttl and bool(one.flows) for other, _, one in table) > 1
        about = f"  {_source_ports(row.flows)}" if several and row.flows else ""
        known = name(texts[0])
        style = "bold red" if ">" in mark else "bold" if mark else ""
        yield [(line, style), (about, "dim"), (f"  {known}" if known else "", "dim")]
        yield from _said(row)
        if (ttl, number) == max((t, n) for t, n, _ in table if t == ttl):
            yield from _changes(route, ports, ttl)
        used += mark
    yield from _legend(route, table, used)


def _ttls(route: Route, ports: Sequence[int]) -> range:
    """Up to where the last of these ports' flows ends, or one beyond the last answer."""
    return range(1, max((_until(flow) for port in ports for flow in route.to(port)), default=0) + 1)


def _until(flow: Flow) -> int:
    return flow.end or min(flow.last + 1, flow.hops[-1].ttl)


def _rows(route: Route, ports: Sequence[int], ttl: int) -> list[_Row]:
    """One row, and more where flows met different routers or had different answers. A flow without an answer says nothing
    beside one to the same port that has one."""
    asked = [(flow, hop) for port in ports for flow in route.to(port) if ttl <= _until(flow) and (hop := flow.at(ttl))]
    answered = {flow.port for flow, hop in asked if hop.kind}
    rows: list[_Row] = []
    for flow, hop in asked:
        if not hop.kind and flow.port in answered:
            continue
        fits = [row for row in rows if _fits(row, flow.port, hop)]
        row = min(fits, key=lambda row: row.router != hop.router, default=None)
        if row is None:
            rows.append(row := _Row())
        row.router = row.router or hop.router
        row.answers.setdefault(flow.port, hop)
        if flow.port == route.port:
            row.flows.append(flow)
    return rows or [_Row()]


def _fits(row: _Row, port: int, hop: Hop) -> bool:
    known = row.answers.get(port)
    same = known is None or (known.kind == hop.kind and known.router == hop.router)
    return same and (not hop.router or not row.router or hop.router == row.router)


def _cells(row: _Row, ports: Sequence[int]) -> list[str]:
    shown = row.shown
    address = row.router or (shown.sender if shown else "")
    answers = [_answer(row.answers.get(port)) for port in ports]
    if shown is None or shown.trip_ns is None:
        return [address, *answers, "", ""]
    return [address, *answers, duration(shown.trip_ns), f"{shown.back}{'!' if shown.uneven else ''}"]


def _answer(hop: Hop | None) -> str:
    if hop is None:
        return ""
    said = _WORDS.get(hop.kind, hop.kind)
    return f"{said} too" if hop.router and hop.kind != RAN_OUT else said


def _line(mark: str, hop: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    *left, trip, back = cells
    *wide, trip_width, back_width = widths
    texts = [f"{text:<{width}}" for text, width in zip(left, wide, strict=True)]
    return f"  {mark:>3} {hop:>3}  " + "  ".join((*texts, f"{trip:>{trip_width}}", f"{back:>{back_width}}")).rstrip()


def _marks(route: Route, verdict: Verdict, ttl: int, row: _Row, beside: Sequence[_Row]) -> str:
    """The marks of a row, `beside` being all of its hop: where they differ, the one that is meant."""
    begins = route.refused_from == ttl or (route.vanish_beyond is not None and route.vanish_beyond == ttl - 1)
    ended = [one for one in beside if (hop := one.answers.get(route.port)) and hop.kind not in (RAN_OUT, "syn-ack")]
    named = [one for one in beside if one.router and one.router == verdict.place.address]
    return (
        (">" if begins and row is (ended or beside)[0] else "")
        + ("*" if verdict.place.hop == ttl and row is (named or beside)[0] else "")
        + ("=" if row.router == route.address else "")
    )


def _source_ports(flows: Sequence[Flow]) -> str:
    numbers = [str(flow.client_port) for flow in flows if flow.client_port]
    if not numbers:
        return "changing source ports"
    more = f" and {len(numbers) - _PORTS_SHOWN} more" if len(numbers) > _PORTS_SHOWN else ""
    return f"source port{'s' * (len(numbers) > 1)} {', '.join(numbers[:_PORTS_SHOWN])}{more}"


def _said(row: _Row) -> Iterator[Line]:
    """What the errors of this row carry beside the quote."""
    found: list[str] = []
    for hop in row.answers.values():
        found += [f"MPLS label {label}, traffic class {kind}, TTL {ttl}" for label, kind, ttl in hop.mpls]
        found += [_EXTENSIONS.get(kind, f"ICMP extension {kind}/{detail}") for kind, detail in hop.extensions]
    for text in dict.fromkeys(found):
        yield [(_INDENT + text, "cyan")]


def _changes(route: Route, ports: Sequence[int], ttl: int) -> Iterator[Line]:
    """What quotes show as changed from this hop on: each field once, of the flow that tells best where."""
    seen: dict[str, Rewrite] = {}
    for port in ports:
        for flow in route.to(port):
            for rewrite in flow.rewrites:
                known = seen.get(rewrite.change.what)
                if rewrite.hop == ttl and (known is None or known.intact < rewrite.intact):
                    seen[rewrite.change.what] = rewrite
    alike: dict[tuple[int, bool], list[Rewrite]] = {}
    for rewrite in seen.values():
        alike.setdefault((rewrite.intact, rewrite.lasting), []).append(rewrite)
    for together in alike.values():
        frames = sorted({frame for rewrite in together for frame in rewrite.frames})
        yield from wrapped(f"~ {changed_text(together)}  [{frame_text(frames, ())}]", _INDENT, "yellow")


def changed_text(together: Sequence[Rewrite]) -> str:
    """Changes that show from the same hop on as a sentence, and between which hops they were made."""
    hop, intact = together[0].hop, together[0].intact
    values = "; ".join(_values(rewrite.change) for rewrite in together)
    if not together[0].lasting:
        return f"quoted here with {values}, later as it was sent"
    where = f"by hop {hop}" if not intact else f"at hop {intact} {'or' if intact == hop - 1 else 'to'} {hop}"
    return f"changed {where}: {values}"


def _values(change: Change) -> str:
    if change.quoted == NONE:
        return f"{change.what} removed"
    return f"{change.what} {change.sent} -> {change.quoted}"


def _legend(route: Route, table: Sequence[tuple[int, int, _Row]], used: str) -> Iterator[Line]:
    if ">" in used:
        what = "are refused" if route.refused_from else "get no answer"
        some = any(hop.kind == "syn-ack" for flow in route.to(route.port) for hop in flow.hops)
        whose = "of this flow " if some else ""
        yield [(f"   > from here on SYNs {whose}to port {route.port} {what}", "dim")]
    if "*" in used:
        yield [("   * where the verdict places it", "dim")]
    if "=" in used:
        yield [("   = reports in the target's own name: a box translates here, or before", "dim")]
    yield [("   back: routers that the answer passed" + _uneven(table), "dim")]


def _uneven(table: Sequence[tuple[int, int, _Row]]) -> str:
    any_uneven = any(row.shown is not None and row.shown.uneven for _, _, row in table)
    return "; ! not as many as the SYN did" if any_uneven else ""
