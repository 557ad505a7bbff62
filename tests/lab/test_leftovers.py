"""A lab leaves nothing: not when a block fails, not when a build fails, not when a signal comes at any moment."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netprobe.lab import load, state, up
from netprobe.lab.errors import BuildFailed
from netprobe.lab.scenario import read

pytestmark = pytest.mark.lab

LABEL = "left"
COMMAND = [sys.executable, "-m", "netprobe"]


def traces() -> list[str]:
    """What is there of labs with the label of these tests: namespaces and files."""
    found = [f"namespace {path.name}" for path in Path("/run/netns").glob(f"np-{LABEL}-*")]
    return found + [f"file {path}" for path in Path("/run/netprobe").rglob(f"{LABEL}*")]


def astray() -> set[int]:
    """The processes in network namespaces that have no name (any more)."""
    known = {os.stat("/proc/self/ns/net").st_ino}
    for path in Path("/run/netns").glob("*"):
        known.add(path.stat().st_ino)
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "ns/net").stat().st_ino not in known:
                found.add(int(entry.name))
    return found


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    def outside() -> tuple[object, ...]:
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True).stdout
        return os.listdir("/sys/class/net"), rules

    before, others = outside(), astray()
    yield
    left = traces()
    for label in state.labels():
        if label.startswith(LABEL):
            state.remove_label(label)
    assert not left
    assert not astray() - others
    assert outside() == before


def test_an_exception_in_the_block() -> None:
    def fail() -> None:
        with up(load("max-startups"), LABEL) as lab:
            lab.popen("r1", ["sleep", "60"])
            assert traces()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_a_build_that_fails_says_why_in_one_line() -> None:
    document = {
        "title": "", "story": "", "on": {"server": {"sshd": "", "filter": {"input": "tcp dport 22 perhaps"}}},
        "truth": {"outcome": "", "cause": "", "actor": "", "node": "server", "hop": 1},
    }  # fmt: skip
    with (
        pytest.raises(BuildFailed, match=r"^nft in np-left-server failed: .*Error") as told,
        up(read("x", document, {}), LABEL),
    ):
        pass
    assert "\n" not in str(told.value)
    document["on"] = {"server": {"sshd": "NoSuchOption yes"}}
    with pytest.raises(BuildFailed, match="sshd does not listen"), up(read("x", document, {}), LABEL):
        pass


@pytest.mark.parametrize("moment", [0.2, 0.35, 0.45, 0.6, 0.8])
def test_ctrl_c_while_it_goes_up(moment: float) -> None:
    command = subprocess.Popen(
        [*COMMAND, "lab", "up", "max-startups", "--as", LABEL], stdout=subprocess.PIPE, text=True
    )
    time.sleep(moment)
    command.send_signal(signal.SIGINT)
    said, _ = command.communicate(timeout=20)
    if command.returncode == 0:  # it was up before the signal came
        assert "is up" in said
        assert subprocess.run([*COMMAND, "lab", "down", LABEL]).returncode == 0
    else:
        assert command.returncode in (130, -signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [0.3, 0.5, 1.2])
def test_a_signal_while_it_runs(number: int, moment: float) -> None:
    command = subprocess.Popen([*COMMAND, "lab", "run", "healthy", "--as", LABEL, "--", "sleep", "60"])
    time.sleep(moment)
    command.send_signal(number)
    assert command.wait(timeout=20) in (128 + number, -number)


def test_what_a_killed_process_left_goes_down() -> None:
    command = subprocess.Popen([*COMMAND, "lab", "run", "healthy", "--as", LABEL, "--", "sleep", "60"])
    deadline = time.monotonic() + 15
    while not ((there := state.find(LABEL)) and there.built):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    command.kill()
    command.wait()
    assert traces()
    assert subprocess.run([*COMMAND, "lab", "down", LABEL]).returncode == 0


def test_several_labs_of_a_scenario_at_once(tmp_path: Path) -> None:
    file = tmp_path / "client.pcap"
    with (
        up(load("closed-port"), LABEL, {"client": str(file)}) as one,
        up(load("closed-port", family=6), f"{LABEL}-2") as two,
    ):
        with pytest.raises(BuildFailed, match="already up"), up(load("healthy"), LABEL):
            pass
        assert (one.node("client"), two.node("client")) == (f"np-{LABEL}-client", f"np-{LABEL}-2-client")
        for lab in (one, two):
            assert "refused" in lab.run("client", ["bash", "-c", f"echo > /dev/tcp/{lab.target}/{lab.port}"]).stderr
    assert file.read_bytes()[:4] == b"\x4d\x3c\xb2\xa1"
    assert b"\x00\x16" in file.read_bytes()  # port 22


def test_run_gives_the_status_and_fills_in_the_target() -> None:
    words = [
        "lab",
        "run",
        "closed-port",
        "--as",
        LABEL,
        "--set",
        "before=1",
        "--",
        "sh",
        "-c",
        "echo {target} {port} {name}; exit 7",
    ]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "203.0.113.10 22 closed-port\n")


def test_a_lab_that_is_up_is_only_entered() -> None:
    with up(load("healthy"), LABEL):
        words = [*COMMAND, "lab", "run", "healthy", "--as", LABEL]
        done = subprocess.run([*words, "--", "sh", "-c", "ip -br addr show to-r1"], capture_output=True, text=True)
        assert "192.0.2.10" in done.stdout
        assert f"namespace np-{LABEL}-client" in traces()
        assert subprocess.run([*words, "--set", "before=5", "--", "true"], capture_output=True).returncode == 2
