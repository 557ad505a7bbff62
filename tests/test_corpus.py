"""Public captures with independent truth: every attempt agrees with what other authorities say of it."""

import json
import re
from collections import Counter
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from analyzers.causes import find
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from netprobe.report.document import attempt_object
from tests.conftest import SHARED

pytestmark = pytest.mark.corpus

COMPARED = (
    "first_syn_time", "first_frame", "syn_count", "synack_count", "handshake", "answer", "answer_frame", "outcome", "ending",
    "rst_sender", "rst_count", "fin_client", "fin_server", "client_packets", "server_packets", "client_bytes", "server_bytes",
    "client_first_bytes", "server_first_bytes", "roles", "vlans", "rsts",
)  # fmt: skip

# Where netprobe says something else, and why it is right. (Empty: it agrees everywhere.)
REVIEWED: dict[tuple[str, int, str], str] = {}


@cache
def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SHARED / "corpus" / "manifest.json").read_text())
    return loaded


def names() -> list[str]:
    return [entry["file"] for entry in manifest()["captures"]] if SHARED.is_dir() else ["missing"]


def attempts(path: Path) -> list[dict[str, Any]]:
    with replay([str(path)]) as done:
        assert not done.sources[0].error
        return [attempt_object(done.attempt(i), [path.name]) for i in Filters().choose(done.ledger).tolist()]


def key(attempt: dict[str, Any]) -> tuple[Any, ...]:
    ends = (
        ip_address(attempt["client_ip"]),
        attempt["client_port"],
        ip_address(attempt["server_ip"]),
        attempt["server_port"],
    )
    return (*ends, attempt["first_frame"])


@pytest.mark.parametrize("name", names())
def test_every_attempt_agrees_with_the_manifest(name: str, corpus: Path) -> None:
    entry = next(e for e in manifest()["captures"] if e["file"] == name)
    found = {key(a): a for a in attempts(corpus / "captures" / name)}
    wanted = entry["truth"]["attempts"] + entry["truth"]["midstream"]
    assert sorted(map(str, found)) == sorted(str(key(a)) for a in wanted)
    for truth in wanted:
        said = found[key(truth)]
        for field in COMPARED:
            if (name, truth["first_frame"], field) not in REVIEWED:
                assert plain(said.get(field)) == plain(truth.get(field)), (name, truth["first_frame"], field)
        assert said["conn_state"] == truth["zeek_like"]["conn_state"]
        assert said["history"] == truth["zeek_like"]["history"]
        assert_icmp_agrees(said.get("icmp", []), truth.get("icmp", []))
        assert_ssh_agrees(said.get("ssh"), truth.get("ssh"))


def plain(value: Any) -> Any:
    """Compare what both sides can say: absent is null, zero, empty or false; the manifest cuts first bytes earlier."""
    if isinstance(value, str):
        if re.fullmatch(r"\d+\.\d{6,9}", value):
            return value.ljust(20, "0")
        return value[:60]
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):  # how many packets follow a RST is counted over all packets there, over kept ones here
        return {k: plain(v) for k, v in value.items() if k != "later_packets_of_that_side"}
    return value or None


def assert_icmp_agrees(said: list[dict[str, Any]], truth: list[dict[str, Any]]) -> None:
    keys = ("frame", "v", "type", "code", "class", "quotes")
    assert [[item[k] for k in keys] for item in said] == [[item[k] for k in keys] for item in truth]
    assert [ip_address(item["from"]) for item in said] == [ip_address(item["from"]) for item in truth]


def assert_ssh_agrees(said: dict[str, Any] | None, truth: dict[str, Any] | None) -> None:
    assert (said is None) == (truth is None)
    if said is None or truth is None:
        return
    for field in ("stage", "client_banner", "server_banner", "client_messages", "server_messages"):
        assert said.get(field) == truth.get(field), field
    assert said.get("server_pre_banner", "")[:200] == truth.get("server_pre_banner", "")[:200]


def test_the_manifest_holds_what_it_should() -> None:
    outcomes = Counter(a["outcome"] for e in manifest()["captures"] for a in e["truth"]["attempts"])
    assert sum(outcomes.values()) > 2000
    assert len(outcomes) >= 12


@pytest.mark.parametrize("name", names())
def test_every_service_is_judged_and_every_claim_shows_its_frames(name: str, corpus: Path) -> None:
    with replay([str(corpus / "captures" / name)]) as done:
        for service in done.services(Filters().choose(done.ledger)):
            verdict = done.verdict(service)
            assert verdict.evidence, verdict.cause
            assert all(evidence.text and evidence.frames for evidence in verdict.evidence), verdict
            assert find(verdict.cause), verdict.cause
