"""The table of the way, as people and scripts get it from a capture that holds a traceroute."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netprobe.cli import commands
from tests.notation import packets, write_pcap
from tests.sweeps import REFUSED, ran_out, reset, sweep, syn
from tests.ways import block


def run(*args: str) -> Result:
    return CliRunner().invoke(commands, ["replay", *args])


def shown(folder: Path, script: str) -> str:
    path = str(write_pcap(folder / "a.pcap", packets(script)))
    return "\n".join(line.rstrip() for line in block(run("--path", path).stdout)) + "\n"


def test_a_captured_traceroute_reads_as_agreed(samples: Path) -> None:
    said = "\n".join(block(run("--path", str(samples / "traceroute-to-refused-port.pcap")).stdout))
    assert (
        said
        == """\
  Path  to port 22 from changing source ports
      hop  address       port 22          time  back
        1  192.0.2.1     time exceeded  0.2 ms     0
    *   2  198.51.100.2  time exceeded  8.8 ms     1
    >   3  203.0.113.10  RST            8.5 ms     1
   > from here on SYNs to port 22 are refused
   * where the verdict places it
   back: routers that the answer passed"""
    )


def test_silence_changes_other_ways_back_and_the_control_port_stand_in_the_table(tmp_path: Path) -> None:
    rows = [syn(1) + ran_out(1), syn(2), syn(3) + ran_out(3, 4, tos=0), syn(4) + reset(4, 2), syn(5) + reset(5, 2)]
    there = [
        syn(1) + ran_out(1),
        syn(2) + ran_out(2),
        syn(3) + ran_out(3, 2, tos=0),
        syn(4) + ran_out(4, tos=0),
        syn(5) + reset(5, 4),
    ]
    control = "".join(there).replace("> S", "> client-port 800 port 9 S").replace("< ", "< client-port 800 port 9 ")
    assert (
        shown(tmp_path, sweep(*rows) + control)
        == """\
  Path  to port 22 from source port 40000
      hop  address       port 22        port 9          time  back
        1  10.0.0.1      time exceeded  time exceeded  10 ms     0
        2  10.0.0.2      no answer      time exceeded  10 ms     1
        3  10.0.0.3      time exceeded  time exceeded  10 ms    4!
            ~ changed at hop 2 or 3: DSCP 18 -> 0  [frames 16 17]
    >   4  10.0.0.4      RST            time exceeded  10 ms     2
        5  198.51.100.1                 RST            10 ms     4
   > from here on SYNs to port 22 are refused
   back: routers that the answer passed; ! not as many as the SYN did
"""
    )


def test_where_syns_vanish_is_marked(tmp_path: Path) -> None:
    lost = "0 > client-port 900 S 1\n+1 > client-port 900 S 1\n+2 > client-port 900 S 1\n"
    rows = [syn(1) + ran_out(1), syn(2) + ran_out(2), *map(syn, range(3, 9))]
    assert (
        shown(tmp_path, sweep(*rows, first=lost) + "+4 > port 9 . 1 ack 1\n")
        == """\
  Path  to port 22 from source port 40000
      hop  address   port 22         time  back
        1  10.0.0.1  time exceeded  10 ms     0
        2  10.0.0.2  time exceeded  10 ms     1
    >   3            no answer
   > from here on SYNs to port 22 get no answer
   back: routers that the answer passed
