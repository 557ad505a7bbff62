"""The join and the story, told by small scripts: what was sent is the truth, written beside each."""

from pathlib import Path
from typing import Any

import pytest

from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from netprobe.report.document import attempt_object
from tests.notation import packets, write_pcap


def told(tmp_path: Path, script: str, v6: bool = False) -> list[dict[str, Any]]:
    """The attempts of a script, as the public objects."""
    path = write_pcap(tmp_path / "script.pcap", packets(script, v6))
    with replay([str(path)]) as done:
        return [attempt_object(done.attempt(i), ["script"]) for i in Filters().choose(done.ledger).tolist()]


REFUSED = """
0     > S 1000
+.020 < R. 0 ack 1001 ttl 61
"""
FAMILIES = pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])


@FAMILIES
def test_a_reset_refuses_a_syn(tmp_path: Path, v6: bool) -> None:
    (attempt,) = told(tmp_path, REFUSED, v6)
    assert attempt["outcome"] == "refused-rst"
    assert (attempt["conn_state"], attempt["history"]) == ("REJ", "Sr")
    assert attempt["answer_frame"] == 2
    assert attempt["rsts"][0]["ttl"] == 61


def test_retransmitted_syns_are_one_attempt(tmp_path: Path) -> None:
    (attempt,) = told(tmp_path, "0 > S 1000\n+1 > S 1000\n+2 > S 1000\n+4 > S 1000")
    assert (attempt["outcome"], attempt["syn_count"], attempt["handshake"]) == ("silent", 4, "none")


def test_a_reused_port_with_a_new_number_is_a_new_attempt(tmp_path: Path) -> None:
    script = REFUSED + "+5 > S 777000\n+.02 < R. 0 ack 777001"
    assert [a["outcome"] for a in told(tmp_path, script)] == ["refused-rst", "refused-rst"]


def test_a_client_that_repeats_a_refused_syn_makes_one_attempt(tmp_path: Path) -> None:
    script = REFUSED + "+.5 > S 1000\n+.02 < R. 0 ack 1001\n+.5 > S 1000\n+.02 < R. 0 ack 1001"
    (attempt,) = told(tmp_path, script)
    assert (attempt["syn_count"], attempt["rst_count"], attempt["outcome"]) == (3, 3, "refused-rst")


HANDSHAKE = """
0     > S 1000
+.020 < S. 5000 ack 1001 ttl 60
+.001 > . 1001 ack 5001
"""


@FAMILIES
def test_a_whole_connection_closes_normally(tmp_path: Path, v6: bool) -> None:
    script = (
        HANDSHAKE
        + """
    +.01 < P. 5001 ack 1001 "SSH-2.0-x\\r\\n"
    +.01 > P. 1001 ack 5012 "SSH-2.0-y\\r\\n"
    +.01 > F. 1012 ack 5012
    +.01 < F. 5012 ack 1013
    +.01 > . 1013 ack 5013
    """
    )
    (attempt,) = told(tmp_path, script, v6)
    assert (attempt["outcome"], attempt["conn_state"]) == ("closed-normally", "SF")
    assert (attempt["client_bytes"], attempt["server_bytes"]) == (11, 11)
    assert attempt["ssh"] == {"stage": "after-banner", "client_banner": "SSH-2.0-y", "server_banner": "SSH-2.0-x"}


def test_an_ack_that_fits_nothing_leaves_the_handshake_half_open(tmp_path: Path) -> None:
    (attempt,) = told(tmp_path, "0 > S 1000\n+.02 < S. 5000 ack 1001\n+.01 > . 1001 ack 99999")
    assert attempt["outcome"] == "half-open"


def test_a_reset_that_both_sides_ignore_is_not_a_refusal(tmp_path: Path) -> None:
    script = """
    0    > S 1000
    +.01 < R. 0 ack 1000 ttl 46
    +.01 < S. 5000 ack 1001 ttl 49
    +.01 > . 1001 ack 5001
    +.01 < P. 5001 ack 1001 ttl 49 "hello"
    +.01 > . 1001 ack 5006
    """
    (attempt,) = told(tmp_path, script)
    assert attempt["outcome"] == "established"
    assert attempt["answer_frame"] == 3
    assert attempt["rsts"] == [
        {"frame": 2, "from": "server", "ttl": 46, "ttls_of_that_side": [49], "ttl_differs": True, "ignored": True}
    ]


