"""The benchmark of questions: its oracle, what it counts, and how sure its differences are."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.intervals import paired_gain
from benchmarks.questions import Oracle, Played, against, to_json
from dar_tui.questions.bank import load_bank

BANK = {each.statement: each for each in load_bank()}
CAPTIONS = ("A man in a red shirt climbs a rock", "A climber hangs from a cliff by a rope")


def played(*rows: str) -> Played:
    return Played(np.array([[mark == "x" for mark in row] for row in rows]), 0)


def test_a_dialogue_that_has_hit_stays_hit_but_recall_forgets() -> None:
    each = played("x.....", ".x....", "......")
    assert each.hits.sum(axis=0).tolist() == [1, 2, 2, 2, 2, 2]
    assert each.found.sum(axis=0).tolist() == [1, 1, 0, 0, 0, 0]


def test_gains_are_of_the_last_turn_and_become_json() -> None:
    none, ours = played("......", "......", "x.....", "x....."), played(".....x", "......", "x.....", "x....x")
    gains = against(ours, none)
    assert gains["Hits@10"].mean == pytest.approx(25) and gains["Recall@10"].mean == pytest.approx(50)
    assert to_json({"none": none, "ours": ours}, {"none": gains})["gains"]["none"]["Hits@10"]["mean"] == pytest.approx(
        25
    )


def test_an_interval_is_paired_and_as_wide_as_it_should_be() -> None:
    random = np.random.default_rng(3)
    theirs = random.random(400) < 0.5
    # Some tasks are won and none lost, so the interval is that of a share.
    ours = theirs | (np.arange(400) % 10 == 0)
    share = float((ours & ~theirs).mean())
    gain = paired_gain(ours, theirs)
    error = 100 * (share * (1 - share) / 400) ** 0.5
    assert gain.mean == pytest.approx(100 * share)
    assert gain.low == pytest.approx(gain.mean - 1.96 * error, abs=0.4) and gain.low > 0
    assert gain.high == pytest.approx(gain.mean + 1.96 * error, abs=0.4)
    assert paired_gain(ours, ours).low == paired_gain(ours, ours).high == 0
    assert gain == paired_gain(ours, theirs)


@pytest.mark.parametrize(
    ("statement", "answer"), [("a rope", "yes"), ("a dog", "no"), ("a hat", "can't tell"), ("people", "yes")]
)
def test_the_oracle_says_no_only_where_captions_would_tell(statement: str, answer: str) -> None:
    assert Oracle(CAPTIONS, BANK).answer(BANK[statement].put()) == answer


def test_a_talkative_oracle_goes_on_in_words_not_yet_said_and_says_them_once() -> None:
    oracle = Oracle(CAPTIONS, BANK, talkative=True)
    assert oracle.answer(BANK["a rope"].put()) == f"yes, {CAPTIONS[1]}"
    assert oracle.answer(BANK["a rope"].put()) == "yes"
