"""Whole sessions with a simulated user: what it answers, what it likes, and what comes of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dar_tui.evaluation.fitting import fitted
from dar_tui.evaluation.live import MODES
from dar_tui.evaluation.report import Effort, MeasuredRun, calibration, effort_of
from dar_tui.evaluation.simulated_user import Onlooker, Oracle
from dar_tui.language.turn import Expects, Question
from dar_tui.questions.bank import load_bank, load_slots
from dar_tui.session.belief import calibration_of
from dar_tui.session.state import CALIBRATIONS
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


def test_a_row_that_does_not_exist_is_refused_with_those_that_do(bench: Bench, evaluate: Evaluate) -> None:
    done = evaluate("live", "--images", bench.images, "--captions", bench.captions, "--row", "twenty")
    assert done.code == 2 and "next-page, captions, captions+seen, questions" in done.err


def test_examples_come_to_mind_first_and_a_mistake_names_one_that_is_not_there() -> None:
    slots, things = tuple(SLOTS.values()), SLOTS["anything else"]
    captions = ("A man", "A man in a hat with a dog, a fence, a bench and a ball by a lake")
    assert "a fence" in Oracle(captions, BANK, slots).answer(things.put(("a fence", "a cat")))
    assert Oracle(captions, BANK, slots, mistakes=1.0).answer(things.put(("a fence", "a cat"))) == "a cat"
    assert Oracle(captions, BANK, slots, mistakes=1.0).answer(BANK["a dog"].put()) == "no"


def test_a_question_that_is_not_in_the_bank_gets_no_answer() -> None:
    assert Oracle(CAPTIONS, BANK).answer(Question("Was it in 2019?", "2019", Expects.YES_NO)) == "can't tell"


def test_the_onlooker_likes_what_comes_nearest_once_and_nothing_beside_the_target() -> None:
    onlooker = Onlooker({0: RED, 1: RED | {"man"}, 2: RED | {"man", "tree", "dog"}, 3: BLUE}, target=0)
    assert onlooker.likes([3, 2, 1]) == 1
    assert onlooker.likes([3, 2, 1]) == 2
    assert onlooker.likes([3, 2, 1]) is None
    assert onlooker.likes([2, 0]) is None


def test_of_two_photos_the_onlooker_chooses_the_nearer_and_none_where_both_are_as_near() -> None:
    onlooker = Onlooker({0: RED, 1: RED | {"man"}, 2: RED | {"man", "tree", "dog"}, 3: BLUE, 4: BLUE}, target=0)
    assert (onlooker.closer([2, 1]), onlooker.closer([1, 3]), onlooker.closer([3, 4])) == (1, 0, None)


@pytest.mark.slow
def test_every_part_of_the_system_is_measured_and_the_same_each_time(
    bench: Bench, evaluate: Evaluate, models: Models, tmp_path: Path
) -> None:
    command = ("live", "--images", bench.images, "--captions", bench.captions, "--dialogues", "2", "--turns", "2")
    more = ("--imagine", "-K", "1", "--seed", "3", "--json")
    done = evaluate(*command, *more, "--out", tmp_path / "once")
    assert done.code == 0, done.err
    runs = {run["name"]: run for run in done.json["runs"]}
    assert list(runs) == [mode.name for mode in MODES]
    assert {len(row) for run in runs.values() for row in run["ranks"]} == {3}
    for run in runs.values():
        assert all(rank <= 10 for row in run["ranks"] for rank in row)
        # Whoever has found the photo stops.
        assert all(row[turn] == row[-1] for row in run["ranks"] for turn in range(3) if row[turn] < 10)
        assert run["effort"]["photos"] == 30 and len(run["hits_gain"]) == (3 if run["baseline"] else 0)
        assert sum(each["pages"] for each in run["calibration"]) == len(run["sure"]) >= 2
    assert runs["questions"]["baseline"] == "next-page" and runs["questions"]["bri"] is None
    imagined = {name: run["seconds_per_turn"]["imagine"] for name, run in runs.items()}
    assert imagined["questions+pictures"] > 0 == imagined["questions"]
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


def test_photos_beside_those_looked_for_are_in_the_library(bench: Bench, evaluate: Evaluate) -> None:
    few = ("live", "--images", bench.images, "--captions", bench.captions, "--photos", "10", "--dialogues", "2")
    alone = evaluate(*few, "--row", "captions", "--json").json
    among = evaluate(*few, "--row", "captions", "--distractors", bench.images, "--json").json
    assert alone["settings"]["distractors"] == 0 and among["settings"]["distractors"] == 20
    assert alone["targets"] == among["targets"]


def test_effort_and_calibration_are_read_off_pages() -> None:
    ranks = np.array([[3, 3, 3], [10, 0, 0], [10, 10, 9], [10, 10, 10]])
    run = MeasuredRun("x", ranks, np.zeros_like(ranks), depth=10)
    assert effort_of(run) == Effort(median=11.0, most=None, photos=30, found=75.0)
    bins = calibration([(0.82, True), (0.88, True), (0.81, False), (0.1, False)])
    assert [(each.low, each.pages) for each in bins] == [(0.1, 1), (0.8, 3)]
    assert bins[1].observed == pytest.approx(66.7, abs=0.1) and bins[1].said == pytest.approx(83.7, abs=0.1)


def test_an_encoders_constants_are_found_and_used_by_sessions(bench: Bench, evaluate: Evaluate, tmp_path: Path) -> None:
    done = evaluate("fit", "--images", bench.images, "--captions", bench.captions, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["photos"] == 30 and found["word"] > 0 and 0 <= found["doubt"] <= 0.5
    (path,) = (Path(os.environ["DAR_HOME"]) / CALIBRATIONS).iterdir()
    assert calibration_of(found["encoder"], path.parent).word == found["word"]


def test_an_encoder_that_sees_more_is_worth_more_nats() -> None:
    random = np.random.default_rng(0)
    photos = random.normal(size=(200, 16)).astype(np.float32)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    captions = [["a dog on a red sofa"] * 2] * 200
    words = []
    for noise in (0.2, 1.0):
        texts = photos[:, None] + noise * random.normal(size=(200, 2, 16)).astype(np.float32)
        texts /= np.linalg.norm(texts, axis=2, keepdims=True)
        words.append(fitted(photos, captions, texts, (), np.zeros((0, 16), np.float32)).strength(3))
    assert words[0] > 2 * words[1] > 0
