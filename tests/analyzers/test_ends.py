"""Between which hops the end of the way lies, by what sweeps show."""

from pathlib import Path

import pytest

from analyzers.model import Place
from tests.judge import verdict
from tests.sweeps import ran_out, reset, sweep, syn

DEAD = "0 > client-port 900 S 1\n+3.06 < client-port 900 icmp 3/1 from 10.0.0.{0} ttl {1} quotes S 1 quoted-ttl {2}\n"


def no_host(ttl: int, hop: int, name: int = 0, longer: int = 0) -> str:
    """The router at that hop found no neighbour with the address. `name` is the end of its own, unless that is its hop; its
    way back is so much `longer`."""
    return f"+.3 < icmp 3/1 from 10.0.0.{name or hop} ttl {65 - hop - longer} quotes S {1000 * ttl} quoted-ttl {ttl - hop + 1}\n"


def place(folder: Path, script: str) -> Place:
    return verdict(folder, script).place


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_packets_that_waited_in_vain_may_be_reported_late(tmp_path: Path, silent: int) -> None:
    """The router keeps few packets while it asks for its neighbour: those with the smallest TTLs got no answer."""
    first = DEAD.format(2, 63, 63)
    rows = [syn(1) + ran_out(1), syn(2) + ran_out(2), *(syn(3 + n) for n in range(silent))]
    rows += [syn(ttl) + no_host(ttl, 2) for ttl in (3 + silent, 4 + silent)]
    found = place(tmp_path, sweep(*rows, first=first))
    assert (found.hop_min, found.hop_max, found.address) == (2, 2, "10.0.0.2")


def test_a_router_that_said_another_name_before_is_not_the_one(tmp_path: Path) -> None:
    rows = [syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3), syn(4) + no_host(4, 3, name=9)]
    found = place(tmp_path, sweep(*rows, first=DEAD.format(9, 62, 62)))
    assert (found.hop_min, found.hop_max) == (3, 3)


def test_two_flows_that_met_the_same_router_say_so_together(tmp_path: Path) -> None:
    """Each has a report of its own from it."""
    first = "0 > client-port 900 S 1 tos 0x48\n+.02 < client-port 900 R. 0 ack 2 ttl 63\n"
    rows = "".join((syn(1) + ran_out(1), syn(2) + ran_out(2), syn(3) + reset(3, 1), syn(4) + reset(4, 1)))
    again = rows.replace("> S", "> client-port 800 S").replace("< ", "< client-port 800 ")
    one, two = place(tmp_path, sweep(rows, first=first)), place(tmp_path, sweep(rows, again, first=first))
    assert (one.hop, one.address) == (2, "10.0.0.2")
    assert two == one


def test_a_report_in_the_targets_own_name_is_one_too(tmp_path: Path) -> None:
    """A box at hop 2 translates, and nobody is behind it: its errors bear the target's address."""
    first = DEAD.format(2, 62, 63)
    rows = [syn(1) + ran_out(1), syn(2) + ran_out(2, back=2), *(syn(n) + no_host(n, 2, longer=1) for n in (3, 4))]
    found = place(tmp_path, sweep(*rows, first=first).replace("10.0.0.2", "198.51.100.1"))
    assert found.hop_min in (2, None)


def test_where_small_ttls_get_lost_on_the_way_the_refusal_may_come_from_nearer(tmp_path: Path) -> None:
    """A router drops what has few hops left: nobody behind it answers but to larger TTLs."""
    first = "0 > client-port 900 S 1 tos 0x48\n+.02 < client-port 900 R. 0 ack 2 ttl 60\n"
    rows = "".join((syn(1), ran_out(1), *map(syn, range(2, 9)), syn(9), reset(9, 4), syn(10), reset(10, 4)))
    other = rows.replace("> S", "> port 9 S").replace("< ", "< port 9 ")
    found = place(tmp_path, sweep(rows, other, first=first))
    assert (found.hop_min, found.hop_max) == (5, 9)