def test_an_answer_captured_before_its_question_belongs_to_it(tmp_path: Path) -> None:
    (attempt,) = told(tmp_path, "0 < S. 5000 ack 1001\n+.01 > S 1000\n+.01 > . 1001 ack 5001")
    assert (attempt["outcome"], attempt["answer"], attempt["answer_frame"]) == ("established", "syn-ack", 1)
    assert attempt["history"] == "hSA"


def test_clocks_that_run_back_change_nothing(tmp_path: Path) -> None:
    (attempt,) = told(tmp_path, "0 > S 1000\n-.5 < S. 5000 ack 1001\n+.2 > . 1001 ack 5001")
    assert attempt["outcome"] == "established"


def test_both_sides_opening_at_once_are_one_attempt(tmp_path: Path) -> None:
    script = "0 > S 1000\n+.001 < S 5000\n+.01 > S. 1000 ack 5001\n+.001 < S. 5000 ack 1001\n+.01 > . 1001 ack 5001"
    (attempt,) = told(tmp_path, script)
    assert attempt["handshake"] == "complete"
    assert "roles" not in attempt


@FAMILIES
def test_icmp_errors_belong_to_the_attempt_that_they_quote(tmp_path: Path, v6: bool) -> None:
    router = "2001:db8:9::1" if v6 else "203.0.113.1"
    code = "1/1" if v6 else "3/13"
    (attempt,) = told(tmp_path, f"0 > S 1000\n+.02 < icmp {code} from {router} quotes S 1000 quoted-ttl 62", v6)
    assert attempt["outcome"] == "icmp-unreachable"
    assert attempt["icmp"][0]["from"] == router
    assert attempt["icmp"][0]["quoted_ttl"] == 62


def test_an_icmp_error_captured_first_still_belongs(tmp_path: Path) -> None:
    (attempt,) = told(tmp_path, "0 < icmp 3/1 from 203.0.113.1 quotes S 1000\n+.001 > S 1000")
    assert attempt["outcome"] == "silent"  # nothing came back after the question
    assert len(attempt["icmp"]) == 1


def test_an_icmp_error_about_unseen_packets_is_no_attempt(tmp_path: Path) -> None:
    assert told(tmp_path, "0 < icmp 3/1 from 203.0.113.1 quotes S 1000") == []


def test_one_direction_is_told_as_such(tmp_path: Path) -> None:
    (attempt,) = told(
        tmp_path, '0 > S 1000\n+.02 > . 1001 ack 5001\n+.01 > P. 1001 ack 5001 "GET /"\n+.1 > F. 1006 ack 5001'
    )
    assert (attempt["outcome"], attempt["conn_state"]) == ("one-sided-client", "SH")


def test_a_connection_without_its_syn_is_midstream(tmp_path: Path) -> None:
    (attempt,) = told(tmp_path, '0 < P. 5001 ack 1001 "data"\n+.1 > . 1001 ack 5005')
    assert (attempt["outcome"], attempt["roles"]) == ("midstream", "first-sender")


def test_repeated_and_reordered_bytes_are_counted_once(tmp_path: Path) -> None:
    script = (
        HANDSHAKE
        + """
    +.01 < P. 5001 ack 1001 "aaaa"
    +.01 < P. 5009 ack 1001 "cccc"
    +.01 < P. 5009 ack 1001 "cccc"
    +.01 < P. 5005 ack 1001 "bbbb"
    +.01 < P. 5001 ack 1001 "aaaabbbb"
    """
    )
    (attempt,) = told(tmp_path, script)
    assert attempt["server_bytes"] == 12
    assert attempt["server_first_bytes"] == "aaaabbbbcccc"


def test_bytes_lost_by_the_capture_are_not_counted(tmp_path: Path) -> None:
    script = HANDSHAKE + '+.01 < P. 5001 ack 1001 "aaaa"\n+.01 < P. 5105 ack 1001 "cccc"'
    (attempt,) = told(tmp_path, script)
    assert attempt["server_bytes"] == 8


