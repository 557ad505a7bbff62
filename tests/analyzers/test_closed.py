"""Accepted, then ended: what the time, the words and the form of the close tell, and what they do not."""

from pathlib import Path

import pytest

from analyzers.model import Strength
from tests.judge import BANNER, HANDSHAKE, LATER, by, said, verdict

SPOKE = '+.001 > P. 1001 ack 5001 "SSH-2.0-y\\r\\n"\n'
READ = SPOKE + "+.021 < F. 5001 ack 1012 ttl 60\n+.001 > F. 1012 ack 5002\n"
UNREAD = SPOKE + "+.021 < R. 5001 ack 1012 ttl 60 win 500\n"
UNASKED = "+.021 < F. 5001 ack 1001 ttl 60\n+.001 > F. 1001 ack 5002\n"


@pytest.mark.parametrize(
    ("closes", "cause"),
    [
        ([READ, UNASKED], "closed.target.proxy.no-backend"),
        ([READ], "closed.target"),  # a service that did not like what it read
        ([UNASKED], "closed.target"),
        ([UNREAD, UNASKED], "closed.target"),
        ([READ, UNREAD], "closed.target"),
    ],
)
def test_a_proxy_reads_and_closes_whether_asked_or_not(tmp_path: Path, closes: list[str], cause: str) -> None:
    script = "".join(by(700 + i, HANDSHAKE + close) for i, close in enumerate(closes))
    assert verdict(tmp_path, script).cause == cause


@pytest.mark.parametrize(
    ("pause", "cause"),
    [(3.01, "closed.target"), (2.5, "closed.target"), (5.02, "closed.target.sshd.tcp-wrappers")],
)
@pytest.mark.parametrize("trip", [0.02, 0.4])
def test_the_servers_time_is_a_round_trip_less(tmp_path: Path, pause: float, trip: float, cause: str) -> None:
    script = f"0 > S 1000\n+{trip} < S. 5000 ack 1001 ttl 60\n+.001 > . 1001 ack 5001\n"
    script += f"+{pause + trip} < F. 5001 ack 1001 ttl 60\n+.001 > F. 1001 ack 5002\n"
    assert verdict(tmp_path, script).cause == cause


@pytest.mark.parametrize(("close", "cause"), [(READ, "closed.target.proxy.backend-failed"), (UNREAD, "closed.target")])
def test_a_proxy_that_gives_up_after_three_seconds_has_read(tmp_path: Path, close: str, cause: str) -> None:
    assert verdict(tmp_path, HANDSHAKE + close.replace("+.021", "+3.03")).cause == cause


def test_five_seconds_and_read_is_no_wrapper(tmp_path: Path) -> None:
    assert verdict(tmp_path, HANDSHAKE + READ.replace("+.021", "+5.03")).cause == "closed.target"


def test_a_path_that_marks_everything_is_no_dropbear(tmp_path: Path) -> None:
    other = "+1 > port 80 S 1\n+.02 < port 80 S. 9 ack 2 ttl 60 tos 0x48\n+.001 > port 80 . 2 ack 10\n"
    script = HANDSHAKE.replace("ttl 60", "ttl 60 tos 0x48") + UNASKED + other
    assert verdict(tmp_path, script).cause == "closed.target"


@pytest.mark.parametrize("programs", [False, True])
def test_one_hop_of_difference_after_accept_decides_nothing(tmp_path: Path, programs: bool) -> None:
    """A standby machine, or another way back."""
    reset = "R. 5012 ack 1012 ttl 59 win 500" if programs else "R 5012 ttl 59 win 0"
    assert not verdict(tmp_path, HANDSHAKE + BANNER + f"+1 < {reset}").cause.startswith("closed.network.firewall")


@pytest.mark.parametrize(("tos", "cause"), [("0x48", "closed.target.dropbear.limit"), ("0x10", "closed.target")])
def test_dropbear_marks_its_syn_ack(tmp_path: Path, tos: str, cause: str) -> None:
    script = HANDSHAKE.replace("ttl 60", f"ttl 60 tos {tos}") + UNASKED
    assert verdict(tmp_path, script).cause == cause


@pytest.mark.parametrize(
    ("seconds", "cause"),
    [
        (120.01, "closed.target.sshd.login-grace"),
        (30.01, "closed.target.sshd"),
        (30.5, "closed.target.sshd.after-banner"),
    ],
)
def test_the_login_grace_time_is_a_timer(tmp_path: Path, seconds: float, cause: str) -> None:
    script = HANDSHAKE + '+.01 < P. 5001 ack 1001 ttl 60 "SSH-2.0-x\\r\\n"\n+.001 > . 1001 ack 5012\n'
    script += f"+{seconds} < F. 5012 ack 1001 ttl 60\n+.001 > F. 1001 ack 5013"
    assert verdict(tmp_path, script).cause == cause


def test_a_server_that_goes_on_behind_its_reset_did_not_send_it(tmp_path: Path) -> None:
    """The injector copied the server's TTL; only the banner behind the RST gives it away."""
    script = (
        HANDSHAKE
        + SPOKE
        + '+.001 < R 5001 ttl 60 win 0\n+.01 < P. 5001 ack 1012 ttl 60 "SSH-2.0-x\\r\\n"\n+.001 > R 1012 win 0'
    )
    found = verdict(tmp_path, script)
    assert (found.cause, found.strength) == ("closed.network.firewall.injected-reset", Strength.INDICATED)


