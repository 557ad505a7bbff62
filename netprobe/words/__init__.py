"""What a cause is in words: TOML files beside this one, one table per cause id or prefix. Words never decide a verdict."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from analyzers.attempts.services import Service

FIELDS = ("what", "wire", "apart", "confirm", "next", "sources")

_DONE_LIVE = ("netprobe diagnose {target}", "traceroute -T", "43007", "ping -c 3 {address}", "-r FILE")


@cache
def _file(symptom: str) -> dict[str, dict[str, Any]]:
    path = Path(__file__).with_name(f"{symptom}.toml")
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def about(cause: str) -> dict[str, Any]:
    """The fields for a cause id or prefix; what its own table lacks comes from the nearest prefix that has it."""
    parts = cause.split(".")
    tables = _file(parts[0])
    out: dict[str, Any] = {}
    for depth in range(len(parts), 0, -1):
        for key, value in tables.get(".".join(parts[:depth]), {}).items():
            out.setdefault(key, value)
    return out


def advice(cause: str, service: Service, live: bool = False, client: str = "") -> list[dict[str, str]]:
    """What to run next to learn more, with the service's own address and port filled in, and its only `client`.

    Behind a live diagnosis what can be seen elsewhere comes first, and nothing that it has done itself.
    """
    host = f"[{service.address}]" if service.address.version == 6 else str(service.address)
    fill = {
        "address": str(service.address), "port": str(service.port), "target": f"{host}:{service.port}", "client": client or "CLIENT",
    }  # fmt: skip
    found = about(cause)
    steps = found.get("next", [])
    if live:
        asked = [step for step in steps if not any(part in step["command"] for part in _DONE_LIVE)]
        steps = [step for step in found.get("confirm", []) if step not in asked] + asked
    return [{"why": _filled(step["why"], fill), "command": _filled(step["command"], fill)} for step in steps]


def _filled(text: str, fill: dict[str, str]) -> str:
    for name, value in fill.items():
        text = text.replace("{" + name + "}", value)
    return text
