"""Verdicts on small scripts whose truth is what was sent: the look-alikes that once misled."""

from pathlib import Path
from unittest.mock import patch

import pytest

from analyzers.model import Strength
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.judge import BANNER, HANDSHAKE, LATER, by, verdict, verdicts
from tests.notation import packets, tcp_packet, write_pcap


def test_a_reset_that_answers_late_data_is_not_the_close(tmp_path: Path) -> None:
    """The server closed at once; its stack answers what the client sends five seconds later."""
    script = (
        HANDSHAKE
        + '+.002 < F. 5001 ack 1001 ttl 60\n+.001 > . 1001 ack 5002\n+5 > P. 1001 ack 5002 "late"\n+.02 < R 5002 ttl 60 win 0'
    )
    found = verdict(tmp_path, script)
    assert found.cause.split(".")[0] == "closed"
    assert "tcp-wrappers" not in found.cause


def test_a_client_that_gives_up_was_not_closed_by_the_server(tmp_path: Path) -> None:
    script = (
        HANDSHAKE
        + '+.01 > P. 1001 ack 5001 "SSH-2.0-y\\r\\n"\n+.02 < . 5001 ack 1012 ttl 60\n+5 > F. 1012 ack 5001\n+.02 < R 5001 ttl 60 win 0'
    )
    assert verdict(tmp_path, script).cause.split(".")[0] == "mute"


def test_a_client_that_said_goodbye_was_not_turned_away(tmp_path: Path) -> None:
    """A disconnect in clear, reason 11; the server closes as it was asked to."""
    goodbye = "\\x00\\x00\\x00\\x14\\x06\\x01\\x00\\x00\\x00\\x0b" + "\\x00" * 14
    script = (
        HANDSHAKE
        + BANNER
        + f'+.001 > P. 1012 ack 5012 "{goodbye}"\n+.02 < F. 5012 ack 1036 ttl 60\n+.001 > F. 1036 ack 5013'
    )
    assert verdict(tmp_path, script).cause == "healthy.ssh"


def test_five_seconds_and_a_close_are_tcp_wrappers(tmp_path: Path) -> None:
    script = HANDSHAKE + '+.01 > P. 1001 ack 5001 "SSH-2.0-y\\r\\n"\n+5.0 < R. 5001 ack 1012 ttl 60 win 500'
    assert verdict(tmp_path, script).cause == "closed.target.sshd.tcp-wrappers"


def test_a_nearer_reset_does_not_rule_the_target_out(tmp_path: Path) -> None:
    """A closed port of a host that forwards another port to a container behind it looks the same."""
    script = "0 > S 1000\n+.02 < R. 0 ack 1001 ttl 62\n+1 > port 8080 S 1\n+.02 < port 8080 S. 9 ack 2 ttl 61\n+.001 > port 8080 . 2 ack 10"
    found = verdict(tmp_path, script)
    assert (found.cause, found.strength) == ("reset", Strength.CONSISTENT)
    assert any("nearer" in evidence.text for evidence in found.evidence)


def test_ttls_of_two_points_of_capture_are_not_compared(tmp_path: Path) -> None:
    server_side = "0 > S 1000\n+.02 < R. 0 ack 1001 ttl 64"
    client_side = "0 > port 80 S 1\n+.02 < port 80 S. 9 ack 2 ttl 62"
    found = verdicts(tmp_path, server_side, client_side)[22]
    assert not [evidence for evidence in found.evidence if "port 80" in evidence.text]


def test_lost_data_that_was_acknowledged_later_is_no_stall(tmp_path: Path) -> None:
    script = (
        HANDSHAKE
        + BANNER
        + '+.2 > P. 1001 ack 5012 "SSH-2.0-y\\r\\n"\n+.4 > P. 1001 ack 5012 "SSH-2.0-y\\r\\n"\n+.02 < . 5012 ack 1012 ttl 60'
    )
    assert verdict(tmp_path, script + "\n" + LATER.format(60)).cause == "healthy.ssh"


@pytest.mark.parametrize("ending", ["", "+1 > R. 1012 ack 5012", "+1 > F. 2412 ack 5012"])
def test_data_repeated_and_never_acknowledged_is_a_stall(tmp_path: Path, ending: str) -> None:
    big = "".join(f"+{wait} > P. 1012 ack 5012 len 1400\n" for wait in (0.1, 0.2, 0.4, 0.8))
    script = HANDSHAKE + BANNER + "+.02 < . 5012 ack 1012 ttl 60\n" + big + ending
    found = verdict(tmp_path, script)
    assert found.cause.split(".")[0] == "stalled"
    assert any("1400 bytes" in evidence.text for evidence in found.evidence)


def test_a_server_that_says_nothing_while_the_capture_goes_on_is_mute(tmp_path: Path) -> None:
    script = (
        HANDSHAKE + '+.01 > P. 1001 ack 5001 "SSH-2.0-y\\r\\n"\n+.02 < . 5001 ack 1012 ttl 60\n' + LATER.format(120)
    )
    assert verdict(tmp_path, script).cause.split(".")[0] == "mute"


@pytest.mark.parametrize(("words", "symptom"), [("", "mute"), ('"SSH-2.0-y"', "closed")])
def test_who_keeps_silent_only_towards_the_silent_is_told_by_what_spoke(
    tmp_path: Path, words: str, symptom: str
) -> None:
    """Two connections said nothing and heard nothing; a third is closed: without a word, or on its word."""
    spoke = f"+.01 > P. 1001 ack 5001 {words}\n+.02 < . 5001 ack 1010 ttl 60\n" if words else ""
    closed = HANDSHAKE + spoke + f"+.5 < F. 5001 ack {1010 if words else 1001} ttl 60\n"
    found = verdict(tmp_path, by(40001, HANDSHAKE) + by(40002, HANDSHAKE) + by(40003, closed) + LATER.format(30))
    assert found.cause.partition(".")[0] == symptom


