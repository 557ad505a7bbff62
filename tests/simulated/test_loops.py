"""Routing loops whose routers never report that a TTL was used up: in IPv4 the routes that they record show them."""

from pathlib import Path
from typing import Any

import pytest

from netprobe import lab
from netprobe.live.diagnosis import ask, judge
from netprobe.live.options import Options
from netprobe.live.target import Target
from tests.simulated.chain import SERVER, client, joined, router, server
from tests.simulated.network import Simulated
from tests.simulated.rows import Link, Route
from tests.simulated.test_scenarios import diagnosed
from tests.simulated.world import World

SILENT = {"mutes": ("ttl-exceeded",)}
NO_ROUTE = "silence.network.router.no-route"


def said(
    first: int, last: int, more: dict[int, dict[str, Any]], path: Path, length: int = 6
) -> tuple[str, int | None, int | None]:
    """Of a loop of the routers from the hop `first` to `last`, some of which do `more`."""
    does: dict[int, dict[str, Any]] = {hop: {**SILENT, **more.get(hop, {})} for hop in range(first, last + 1)}
    does = {**more, **does}
    does[last]["routes"] = (Route(SERVER[4], (f"r{first}",)),)
    row = [
        client(4),
        *(router(4, hop, **does.get(hop, {})) for hop in range(1, length + 1)),
        server(4, programs={22: "ssh"}),
    ]
    nodes, links = joined(row)
    if last - first > 1:
        links.append(Link(f"r{last}", f"r{first}", cost=100))
    net = World(nodes, links, 7)
    (asked,) = ask(
        Target("box", SERVER[4], 22, (SERVER[4],)), Options(), lambda line: None, path, lambda at: Simulated(net, at)
    )
    ((_, _, verdict),) = judge(asked)
    return verdict.cause, verdict.place.hop_min, verdict.place.hop_max


@pytest.mark.parametrize(("first", "last"), [(1, 2), (3, 4), (5, 6), (2, 4), (2, 5)])
def test_a_silent_loop_is_found_and_placed(first: int, last: int, tmp_path: Path) -> None:
    assert said(first, last, {}, tmp_path / "e.pcapng") == (NO_ROUTE, first, last)


def test_where_one_of_it_records_nothing_those_that_report_show_it(tmp_path: Path) -> None:
    assert said(2, 4, {4: {"options": "pass"}}, tmp_path / "e.pcapng") == (NO_ROUTE, 2, 4)


def test_where_who_reports_may_have_been_met_before_nothing_is_said_beyond(tmp_path: Path) -> None:
    """The second router and one in the loop record nothing, so that the other one reports first when it was met twice."""
    more = {2: {"options": "pass"}, 4: {"options": "pass"}, 5: {"limited": True}}
    cause, low, high = said(4, 5, more, tmp_path / "e.pcapng")
    assert low is not None
    assert low <= 4
    assert (cause, high) in (("silence", None), (NO_ROUTE, 5))


def test_where_all_of_it_drop_options_nothing_is_said_beyond_it(tmp_path: Path) -> None:
    drops = {hop: {"options": "drop"} for hop in (3, 4)}
    assert said(3, 4, drops, tmp_path / "e.pcapng") == ("silence", 2, None)


@pytest.mark.parametrize("before", [0, 1, 4])
def test_the_lab_s_silent_loop(before: int, tmp_path: Path) -> None:
    scenario = lab.load("routing-loop-silent", family=4, before=before)
    verdict = diagnosed(scenario, tmp_path / "e.pcapng")
    assert (verdict.cause, verdict.place.hop_min, verdict.place.hop_max) == (NO_ROUTE, before + 1, before + 2)
