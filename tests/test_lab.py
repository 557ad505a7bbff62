"""The real lab: networks of namespaces are built, a failure is made and recorded, and the fresh capture is judged."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_samples import verdict_of

TOOLS = ("ip", "nft", "tcpdump", "sshd", "ssh")


# Where FIN or RST depends on whether the client's first line had come (knowledge base 1.7).
RACES = {"max-startups": ("reset-by-server", "closed-normally")}


def missing() -> list[str]:
    tools = [tool for tool in TOOLS if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None]
    return [*tools, *(["root"] if os.geteuid() else [])]


@pytest.mark.lab
@pytest.mark.parametrize(
    "name",
    [
        "closed-port",
        "forged-reset",
        "forged-reset-v6",
        "forged-then-accepted",
        "admin-prohibited-v6",
        "dead-host",
        "max-startups",
        "reset-on-banner-same-ttl",
    ],
)
def test_a_failure_made_just_now_is_judged_soundly(name: str, tmp_path: Path) -> None:
    assert not missing(), f"the lab needs {', '.join(missing())}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab_recordings", "--out", str(tmp_path), "--only", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    truth = tomllib.loads((ROOT / "captures" / "samples" / "samples.toml").read_text())[name]["truth"]
    verdict = verdict_of(tmp_path / f"{name}.pcap", truth)
    assert f"{truth['cause']}.".startswith(f"{verdict.cause}."), verdict
    assert verdict.outcome in RACES.get(name, (truth["outcome"],))
