"""Stuck connections: a path that swallows large segments, and rules or routes that changed meanwhile."""

import struct
from pathlib import Path

import pytest

from analyzers.attempts.icmp import KINDS
from analyzers.model import Strength, Verdict
from tests.judge import BANNER, HANDSHAKE, LATER, by, said, verdict
from tests.netprobe.live.test_polite import kexinit, packet
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


def test_where_small_ones_are_lost_as_well_the_size_is_only_one_reason(tmp_path: Path) -> None:
    small = "+.1 > P. 1012 ack 5012 len 24\n+.4 > P. 1012 ack 5012 len 24\n+.02 < . 5012 ack 1036 ttl 60\n"
    large = "".join(f"+{wait} > P. 1036 ack 5012 len 1400\n" for wait in (0.1, 0.2, 0.4))
    sack = "+.01 > P. 2436 ack 5012 len 60\n+.02 < . 5012 ack 1036 ttl 60 sack 2436-2496\n"
    found = verdict(tmp_path, TALK + small + large + sack + LATER.format(30))
    assert (found.cause, found.strength) == ("stalled.network.path", Strength.CONSISTENT)
    assert "packets get lost on the way, whatever they hold" in said(found)


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


OFFERED = '"' + "".join(f"\\x{byte:02x}" for byte in kexinit("curve25519-sha256")) + '"'
SIZE = len(kexinit("curve25519-sha256"))
_KEY = struct.pack(">I11s", 11, b"ssh-ed25519") + bytes(32)
REPLY = packet(b"\x1f" + b"".join(struct.pack(">I", len(part)) + part for part in (_KEY, bytes(32), bytes(83))))
KEYED = '"' + "".join(f"\\x{byte:02x}" for byte in REPLY) + '"'


def asks(mss: int) -> str:
    return HANDSHAKE.replace("S 1000", f"S 1000 mss {mss}") + BANNER + f"+.001 > P. 1012 ack 5012 {OFFERED}\n"


def left(mss: int, lost: int) -> str:
    """A connection on which no list of algorithms came, `lost` bytes of the server's."""
    return asks(mss) + f"+.02 < . {5012 + lost} ack {1012 + SIZE} ttl 60\n+9 > F. {1012 + SIZE} ack 5012\n"


def went(mss: int) -> str:
    """A connection on which the server's host key came."""
    theirs = (
        f"+.02 < P. 5012 ack {1012 + SIZE} ttl 60 {OFFERED}\n+.01 < P. {5012 + SIZE} ack {1012 + SIZE} ttl 60 {KEYED}\n"
    )
    return asks(mss) + theirs + f"+.1 > F. {1012 + SIZE} ack {5012 + SIZE + len(REPLY)}\n"


def test_the_same_conversation_in_smaller_segments_shows_the_size_to_be_the_reason(tmp_path: Path) -> None:
    found = verdict(tmp_path, by(700, left(1460, 1088)) + by(701, went(516)) + LATER.format(9))
    assert (found.cause, found.strength) == ("stalled.network.path.mtu", Strength.INDICATED)
    shown = "allows segments of 516 bytes at most goes through; of one that allows 1,460, 1,088 bytes of the server's get lost"
    assert shown in said(found)
    assert "the way back swallows large ones" in said(found)


def test_an_end_that_came_though_its_beginning_did_not_is_no_list_of_algorithms(tmp_path: Path) -> None:
    """A list longer than a segment."""
    end = f"+.02 < P. 6460 ack {1012 + SIZE} ttl 60 len 64\n+.001 > . {1012 + SIZE} ack 5012\n"
    found = verdict(tmp_path, asks(1460) + end + f"+9 > F. {1012 + SIZE} ack 5012\n" + LATER.format(9))
    assert found.cause == "stalled.network.path"
    assert "1,448 bytes that it sent and that never came" in said(found)


@pytest.mark.parametrize(
    ("stuck", "through"),
    [
        (left(1460, 0), went(516)),  # one of two machines is frozen: it has not sent anything
        (left(1460, 60), went(516)),  # too few bytes to be lost for their size
        (left(1460, 1088), went(1460)),  # chance
        (left(516, 1088), went(516)),
    ],
)
def test_another_connection_that_goes_well_need_not_be_smaller_for_that(
    tmp_path: Path, stuck: str, through: str
) -> None:
    found = verdict(tmp_path, by(700, stuck) + by(701, through) + LATER.format(9))
    assert found.cause.startswith("stalled")
    assert found.cause != "stalled.network.path.mtu"
    assert "swallows large" not in said(found)


def test_a_small_connection_that_is_stuck_as_well_is_not_so_for_its_size(tmp_path: Path) -> None:
    found = verdict(tmp_path, by(700, left(1460, 1088)) + by(701, left(516, 1088)) + LATER.format(9))
    assert "stalled.network.path.mtu" not in {
        other.cause for other in found.alternatives if other.strength > Strength.RULED_OUT
    }
    assert "is stuck as well: size is not the reason" in said(found)
