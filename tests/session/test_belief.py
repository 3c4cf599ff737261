"""The posterior: what each kind of evidence does to it, and that statements alone rank as a search does."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dar_tui.session.belief import (
    Belief,
    Calibration,
    Closer,
    Clue,
    Denial,
    Fact,
    Posterior,
    calibration_json,
    calibration_of,
    calibration_path,
)
from dar_tui.session.state import BELIEF, SessionOptions
from indexer.errors import DarError
from indexer.search.ranking import Query, Term
from indexer.store.vectors import spread_of
from tests.session.world import World

IDS = np.arange(100, 106)
GIVEN = Calibration(word=0.5, growth=1.0, overlooked=0.1, mistaken=0.1, doubt=0.0)
FIRST = Term(np.array([1, 0, 0, 0, 0, 0], np.float32))


def nats(belief: Belief, *cosines: list[float]) -> np.ndarray:
    values = [np.array(each, np.float32) for each in cosines]
    return belief.nats(IDS, values, [spread_of(each) for each in values])


def test_without_evidence_every_photo_is_as_likely() -> None:
    posterior = Posterior()
    posterior.take(IDS, Belief(GIVEN).nats(IDS, [], []), doubt=0.0)
    np.testing.assert_allclose(posterior.chances, 1 / 6)


@given(seed=st.integers(0, 2**32 - 1), facts=st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_statements_alone_keep_the_order_of_their_cosines(seed: int, facts: int) -> None:
    cosines = np.random.default_rng(seed).normal(size=6).astype(np.float32)
    found = Belief(GIVEN, Query((FIRST,)), facts).nats(IDS, [cosines], [spread_of(cosines)])
    assert np.argsort(found).tolist() == np.argsort(cosines).tolist()


def test_a_longer_text_counts_more_and_the_same_facts_again_do_not() -> None:
    assert GIVEN.strength(1) == 0.5 and GIVEN.strength(6) == pytest.approx(0.5 + math.log(6))
    assert GIVEN.strength(12) < 2 * GIVEN.strength(6)


def test_rejects_alone_go_with_what_was_answered_or_liked() -> None:
    """A statement that only rejects ranks by the least similar; "a cat" in answer to a question stands beside it."""
    rejects = Query((Term(FIRST.vector, weight=-1.0),), "least")
    query = Belief(GIVEN, rejects, 1, clues=(Clue(FIRST, 0.5),)).query(Posterior(), 6)
    assert query.scorer is not None and len(query.terms) == 2


def test_passing_over_makes_a_photo_unlikely_and_not_impossible() -> None:
    found = nats(Belief(GIVEN, passed={102: 1, 104: 2, 999: 3}))
    np.testing.assert_allclose(found, np.log([1, 1, 0.1, 1, 0.01, 1]))


def test_what_was_passed_over_is_shown_again_only_where_it_is_far_likelier() -> None:
    cosines = np.array([3, 2, 1, 0, -1, -2], np.float32)
    posterior, likely = Posterior(), Belief(GIVEN, Query((FIRST,)), 30, passed={100: 1, 102: 1})
    scorer = likely.query(posterior, 6).scorer
    assert scorer is not None
    values = scorer(IDS, [cosines], [spread_of(cosines)])
    np.testing.assert_allclose(values, likely.nats(IDS, [cosines], [spread_of(cosines)]) - [1.6, 0, 1.6, 0, 0, 0])
    # What is shown is one thing, what is believed another.
    assert posterior.of([100])[0] > posterior.of([102])[0]


def test_words_no_and_closer_each_count_as_reckoned() -> None:
    z = [2.0, -1.0, -1.0, 1.0, -1.0, 0.0]
    like = (np.array(z) - np.mean(z)) / np.std(z)
    np.testing.assert_allclose(nats(Belief(GIVEN, clues=[Clue(FIRST, 0.7)]), z), 0.7 * like, atol=1e-6)
    no = nats(Belief(GIVEN, denials=[Denial(FIRST, 0.2)]), z)
    assert no[0] < no[3] < no[1] <= 0 and no.min() >= math.log(0.1)
    closer = nats(Belief(GIVEN, closer=[Closer(FIRST, FIRST)]), z, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    assert np.argmax(closer) == 0 and closer.max() <= 0


def test_a_photo_without_a_date_is_as_likely_as_a_photo_is_to_have_it() -> None:
    found = nats(Belief(GIVEN, known=[Fact(np.array([100, 101]), np.array([104, 105]))]))
    in_time, out, unknown = found[0], found[2], found[4]
    assert out == pytest.approx(math.log(0.1)) and in_time == pytest.approx(math.log(0.9))
    assert unknown == pytest.approx(math.log(0.5 * 0.9 + 0.5 * 0.1))


def test_evidence_adds_up_in_any_order() -> None:
    z, other = [2.0, -1.0, -1.0, 1.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    one, two = Clue(FIRST, 0.7), Clue(FIRST, 0.2)
    both = nats(Belief(GIVEN, Query((FIRST,)), 3, clues=[one, two], passed={100: 1}), z, z, other)
    parts = [
        nats(Belief(GIVEN, Query((FIRST,)), 3), z),
        nats(Belief(GIVEN, clues=[two, one]), other, z),
        nats(Belief(GIVEN, passed={100: 1})),
    ]
    np.testing.assert_allclose(both, sum(parts))


def test_the_chances_of_a_page_add_up_and_keep_some_doubt() -> None:
    posterior = Posterior()
    posterior.take(IDS, np.log(np.array([6, 2, 1, 1, 0.0001, 0.0001])), doubt=0.1)
    # A second look at the best of them changes nothing.
    posterior.take(IDS[:2], np.zeros(2), doubt=0.1)
    assert posterior.chances.sum() == pytest.approx(1)
    assert posterior.of([100, 101]).sum() == pytest.approx(0.9 * 0.8 + 2 * 0.1 / 6, abs=1e-4)
    assert posterior.of([7]).tolist() == [0.0] and posterior.of([105])[0] > 0.016


def test_the_order_of_a_session_is_that_of_a_search_with_the_text(world: World) -> None:
    """The proof for real: every photo of the library, by `Library.search` and by the posterior."""
    for message in ("something red", "green and blue", "a red one, and white"):
        session = world.session(page=1000)
        list(session.turn(message))
        request = session.request
        assert request is not None
        vectors = world.encoder.encode_texts(request.query.texts)
        text = Query(tuple(Term(vector) for vector in vectors))
        expected = [hit.image_id for hit in world.library.search(text, 1000)]
        assert [hit.image_id for hit in session._state.page.hits] == expected


def test_constants_are_those_fitted_here_then_those_that_ship_then_the_defaults(tmp_path: Path) -> None:
    assert calibration_of("some-encoder") == Calibration()
    assert calibration_of("bundled-4f3b474d842e") == calibration_of("bundled") != Calibration()
    path = calibration_path(tmp_path, "open_clip:ViT-B-32/x")
    path.write_text(calibration_json(Calibration(word=0.9)))
    assert calibration_of("open_clip:ViT-B-32/x", tmp_path) == Calibration(word=0.9)
    path.write_text(json.dumps(["nothing"]))
    with pytest.raises(DarError, match="cannot be read"):
        calibration_of("open_clip:ViT-B-32/x", tmp_path)


def test_the_belief_is_the_sessions_way_to_rank() -> None:
    assert SessionOptions().fusion == BELIEF