def test_data_that_was_overtaken_by_its_own_reset_proves_nothing(tmp_path: Path) -> None:
    script = (
        HANDSHAKE
        + SPOKE
        + '+.001 < R. 5012 ack 1012 ttl 60 win 500\n+.0001 < P. 5001 ack 1012 ttl 60 "SSH-2.0-x\\r\\n"\n'
    )
    assert "not the server's" not in said(verdict(tmp_path, script))


@pytest.mark.parametrize(("tos", "copied"), [("0x10", True), ("0", False)])
def test_a_bare_reset_by_a_stack_copies_the_marks(tmp_path: Path, tos: str, copied: bool) -> None:
    script = HANDSHAKE + BANNER.replace("> P.", "> P. ").replace('"SSH-2.0-y', 'tos 0x10 "SSH-2.0-y')
    found = verdict(tmp_path, script + f"+.01 < R 5012 ttl 60 win 0 tos {tos}")
    assert ("as a Linux stack does" in said(found)) == copied
    assert found.cause == ("closed.target" if copied else "closed")


def test_a_reset_far_outside_any_window_closes_nothing(tmp_path: Path) -> None:
    script = HANDSHAKE + SPOKE + "+.02 < . 5001 ack 1012 ttl 60\n+.01 < R 900005001 ttl 60 win 0\n+9 > F. 1012 ack 5001"
    assert verdict(tmp_path, script).cause.startswith("mute")


@pytest.mark.parametrize(("trip", "soon"), [(0.1, True), (0.002, False), (0.6, False)])
def test_a_reset_before_the_server_can_know_of_the_handshake(tmp_path: Path, trip: float, soon: bool) -> None:
    script = f"0 > S 1000\n+{trip} < S. 5000 ack 1001 ttl 60\n+.0001 > . 1001 ack 5001\n" + SPOKE
    found = verdict(tmp_path, script + "+.0001 < R 5001 ttl 60 win 0")
    assert ("made nearer" in said(found)) == soon
    assert found.cause == ("closed.network.firewall.injected-reset" if soon else "closed")


def test_a_guessed_sequence_number_is_told(tmp_path: Path) -> None:
    script = HANDSHAKE + SPOKE + "+.02 < . 5001 ack 1012 ttl 60\n+.01 < R 5301 ttl 57 win 0"
    assert "+300 off" in said(verdict(tmp_path, script))


def sweep(back: dict[int, int], end: int, client_port: int = 900, port: int = 22) -> str:
    """A traceroute to a port that is accepted at hop `end`; the reports of some hops come back with another TTL than usual."""
    script = ""
    for ttl in range(1, end + 1):
        script += f"+.01 > port {port} S {1000 * ttl} ttl {ttl}\n"
        if ttl < end:
            came = back.get(ttl, 65 - ttl)
            script += (
                f"+.01 < port {port} icmp 11/0 from 198.18.0.{ttl} ttl {came} quotes S {1000 * ttl} quoted-ttl 1\n"
            )
    script += f"+.01 < port {port} S. 7000 ack {1000 * end + 1} ttl 60\n+.001 > port {port} R {1000 * end + 1}\n"
    return by(client_port, script)


CUT = SPOKE + "+.010 < R 5001 ttl {} win 0\n"


@pytest.mark.parametrize(
    ("ttl", "back", "ends", "hop"),
    [
        (62, {}, {}, 3),
        (60, {3: 60}, {}, None),  # it may as well be the host's, or its filter's
        (62, {3: 59, 4: 62}, {80: 4}, None),  # the one that is as far stands on another way than the nearest end
    ],
)
def test_a_reset_is_laid_to_a_hop_only_where_nothing_else_is_as_far(
    tmp_path: Path, ttl: int, back: dict[int, int], ends: dict[int, int], hop: int | None
) -> None:
    others = "".join(sweep({}, end, 901 + port, port) for port, end in ends.items())
    found = verdict(tmp_path, HANDSHAKE + CUT.format(ttl) + sweep(back, 5) + others)
    assert found.place.hop == hop


@pytest.mark.parametrize(
    ("words", "symptom"), [("SSH-2.0-netprobe_0.1.0", "wrong-service"), ("SSH-2.0-OpenSSH_9.2", "healthy")]
)
def test_an_echo_of_our_own_words_is_no_greeting(tmp_path: Path, words: str, symptom: str) -> None:
    asks = f'+.001 > P. 1001 ack 5001 "{words}\\r\\n"\n'
    gets = f'+.001 < P. 5001 ack {1003 + len(words)} "{words}\\r\\n"\n+1 > F. {1003 + len(words)} ack {5003 + len(words)}\n'
    assert verdict(tmp_path, HANDSHAKE + asks + gets).cause.split(".")[0] == symptom


def test_words_that_come_behind_the_close_were_said_before_it(tmp_path: Path) -> None:
    """The segment that bore them was lost, and came again."""
    asked = '+.001 > P. 1001 ack 5001 "SSH-2.0-y\\r\\n"\n'
    words = "HTTP/1.1 400 Bad Request"
    late = f'+.02 < F. {5001 + len(words)} ack 1012 ttl 60\n+.2 < P. 5001 ack 1012 ttl 60 "{words}"\n'
    found = verdict(tmp_path, HANDSHAKE + asked + late + LATER.format(9))
    assert found.cause == "wrong-service.target.http"
