"""Which servers the working attempts met, told by what they said."""

from pathlib import Path

import pytest

from tests.judge import by, said, verdict

SAID = "several servers share this address"
REFUSED = "+.1 > S 3000\n+.02 < R. 0 ack 3001 ttl 60 win 0\n"


def works(banner: str, wait: float = 0.1) -> str:
    greeting = f'+.01 < P. 7001 ack 3001 ttl 60 "SSH-2.0-{banner}\\r\\n"\n'
    return f"+{wait} > S 3000\n+.02 < S. 7000 ack 3001 ttl 60\n+.01 > . 3001 ack 7001\n{greeting}"


def series(*attempts: str) -> str:
    return "".join(by(700 + number, attempt) for number, attempt in enumerate(attempts))


@pytest.mark.parametrize(
    ("attempts", "several"),
    [
        ((works("old"), REFUSED, works("new")), True),
        ((works("old"), REFUSED, works("new", wait=9)), False),  # installed anew, perhaps
        ((works("old"), REFUSED, works("new", wait=9), works("old", wait=9)), True),
        ((works("old"), REFUSED, works("old")), False),
        ((works("old"), works("new")), False),  # nothing failed that this could explain
    ],
)
def test_version_lines_tell_servers_apart(tmp_path: Path, attempts: tuple[str, ...], several: bool) -> None:
    found = said(verdict(tmp_path, series(*attempts)))
    assert (SAID in found) == several
    assert not several or "SSH-2.0-old, SSH-2.0-new" in found


def test_several_servers_do_not_yet_clear_the_host(tmp_path: Path) -> None:
    """Two programs may serve one port of one host: only a host key is a machine's own."""
    found = verdict(tmp_path, series(works("old"), REFUSED, works("new"), works("old")))
    standing = {alternative.cause for alternative in found.alternatives if alternative.strength.word != "ruled-out"}
    assert "reset.target.closed-port" in {found.cause, *standing}