def test_sequence_numbers_that_wrap_are_followed(tmp_path: Path) -> None:
    script = """
    0     > S 4294967290
    +.020 < S. 4294967295 ack 4294967291
    +.001 > . 4294967291 ack 0
    +.01  > P. 4294967291 ack 0 "0123456789"
    +.01  < P. 0 ack 5 "abc"
    +.01  > F. 5 ack 3
    +.01  < F. 3 ack 6
    """
    (attempt,) = told(tmp_path, script)
    assert (attempt["outcome"], attempt["client_bytes"], attempt["server_bytes"]) == ("closed-normally", 10, 3)


def test_a_connection_across_files_of_a_ring_buffer_is_one(tmp_path: Path) -> None:
    frames = packets(HANDSHAKE)
    first = write_pcap(tmp_path / "ring1.pcap", frames[:1])
    second = write_pcap(tmp_path / "ring2.pcap", frames[1:])
    with replay([str(second), str(first)]) as done:
        (index,) = Filters().choose(done.ledger).tolist()
        attempt = attempt_object(done.attempt(index), [s.name for s in done.sources])
    assert attempt["outcome"] == "established"
    assert attempt["file"].endswith("ring1.pcap")


def test_captures_of_two_places_stay_apart(tmp_path: Path) -> None:
    frames = packets(HANDSHAKE)
    paths = [str(write_pcap(tmp_path / name, frames)) for name in ("client.pcap", "server.pcap")]
    with replay(paths) as done:
        assert len(Filters().choose(done.ledger)) == 2


def test_long_silence_between_windows_does_not_split_an_attempt(tmp_path: Path) -> None:
    """Rows of one attempt that lie in different windows of the reader are joined."""
    frames = packets(HANDSHAKE)
    noise = packets("0 > client-port 50000 . 1 ack 1 len 1400") * 2600  # more than one window of 2 MiB
    path = write_pcap(tmp_path / "wide.pcap", [frames[0], *noise, frames[1], *noise, frames[2]])
    with replay([str(path)]) as done:
        outcomes = [done.ledger.ending(i).outcome for i in Filters().choose(done.ledger).tolist()]
    assert sorted(outcomes) == ["established", "midstream"]


AGAIN = """
0     > S 1000
+.001 < S. 5000 ack 1001
+.001 > R 1001
+.300 > S 9000
+.001 < . 5001 ack 1001
+.001 > R 1001
+.500 < S. 5000 ack 1001
+.001 > R 1001
+.500 > S 9000
+.001 < S. 7000 ack 9001
+.001 > . 9001 ack 7001
+.001 < P. 7001 ack 9001 len 21
"""


@FAMILIES
def test_a_connection_behind_a_syn_that_was_taken_back_gets_none_of_its_answers(tmp_path: Path, v6: bool) -> None:
    """The RST was lost, so that the host waits for the first handshake to end, and says so to the second SYN."""
    first, second = told(tmp_path, AGAIN, v6)
    assert (first["outcome"], second["outcome"]) == ("half-open-reset-by-client", "established")
    assert second["history"].startswith("ShA"), second["history"]
    assert (second["syn_count"], second["handshake"]) == (2, "complete")


SWEEP = """
0     > S 1000 ttl 1
+.001 > S 2000 ttl 2
+.001 > S 3000 ttl 3
+.010 < R. 0 ack 3001 ttl 62
+.001 < icmp 11/0 from 203.0.113.2 quotes S 2000 quoted-ttl 1
+.001 < icmp 11/0 from 203.0.113.1 quotes S 1000 quoted-ttl 1
+.5   > S 2000 ttl 2
+.01  < S. 7000 ack 1001 ttl 60
+.001 > R 1001
"""


@FAMILIES
def test_every_answer_to_a_traceroute_with_one_flow_finds_its_syn(tmp_path: Path, v6: bool) -> None:
    script = SWEEP.replace("icmp 11/0", "icmp 3/0").replace("203.0.113.", "2001:db8:7::") if v6 else SWEEP
    first, second, third = told(tmp_path, script, v6)
    assert (second["outcome"], second["syn_count"], second["answer_frame"]) == ("icmp-ttl-exceeded", 2, 5)
    assert (third["outcome"], third["answer_frame"]) == ("refused-rst", 4)
    assert first["history"] == "ShR"  # answered last, by a SYN-ACK that the client's kernel took back
