"""Old bytes on a connection that came up: what they tell of the other end, what they do not, and what they must not be taken for."""

from pathlib import Path
from typing import Any

import pytest

from analyzers.model import Strength, Verdict
from tests.judge import BANNER, HANDSHAKE, LATER, by, said, verdict

SPOKE = '+.001 > P. 1001 ack 5001 "SSH-2.0-y\\r\\n" tos 0x48\n+.020 < . 5001 ack 1012 ttl 60\n'
RAN_OUT = "+.01 < icmp 11/0 from 198.18.0.{hop} ttl {back} quotes P. {seq} ack 5001 quoted-ttl 1\n"
KNOWN = "+.020 < . {seq} ack 1012 ttl 60 sack {of}-{to}\n"


RESET = "+.020 < R 5001 ttl 60 win 0 tos 0x48\n"


def old(ttl: int, size: int = 1, una: int = 1012) -> tuple[str, int]:
    """A segment of old bytes, and the number of its first."""
    first = una - size - ttl
    return f"+.001 > P. {first} ack 5001 ttl {ttl} tos 0x48 len {size}\n", first


def known(ttl: int, size: int = 1, una: int = 1012, seq: int = 5001) -> str:
    asked, first = old(ttl, size, una)
    return asked + f"+.020 < . {seq} ack {una} ttl 60 sack {first}-{first + size}\n"


def ran_out(ttl: int, size: int = 1, una: int = 1012) -> str:
    asked, first = old(ttl, size, una)
    return asked + RAN_OUT.format(hop=ttl, back=65 - ttl, seq=first)


def mute(tmp_path: Path, *asked: str) -> Verdict:
    script = "".join(by(700 + n, HANDSHAKE + SPOKE + "+9 " + one.removeprefix("+.001 ")) for n, one in enumerate(asked))
    return verdict(tmp_path, script + LATER.format(2))


