"""How terms combine into an order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.encoders import JOINT, VISUAL
from indexer.errors import UsageError
from indexer.search.ranking import Query, Term, best, direction, merged, scores
from indexer.store.vectors import Spread, spread_of


def term(*numbers: float, space: str = JOINT, weight: float = 1.0) -> Term:
    return Term(np.array(numbers, np.float32), space, weight)


def test_terms_of_one_space_become_one_unit_vector() -> None:
    (one,) = merged(Query((term(1, 0), term(0, 1, weight=1.0))))
    assert one.weight == 1
    assert one.vector == pytest.approx([0.7071, 0.7071], abs=1e-4)


def test_terms_of_two_spaces_stay_apart() -> None:
    terms = (term(1, 0), term(0, 1, space=VISUAL, weight=0.3))
    assert merged(Query(terms)) == terms


def test_terms_that_cancel_out_score_nothing_and_are_no_error() -> None:
    (one,) = merged(Query((term(1, 0), term(1, 0, weight=-1))))
    assert one.vector.tolist() == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Query(()),
        lambda: Query((term(1),), combine="magic"),
        lambda: Query((term(float("nan")),)),
        lambda: Query((term(1, weight=float("inf")),)),
        lambda: Query((Term(np.ones((2, 2), np.float32)),)),
    ],
)
def test_queries_that_mean_nothing_are_refused(make: object) -> None:
    with pytest.raises(UsageError):
        make()  # type: ignore[operator]


def test_strength_is_measured_along_what_is_wanted_in_the_joint_space() -> None:
    query = Query((term(1, 0), term(0, 1, weight=-2), term(1, 1, 1, space=VISUAL)))
    along, by_example = direction(query)
    assert (along.space, by_example) == (JOINT, False)
    assert along.vector.tolist() == [1, 0]
    along, by_example = direction(Query((term(0, 2, space=VISUAL),)))
    assert (along.space, by_example, along.vector.tolist()) == (VISUAL, True, [0, 1])


def test_z_makes_spaces_of_different_spread_count_alike() -> None:
    narrow, wide = np.array([0.30, 0.31, 0.32], np.float32), np.array([0.9, 0.5, 0.1], np.float32)
    terms = (term(1), term(1, space=VISUAL))
    spreads = [spread_of(narrow), spread_of(wide)]
    assert scores("z", terms, [narrow, wide], spreads) == pytest.approx([0, 0, 0], abs=1e-4)
    assert np.argmax(scores("cosine", terms, [narrow, wide], spreads)) == 0


def test_rrf_counts_ranks_and_gives_equals_the_same() -> None:
    values = np.array([0.9, 0.5, 0.5, 0.1], np.float32)
    got = scores("rrf", (term(1),), [values], [Spread(0, 0)])
    assert got == pytest.approx([1 / 61, 1 / 62, 1 / 62, 1 / 64])


def test_a_library_of_equals_has_no_z_rather_than_nan() -> None:
    same = np.full(5, 0.4, np.float32)
    assert scores("z", (term(1),), [same], [spread_of(same)]).tolist() == [0] * 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 50))
def test_best_is_a_full_sort_cut_short_with_ties_by_id(values: list[int], count: int) -> None:
    ids = np.random.default_rng(0).permutation(len(values)).astype(np.int64)
    expected = sorted(range(len(values)), key=lambda place: (-values[place], ids[place]))[:count]
    assert best(np.array(values, np.float32), ids, count).tolist() == expected


def test_least_is_as_good_as_the_reject_seen_most() -> None:
    terms = (term(1, 0, weight=-1), term(0, 1, weight=-1))
    cosines = [np.array([0.9, 0.1, 0.2], np.float32), np.array([0.1, 0.8, 0.2], np.float32)]
    found = scores("least", terms, cosines, [Spread(0.4, 1.0), Spread(0.3, 1.0)])
    assert found == pytest.approx([-0.5, -0.5, 0.1])


def test_only_rejects_can_be_least() -> None:
    with pytest.raises(UsageError):
        Query((term(1, 0), term(0, 1, weight=-1)), "least")
