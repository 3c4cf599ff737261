"""Whole sessions with a simulated user: what it answers, what it likes, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dar_tui.evaluation.simulated_user import Onlooker, Oracle
from dar_tui.language.turn import Expects, Question
from dar_tui.questions.bank import load_bank, load_slots
from tests.evaluation.conftest import Bench, Evaluate, Models

BANK = {each.statement: each for each in load_bank()}
SLOTS = {each.name: each for each in load_slots()}
CAPTIONS = ("A man in a red shirt climbs a rock", "A climber hangs from a cliff by a rope")
RED, BLUE = frozenset({"red", "shirt", "rock"}), frozenset({"blue", "boat"})


@pytest.mark.parametrize(
    ("statement", "answer"), [("a rope", "yes"), ("a dog", "no"), ("a hat", "can't tell"), ("people", "yes")]
)
def test_the_oracle_says_no_only_where_captions_would_tell(statement: str, answer: str) -> None:
    assert Oracle(CAPTIONS, BANK).answer(BANK[statement].put()) == answer


def test_a_talkative_oracle_adds_captions_not_used_yet_and_each_once() -> None:
    oracle = Oracle(CAPTIONS, BANK, talkative=True)
    assert oracle.answer(BANK["a rope"].put()) == f"yes, {CAPTIONS[1]}"
    assert oracle.answer(BANK["a rope"].put()) == "yes"


def test_attributes_tell_what_captions_leave_out() -> None:
    oracle = Oracle(CAPTIONS, BANK, attributes=frozenset({"a hat"}), vocabulary=frozenset({"a hat", "a smile"}))
    assert oracle.answer(BANK["a hat"].put()) == "yes"
    assert Oracle(CAPTIONS, BANK, vocabulary=frozenset({"a hat"})).answer(BANK["a hat"].put()) == "no"


@pytest.mark.parametrize(
    ("caption", "statement", "answer"),
    [
        ("A boy runs on the beach", "snow", "no"),  # A beach settles whether there is snow; it is none.
        ("A dog chases one ball", "two dogs", "can't tell"),
        ("Men play basketball", "soccer", "no"),
        ("Men play basketball", "sport", "yes"),
        ("A man in a red and white striped shirt", "a person wearing red", "yes"),
        ("A man in a shirt before a red car", "a person wearing red", "can't tell"),
        ("A girl in a garden", "flowers", "can't tell"),
    ],
)
def test_a_yes_is_true_and_a_no_is_sure(caption: str, statement: str, answer: str) -> None:
    assert Oracle((caption,), BANK).answer(BANK[statement].put()) == answer


def test_asked_for_words_the_oracle_names_what_captions_mention_and_it_has_not_mentioned() -> None:
    place, clothes = SLOTS["the place"].put(), SLOTS["the clothes"].put()
    captions = ("A man on a beach", "A man in a hat and a red jacket on rocks by the ocean", "A fence on the beach")
    oracle = Oracle(captions, BANK, tuple(SLOTS.values()))
    assert oracle.answer(place) == "water, rocks and the ocean"
    assert oracle.answer(place) == "a fence"
    assert oracle.answer(place) == "can't tell"
    assert oracle.answer(clothes) == "a person wearing red, a hat and a jacket"
    assert Oracle(captions[:1], BANK, tuple(SLOTS.values())).answer(place) == "can't tell"


def test_asked_for_words_a_talkative_oracle_goes_on_in_a_caption() -> None:
    oracle = Oracle(CAPTIONS, BANK, tuple(SLOTS.values()), talkative=True)
    assert oracle.answer(SLOTS["the things"].put()) == CAPTIONS[1]
    assert oracle.answer(SLOTS["the things"].put()) == "can't tell"


def test_a_way_to_ask_that_does_not_exist_is_refused_with_those_that_do(bench: Bench, evaluate: Evaluate) -> None:
    done = evaluate("live", "--images", bench.images, "--captions", bench.captions, "--questions", "twenty")
    assert done.code == 2 and "random, yes-no, open" in done.err


def test_a_question_that_is_not_in_the_bank_gets_no_answer() -> None:
    assert Oracle(CAPTIONS, BANK).answer(Question("Was it in 2019?", "2019", Expects.YES_NO)) == "can't tell"


def test_the_onlooker_likes_what_comes_nearest_once_and_nothing_beside_the_target() -> None:
    onlooker = Onlooker({0: RED, 1: RED | {"man"}, 2: RED | {"man", "tree", "dog"}, 3: BLUE}, target=0)
    assert onlooker.likes([3, 2, 1]) == 1
    assert onlooker.likes([3, 2, 1]) == 2
    assert onlooker.likes([3, 2, 1]) is None
    assert onlooker.likes([2, 0]) is None


@pytest.mark.slow
def test_every_part_of_the_system_is_measured_and_the_same_each_time(
    bench: Bench, evaluate: Evaluate, models: Models, tmp_path: Path
) -> None:
    command = ("live", "--images", bench.images, "--captions", bench.captions, "--dialogues", "2", "--turns", "2")
    more = ("--imagine", "-K", "1", "--seed", "3", "--json")
    done = evaluate(*command, *more, "--out", tmp_path / "once")
    assert done.code == 0, done.err
    runs = {run["name"]: run for run in done.json["runs"]}
    assert list(runs) == [
        *(
            "D0 alone",
            "random questions",
            "yes-no questions",
            "open questions",
            "open questions + feedback",
            "pictures",
        ),
        *("open questions + pictures", "open questions + feedback + pictures"),
    ]
    assert {len(row) for run in runs.values() for row in run["ranks"]} == {3}
    assert all(rank <= 10 for run in runs.values() for row in run["ranks"] for rank in row)
    # D0 alone has one page, which stays; nothing is known of ranks beyond it.
    assert all(len(set(row)) == 1 for row in runs["D0 alone"]["ranks"])
    assert runs["open questions"]["bri"] is None and runs["open questions"]["baseline"] == "D0 alone"
    assert runs["pictures"]["seconds_per_turn"]["imagine"] > 0 == runs["open questions"]["seconds_per_turn"]["imagine"]
    again = evaluate(*command, *more, "--out", tmp_path / "twice").json
    assert [run["ranks"] for run in again["runs"]] == [run["ranks"] for run in done.json["runs"]]


@pytest.mark.slow
def test_dialogues_that_were_played_are_not_played_again(bench: Bench, evaluate: Evaluate, tmp_path: Path) -> None:
    command = ("live", "--images", bench.images, "--captions", bench.captions, "--dialogues", "4", "--json")
    first = evaluate(*command, "--out", tmp_path / "out")
    journal = tmp_path / "out" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:3]))
    second = evaluate(*command, "--out", tmp_path / "out")
    assert first.code == second.code == 0
    assert journal.read_text().splitlines()[:3] == [line.rstrip("\n") for line in lines[:3]]
    assert [run["ranks"] for run in second.json["runs"]] == [run["ranks"] for run in first.json["runs"]]
