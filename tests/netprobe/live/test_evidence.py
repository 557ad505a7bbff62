"""The evidence file: every tool reads it, and it says again what was known when it was written."""

import io
from pathlib import Path

import pytest
from scapy.utils import PcapNgReader

from analyzers.attempts.context import Call, Context, read
from analyzers.model import Strength, Verdict
from captures.formats import open_capture
from netprobe.errors import BadTarget
from netprobe.live.evidence import check, keep, pcapng
from netprobe.live.recorder import Frame
from netprobe.replay.run import replay
from tests.notation import CLIENT4, SERVER4, packets

UNTIL = 1_700_000_010_000_000_000


def context(errno: str | None = "ECONNREFUSED", after_ns: int = 100_000, **more: object) -> Context:
    calls = (Call(40000, 22, errno, after_ns),)
    return Context(name="box", address=SERVER4, port=22, until_ns=UNTIL, calls=calls, **more)


def frames(script: str, device: str = "eth0") -> list[Frame]:
    return [
        Frame(device, ts, 2 if data[12:16] == bytes(map(int, CLIENT4.split("."))) else 1, data)
        for ts, data in packets(script)
    ]


def judged(tmp_path: Path, found: list[Frame], about: Context) -> Verdict:
    import numpy as np

    path = keep(pcapng(found, about), about, tmp_path / "e.pcapng")
    with replay([str(path)]) as done:
        (service,) = [s for s in done.services(np.flatnonzero(done.ledger.seen())) if s.port == 22]
        return done.verdict(service)


def test_scapy_and_our_own_reader_read_what_is_written() -> None:
    found = frames("0 > S 1000\n+.02 < R. 0 ack 1001 ttl 60") + frames("1 > S 5", "wlan0")
    data = pcapng(found, context(), dropped=3)
    theirs = list(PcapNgReader(io.BytesIO(data)))
    assert [bytes(packet) for packet in theirs] == [frame.data for frame in found]
    assert [round(float(packet.time) * 1e6) for packet in theirs] == [frame.ts_ns // 1000 for frame in found]
    reader = open_capture(io.BytesIO(data).readinto)
    (window,) = list(reader)
    assert window.ts_ns.tolist() == [frame.ts_ns for frame in found]
    assert window.interface.tolist() == [0, 0, 1]
    assert [interface.name for interface in reader.interfaces] == ["eth0", "wlan0"]
    assert sum(interface.dropped or 0 for interface in reader.interfaces) == 3
    assert read(reader.comments[0]) == context()


def test_names_are_read_again_and_do_not_count_as_frames() -> None:
    names = {SERVER4: "box.example.net", "2001:db8::1": "gw.example.net"}
    data = pcapng(frames("0 > S 1000"), context(), names=names)
    reader = open_capture(io.BytesIO(data).readinto)
    assert [len(window) for window in reader] == [1]
    assert reader.names == names
    assert len(list(PcapNgReader(io.BytesIO(data)))) == 1


@pytest.mark.parametrize(
    "damage", ["", "netprobe.context/1 {", "netprobe.context/1 []", 'netprobe.context/1 {"name": 1}', "hello"]
)
def test_a_damaged_context_is_none(damage: str) -> None:
    assert read(damage) is None


def test_a_live_refusal_is_judged_as_a_replayed_one(tmp_path: Path) -> None:
    found = judged(tmp_path, frames("0 > S 1000 tos 0x48\n+.02 < R. 0 ack 1001 ttl 60 tos 0x48 win 0"), context())
    assert (found.outcome, found.cause) == ("refused-rst", "reset")


def test_listening_time_counts_where_no_packet_came(tmp_path: Path) -> None:
    assert judged(tmp_path, frames("0 > S 1000"), context(None)).cause == "silence"


@pytest.mark.parametrize(
    ("about", "cause", "strength"),
    [
        (context("ECONNREFUSED"), "reset.origin.local-rule", Strength.INDICATED),
        (context("EHOSTUNREACH"), "unreachable.origin.local-rule", Strength.INDICATED),
        (context("EACCES", route="EACCES"), "unreachable.origin.route", Strength.PROVEN),
        (context("EHOSTUNREACH", 3_100_000_000, neighbour="FAILED"), "unreachable.origin.neighbour", Strength.PROVEN),
        (context("EHOSTUNREACH", 3_100_000_000), "unreachable.origin.neighbour", Strength.INDICATED),
        (context("EHOSTUNREACH", 1_100_000_000), "unreachable.origin.local-rule", Strength.INDICATED),
        (context("EHOSTUNREACH", 100_000, neighbour="FAILED"), "unreachable.origin.local-rule", Strength.INDICATED),
        (context(None, 4_000_000_000), "silence.origin.local-rule", Strength.INDICATED),
    ],
)
def test_nothing_sent_was_refused_by_this_host(tmp_path: Path, about: Context, cause: str, strength: Strength) -> None:
    found = judged(tmp_path, [], about)
    assert (found.outcome, found.cause, found.strength) == ("not-sent", cause, strength)
    assert (found.place.hop, found.place.actor) == (0, "client-host")


def test_what_came_back_over_the_loopback_interface_proves_it(tmp_path: Path) -> None:
    found = judged(tmp_path, frames("0 < R. 0 ack 1001 ttl 64 win 0", "lo"), context())
    assert (found.cause, found.strength) == ("reset.origin.local-rule", Strength.PROVEN)
    assert found.evidence[0].frames == (1,)


@pytest.mark.parametrize(
    ("errno", "after_ns", "cause"),
    [("ECONNREFUSED", 100_000, "unreachable.origin.local-rule"), ("EHOSTUNREACH", 3_100_000_000, "unreachable.origin.neighbour")],
)  # fmt: skip
def test_an_icmp_error_over_the_loopback_interface_is_no_reset(
    tmp_path: Path, errno: str, after_ns: int, cause: str
) -> None:
    """A filter's port-unreachable, which programs know as "connection refused" too, and the kernel's word of a missing neighbour."""
    found = frames(f"0 < icmp 3/3 from {CLIENT4} ttl 64 quotes S 1000 quoted-ttl 64", "lo")
    assert judged(tmp_path, found, context(errno, after_ns)).cause == cause


def test_only_the_newest_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for second in range(25):
        about = Context(name="x", address=SERVER4, port=22, until_ns=UNTIL + second * 1_000_000_000)
        last = keep(b"x", about)
    assert len(list(last.parent.iterdir())) == 20
    assert last.exists()


def test_a_folder_that_cannot_be_written_has_a_substitute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    kept = keep(b"x", Context(name="n", address="192.0.2.1", port=22, until_ns=0))
    assert kept.parent.parent == tmp_path
    with pytest.raises(OSError):
        check(tmp_path / "missing" / "x.pcapng")


def test_what_a_terminal_would_obey_is_not_repeated() -> None:
    assert str(BadTarget("\x1b[31mhost")) == "?[31mhost"


@pytest.mark.parametrize(("ack", "why"), [(1001, "a rule of its own keeps it out"), (77, "another sequence number")])
def test_a_reset_that_did_not_end_connect_says_so(tmp_path: Path, ack: int, why: str) -> None:
    script = f"0 > client-port 40000 S 1000\n+.02 < client-port 40000 R. 0 ack {ack} ttl 60"
    ignored = judged(tmp_path, frames(script), context(None, 4_500_000_000))
    assert any("never returned" in one.text and why in one.text for one in ignored.evidence)
    obeyed = judged(tmp_path, frames(script), context())
    assert not any("never returned" in one.text for one in obeyed.evidence)
