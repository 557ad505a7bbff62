"""The two machine-readable forms of a replay: one JSON document, and one JSON object per attempt.

Key names and words of an attempt are those of the public capture manifest's truth; a key that would be null, zero, empty
or false is left out. Both are public contracts: `schema` changes when a meaning changes.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from analyzers.attempts.attempt import Attempt, Segment, frame_of
from analyzers.attempts.ending import icmp_class
from analyzers.attempts.services import Service
from analyzers.attempts.talk import Talk, Voice, listen
from analyzers.model import Verdict
from captures.flags import RST
from netprobe.replay.run import Replay, Source
from netprobe.report.community import community_id
from netprobe.report.path_document import way_object
from netprobe.words import advice

SCHEMA = "netprobe.report/1"
_FIRST_BYTES = 80


def timestamp(ns: int) -> str:
    """Seconds since the epoch with all nine digits, as text so that nothing is rounded."""
    sign = "-" if ns < 0 else ""
    seconds, rest = divmod(abs(ns), 1_000_000_000)
    return f"{sign}{seconds}.{rest:09d}"


def document(
    replay: Replay, services: Iterable[tuple[Service, Verdict]], path: bool = False, numeric: bool = False
) -> Iterator[str]:
    """The whole report as one JSON document, in pieces: a line for its head, a line a service, a line for its end. With `path`
    each service has the way to it where it was traced."""
    names = [source.name for source in replay.sources if not source.error]
    head = {
        "schema": SCHEMA,
        "complete": not replay.interrupted and not any(s.error for s in replay.sources),
        "sources": [source_object(s) for s in replay.sources],
    }
    yield _json(head)[:-1] + ', "services": ['
    separator = "\n"
    for service, verdict in services:
        found = service_object(service, verdict, names, replay.live(service), replay.client(service))
        yield separator + _json(found | (way_object(replay, service, numeric) if path else {}))
        separator = ",\n"
    yield "\n]}\n"


def service_object(
    service: Service, verdict: Verdict, names: Sequence[str], live: bool = False, client: str = ""
) -> dict[str, Any]:
    """One service with its verdict, for the document; `live` when a live diagnosis asked it."""
    return {
        "address": str(service.address), "port": service.port, "family": f"ipv{service.address.version}",
        "attempts": len(service.members), "outcomes": service.outcomes, "probes": service.probe_count,
        "first": timestamp(service.first_ns), "last": timestamp(service.last_ns),
        "verdict": _verdict(service, verdict, names, live, client),
    }  # fmt: skip


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def source_object(source: Source) -> dict[str, Any]:
    """One input for the document."""
    return {
        "file": source.name, "format": source.format, "frames": source.frames,
        "first": None if source.first_ns is None else timestamp(source.first_ns),
        "last": None if source.last_ns is None else timestamp(source.last_ns),
        "dropped": source.dropped, "notes": source.notes, "seen": {k: n for k, n in sorted(source.counts.items()) if n},
        "error": source.error or None,
    }  # fmt: skip


def _verdict(service: Service, verdict: Verdict, names: Sequence[str], live: bool, client: str) -> dict[str, Any]:
    place = verdict.place
    return {
        "outcome": verdict.outcome, "cause": verdict.cause, "strength": verdict.strength.word,
        "place": {
            "hop": place.hop, "hop_min": place.hop_min, "hop_max": place.hop_max, "address": place.address, "actor": place.actor,
            "or_back": place.or_back,
        },
        "summary": verdict.summary,
        "evidence": [{"text": e.text, **frames(e.frames, names)} for e in verdict.evidence],
        "alternatives": [{"cause": a.cause, "strength": a.strength.word, "why": a.why} for a in verdict.alternatives],
        "void": list(verdict.void),
        "next": advice(verdict.cause, service, live, client),
    }  # fmt: skip


def frames(ids: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Frame numbers with their file, where there are several files; only those of the first file that is cited."""
    places = [frame_of(frame_id) for frame_id in ids]
    if len(names) < 2 or not places:
        return {"frames": [number for _, number in places]}
    file = places[0][0]
    return {"frames": [number for f, number in places if f == file], "file": names[file]}


