"""Stuck connections: a path that swallows large segments, and rules or routes that changed meanwhile."""

from pathlib import Path

import pytest

from analyzers.attempts.icmp import KINDS
from analyzers.model import Strength, Verdict
from tests.judge import BANNER, HANDSHAKE, LATER, said, verdict
from tests.netprobe.live.test_polite import kexinit
from tests.notation import SERVER4

TALK = HANDSHAKE + BANNER + "+.02 < . 5012 ack 1012 ttl 60\n"
STUCK = "".join(f"+{wait} > P. 1012 ack 5012 len {{size}}\n" for wait in (0.1, 0.2, 0.4, 0.8))


def stuck(size: int, error: str = "") -> str:
    return TALK + STUCK.format(size=size) + error + LATER.format(30)


def error(kind: str, sender: str) -> str:
    code = next(f"{t}/{c}" for (version, t, c), name in KINDS.items() if version == 4 and name == kind)
    ttl = 60 if sender == SERVER4 else 62
    return f"+.01 < icmp {code} from {sender} ttl {ttl} quotes P. 1012 ack 5012\n"


def test_a_smaller_segment_that_arrived_shows_the_size_to_be_the_reason(tmp_path: Path) -> None:
    sack = "+.01 > P. 2412 ack 5012 len 60\n+.02 < . 5012 ack 1012 ttl 60 sack 2412-2472\n"
    found = verdict(
        tmp_path, TALK + "+.1 > P. 1012 ack 5012 len 1400\n" + sack + STUCK.format(size=1400) + LATER.format(30)
    )
    assert (found.cause, found.strength) == ("stalled.network.path.mtu", Strength.INDICATED)
    assert "60 bytes sent behind it did arrive" in said(found)


def test_a_large_segment_alone_does_not(tmp_path: Path) -> None:
    assert verdict(tmp_path, stuck(1400)).cause == "stalled"


def test_an_error_in_the_targets_name_from_nearer_is_not_the_targets(tmp_path: Path) -> None:
    """A NAT box in front bears the address."""
    nearer = error("admin-prohibited", SERVER4).replace("ttl 60", "ttl 62")
    assert verdict(tmp_path, stuck(1400, nearer)).cause == "stalled.network.firewall.rule-inserted"


@pytest.mark.parametrize(
    ("kind", "sender", "cause"),
    [
        ("admin-prohibited", SERVER4, "stalled.target.filter.rule-inserted"),
        ("port-unreachable", SERVER4, "stalled.target.filter.rule-inserted"),
        ("admin-prohibited", "203.0.113.1", "stalled.network.firewall.rule-inserted"),
        ("host-unreachable", "203.0.113.1", "stalled.network.router.undelivered"),
        ("fragmentation-needed", "203.0.113.1", "stalled.origin.sender.ignores-mtu"),
    ],
)
def test_errors_during_the_connection_name_who_stopped_it(tmp_path: Path, kind: str, sender: str, cause: str) -> None:
    found = verdict(tmp_path, stuck(1400, error(kind, sender)))
    assert (found.cause, found.strength) == (cause, Strength.INDICATED)


def test_a_server_that_greets_and_then_sends_no_list_of_algorithms_is_not_well(tmp_path: Path) -> None:
    """Its acknowledgements tell whether it has sent one that never came."""
    asked = '+.001 > P. 1012 ack 5012 "' + "".join(f"\\x{byte:02x}" for byte in kexinit("curve25519-sha256")) + '"\n'
    size = len(kexinit("curve25519-sha256"))

    def left(seq: int, wait: float) -> Verdict:
        waited = f"+.02 < . {seq} ack {1012 + size} ttl 60\n+{wait} > F. {1012 + size} ack 5012\n"
        return verdict(tmp_path, HANDSHAKE + BANNER + asked + waited + LATER.format(9))

    assert left(5012, 3).cause == "healthy.ssh"  # so long a server may take
    frozen = left(5012, 15)
    assert "then sent no list of algorithms for 15.0 s" in said(frozen)
    assert frozen.cause == "stalled"
    assert "stalled.network.path.mtu" not in {other.cause for other in frozen.alternatives}
    lost = left(6100, 15)
    assert "1,088 bytes that it sent and that never came" in said(lost)
    assert "stalled.target.service.frozen" not in {other.cause for other in lost.alternatives}
