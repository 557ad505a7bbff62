"""Rights that were needed to open sockets are gone afterwards. Each case runs in a process of its own, as root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")
STATUS = """
def sets():
    lines = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
    return {name: int(lines[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
"""


def run(script: str, *words: str) -> str:
    """What a new process of root prints."""
    whole = f"import sys, os, socket\nfrom pathlib import Path\nfrom netprobe.live import privileges\n{STATUS}{script}"
    done = subprocess.run(
        [*words, sys.executable, "-c", whole], capture_output=True, text=True, timeout=60, check=False, cwd=Path.cwd()
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_no_capability_is_left() -> None:
    said = run("""
before = sets()
left = privileges.drop()
after = sets()
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
except PermissionError:
    print(bool(before["CapEff"]), left, any(after.values()))
""")
    assert said == "True frozenset() False"


def test_inheritable_and_ambient_ones_go_too() -> None:
    script = "before = sets()\nprivileges.drop()\nprint(all(before.values()), any(sets().values()))"
    assert run(script, "setpriv", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw") == "True False"


def test_a_user_with_one_capability_loses_it() -> None:
    script = """
import ctypes
RAW = 1 << 13
ctypes.CDLL(None).prctl(8, 1, 0, 0, 0)  # capabilities outlive the change of the user id
os.setresuid(65534, 65534, 65534)
privileges._set(RAW, RAW)
socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
privileges.drop(Path("/"))
print(any(sets().values()), os.geteuid())
"""
    assert run(script) == "False 65534"


def test_a_program_started_afterwards_gets_nothing_back() -> None:
    script = "privileges.drop()\nsys.stdout.flush()\nos.execvp('grep', ['grep', 'CapEff', '/proc/self/status'])"
    assert int(run(script).split()[1], 16) == 0
    unlimited = "sys.stdout.flush()\nos.execvp('grep', ['grep', 'CapEff', '/proc/self/status'])"
    assert int(run(unlimited).split()[1], 16)  # which user 0 does otherwise


def test_open_sockets_go_on_working() -> None:
    script = """
listens = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
listens.bind(("lo", 3))
listens.settimeout(10)
privileges.drop()
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
print(bool(listens.recv(100)))
"""
    assert run(script) == "True"


@pytest.mark.parametrize(("owner", "left"), [(0, "frozenset()"), (65534, "frozenset({1})")])
def test_files_can_be_made_later_where_they_are_wanted(tmp_path: Path, owner: int, left: str) -> None:
    """In a folder of root no right is needed; in somebody else's only the one to write there stays."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    os.chown(folder, owner, owner)
    script = f"""
folder = Path({str(folder)!r})
left = privileges.drop(folder / "deeper")
(folder / "deeper").mkdir()
(folder / "deeper" / "file").write_text("x")
print(left, sets()["CapEff"], sets()["CapPrm"], sets()["CapInh"])
"""
    held = 2 if owner else 0
    assert run(script) == f"{left} {held} {held} 0"


def test_a_file_of_somebody_else_can_be_written_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.chown(file, 65534, 65534)
    script = f"privileges.drop(Path({str(file)!r}))\nPath({str(file)!r}).write_text('x')"
    assert run(script) == ""
    assert file.read_text() == "x"


def test_without_the_folder_in_mind_it_would_not_be_possible(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    tmp_path.chmod(0o755)
    script = f"""
privileges.drop()
try:
    Path({str(tmp_path / "file")!r}).write_text("x")
except PermissionError:
    print("refused")
"""
    assert run(script) == "refused"


@pytest.mark.parametrize(("owner", "left"), [(0, "frozenset()"), (65534, "frozenset({2})")])
def test_modules_can_be_imported_later_wherever_they_lie(tmp_path: Path, owner: int, left: str) -> None:
    """In a folder that only its owner may read, as where somebody installed netprobe at home and runs it by sudo."""
    (tmp_path / "needed_later.py").write_text("word = 'imported'")
    os.chown(tmp_path, owner, owner)
    tmp_path.chmod(0o700)
    script = f"""
sys.path.append({str(tmp_path)!r})
left = privileges.drop()
import needed_later
print(needed_later.word, left, sets()["CapEff"], sets()["CapPrm"], sets()["CapInh"])
"""
    held = 4 if owner else 0
    assert run(script) == f"imported {left} {held} {held} 0"


def test_probe_holds_no_right_while_it_reads_what_strangers_send(tmp_path: Path) -> None:
    """Both families are asked, and the evidence is written, after the rights are gone."""
    script = f"""
from netprobe.cli import probe
from netprobe.live import sweep
asked = sweep.Sweep._ask
def spied(self):
    print(any(sets().values()))
    asked(self)
sweep.Sweep._ask = spied
probe.command(["127.0.0.1", "::1", "-p", "9", "-w", {str(tmp_path / "e.pcapng")!r}], standalone_mode=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", f"{STATUS}{script}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[0] == "False", done.stderr
    assert [line.split()[2] for line in done.stdout.splitlines()[1:]] == ["rst", "rst"]
    assert (tmp_path / "e.pcapng").stat().st_size > 100