"""
    )


def test_the_document_has_every_flow_with_its_hops(samples: Path) -> None:
    sample = str(samples / "traceroute-to-refused-port.pcap")
    (service,) = json.loads(run("--json", "--path", sample).stdout)["services"]
    path = service["path"]
    assert path["refused_from"] == 3
    (flow,) = path["flows"]
    assert flow["port"] == 22
    assert [(hop["ttl"], hop["answer"], hop.get("router"), hop["address"], hop["back"]) for hop in flow["hops"]][
        :3
    ] == [
        (1, "ttl-exceeded", "192.0.2.1", "192.0.2.1", 0),
        (2, "ttl-exceeded", "198.51.100.2", "198.51.100.2", 1),
        (3, "rst", None, "203.0.113.10", 1),
    ]
    assert all(hop["rtt_ms"] > 0 and len(hop["frames"]) == 2 for hop in flow["hops"])
    (plain,) = json.loads(run("--json", sample).stdout)["services"]
    assert {**plain, "path": path} == service


def test_nothing_was_traced_and_nothing_is_shown(samples: Path) -> None:
    sample = str(samples / "forged-reset.pcap")
    assert run("--path", sample).stdout == run(sample).stdout
    assert "path" not in json.loads(run("--json", "--path", sample).stdout)["services"][0]


def test_the_way_is_no_matter_of_single_attempts(samples: Path) -> None:
    said = run("--path", "--jsonl", str(samples / "forged-reset.pcap"))
    assert (said.exit_code, "--path is about services" in said.stderr) == (2, True)


@pytest.mark.parametrize("v6", [False, True])
def test_reports_in_the_targets_own_name_are_marked(tmp_path: Path, v6: bool) -> None:
    script = sweep(syn(1) + ran_out(1), syn(2) + ran_out(2).replace("10.0.0.2", "198.51.100.1"), syn(3) + reset(3, 2))
    if v6:
        script = (
            script.replace("10.0.0.", "2001:db8:9::")
            .replace("198.51.100.1 ", "2001:db8:1::1 ")
            .replace("icmp 11/0", "icmp 3/0")
        )
        script = script.replace("tos 72 id", "tos 0x48 id")
    path = str(write_pcap(tmp_path / "a.pcap", packets(script, v6=v6)))
    said = block(run("--path", path).stdout)
    assert [line.split()[:2] for line in said if line.startswith("    =")] == [["=", "2"]]
    assert "   = reports in the target's own name: a box translates here, or before" in said


def by(client_port: int, script: str, port: int = 22) -> str:
    ends = f"client-port {client_port} port {port}"
    return script.replace("> S", f"> {ends} S").replace("< ", f"< {ends} ")


@pytest.mark.parametrize("healthy_first", [True, False])
def test_flows_that_met_different_routers_stand_below_each_other(tmp_path: Path, healthy_first: bool) -> None:
    """The row of the flow that is refused bears the marks; a flow without an answer adds no row where others have one."""
    ways = [syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3) + ran_out(3)]
    healthy = by(700, "".join(ways) + syn(4) + "+.01 < S. 5 ack 4001 ttl 61\n")
    other = ran_out(2).replace("10.0.0.2", "10.0.0.9")
    refused = by(600, syn(1) + syn(2) + other + syn(3) + reset(3, 1) + syn(4) + reset(4, 1))
    control = by(800, "".join(ways) + syn(4) + reset(4, 3), port=9)
    first = REFUSED.replace("ttl 62", "ttl 63")
    script = first + (healthy + refused if healthy_first else refused + healthy) + control
    said = shown(tmp_path, script).splitlines()
    assert said[0] == f"  Path  to port 22 from source ports {'700, 600' if healthy_first else '600, 700'}"
    rows = [(line[2:5].strip(), line[6:9].strip(), " ".join(line[11:].split())) for line in said[2:8]]
    assert rows[0] == ("", "1", "10.0.0.1 time exceeded time exceeded 10 ms 0")
    assert rows[5] == ("", "4", "198.51.100.1 SYN-ACK RST 10 ms 3")
    assert [hop for _, hop, _ in rows[1:5]] == ["2", "", "3", ""], "a hop is counted once"
    there = [
        ("", "10.0.0.2 time exceeded time exceeded 10 ms 1 source port 700"),
        ("*", "10.0.0.9 time exceeded 10 ms 1 source port 600"),
    ]
    beyond = [
        ("", "10.0.0.3 time exceeded time exceeded 10 ms 2 source port 700"),
        (">", "198.51.100.1 RST 10 ms 1 source port 600"),
    ]
    assert [(mark, text) for mark, _, text in rows[1:5]] == (
        there + beyond if healthy_first else there[::-1] + beyond[::-1]
    )


def test_a_traceroute_by_ping_beside_a_refused_port_is_shown_as_one(tmp_path: Path) -> None:
    """Up to the hop at which the address answers, though one more ping went all the way."""
    script = REFUSED + "+.1 > ping 7/9 ttl 64\n+.01 < ping 7/9 ttl 62\n"
    script += "".join(
        f"+.1 > ping 7/{ttl} ttl {ttl}\n+.01 < "
        + (
            f"icmp 11/0 from 10.0.0.{ttl} ttl {65 - ttl} quotes ping 7/{ttl} quoted-ttl 1\n"
            if ttl < 3
            else f"ping 7/{ttl} ttl 62\n"
        )
        for ttl in range(1, 5)
    )
    assert (
        shown(tmp_path, script)
        == """\
  Path  by ping or UDP
      hop  address       ping, UDP       time  back
        1  10.0.0.1      time exceeded  10 ms     0
        2  10.0.0.2      time exceeded  10 ms     1
        3  198.51.100.1  answer         10 ms     2
   back: routers that the answer passed
"""
    )
