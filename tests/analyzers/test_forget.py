"""Attempts that the tracker forgets: what stays is joined on as if nothing had gone."""

from random import Random
from typing import Any

import numpy as np
import pytest

from analyzers.attempts.ledger import close
from analyzers.attempts.track import Tracker
from captures.table import PacketTable
from tests.analyzers.test_join import made
from tests.craft import other_way

Held = dict[str, np.ndarray[Any, Any]]
SCRATCH = ("new_top", "tile_sum", "unsettled")  # mean nothing between two batches


def tables(seed: int) -> list[tuple[PacketTable, Any]]:
    random, stream = Random(seed), {}
    return [made(random, 300, 12, 1 + 300 * n, stream) for n in range(6)]


def flow_of(tracker: Tracker) -> np.ndarray[Any, Any]:
    """Which of the made flows each attempt belongs to: one end is numbered after it, the other far above."""
    return tracker.state.trimmed("end_lo").min(axis=1) - 1


def held(tracker: Tracker, of: np.ndarray[Any, Any]) -> Held:
    """State, kept rows and holes of these attempts, numbered in their order."""
    state, rows = tracker.state, tracker.rows
    number = np.where(of, np.cumsum(of) - 1, -1)
    mine = of[rows["attempt"]]
    out = {name: state.trimmed(name)[of].copy() for name in state._columns if name not in SCRATCH}
    out |= {f"row {name}": rows[name][mine].copy() for name in rows.kinds}
    out["row attempt"] = number[out["row attempt"]]
    holes = {
        number[side >> 1] * 2 + (side & 1): ranges for side, ranges in tracker._holes._open.items() if of[side >> 1]
    }
    return out | {f"holes {side}": np.array(ranges) for side, ranges in holes.items()}


def joined(given: list[tuple[PacketTable, Any]], keeps_odd: bool, forgets: bool) -> Held:
    tracker = Tracker()
    tracker.begin(new_trace=True)
    for table, buffer in given:
        tracker.add(table, buffer)
        tracker.flush()
        if forgets:
            before = tracker.rows.size
            keep = (flow_of(tracker) % 2 == 0) | keeps_odd
            stayed = tracker.forget(keep)
            assert len(stayed) == tracker.rows.size <= before
            assert tracker.state.size == keep.sum()
    return held(tracker, (flow_of(tracker) % 2 == 0) | keeps_odd)


@pytest.mark.parametrize("keeps_odd", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_what_stays_is_as_if_nothing_had_gone(seed: int, keeps_odd: bool) -> None:
    given = tables(seed)
    for way in (False, True):
        if way:
            with other_way():
                whole, some = (joined(given, keeps_odd, forgets) for forgets in (False, True))
        else:
            whole, some = (joined(given, keeps_odd, forgets) for forgets in (False, True))
        assert len(whole["row number"]) > 100
        assert whole.keys() == some.keys()
        for name, value in whole.items():
            assert np.array_equal(value, some[name]), name


def test_a_flow_that_was_forgotten_begins_anew() -> None:
    given = tables(1)
    tracker = Tracker()
    tracker.begin(new_trace=True)
    tracker.add(*given[0])
    tracker.flush()
    tracker.forget(np.zeros(tracker.state.size, np.bool_))
    assert (tracker.state.size, tracker.rows.size, len(close(tracker))) == (0, 0, 0)
    tracker.add(*given[1])
    fresh = Tracker()
    fresh.begin(new_trace=True)
    fresh.add(*given[1])
    assert close(tracker).columns["packets"].tolist() == close(fresh).columns["packets"].tolist()