def test_a_host_that_acknowledges_old_bytes_keeps_silent_itself(tmp_path: Path) -> None:
    hops = "".join(map(ran_out, (1, 2, 3, 4)))
    found = mute(tmp_path, known(30) + hops + known(5) + known(6), known(30))
    assert (found.cause, found.strength) == ("mute.target", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (5, 5)
    assert "old bytes on the open connection are acknowledged, from TTL 5 on" in said(found)


def test_hops_that_said_nothing_leave_an_interval(tmp_path: Path) -> None:
    silent = "".join(old(ttl)[0] for ttl in (3, 4))
    found = mute(tmp_path, known(30) + ran_out(1) + ran_out(2) + silent + known(5))
    assert (found.place.hop_min, found.place.hop_max) == (3, 5)


def test_numbers_ahead_of_what_came_tell_of_words_that_were_swallowed(tmp_path: Path) -> None:
    found = mute(tmp_path, known(30, seq=5042))
    assert (found.cause, found.strength) == ("mute.network.firewall.drop", Strength.INDICATED)
    assert "41 bytes that it sent and that never came" in said(found)


HELD = "+.001 > . 1002 ack 5001 ttl 30 tos 0x48 win 0\n"


def forgotten(
    tmp_path: Path, answer: str, spoke: str = "", reset: str = RESET, count: int = 2, said: str = SPOKE, una: int = 1012
) -> Verdict:
    """Connections that the host has forgotten, and one more whose window was shut at once."""
    third = HANDSHAKE + spoke + HELD + old(30, una=1001)[0].replace("+.001", "+1.5") + answer
    lost = (HANDSHAKE + said + old(30, una=una)[0].replace("+.001", "+9") + reset for _ in range(count))
    return verdict(tmp_path, "".join(by(700 + n, one) for n, one in enumerate((*lost, third))) + LATER.format(2))


KEPT = "+.020 < . 5001 ack 1001 ttl 60 sack 970-971\n"


def test_so_many_bytes_may_be_lost_for_their_size(tmp_path: Path) -> None:
    assert mute(tmp_path, known(30, seq=5001 + 1064)).cause == "mute.network"


def test_a_host_that_forgets_when_it_speaks_was_reset_by_somebody_else(tmp_path: Path) -> None:
    found = forgotten(tmp_path, KEPT)
    assert (found.cause, found.strength) == ("mute.network.firewall.one-sided", Strength.INDICATED)
    assert "2 of 2" in said(found)


@pytest.mark.parametrize(
    "flaw",
    [
        {"count": 1},  # the one RST of the host's may be lost by chance
        {"reset": RESET.replace(" tos 0x48", "")},  # a filter's
        {"reset": RESET.replace("ttl 60", "ttl 62")},
        {"said": "", "una": 1001},  # it is not known that the host ever had it
    ],
)
def test_what_only_seems_forgotten_is_not_laid_at_anybodys_door(tmp_path: Path, flaw: dict[str, Any]) -> None:
    assert forgotten(tmp_path, KEPT, **flaw).cause == "mute"


@pytest.mark.parametrize(
    ("answer", "spoke"), [(RESET, ""), ("", ""), (KEPT, '+.001 < P. 5001 ack 1001 ttl 60 "SSH-2.0-x\\r\\n"\n')]
)
def test_a_host_that_forgets_all_the_same_may_be_a_proxy(tmp_path: Path, answer: str, spoke: str) -> None:
    found = forgotten(tmp_path, answer, spoke)
    assert found.cause == "mute"
    assert {"mute.target.proxy.silent-drop", "mute.network.firewall.one-sided"} <= {a.cause for a in found.alternatives}


@pytest.mark.parametrize(
    "asked",
    [
        [old(30)[0] + RESET],  # one may be lost by chance
        [old(30)[0] + RESET, known(30)],
        [old(30)[0] + RESET.replace("ttl 60", "ttl 62")] * 2,  # from nearer than the SYN-ACK
        [old(30)[0] + RESET.replace(" tos 0x48", "")] * 2,  # a filter's
    ],
)
def test_what_only_looks_forgotten_says_no_more(tmp_path: Path, asked: list[str]) -> None:
    assert mute(tmp_path, *asked).cause == "mute"


def test_a_host_of_which_it_is_not_known_that_it_had_the_connection_has_forgotten_nothing(tmp_path: Path) -> None:
    asked = f"+9 > P. 970 ack 5001 ttl 30 tos 0x48 len 1\n{RESET}"
    script = "".join(by(700 + n, HANDSHAKE + asked) for n in range(2))
    assert verdict(tmp_path, script + LATER.format(2)).cause == "mute"


def test_an_acknowledgement_from_elsewhere_is_nobodys(tmp_path: Path) -> None:
    found = mute(tmp_path, known(30).replace("ttl 60", "ttl 58"))
    assert found.cause == "mute"
    assert any("from elsewhere than the SYN-ACK" in void for void in found.void)


SIZE = 600
STUCK = "".join(f"+{wait} > P. 1012 ack 5012 len 1144\n" for wait in (0.1, 0.2, 0.4, 0.8))


def stalled(tmp_path: Path, asked: str) -> Verdict:
    script = HANDSHAKE + BANNER + "+.02 < . 5012 ack 1012 ttl 60\n" + STUCK + asked.replace("5001", "5012")
    return verdict(tmp_path, script + LATER.format(9))


def pair(ttl: int, large: bool, end: int = 5) -> str:
    """A large and a small one at once, and what they get back; the host stands at hop `end`."""
    answer = known if ttl >= end else ran_out
    return (answer(ttl, SIZE) if large else old(ttl, SIZE)[0]) + answer(ttl)


PAIRS = known(30) + pair(30, False) + pair(1, True) + pair(2, True) + pair(3, False) + pair(4, False) + pair(5, False)


def test_large_ones_vanish_from_a_hop_on(tmp_path: Path) -> None:
    found = stalled(tmp_path, PAIRS + pair(3, False))
    assert (found.cause, found.strength) == ("stalled.network.path.mtu", Strength.INDICATED)
    assert (found.place.hop_min, found.place.hop_max) == (2, 3)
    assert "segments of 600 bytes get as far as hop 2, with TTL 3 and above they vanish" in said(found)


def test_one_try_may_be_lost_and_places_nothing(tmp_path: Path) -> None:
    found = stalled(tmp_path, PAIRS)
    assert found.cause == "stalled.network.path.mtu"
    assert (found.place.hop_min, found.place.hop_max) == (None, None)


def test_what_no_small_one_stands_beside_may_be_an_error_not_sent(tmp_path: Path) -> None:
    limited = (
        known(30)
        + "".join(pair(ttl, True) for ttl in (1, 2))
        + "".join(old(t, s)[0] for t in (3, 4) for s in (SIZE, 1))
    )
    assert stalled(tmp_path, limited).cause == "stalled"


def test_large_ones_that_pass_are_not_the_reason(tmp_path: Path) -> None:
    found = stalled(tmp_path, known(30) + pair(30, True))
    assert (found.cause, found.strength) == ("stalled", Strength.CONSISTENT)  # a filter on the path, or on the host
    assert "large ones pass" in said(found)


def test_without_sack_what_goes_all_the_way_is_told(tmp_path: Path) -> None:
    found = mute(tmp_path, old(30)[0] + "+.02 < . 5001 ack 1012 ttl 60\n")
    assert found.cause == "mute.target"


def test_new_bytes_with_small_ttls_are_the_clients_own(tmp_path: Path) -> None:
    """As CenTrace sends them."""
    sent = '+.001 > P. 1001 ack 5001 ttl 3 "SSH-2.0-y\\r\\n"\n' + RAN_OUT.format(hop=3, back=62, seq=1001)
    again = sent.replace("+.001", "+.3")
    found = verdict(tmp_path, HANDSHAKE + sent + again + LATER.format(9))
    assert found.cause == "mute.network.router.ttl-exceeded"


def test_a_reset_behind_our_own_question_is_no_close(tmp_path: Path) -> None:
    assert mute(tmp_path, old(30)[0] + RESET).outcome == "established"


def test_a_syn_ack_said_again_is_no_answer_to_an_old_byte(tmp_path: Path) -> None:
    """Nothing that the client says arrives: the handshake is never over for the host."""
    silent = SPOKE.splitlines()[0] + "\n+9 " + old(30)[0].removeprefix("+.001 ") + "+.2 < S. 5000 ack 1001 ttl 60\n"
    script = "".join(by(700 + n, HANDSHAKE + silent) for n in range(2))
    found = verdict(tmp_path, script + LATER.format(2))
    assert "old bytes" not in said(found)
    assert "mute.network.path.one-way" not in {o.cause for o in found.alternatives if o.strength is Strength.RULED_OUT}
