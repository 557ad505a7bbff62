"""Captures of a live network in the lab: what fails is told as it happens, with the verdict that replaying the file gives."""

import json
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from captures.formats import open_capture
from netprobe import lab
from tests.lab.experiment import CALLER
from tests.notation import packets

pytestmark = [pytest.mark.lab, pytest.mark.listens]

WIRE = "to-r1"
FLOW = """
import socket
with socket.create_server(("127.0.0.1", 7777)) as server, socket.create_connection(("127.0.0.1", 7777)) as client:
    other, _ = server.accept()
    for _ in range({chunks}):
        client.sendall(bytes(100_000))
        left = 100_000
        while left:
            left -= len(other.recv(left))
"""
REFUSED = """
import socket
for _ in range({count}):
    with socket.socket() as one:
        one.connect_ex(("127.0.0.1", 9))
"""

SEND = """
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("{wire}", 0))
    wire.send(bytes.fromhex("{frame}"))
"""


class Capture:
    """A capture that runs on a node; `lines` reads what it says, at most half a minute each."""

    def __init__(self, net: lab.Lab, node: str, words: Sequence[str]) -> None:
        self.process = net.popen(node, [sys.executable, "-m", "netprobe", "capture", *words])
        assert "listening on" in self.said(self.process.stderr)

    def said(self, pipe: IO[str] | None) -> str:
        assert pipe is not None
        assert select.select([pipe], [], [], 30)[0], "nothing was said in 30 s"
        return pipe.readline()

    def told(self) -> dict[str, Any]:
        """The next failure, as JSON."""
        found: dict[str, Any] = json.loads(self.said(self.process.stdout))
        return found

    def end(self, number: int = signal.SIGINT) -> tuple[str, str, int]:
        """What it said since, on stdout and stderr, and its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[str, str, int]:
        out, err = self.process.communicate(timeout=30)
        return out, err, self.process.returncode


@contextmanager
def network(name: str = "closed-port", family: int = 4) -> Iterator[lab.Lab]:
    with lab.up(lab.load(name, family=family)) as net:
        yield net


def call(net: lab.Lab, wait: float) -> None:
    """A connection attempt of the client, as ssh would make it."""
    words = [sys.executable, "-I", "-S", str(CALLER), net.target, str(net.port), str(wait)]
    assert net.run("client", words, timeout=wait + 10).returncode == 0


def python(net: lab.Lab, script: str) -> None:
    done = net.run("client", [sys.executable, "-I", "-S", "-c", script], timeout=60)
    assert done.returncode == 0, done.stderr


def replayed(path: Path, port: int) -> dict[str, Any]:
    """The verdict of the replay on the service with this port."""
    words = [sys.executable, "-m", "netprobe", "replay", "--json", str(path)]
    document = json.loads(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    assert not document["sources"][0]["notes"]
    (service,) = [service for service in document["services"] if service["port"] == port]
    verdict: dict[str, Any] = service["verdict"]
    return verdict


def frames(path: Path) -> tuple[int, int | None, int | None]:
    """How many frames a file holds, how many it says were dropped, and until when it says was listened; it must be whole."""
    with path.open("rb", buffering=0) as handle:
        reader = open_capture(handle.readinto)
        count = sum(len(window) for window in reader)
    assert not reader.notes
    return count, reader.interfaces[0].dropped, reader.listened_ns


FAILING = [("closed-port", 1), ("router-reset", 1), ("dead-host", 6), ("host-drop", 6), ("reset-on-banner", 2)]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("name", "wait"), FAILING)
def test_what_fails_is_told_while_the_capture_goes_on(name: str, wait: float, family: int, tmp_path: Path) -> None:
    file = tmp_path / "kept.pcapng"
    with network(name, family) as net:
        capture = Capture(net, "client", ["-i", WIRE, "--json", "-w", str(file)])
        call(net, wait)
        one = capture.told()
        out, err, code = capture.end()
        truth, target = net.truth, net.target
    assert out == ""
    assert "1 attempt, 1 failed" in err
    assert code == 130
    assert (one["server_ip"], one["outcome"]) == (target, truth.outcome)
    cause = one["verdict"]["cause"]
    assert f"{truth.cause}.".startswith(f"{cause}.")
    again = replayed(file, one["server_port"])
    assert (again["cause"], again["strength"], again["place"]) == (
        cause, one["verdict"]["strength"], one["verdict"]["place"],
    )  # fmt: skip


def test_a_router_that_listens_on_all_interfaces_says_the_same_of_packets_it_sees_twice(tmp_path: Path) -> None:
    file = tmp_path / "kept.pcapng"
    with network("router-reset") as net:
        capture = Capture(net, "r1", ["-i", "any", "--json", "-w", str(file)])
        call(net, 1)
        one = capture.told()
        capture.end()
        truth = net.truth
    assert f"{truth.cause}.".startswith(f"{one['verdict']['cause']}.")
    assert replayed(file, 22)["cause"] == one["verdict"]["cause"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_end_loses_nothing(number: int, code: int, tmp_path: Path) -> None:
    """It comes while the kernel still holds the packets back to hand out several at once."""
    file = tmp_path / "kept.pcapng"
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo", "--json", "-w", str(file)])
        python(net, REFUSED.format(count=20))
        out, err, ended = capture.end(number)
    assert ended == code
    assert len(out.splitlines()) == 20
    assert frames(file)[:2] == (40, 0)
    assert "40 packets, 0 dropped by the kernel, 20 attempts, 20 failed" in err


def test_files_of_a_size_are_written_round_and_round(tmp_path: Path) -> None:
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo", "-w", str(tmp_path / "ring"), "-C", "1", "-W", "3"])
        python(net, FLOW.format(chunks=50))
        _, err, _ = capture.end()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ring0", "ring1", "ring2"]
    for path in tmp_path.iterdir():
        count, dropped, until = frames(path)
        assert count > 0
        assert (dropped, until is None) == (0, False)
        assert path.stat().st_size < 1_200_000
    assert "0 failed" in err


def test_files_of_a_time_end_after_so_many_and_can_be_read_while_they_grow(tmp_path: Path) -> None:
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo", "--json", "-w", str(tmp_path / "%s"), "-G", "2", "-W", "2"])
        python(net, REFUSED.format(count=1))
        capture.told()
        (growing,) = tmp_path.iterdir()
        assert frames(growing) == (2, None, None)
        _, _, code = capture.ended()
    assert code == 1
    first, second = sorted(tmp_path.iterdir())
    assert frames(first)[:2] == (2, 0)
    assert frames(second)[:2] == (0, 0)


def test_packets_go_to_stdout_and_verdicts_to_stderr(tmp_path: Path) -> None:
    file = tmp_path / "piped.pcapng"
    with network() as net:
        shell = f"exec {sys.executable} -m netprobe capture -i lo --all -c 2 -w - > {file}"
        process = net.popen("client", ["sh", "-c", shell])
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        python(net, REFUSED.format(count=1))
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert frames(file)[:2] == (2, 0)
    assert "127.0.0.1:9\n  refused-rst  [frames 1 2]\n  reset  " in err


def test_healthy_attempts_are_a_line_each_where_wanted() -> None:
    with network("healthy") as net:
        capture = Capture(net, "client", ["-i", WIRE, "--all"])
        call(net, 2)
        out, err, _ = capture.end()
    assert "healthy" in out
    assert len(out.splitlines()) == 1
    assert "1 attempt, 0 failed" in err


@pytest.mark.parametrize("wire", [WIRE, "any"])
def test_the_direction_of_a_packet_is_written_where_the_frame_tells_it(wire: str, tmp_path: Path) -> None:
    file = tmp_path / "kept.pcapng"
    with network() as net:
        capture = Capture(net, "client", ["-i", wire, "-w", str(file)])
        call(net, 1)
        capture.end()
    inbound, outbound = (file.read_bytes().count(struct.pack("<HHI", 2, 4, way)) for way in (1, 2))
    assert (frames(file)[0], inbound, outbound) == (2, 1, 1)


@pytest.mark.parametrize(("tags", "vlans"), [("81000005", [5]), ("88a8000581000006", [5, 6])])
def test_the_filter_sees_what_travels_in_vlans(tags: str, vlans: list[int]) -> None:
    """Of what comes in the kernel has taken the outer tag off when the filter runs; in what is sent here it still stands."""
    syn, reset = (frame for _, frame in packets("0 > S 1000\n+.01 < R. 0 ack 1001"))
    with network() as net:
        capture = Capture(net, "client", ["-i", WIRE, "--json"])
        for node, wire, packet in (("client", WIRE, syn), ("r1", "to-client", reset)):
            frame = "02" * 12 + tags + "0800" + packet.hex()
            assert (
                net.run(node, [sys.executable, "-I", "-S", "-c", SEND.format(wire=wire, frame=frame)]).returncode == 0
            )
        one = capture.told()
        capture.end()
    assert one["vlans"] == [vlans]
    assert one["outcome"] == "refused-rst"


def test_a_filter_of_ones_own_is_heeded() -> None:
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo", "tcp", "port", "10"])
        python(net, REFUSED.format(count=1))
        _, err, _ = capture.end()
    assert "0 packets" in err


def test_what_the_kernel_drops_is_said_in_words_and_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kept.pcapng"
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo", "-w", str(file)])
        os.kill(capture.process.pid, signal.SIGSTOP)
        python(net, FLOW.format(chunks=500))
        os.kill(capture.process.pid, signal.SIGCONT)
        _, err, _ = capture.end()
    dropped = frames(file)[1]
    assert dropped
    assert f" {dropped:,} dropped by the kernel" in err


def test_no_right_is_held_while_it_listens() -> None:
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo"])
        tasks = Path(f"/proc/{capture.process.pid}/task")
        python(net, REFUSED.format(count=1))
        capture.said(capture.process.stdout)  # by then everything is loaded that it needs
        for task in tasks.iterdir():
            held = [line.split() for line in (task / "status").read_text().splitlines() if line.startswith("Cap")]
            assert {name: int(value, 16) for name, value in held if name != "CapBnd:"} == {
                "CapInh:": 0, "CapPrm:": 0, "CapEff:": 0, "CapAmb:": 0,
            }  # fmt: skip
        capture.end()


def test_an_interface_that_goes_away_ends_it_in_order(tmp_path: Path) -> None:
    file = tmp_path / "kept.pcapng"
    with network() as net:
        assert (
            net.run("client", ["ip", "link", "add", "gone0", "up", "type", "veth", "peer", "name", "gone1"]).returncode
            == 0
        )
        capture = Capture(net, "client", ["-i", "gone0", "-w", str(file)])
        assert net.run("client", ["ip", "link", "delete", "gone0"]).returncode == 0
        _, err, code = capture.ended()
    assert code == 3
    assert "netprobe: gone0: " in err
    assert frames(file)[1] == 0


def test_files_that_cannot_be_made_end_it_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with network() as net:
        capture = Capture(net, "client", ["-i", "lo", "-w", str(folder / "%s"), "-G", "1"])
        python(net, REFUSED.format(count=1))
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        out, err, code = capture.ended()
    assert code == 5
    assert "refused-rst" in out
    assert "No such file or directory; what was captured until then is reported" in err


def test_without_the_right_to_it_nothing_is_captured() -> None:
    with network() as net:
        words = ["setpriv", "--bounding-set", "-net_raw", sys.executable, "-m", "netprobe", "capture", "-i", "lo"]
        done = net.run("client", words)
    assert done.returncode == 3
    assert done.stderr == "netprobe: recording packets needs root or CAP_NET_RAW: sudo netprobe capture ...\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-i", "nosuch0"], "nosuch0: there is no such interface; netprobe interfaces lists what can be listened on"),
        (["-i", "lo", "tcp", "prot", "22"], "'tcp prot 22' is no filter for lo: "),
        (["-i", "lo", "-w", "/nosuch/file"], "/nosuch/file: No such file or directory"),
    ],
)
def test_what_cannot_be_listened_to_is_one_clear_line(words: list[str], said: str) -> None:
    with network() as net:
        done = net.run("client", [sys.executable, "-m", "netprobe", "capture", *words])
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"Error: {said}")
