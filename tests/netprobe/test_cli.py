"""The command line: what a person or a script meets."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netprobe.cli import commands
from tests.notation import packets, write_pcap

REFUSED = "0 > S 1000\n+.02 < R. 0 ack 1001 ttl 61"
HEALTHY = """
0    > S 1000
+.02 < S. 5000 ack 1001
+.01 > . 1001 ack 5001
+.01 < P. 5001 ack 1001 "SSH-2.0-x\\r\\n"
+.01 > F. 1001 ack 5012
+.01 < F. 5012 ack 1002
"""


def run(*args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(commands, list(args), input=stdin)


@pytest.fixture
def refused(tmp_path: Path) -> str:
    return str(write_pcap(tmp_path / "refused.pcap", packets(REFUSED)))


@pytest.fixture
def healthy(tmp_path: Path) -> str:
    return str(write_pcap(tmp_path / "healthy.pcap", packets(HEALTHY)))


def test_exit_codes_are_those_of_the_help(refused: str, healthy: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    empty = str(write_pcap(tmp_path / "empty.pcap", []))
    assert run("replay", healthy).exit_code == 0
    assert run("replay", refused).exit_code == 1
    assert run("replay").exit_code == 2
    assert run("replay", "--no-such-option").exit_code == 2
    assert run("replay", str(tmp_path / "missing.pcap")).exit_code == 2
    assert run("replay", str(text)).exit_code == 3
    assert run("replay", empty).exit_code == 4


def test_not_a_capture_is_one_clear_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    result = run("replay", str(text))
    assert result.stderr == f"netprobe: {text}: not a pcap or pcapng capture\n"


def test_a_broken_input_does_not_hide_the_others(refused: str, tmp_path: Path) -> None:
    text = tmp_path / "a-notes.txt"
    text.write_text("hello")
    result = run("replay", str(text), refused)
    assert result.exit_code == 3
    assert "refused-rst" in result.stdout


def test_a_directory_means_all_captures_in_it(refused: str, healthy: str, tmp_path: Path) -> None:
    result = run("replay", str(tmp_path), "--jsonl")
    assert len(result.stdout.splitlines()) == 2


def test_stdin_takes_a_capture_plain_or_compressed(refused: str) -> None:
    data = Path(refused).read_bytes()
    for given in (data, gzip.compress(data)):
        done = subprocess.run(
            [sys.executable, "-m", "netprobe", "replay", "-", "--json"],
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert json.loads(done.stdout)["services"][0]["outcomes"] == {"refused-rst": 1}


def test_the_document_has_the_public_shape(refused: str) -> None:
    report = json.loads(run("replay", "--json", refused).stdout)
    assert report["schema"] == "netprobe.report/1"
    (service,) = report["services"]
    assert set(service) == {"address", "port", "family", "attempts", "outcomes", "probes", "first", "last", "verdict"}
    verdict = service["verdict"]
    assert set(verdict) == {
        "outcome",
        "cause",
        "strength",
        "place",
        "summary",
        "evidence",
        "alternatives",
        "void",
        "next",
    }
    assert set(verdict["place"]) == {"hop", "hop_min", "hop_max", "address", "actor", "or_back"}
    assert verdict["evidence"][0]["frames"] == [1, 2]
    assert all(set(step) == {"why", "command"} for step in verdict["next"])
    assert verdict["next"]
    assert not [step for step in verdict["next"] if "{" in step["command"]]


def test_frames_of_several_files_name_their_file(refused: str, healthy: str) -> None:
    report = json.loads(run("replay", "--json", refused, healthy).stdout)
    for service in report["services"]:
        for evidence in service["verdict"]["evidence"]:
            assert evidence["file"] in (refused, healthy)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--host", "198.51.100.0/24"], 1), (["--host", "192.0.2.1"], 1), (["--host", "203.0.113.9"], 0), (["--host", "2001:db8::/32"], 0),
        (["--port", "22"], 1), (["--port", "23"], 0), (["--outcome", "refused-rst"], 1), (["--outcome", "silent"], 0),
        (["--since", "2023-11-14T22:13:20"], 1), (["--since", "2023-11-14T22:13:21"], 0), (["--until", "1700000000"], 0),
        (["--until", "1700000000.5"], 1), (["--since", "2023-11-15T00:13:20+02:00"], 1),
    ],
)  # fmt: skip
def test_filters_choose_attempts(refused: str, options: list[str], left: int) -> None:
    assert len(run("replay", "--jsonl", refused, *options).stdout.splitlines()) == left


def test_wrong_filter_words_are_usage_errors(refused: str) -> None:
    for options in (["--host", "nonsense"], ["--outcome", "broken"], ["--since", "yesterday"]):
        result = run("replay", refused, *options)
        assert result.exit_code == 2
        assert options[1] in result.stderr


def test_nothing_left_says_so(refused: str) -> None:
    assert "No attempt is left by the filters" in run("replay", refused, "--port", "23").stdout


def test_an_empty_capture_says_what_that_means(tmp_path: Path) -> None:
    empty = str(write_pcap(tmp_path / "empty.pcap", []))
    assert "on the client itself refused" in " ".join(run("replay", empty).stdout.split())


def test_a_cut_file_is_reported_as_cut(healthy: str, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(Path(healthy).read_bytes()[:-10])
    assert "cut short in the middle of frame 6" in run("replay", str(cut)).stdout


def test_piped_output_has_no_colour(refused: str) -> None:
    assert "\x1b" not in run("replay", refused).stdout


def test_lines_fit_eighty_columns(samples: Path) -> None:
    for path in sorted(samples.glob("*.pcap")):
        for line in run("replay", str(path)).stdout.splitlines()[1:]:
            if not line.lstrip().startswith("$") and "healthy." not in line:
                assert len(line) <= 80, line


def test_explain_knows_every_prefix_and_helps_with_typos() -> None:
    assert "Below this prefix" in run("explain", "reset").stdout
    assert run("explain", "reset.target.closed-port").exit_code == 0
    result = run("explain", "reset.closed-port")
    assert result.exit_code == 2
    assert "reset.target.closed-port" in result.stderr


def test_samples_are_listed_by_name_and_can_be_replayed() -> None:
    names = [line.split()[0] for line in run("samples").stdout.splitlines()]
    assert "forged-reset" in names
    assert run("replay", "--sample", "forged-reset").exit_code == 1
    assert run("replay", "--sample", "nonsense").exit_code == 2
    assert "Truth:" in run("samples", "forged-reset").stdout


def test_the_first_packet_does_not_wait_for_what_judges() -> None:
    """numpy takes as long to import as a packet to the other end of a continent and back."""
    asking = "import sys; from netprobe.cli import diagnose, trace; from netprobe.live import diagnosis, evidence, privileges"
    done = subprocess.run(
        [sys.executable, "-c", f"{asking}; print('numpy' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_ctrl_c_reports_what_was_read(tmp_path: Path) -> None:
    """The stream stays open after the first window: only an interrupt ends it."""
    noise = packets("0 > client-port 50000 . 1 ack 1 len 1400") * 1600  # more than one window
    path = write_pcap(tmp_path / "long.pcap", packets(REFUSED) + noise)
    child = subprocess.Popen(
        [sys.executable, "-m", "netprobe", "replay", "-", "--jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    child.stdin.write(path.read_bytes())
    child.stdin.flush()
    # The pipe holds 64 KiB: once the write returned, the reader is past the first window and waits for more.
    os.kill(child.pid, signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert json.loads(out.splitlines()[0])["outcome"] == "refused-rst"


@pytest.mark.parametrize("name", ["", "trace", "capture", "interfaces", "replay", "explain", "lab", "samples"])
def test_help_reads_as_agreed(name: str) -> None:
    text = run(*([name] if name else []), "--help").stdout
    golden = Path(__file__).parent.parent / "golden" / f"help{'-' + name if name else ''}.txt"
    if os.environ.get("NETPROBE_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
