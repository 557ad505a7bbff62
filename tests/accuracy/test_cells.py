"""The draw: every cause, the same for the same seed, and cells that can be built."""

from netprobe.lab import load, names
from tests.accuracy.cells import LEFT_OUT, again, draw


def test_the_default_run_has_every_cause() -> None:
    drawn = {load(cell.scenario).truth.cause for cell in draw(1, 60)}
    assert drawn == {load(name).truth.cause for name in names() if name not in LEFT_OUT}


def test_the_seed_decides() -> None:
    assert draw(3, 30) == draw(3, 30) != draw(4, 30)


def test_cells_differ_and_can_be_built() -> None:
    cells = draw(2, 300)
    assert len({cell.id for cell in cells}) == 300
    for cell in cells:
        assert dict(cell.load().parameters) == dict(cell.parameters)


def test_a_part_of_the_scenarios() -> None:
    assert {cell.scenario for cell in draw(1, 40, ["router-reset", "closed.network"])} == {
        "router-reset",
        "reset-on-banner",
        "router-reset-established",
        "no-state-reset",
    }
    assert draw(1, 20, ["no-such"]) == []


def test_an_id_is_a_cell_again() -> None:
    for cell in draw(2, 40):
        assert again(cell.id) == cell


def test_the_command_reproduces_the_cell() -> None:
    (cell,) = draw(1, 1, ["host-ttl"])
    for key, value in cell.parameters.items():
        assert f"--set {key}={value}" in cell.command or load("host-ttl").parameters[key] == value
