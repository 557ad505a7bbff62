"""The demo shows a verdict wherever it is run."""

import pytest
from click.testing import CliRunner

from netprobe import lab
from netprobe.cli import commands
from netprobe.lab.errors import Unavailable


def test_without_root_it_replays_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def unavailable(*_: object, **__: object) -> None:
        raise Unavailable("the lab needs root: it makes network namespaces (run it with sudo)")

    monkeypatch.setattr(lab, "up", unavailable)
    result = CliRunner().invoke(commands, ["demo"])
    assert result.exit_code == 0
    assert "Not live: the lab needs root" in result.output
    assert "reset.network.firewall  INDICATED" in capfd.readouterr().out


@pytest.mark.lab
def test_with_root_it_is_live() -> None:
    result = CliRunner().invoke(commands, ["demo"])
    assert result.exit_code == 0
    assert "client - r1 - r2 - firewall" in result.output
    assert "reset.network.firewall  PROVEN" in result.output
    assert "Evidence file:" in result.output
