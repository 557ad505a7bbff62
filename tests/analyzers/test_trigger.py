"""The client's first words with rising TTLs: where what resets them stands, and what is too little to say so."""

from pathlib import Path

import pytest

from analyzers.model import Strength, Verdict
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
from tests.judge import HANDSHAKE, by, said, verdict
from tests.notation import packets, write_pcap

END = 5
WORDS = '+{wait} > P. 1001 ack 5001 ttl {ttl} tos 0x48 "SSH-2.0-y\\r\\n"\n'
RESET = "+.010 < R 5001 ttl 60 win 0\n"
FAILED = HANDSHAKE + '+.001 > P. 1001 ack 5001 tos 0x48 "SSH-2.0-y\\r\\n"\n' + RESET


def ran_out(ttl: int, seq: int) -> str:
    return f"+.01 < icmp 11/0 from 198.18.0.{ttl} ttl {65 - ttl} quotes P. {seq} ack 5001 quoted-ttl 1\n"


def way(*lost: int) -> str:
    """Old bytes with every TTL; the answers to some are lost."""
    script = ""
    for ttl in range(1, END + 2):
        seq = 1000 - ttl
        script += f"+.001 > P. {seq} ack 5001 ttl {ttl} tos 0x48 len 1\n"
        if ttl not in lost:
            known = f"+.02 < . 5001 ack 1001 ttl 60 sack {seq}-{seq + 1}\n"
            script += known if ttl >= END else ran_out(ttl, seq)
    return script


def words(ttl: int, wait: float = 0.001, answer: str = "") -> str:
    return WORDS.format(wait=wait, ttl=ttl) + (answer or ran_out(ttl, 1001))


def asked(tmp_path: Path, *connections: str) -> Verdict:
    scripts = [FAILED, *(HANDSHAKE + one for one in connections)]
    return verdict(tmp_path, "".join(by(700 + n, script) for n, script in enumerate(scripts)))


UP_TO_3 = words(1) + words(2) + words(3, answer=RESET)
SURE = words(2) + words(3, 0.5, RESET)


