"""`netprobe trace` in the lab: each hop is the router that was built there, and the evidence gives the same table."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netprobe import lab
from netprobe.lab.processes import environment, inside
from tests.conftest import ROOT
from tests.ways import CHECKS, block, check

pytestmark = pytest.mark.lab


def typed(net: lab.Lab) -> str:
    return f"[{net.target}]:{net.port}" if ":" in net.target else f"{net.target}:{net.port}"


def replayed(evidence: Path, *options: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "netprobe", "replay", "-n", "--path", *options, str(evidence)], cwd=ROOT, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    ).stdout  # fmt: skip


def path_of(document: str, net: lab.Lab) -> dict[str, Any]:
    services = json.loads(document)["services"]
    (service,) = [s for s in services if (s["address"], s["port"]) == (net.target, net.port)]
    found: dict[str, Any] = service["path"]
    return found


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", CHECKS)
def test_the_way_is_what_was_built_and_its_evidence_says_the_same(name: str, family: int, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.pcapng"
    with lab.up(lab.load(name, family=family)) as net:
        command = [sys.executable, "-m", "netprobe", "trace", "-n", "--flows", "4", "-w", str(evidence), typed(net)]
        said = net.run("client", command, timeout=120)
    assert said.returncode in (0, 1), said.stderr
    assert block(replayed(evidence)) == block(said.stdout)
    check(name, net.scenario, path_of(replayed(evidence, "--json"), net))


def test_ctrl_c_prints_what_is_known(tmp_path: Path) -> None:
    """Pressed once the progress on the terminal says that the way is being traced; the firewall drops, so that nothing ends it."""
    evidence = tmp_path / "evidence.pcapng"
    terminal, stderr = os.openpty()
    with lab.up(lab.load("router-drop", family=4)) as net:
        # A shell that runs the tests in the background has them ignore SIGINT, and their children with them.
        words = [
            "env",
            "--default-signal=INT",
            sys.executable,
            "-m",
            "netprobe",
            "trace",
            "-n",
            "-w",
            str(evidence),
            typed(net),
        ]
        asked = subprocess.Popen(
            inside(net.node("client"), words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            env=environment(), start_new_session=True,
        )  # fmt: skip
        try:
            seen = b""
            while b"tracing the way to port 22" not in seen:
                assert select.select([terminal], [], [], 30)[0], seen
                seen += os.read(terminal, 4096)
            asked.send_signal(signal.SIGINT)
            out, _ = asked.communicate(timeout=60)
        finally:
            asked.kill()
            os.close(stderr)
            os.close(terminal)
    assert asked.returncode == 130, seen
    assert f"\n{net.target} port {net.port}\n" in out
    assert "\n  silence" in out
    assert f"Evidence file: {evidence}" in out
    assert evidence.exists()
