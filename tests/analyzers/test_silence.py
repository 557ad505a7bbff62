"""Silence: what else the capture shows of a port that did not answer."""

from pathlib import Path

from analyzers.model import Strength
from tests.judge import LATER, by, said, verdict

REPEATED = """
+.1 < S. 7000 ack 3001 ttl 60
+.001 > . 3001 ack 7001
+1 < S. 7000 ack 3001 ttl 60
+.001 > . 3001 ack 7001
"""
SILENT = "+.1 > S 1000\n+1 > S 1000\n+2 > S 1000\n"


def test_repeated_syn_acks_beside_silence_are_a_full_queue(tmp_path: Path) -> None:
    found = verdict(tmp_path, by(701, REPEATED) + SILENT + LATER.format(5))
    assert (found.cause, found.strength) == ("silence.target.listener.queue-full", Strength.INDICATED)


def test_a_lost_acknowledgement_is_none(tmp_path: Path) -> None:
    lost = by(701, "+.1 < S. 7000 ack 3001 ttl 60\n+1 < S. 7000 ack 3001 ttl 60\n+.001 > . 3001 ack 7001\n")
    assert verdict(tmp_path, lost + SILENT + LATER.format(5)).cause == "silence"


def test_a_port_that_answers_now_and_then_is_not_a_dead_host(tmp_path: Path) -> None:
    works = '+.1 > S 3000\n+.02 < S. 7000 ack 3001 ttl 60\n+.01 > . 3001 ack 7001\n+.01 < P. 7001 ack 3001 "SSH-2.0-x\\r\\n"\n'
    script = "".join(by(700 + i, SILENT + LATER.format(1) + "\n" if i % 3 == 1 else works) for i in range(9))
    found = verdict(tmp_path, script + LATER.format(9))
    assert (found.cause, found.strength) == ("silence.backend.down", Strength.INDICATED)
    assert "1 attempt in 3 fails" in said(found)
    assert "silence.target.host.down" in {a.cause for a in found.alternatives if a.strength is Strength.RULED_OUT}


def test_a_port_of_which_only_a_traceroute_is_known_has_a_verdict(tmp_path: Path) -> None:
    """Its silent probes may all be a limit on errors, and its answered ones are no attempts: still something is said."""
    script = "".join(f"+.01 > client-port {50 + ttl} S {1000 * ttl} ttl {ttl}\n" for ttl in (1, 2, 3, 4))
    script += "+.01 < client-port 51 icmp 11/0 from 203.0.113.1 ttl 64 quotes S 1000 quoted-ttl 1\n"
    assert verdict(tmp_path, script + LATER.format(9)).cause == "silence"