def test_words_that_do_not_reach_the_host_are_reset_before_it(tmp_path: Path) -> None:
    found = asked(tmp_path, way() + UP_TO_3, SURE)
    assert (found.cause, found.strength) == ("closed.network.firewall.injected-reset", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (2, 3)
    assert "with TTL 3, and what accepted is reached from TTL 5 on: made by something before it" in said(found)
    assert found.outcome == "reset-by-server"


def test_connections_that_ask_are_no_attempts(tmp_path: Path) -> None:
    scripts = [FAILED, HANDSHAKE + way() + UP_TO_3, HANDSHAKE + SURE]
    script = "".join(by(700 + n, one) for n, one in enumerate(scripts))
    with replay([str(write_pcap(tmp_path / "a.pcap", packets(script)))]) as done:
        (service,) = done.services(Filters().choose(done.ledger))
    assert (len(service.members), service.probe_count) == (1, 2)


@pytest.mark.parametrize(
    "connections",
    [
        [way() + UP_TO_3],  # the RST may be a late answer to a smaller TTL
        [way() + UP_TO_3, words(2) + words(3, 0.02, RESET)],
        [way() + UP_TO_3, words(2, answer=RESET)],  # it was
        [way() + words(1) + words(2) + words(3) + words(4, answer=RESET), SURE],
    ],
)
def test_what_may_be_a_late_answer_places_nothing(tmp_path: Path, connections: list[str]) -> None:
    found = asked(tmp_path, *connections)
    assert found.cause == "closed"
    assert (found.place.hop_min, found.place.hop_max) == (None, None)
    assert any("not certain with which TTL" in void for void in found.void)


def test_words_that_reach_the_host_may_be_reset_by_it_or_before(tmp_path: Path) -> None:
    last = "".join(words(ttl) for ttl in range(1, END)) + words(END, answer=RESET)
    found = asked(tmp_path, way() + last, words(END - 1) + words(END, 0.5, RESET))
    assert (found.cause, found.strength) == ("closed", Strength.INDICATED)
    assert {"closed.network.firewall.injected-reset", "closed.target.filter.content"} <= {
        a.cause for a in found.alternatives
    }
    assert (found.place.hop_min, found.place.hop_max) == (END - 1, END)


def test_a_stack_that_resets_is_no_filter_of_words(tmp_path: Path) -> None:
    copied = RESET.replace("win 0", "win 0 tos 0x48")
    last = "".join(words(ttl) for ttl in range(1, END)) + words(END, answer=copied)
    scripts = [
        FAILED.replace(RESET, copied),
        HANDSHAKE + way() + last,
        HANDSHAKE + words(END - 1) + words(END, 0.5, copied),
    ]
    found = verdict(tmp_path, "".join(by(700 + n, script) for n, script in enumerate(scripts)))
    weak = {other.cause for other in found.alternatives if other.strength is Strength.CONSISTENT}
    assert {"closed.network.firewall.injected-reset", "closed.target.filter.content"} <= weak


def test_an_end_whose_answer_was_lost_is_not_taken_for_farther(tmp_path: Path) -> None:
    last = "".join(words(ttl) for ttl in range(1, END)) + words(END, answer=RESET)
    found = asked(tmp_path, way(END) + last, words(END - 1) + words(END, 0.5, RESET))
    assert "made by something before it" not in said(found)


def test_a_program_that_resets_is_no_filter(tmp_path: Path) -> None:
    program = "+.010 < R. 5001 ack 1001 ttl 60 win 500\n"
    last = "".join(words(ttl) for ttl in range(1, END)) + words(END, answer=program)
    scripts = [
        FAILED.replace(RESET, program), HANDSHAKE + way() + last, HANDSHAKE + words(END - 1) + words(END, 0.5, program),
    ]  # fmt: skip
    found = verdict(tmp_path, "".join(by(700 + n, script) for n, script in enumerate(scripts)))
    assert not found.cause.startswith("closed.network")


AGAIN = "+1.0 < S. 5000 ack 1001 ttl 60\n"
NEARER = RESET.replace("ttl 60", "ttl 63")


def old(ttl: int, wait: float = 0.001, answer: str = "") -> str:
    """An old byte, as `way` sends it."""
    return f"+{wait} > P. {1000 - ttl} ack 5001 ttl {ttl} tos 0x48 len 1\n" + (answer or ran_out(ttl, 1000 - ttl))


def climbed(answer: str) -> list[str]:
    """Two connections on which this side begins with an acknowledgement that does not get far."""
    small = "+.001 > . 1001 ack 5001 ttl 1\n"
    syns = HANDSHAKE.rpartition("+.001 >")[0] + small
    return [syns + old(1) + old(2) + old(3, answer=answer), syns + old(2) + old(3, 0.5, answer)]


def test_a_bare_acknowledgement_that_is_refused_had_no_words_to_look_at(tmp_path: Path) -> None:
    scripts = [HANDSHAKE + NEARER + AGAIN, HANDSHAKE + NEARER + AGAIN, *climbed(NEARER)]
    found = verdict(tmp_path, "".join(by(700 + n, script) for n, script in enumerate(scripts)))
    assert {a.cause for a in found.alternatives if a.strength is Strength.INDICATED} == {
        "closed.network.firewall.no-state", "closed.network.firewall.injected-reset", "closed.target.filter.rule-inserted",
    }  # fmt: skip
    assert (found.place.hop_min, found.place.hop_max) == (2, 3)
    assert "the acknowledgement did not arrive" in said(found)


@pytest.mark.parametrize("later", ["", "+1.0 < S. 5000 ack 1001 ttl 60\n"])
def test_a_reset_behind_words_or_without_the_syn_ack_again_did_not_refuse_the_acknowledgement(
    tmp_path: Path, later: str
) -> None:
    spoke = "+.001 > P. 1001 ack 5001 len 11\n" if later else ""
    one = HANDSHAKE + spoke + NEARER + later
    found = verdict(tmp_path, by(700, one) + by(701, one))
    assert "did not arrive" not in said(found)


def test_old_bytes_that_are_reset_late_place_nothing(tmp_path: Path) -> None:
    first, _ = climbed(NEARER)
    scripts = [HANDSHAKE + NEARER + AGAIN, first]
    found = verdict(tmp_path, "".join(by(700 + n, script) for n, script in enumerate(scripts)))
    assert (found.place.hop_min, found.place.hop_max) == (None, None)
    assert any("not certain with which TTL" in void for void in found.void)