def attempt_object(attempt: Attempt, names: Sequence[str]) -> dict[str, Any]:
    """One attempt for `--jsonl`."""
    ending = attempt.ending
    tcp = [s for s in attempt.segments if not s.icmp]
    first = min(tcp, key=lambda s: s.number) if tcp else attempt.segments[0]
    file, first_frame = frame_of(first.number)
    syns = attempt.syns
    answer = attempt.answer
    out: dict[str, Any] = {
        "file": names[file],
        "client_ip": str(attempt.client), "client_port": attempt.client_port,
        "server_ip": str(attempt.server), "server_port": attempt.server_port,
        "community_id": community_id(attempt.client, attempt.client_port, attempt.server, attempt.server_port),
        "conn_state": ending.conn_state, "history": ending.history,
        "roles": ending.roles if ending.roles != "syn" else None,
        "first_time": timestamp(attempt.first_ns), "last_time": timestamp(attempt.last_ns),
        "first_syn_time": timestamp(syns[0].ts_ns) if syns else None,
        "first_frame": first_frame, "syn_count": len(ending.syn_rows), "synack_count": len(ending.synack_rows),
        "handshake": ending.handshake, "answer": ending.answer,
        "answer_time": timestamp(answer.ts_ns) if answer else None,
        "answer_frame": frame_of(answer.number)[1] if answer else None,
        "outcome": ending.outcome, "ending": ending.ending,
        "rst_sender": ending.rst_sender, "rst_count": len(ending.rst_rows), "rsts": _resets(attempt),
        "icmp": [_icmp(segment) for segment in attempt.at(ending.icmp_rows)],
        "fin_client": ending.fin_client, "fin_server": ending.fin_server,
        "client_packets": attempt.client_packets, "server_packets": attempt.server_packets,
        "client_bytes": attempt.client_bytes, "server_bytes": attempt.server_bytes,
        "client_first_bytes": escaped(attempt.stream(client=True)[:_FIRST_BYTES]),
        "server_first_bytes": escaped(attempt.stream(client=False)[:_FIRST_BYTES]),
        "vlans": _vlans(attempt), "tunnels": list(first.packet.tunnels), "ssh": _ssh(listen(attempt)), "notes": list(ending.notes),
    }  # fmt: skip
    return {key: value for key, value in out.items() if value not in (None, 0, "", False, [], {})}


def _vlans(attempt: Attempt) -> list[list[int]]:
    """The distinct VLAN tag stacks under which the attempt was seen."""
    return [list(tags) for tags in dict.fromkeys(s.packet.vlans for s in attempt.segments) if tags]


def _resets(attempt: Attempt) -> list[dict[str, Any]]:
    out = []
    for row in attempt.ending.rst_rows:
        segment = attempt.segments[row]
        others = {s.ttl for s in attempt.segments if s.client == segment.client and not s.icmp and not s.has(RST)}
        item = {
            "frame": frame_of(segment.number)[1], "from": "client" if segment.client else "server", "ttl": segment.ttl,
            "ttls_of_that_side": sorted(others), "ttl_differs": bool(others) and segment.ttl not in others,
            "ignored": row in attempt.ending.ignored_rst_rows, "payload_bytes": segment.length,
        }  # fmt: skip
        out.append({key: value for key, value in item.items() if value or key == "ttls_of_that_side"})
    return out


def _icmp(segment: Segment) -> dict[str, Any]:
    icmp, ip = segment.packet.icmp, segment.packet.ip
    if icmp is None or ip is None:
        return {}
    quoted = icmp.quoted.ip if icmp.quoted else None
    item = {
        "frame": frame_of(segment.number)[1], "v": icmp.version, "type": icmp.type, "code": icmp.code,
        "class": icmp_class(icmp.version, icmp.type, icmp.code), "from": str(ip.src),
        "quotes": "client" if segment.client else "server", "ttl": ip.ttl,
        "quoted_ttl": quoted.ttl if quoted else None, "mtu": icmp.mtu, "mpls": [list(entry) for entry in icmp.mpls],
    }  # fmt: skip
    return {key: value for key, value in item.items() if value not in (None, [])}


def _ssh(talk: Talk | None) -> dict[str, Any] | None:
    if talk is None:
        return None
    out: dict[str, Any] = {"stage": talk.stage}
    for side, voice in (("client", talk.client), ("server", talk.server)):
        out |= _voice(side, voice)
    if talk.missing:
        out["no_common"] = {name: {"client": list(mine), "server": list(theirs)} for name, mine, theirs in talk.missing}
    return {key: value for key, value in out.items() if value not in (None, "", [])}


def _voice(side: str, voice: Voice) -> dict[str, Any]:
    offer = voice.offer
    return {
        f"{side}_banner": voice.banner, f"{side}_pre_banner": voice.text_before, f"{side}_messages": voice.messages,
        f"{side}_text": voice.text_after,
        f"{side}_disconnect": {"reason": voice.disconnect[0], "text": voice.disconnect[1]} if voice.disconnect else None,
        f"{side}_host_key": voice.host_key,
        f"{side}_hassh": offer.hassh(side == "client") if offer else None,
        f"{side}_kex": list(offer.kex) if offer else None, f"{side}_host_keys": list(offer.host_key) if offer else None,
    }  # fmt: skip


def escaped(data: bytes) -> str:
    """Bytes as text, unprintable ones as \\xNN."""
    return "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in data)
