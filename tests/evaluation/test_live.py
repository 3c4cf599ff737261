"""Whole sessions with a simulated user: what it answers, what it likes, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dar_tui.dialogue.turn import Expects, Question
from dar_tui.evaluation.user import Onlooker, Oracle
from dar_tui.questions.bank import load_bank
from tests.evaluation.conftest import Bench, Evaluate, Models

BANK = {each.statement: each for each in load_bank()}
CAPTIONS = ("A man in a red shirt climbs a rock", "A climber hangs from a cliff by a rope")
RED, BLUE = frozenset({"red", "shirt", "rock"}), frozenset({"blue", "boat"})


@pytest.mark.parametrize(
    ("statement", "answer"), [("a rope", "yes"), ("a dog", "no"), ("a hat", "can't tell"), ("people", "yes")]
)
def test_the_oracle_says_no_only_where_captions_would_tell(statement: str, answer: str) -> None:
    assert Oracle(CAPTIONS, BANK).answer(BANK[statement].put()) == answer


def test_a_talkative_oracle_goes_on_in_words_not_yet_said_and_says_them_once() -> None:
    oracle = Oracle(CAPTIONS, BANK, talkative=True)
    assert oracle.answer(BANK["a rope"].put()) == f"yes, {CAPTIONS[1]}"
    assert oracle.answer(BANK["a rope"].put()) == "yes"


def test_attributes_tell_what_captions_leave_out() -> None:
    oracle = Oracle(CAPTIONS, BANK, attributes=frozenset({"a hat"}), vocabulary=frozenset({"a hat", "a smile"}))
    assert oracle.answer(BANK["a hat"].put()) == "yes"
    assert Oracle(CAPTIONS, BANK, vocabulary=frozenset({"a hat"})).answer(BANK["a hat"].put()) == "no"


def test_a_question_that_is_not_in_the_bank_gets_no_answer() -> None:
    assert Oracle(CAPTIONS, BANK).answer(Question("Was it in 2019?", "2019", Expects.YES_NO)) == "can't tell"


def test_the_onlooker_likes_what_comes_nearest_once_and_nothing_beside_the_target() -> None:
    onlooker = Onlooker({0: RED, 1: RED | {"man"}, 2: RED | {"man", "tree", "dog"}, 3: BLUE}, target=0)
    assert onlooker.likes([3, 2, 1]) == 1
    assert onlooker.likes([3, 2, 1]) == 2
    assert onlooker.likes([3, 2, 1]) is None
    assert onlooker.likes([2, 0]) is None


def test_every_part_of_the_system_is_measured_and_the_same_each_time(
    bench: Bench, evaluate: Evaluate, models: Models, tmp_path: Path
) -> None:
    command = ("live", "--images", bench.images, "--captions", bench.captions, "--dialogues", "2", "--turns", "2")
    more = ("--imagine", "-K", "1", "--seed", "3", "--json")
    done = evaluate(*command, *more, "--out", tmp_path / "once")
    assert done.code == 0, done.err
    runs = {run["name"]: run for run in done.json["runs"]}
    assert list(runs) == [
        *("D0 alone", "random questions", "questions", "questions + feedback", "pictures"),
        *("questions + pictures", "questions + feedback + pictures"),
    ]
    assert {len(row) for run in runs.values() for row in run["ranks"]} == {3}
    assert all(rank <= 10 for run in runs.values() for row in run["ranks"] for rank in row)
    # D0 alone has one page, which stays; nothing is known of ranks beyond it.
    assert all(len(set(row)) == 1 for row in runs["D0 alone"]["ranks"])
    assert runs["questions"]["bri"] is None and runs["questions"]["baseline"] == "D0 alone"
    assert runs["pictures"]["seconds_per_turn"]["imagine"] > 0 == runs["questions"]["seconds_per_turn"]["imagine"]
    again = evaluate(*command, *more, "--out", tmp_path / "twice").json
    assert [run["ranks"] for run in again["runs"]] == [run["ranks"] for run in done.json["runs"]]


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
