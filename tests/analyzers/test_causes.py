"""The cause table is a public contract."""

import re

import pytest

from analyzers.attempts.symptoms import SYMPTOMS
from analyzers.causes import CAUSES, PREFIXES, find
from analyzers.model import ACTORS
from netprobe.words import FIELDS, _file, about

IDS = [cause.id for cause in CAUSES]
WORDS = {name: table for symptom in SYMPTOMS for name, table in _file(symptom).items()}
TIED = ("reset", "unreachable", "silence", "closed", "mute", "stalled")
BLANKS = r"\b(FILE|HOST|NEIGHBOUR|MEMBER|IFACE|USER|CONTAINER|[A-Z]+PORT|[A-Z]+ADDRESS)\b"


def test_ids_are_unique_and_none_is_a_prefix_of_another() -> None:
    assert len(set(IDS)) == len(IDS)
    assert not [(a, b) for a in IDS for b in IDS if b.startswith(a + ".")]


def test_ids_are_spelled_alike() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*(\.[a-z0-9]+(-[a-z0-9]+)*){1,3}", name) for name in IDS)


def test_every_prefix_has_a_title_and_no_title_is_idle() -> None:
    prefixes = {".".join(name.split(".")[:depth]) for name in IDS for depth in range(1, name.count(".") + 1)}
    assert prefixes == set(PREFIXES)


def test_every_symptom_has_causes_and_every_cause_a_symptom() -> None:
    assert {name.split(".")[0] for name in IDS} == set(SYMPTOMS)


def test_actors_are_from_the_list_and_every_row_names_a_source() -> None:
    assert {cause.actor for cause in CAUSES} <= set(ACTORS)
    assert all(cause.source and cause.title for cause in CAUSES)


def test_every_row_requires_something() -> None:
    assert all(cause.requires for cause in CAUSES)


@pytest.mark.parametrize("name", IDS)
def test_every_cause_can_be_explained_whole(name: str) -> None:
    words = about(name)
    assert [field for field in FIELDS if not words.get(field)] == []


def test_words_are_about_causes_that_exist() -> None:
    known = set(IDS) | set(PREFIXES)
    for symptom in SYMPTOMS:
        assert set(_file(symptom)) <= known
        for table in _file(symptom).values():
            assert set(table) <= set(FIELDS)


@pytest.mark.parametrize("name", WORDS)
def test_every_comparison_says_when_it_misleads(name: str) -> None:
    apart = WORDS[name].get("apart")
    assert apart is None or any("mislead" in item.lower() for item in apart)


@pytest.mark.parametrize("name", WORDS)
def test_steps_are_short_and_can_be_filled_in(name: str) -> None:
    assert str(WORDS[name]).isascii()
    for step in [*WORDS[name].get("confirm", []), *WORDS[name].get("next", [])]:
        assert len(step["why"]) <= 110
        assert set(re.findall(r"\{.*?\}", step["why"] + step["command"])) <= {
            "{address}",
            "{target}",
            "{port}",
            "{client}",
        }


@pytest.mark.parametrize("name", [name for name in PREFIXES if name.split(".")[0] in TIED])
def test_what_is_undecided_begins_with_probes_that_run_as_they_stand(name: str) -> None:
    steps = about(name)["next"]
    assert not [step for step in steps[:2] if re.search(BLANKS, step["command"])]


def test_a_prefix_finds_the_causes_below_it() -> None:
    assert {cause.id for cause in find("reset.network")} == {"reset.network.firewall", "reset.network.nat.no-mapping"}
    assert find("reset.net") == []
