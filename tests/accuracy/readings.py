"""How the output of today's tools is read: what each says about outcome, place and cause. Pure: text in, `Answer` out.

Each tool gets the benefit of what its manual says its words mean, and of what a reader who knows TCP sees at once:

    outcome  the class that the tool shows: reset, icmp, silent, open, not-sent. A tool that shows none of them says nothing
    place    an ICMP refusal lies where its sender is: the address, and in a traceroute the line on which that address answered
             before, if it did (a rule of a router answers one line late). A reset or a mere answer lies on the line where it
             stands, silence at the last hop that answered or at the next one, a loop at its two routers; a packet that this
             host refused to send at hop 0
    cause    "closed" of nmap is reset.target.closed-port ("no application is listening on the port"), as its manual says;
             a RST in a traceroute is `reset`; silence is `silence`; an ICMP error is `unreachable`, and `unreachable.network`
             where its sender is not the target; an error of this host's own routing is `unreachable.origin`
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.accuracy.score import Answer

LIMIT = 16  # hops that a traceroute is asked to go

_OWN_ROUTE = ("Network is unreachable", "No route to host", "Invalid argument", "Permission denied")
_OWN_RULE = ("Operation not permitted", "libnet_write failed")


@dataclass(frozen=True)
class Line:
    """One line of a traceroute: `address` is "" where nothing answered, `mark` what stands beside it."""

    hop: int
    address: str
    mark: str = ""


def nmap_syn(text: str) -> Answer:
    """`nmap -sS --reason`: the state, the reason, and who sent an ICMP error."""
    if refused := _not_sent(text):
        return refused
    found = re.search(r"^\d+/tcp +(\S+) +\S+ +(.+?)(?: from (\S+))?(?: ttl \d+)?$", text, re.M)
    if not found:
        return _coarse()
    state, reason, sender = found[1], found[2], found[3] or ""
    match state, reason:
        case "closed", _:
            return _coarse("reset", "reset.target.closed-port")
        case "open", _:
            return _coarse("open")
        case "filtered", "no-response":
            return _coarse("silent", "silence")
        case "filtered", "time-exceeded":
            return _coarse("icmp", "unreachable.network.router.ttl-exceeded", address=sender)
        case "filtered", _:
            target = re.search(r"^Nmap scan report for (\S+)", text, re.M)
            named = sender or (target[1] if target else "")  # nmap leaves out a sender that is the target
            return _coarse("icmp", "unreachable.network" if sender else "unreachable", address=named)
    return _coarse()


def nmap_version(text: str) -> Answer:
    """`nmap -sV`: the state, and what listens. "tcpwrapped" is a connection that was closed without a word."""
    if refused := _not_sent(text):
        return refused
    found = re.search(r"^\d+/tcp +(\S+) +(\S+)(?: +(\S.*))?$", text, re.M)
    if not found:
        return _coarse()
    state, service, version = found[1], found[2], found[3] or ""
    if state == "closed":
        return _coarse("reset", "reset.target.closed-port")
    if state != "open":
        return _coarse()
    if service == "ssh":
        return _coarse("open", "healthy.ssh" if version else "")
    if service.endswith("?"):
        return _coarse("open")
    return _coarse("open", "closed" if service == "tcpwrapped" else "wrong-service")


def nmap_traceroute(text: str) -> Answer:
    """`nmap --traceroute`: the state, and the last hop where the trace was made with the port in question."""
    if refused := _not_sent(text):
        return refused
    found = re.search(r"^(\d+)/tcp +(\S+)", text, re.M)
    if not found:
        return _coarse()
    outcome, cause = {"closed": ("reset", "reset.target.closed-port"), "open": ("open", "")}.get(found[2], ("", ""))
    last = re.findall(r"^(\d+) +[\d.]+ ms +(\S+)$", text, re.M)[-1:]
    if not last or f"(using port {found[1]}/tcp)" not in text:
        return _coarse(outcome, cause)
    (hop, address), *_ = last
    return _coarse(outcome, cause, int(hop), int(hop), address)


def traceroute(text: str, target: str, own: str) -> Answer:
    """`traceroute -T -O info` and `tcptraceroute`: the last line, and for silence and loops those before it."""
    if refused := _not_sent(text):
        return refused
    lines = []
    for hop, rest in re.findall(r"^ *(\d+)  (.+)$", text, re.M):
        address, *marks = re.sub(r" +[\d.]+ ms", "", rest).split()
        lines.append(Line(int(hop), "" if address == "*" else address, " ".join(marks)))
    return traced(lines, target, own)


def mtr(text: str, target: str, own: str) -> Answer:
    """`mtr --json`: the hubs. It does not show how a hop answered."""
    if refused := _not_sent(text):
        return refused
    hubs = json.loads(text)["report"]["hubs"] if text.lstrip().startswith("{") else []
    return traced([Line(hub["count"], hub["host"].replace("???", "")) for hub in hubs], target, own)


def traced(lines: Sequence[Line], target: str, own: str) -> Answer:
    """What the lines of a traceroute say, by the rules above."""
    if not lines:
        return _coarse()
    last = lines[-1]
    first = {line.address: line.hop for line in reversed(lines) if line.address}
    if not last.address:
        known = max((line.hop for line in lines if line.address), default=None)
        return _coarse("silent", "silence", known, None if known is None else known + 1)
    if last.address == own:
        return _coarse("not-sent", "unreachable.origin", 0, 0)
    if "rst" in last.mark or "closed" in last.mark:
        return _coarse("reset", "reset", last.hop, last.hop, last.address)
    if "syn" in last.mark or "open" in last.mark:
        return _coarse("open", "", last.hop, last.hop, last.address)
    if last.address == target and not last.mark.startswith("!"):
        return _coarse("", "", last.hop, last.hop, last.address)
    if last.address == target:
        return _coarse("icmp", "unreachable", first[target], first[target], target)
    if last.hop == LIMIT and len(lines) > 1 and lines[-2].address not in ("", last.address):
        ends = sorted((first[last.address], first[lines[-2].address]))
        return _coarse("icmp", "unreachable.network", *ends)
    known = first[last.address] if first[last.address] < last.hop else None
    return _coarse("icmp", "unreachable.network", known, known, last.address)


def _not_sent(text: str) -> Answer | None:
    """An error of this host itself, as every tool prints it."""
    if "failed to determine route" in text or any(f"connect: {e}" in text for e in _OWN_ROUTE):
        return _coarse("not-sent", "unreachable.origin.route", 0, 0)
    if any(f"connect failed: {error}" in text for error in _OWN_ROUTE):
        return _coarse("not-sent", "unreachable.origin.route", 0, 0)
    if any(error in text for error in _OWN_RULE):
        return _coarse("not-sent", "", 0, 0)
    if "(0 hosts up)" in text:  # nobody answered for the address on this host's own network
        return _coarse("not-sent", "unreachable")
    return None


def _coarse(
    outcome: str = "", cause: str = "", low: int | None = None, high: int | None = None, address: str = ""
) -> Answer:
    return Answer(outcome, cause, low, high, address, coarse=True)