def test_a_redirect_is_no_refusal(tmp_path: Path) -> None:
    redirect = "+.001 < icmp 5/1 from 203.0.113.1 quotes S 1000\n"
    assert verdict(tmp_path, "0 > S 1000\n" + redirect + "+.02 < R. 0 ack 1001").outcome == "refused-rst"


def test_a_short_look_is_not_called_silence(tmp_path: Path) -> None:
    assert verdict(tmp_path, "0 > S 1000\n" + LATER.format(2)).cause == "unseen.capture.ended-early"
    assert verdict(tmp_path, "0 > S 1000\n" + LATER.format(4)).cause == "silence"


def test_the_first_attempt_does_not_speak_for_the_others(tmp_path: Path) -> None:
    """Attempts of one shape, one closed at once and three after five seconds: the order must not matter."""

    def one(port: int, pause: float) -> str:
        lines = HANDSHAKE.replace("> ", f"> client-port {port} ").replace("< ", f"< client-port {port} ")
        return (
            lines
            + f"+{pause} < client-port {port} F. 5001 ack 1001 ttl 60\n+.001 > client-port {port} F. 1001 ack 5002\n"
        )

    for pauses in ((0.002, 5.0, 5.0, 5.0), (5.0, 5.0, 5.0, 0.002)):
        script = "".join(one(4000 + i, pause) for i, pause in enumerate(pauses))
        found = verdict(tmp_path, script)
        assert found.cause == "closed.target"
        assert {a.cause for a in found.alternatives} >= {"closed.target.service.closed"}


def test_one_refusal_among_very_many_kinds_of_health_is_found(tmp_path: Path) -> None:
    """More ways of being well than are decoded one by one, and a single refused attempt."""
    script = ""
    for ttl in range(30, 100):
        ends = f"client-port {5000 + ttl}"
        script += f"+1 > {ends} S 1000\n+.02 < {ends} S. 5000 ack 1001 ttl {ttl}\n+.001 > {ends} . 1001 ack 5001\n"
        script += f'+.01 < {ends} P. 5001 ack 1001 ttl {ttl} "SSH-2.0-x\\r\\n"\n+.01 > {ends} F. 1001 ack 5012\n'
    found = verdict(tmp_path, script + "+1 > S 1000\n+.02 < R. 0 ack 1001 ttl 60")
    assert found.cause == "reset"
    assert found.summary.startswith("1 of 71 attempts")


def test_flows_between_neighbouring_addresses_stay_apart(tmp_path: Path) -> None:
    """Every pair of sixteen addresses on the same two ports, each pair with its own outcome, and each used again."""
    frames, wanted = [], {}
    now = 10**18
    for again in (0, 1):
        for a in range(1, 9):
            for b in range(9, 17):
                client, server = f"192.0.2.{a}", f"192.0.2.{b}"
                now += 10**6
                frames.append((now, tcp_packet(client, server, 700, 22, 1000 + again, 0, 2)))
                if (a + b + again) % 2:
                    frames.append((now + 1000, tcp_packet(server, client, 22, 700, 0, 1001 + again, 20)))
                wanted[client, server, again] = "refused-rst" if (a + b + again) % 2 else "silent"
    with replay([str(write_pcap(tmp_path / "lan.pcap", frames))]) as done:
        found = [done.attempt(i) for i in Filters().choose(done.ledger).tolist()]
    assert len(found) == len(wanted)
    for attempt in found:
        again = attempt.syns[0].tcp.seq - 1000
        assert attempt.ending.outcome == wanted[str(attempt.client), str(attempt.server), again]


def test_a_second_syn_ack_with_another_number_hides_no_data(tmp_path: Path) -> None:
    script = HANDSHAKE + "+.01 < S. 900005000 ack 1001 ttl 60\n" + BANNER
    found = verdict(tmp_path, script)
    assert found.cause == "healthy.ssh"


def test_a_banner_cannot_steer_the_terminal(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from netprobe.cli import commands

    path = write_pcap(
        tmp_path / "esc.pcap",
        packets(HANDSHAKE + '+.01 < P. 5001 ack 1001 ttl 60 "SSH-2.0-\\x1b[2Jx\\r\\n"\n+1 > F. 1001 ack 5015'),
    )
    output = CliRunner().invoke(commands, ["replay", str(path)]).output
    assert "SSH-2.0-.[2Jx" in output
    assert "\x1b" not in output


def test_a_scan_costs_a_few_frames_for_each_port(tmp_path: Path) -> None:
    """Each port is compared with what others of the address answered: the same few answers, which are read once."""
    ports, compared = range(1, 101), 13  # twelve others, and one more where a port is among them
    script = "".join(
        f"+.01 > port {port} S 1000 tos 0x48\n+.01 < port {port} R. 0 ack 1001 tos 0x48 win 0\n" for port in ports
    )
    path = write_pcap(tmp_path / "scan.pcap", packets(script))
    with replay([str(path)]) as done, patch.object(done, "recall", wraps=done.recall) as read:
        found = done.services(Filters().choose(done.ledger))
        assert {done.verdict(service).cause for service in found} == {"reset"}
    assert len(found) == len(ports)
    assert 0 < read.call_count <= 2 * (len(ports) + compared)
