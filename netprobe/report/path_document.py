"""The way to a service for the JSON document: every flow with its hops. A key that would be null, zero, empty or false is
left out, as of attempts."""

from collections.abc import Callable
from typing import Any

from analyzers.attempts.attempt import frame_of
from analyzers.attempts.quotes import Change, Rewrite
from analyzers.attempts.route import Flow, Hop, Route
from analyzers.attempts.services import Service
from netprobe.replay.run import Replay
from netprobe.report.terminal import known_name


def way_object(replay: Replay, service: Service, numeric: bool) -> dict[str, Any]:
    """The key `path` with the way to a service; nothing where no sweep of its port was captured."""
    route = replay.route(service)
    return {} if route is None else {"path": path_object(route, lambda a: "" if numeric else known_name(replay, a))}


def path_object(route: Route, name: Callable[[str], str]) -> dict[str, Any]:
    """The `path` of a service. `name` gives an address's name, or ""."""
    found = {
        "control_port": route.control, "refused_from": route.refused_from,
        "vanish_beyond": route.vanish_beyond, "flows": [_flow(flow, name) for flow in route.flows],
    }  # fmt: skip
    return {key: value for key, value in found.items() if value or (key == "vanish_beyond" and value is not None)}


def _flow(flow: Flow, name: Callable[[str], str]) -> dict[str, Any]:
    return _filled(
        {
            "port": flow.port, "source_port": flow.client_port, "hops": [_hop(hop, name) for hop in flow.hops],
            "changed": [_rewrite(rewrite) for rewrite in flow.rewrites],
        }
    )  # fmt: skip


def _hop(hop: Hop, name: Callable[[str], str]) -> dict[str, Any]:
    found = _filled(
        {
            "ttl": hop.ttl, "answer": hop.kind, "address": hop.sender, "router": hop.router, "name": name(hop.router or hop.sender),
            "rtt_ms": round(hop.trip_ns / 1e6, 3) if hop.trip_ns is not None else None, "uneven": hop.uneven, "tries": hop.tries,
            "mpls": [list(entry) for entry in hop.mpls], "extensions": [list(entry) for entry in hop.extensions],
            "changed": [_change(change) for change in hop.changed], "frames": _numbers(hop.frames),
        }
    )  # fmt: skip
    return found | ({"back": hop.back} if hop.back is not None else {})


def _rewrite(rewrite: Rewrite) -> dict[str, Any]:
    found = {
        "hop": rewrite.hop,
        "intact": rewrite.intact,
        "lasting": rewrite.lasting,
        "frames": _numbers(rewrite.frames),
    }
    return _change(rewrite.change) | _filled(found)


def _change(change: Change) -> dict[str, Any]:
    return {"what": change.what, "sent": change.sent, "quoted": change.quoted}


def _numbers(frames: tuple[int, ...]) -> list[int]:
    return [frame_of(frame)[1] for frame in frames]


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}
