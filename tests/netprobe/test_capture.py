"""`netprobe capture` and `netprobe interfaces` as far as they need no network of their own."""

import json
import sys

import pytest
from click.testing import CliRunner, Result

from netprobe.cli import commands
from netprobe.errors import BadTarget
from netprobe.live import host
from netprobe.live.nic import Taken
from netprobe.live.ring import Files, Names, Rotation


def run(*args: str) -> Result:
    return CliRunner().invoke(commands, list(args))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "netprobe interfaces lists them"),
        (["-i", "lo", "-C", "1"], "are about the files of -w"),
        (["-i", "lo", "-w", "-", "-G", "5"], "-w - is one stream"),
        (["-i", "lo", "-w", "x", "-W", "5"], "-W counts the files of -C or -G"),
    ],
)
def test_wrong_words_are_usage_errors(words: list[str], said: str) -> None:
    result = run("capture", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_pcapy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pcapy", None)
    result = run("capture", "-i", "lo")
    assert result.exit_code == 3
    assert result.stderr == "netprobe: listening on an interface needs pcapy-ng: pip install pcapy-ng\n"


def test_interfaces_are_listed_with_what_is_known_of_them() -> None:
    document = json.loads(run("interfaces", "--json").stdout)
    assert document["schema"] == "netprobe.interfaces/1"
    found = {one["name"]: one for one in document["interfaces"]}
    assert found["lo"]["link"] == "Ethernet"
    assert found["lo"]["up"] is True
    assert "127.0.0.1/8" in found["lo"]["addresses"]
    assert found["any"]["link"] == "Linux cooked"
    lines = run("interfaces").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(found)


def test_without_netlink_there_are_still_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    names = [one.name for one in host.interfaces()]
    assert "lo" in names
    assert run("interfaces").exit_code == 0


@pytest.mark.parametrize(
    ("rotation", "names"),
    [
        (Rotation(), ["x", "x"]),
        (Rotation(size_bytes=1), ["x", "x1", "x2"]),
        (Rotation(size_bytes=1, count=3), ["x0", "x1", "x2", "x0", "x1"]),
        (Rotation(size_bytes=1, count=11), ["x00", "x01"]),
        (Rotation(size_bytes=1, count=10), ["x0", "x1"]),
    ],
)
def test_files_of_a_size_are_named_as_tcpdump_names_them(rotation: Rotation, names: list[str]) -> None:
    assert [rotation.name("x", number, 0.0) for number in range(len(names))] == names


def test_files_of_a_time_bear_it() -> None:
    assert Rotation(seconds=60).name("x-%s", 0, 1_700_000_000.5) == "x-1700000000"
    assert Rotation(seconds=60, size_bytes=5, count=2).name("x-%s", 3, 1_700_000_000.0) == "x-17000000003"
    with pytest.raises(BadTarget, match="put the time into the name"):
        Rotation(seconds=60).name("x", 0, 0.0)


class Still:
    """An interface on which the test says what comes."""

    link = 1

    def counts(self) -> tuple[int, int]:
        return (0, 0)

    def direction(self, data: bytes) -> int:
        return 0


def test_packets_are_numbered_in_their_file(tmp_path: object) -> None:
    files = Files(f"{tmp_path}/x", Rotation(size_bytes=200), Still(), "eth0", 100)
    ids = files.write([Taken(1, bytes(100), 100)] * 4)
    files.close(5)
    assert [(one >> 40, one & 0xFF) for one in ids] == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert [name.rpartition("/")[2] for name in files.names] == ["x", "x1", "x2", "x3"]
    unwritten = Files(None, Rotation(), Still(), "eth0", 100)
    assert unwritten.write([Taken(1, b"", 0)] * 3) == [1, 2, 3]
    assert list(unwritten.names) == ["eth0"]


def test_only_the_last_names_are_remembered() -> None:
    names = Names()
    for number in range(5000):
        assert names.add(str(number)) == number
    assert (len(names), names[4999], names[904], names[903]) == (5000, "4999", "904", "an earlier file")
