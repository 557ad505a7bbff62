"""How often each condition of the cause table misled in drawn networks: `rates.toml`, which tests/simulated/rates.py makes."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from analyzers.model import Cause, Match


def condition(match: Match) -> str:
    """A condition's name in the table: the kinds of fact, and the values that it must have."""
    fields = " ".join(f"{name}={value}" for name, value in match.fields.items())
    return f"{' or '.join(kind.__name__ for kind in match.kinds)} {fields}".strip()


@cache
def table() -> dict[str, Any]:
    """`networks` and `seed` of the drawing; by condition [met, pointed astray, ruled out the truth], by place [told, wrong]."""
    return tomllib.loads(Path(__file__).with_name("rates.toml").read_text("utf-8"))


def measured(cause: Cause) -> list[str]:
    """For each condition that speaks for or against a cause, how often it misled."""
    rows = table()["conditions"]
    lines = []
    for matches, column, says in (
        ((*cause.proof, *cause.supports), 1, "speaks for it"),
        (cause.excludes, 2, "rules it out"),
    ):
        for match in dict.fromkeys(map(condition, matches)):
            if match in rows:
                met, misled = rows[match][0], rows[match][column]
                lines.append(f"{match} {says}: met in {met:,} networks, misled in {misled:,}")
    return lines
