"""Every fusion strategy: what it weighs, and what holds for any evidence at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dar_tui.fusion.evidence import FIRMER, QueryEncoder, firmly
from dar_tui.fusion.strategies import REJECT_WEIGHT, STRATEGIES, Evidence, Fit, Strategy, strategy_named
from indexer.encoders import JOINT, VISUAL
from indexer.errors import UsageError
from indexer.search.ranking import Query, merged

DIM = 6
PICTURED = [name for name in STRATEGIES if name != "text-only"]
ANY_FLOAT = st.floats(width=32, allow_nan=True, allow_infinity=True)
VECTOR = arrays(np.float32, DIM, elements=ANY_FLOAT) | st.sampled_from(
    [np.zeros(DIM, np.float32), *np.eye(DIM, dtype=np.float32), *-np.eye(DIM, dtype=np.float32)]
)
SENSIBLE = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=DIM).astype(np.float32))


@st.composite
def evidences(draw: st.DrawFn, vector: st.SearchStrategy[np.ndarray] = VECTOR) -> Evidence:
    many = st.lists(vector, max_size=4)
    return Evidence(
        turn=draw(st.integers(0, 12)),
        texts=draw(many),
        pictures=draw(many),
        picture_space=draw(st.sampled_from([JOINT, VISUAL])),
        rejects=draw(many),
        liked=draw(many),
        unliked=draw(many),
        dim=DIM,
    )


def axis(number: int) -> np.ndarray:
    return np.eye(DIM, dtype=np.float32)[number]


def weights(query: Query) -> list[tuple[str, float]]:
    return [(term.space, round(term.weight, 4)) for term in query.terms]


def order(query: Query, photos: int = 40) -> list[int]:
    """How the query ranks photos that are the same in both spaces."""
    matrix = np.random.default_rng(7).normal(size=(photos, DIM))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    total = np.zeros(photos)
    for term in merged(query):
        cosines = matrix @ term.vector.astype(np.float64)
        if query.combine == "z":
            cosines = (cosines - cosines.mean()) / max(cosines.std(), 1e-9)
        if query.combine == "rrf":
            cosines = 1 / (60 + 1 + np.argsort(np.argsort(-cosines)))
        total += term.weight * cosines
    return list(np.argsort(-np.round(total, 6), kind="stable"))


@pytest.mark.parametrize("name", STRATEGIES)
@given(evidence=evidences())
@settings(max_examples=60, deadline=None)
def test_every_vector_is_of_unit_length_or_asks_for_nothing(name: str, evidence: Evidence) -> None:
    query = STRATEGIES[name](evidence)
    for term in (*query.terms, *merged(query)):
        length = float(np.linalg.norm(term.vector.astype(np.float64)))
        assert np.isfinite(term.vector).all() and np.isfinite(term.weight)
        assert length == pytest.approx(1, abs=1e-4) or length == 0


@pytest.mark.parametrize("name", PICTURED)
@given(evidence=evidences(SENSIBLE))
@settings(max_examples=40, deadline=None)
def test_pictures_of_weight_0_rank_as_text_alone_does(name: str, evidence: Evidence) -> None:
    assert order(STRATEGIES[name](evidence, 0.0)) == order(STRATEGIES["text-only"](evidence))


@pytest.mark.parametrize("name", STRATEGIES)
@given(evidence=evidences(SENSIBLE), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_pictures_does_not_matter(name: str, evidence: Evidence, seed: int) -> None:
    shuffled = [evidence.pictures[at] for at in np.random.default_rng(seed).permutation(len(evidence.pictures))]
    other = Evidence(**{**vars(evidence), "pictures": shuffled})
    first, second = STRATEGIES[name](evidence), STRATEGIES[name](other)
    assert weights(first) == weights(second)
    for one, two in zip(first.terms, second.terms, strict=True):
        np.testing.assert_array_equal(one.vector, two.vector)


@pytest.mark.parametrize(
    ("name", "turn", "text", "picture"),
    [
        ("paper", 0, 0.7, 0.3),
        ("paper", 1, 0.7, 0.3),
        ("paper", 2, 0.5, 0.5),
        ("released", 1, 0.8, 0.2),
        ("released", 2, 0.5, 0.5),
        ("constant", 9, 0.8, 0.2),
        ("z-score", 0, 1.0, 0.3),
        ("rrf", 0, 1.0, 1.0),
    ],
)
def test_the_published_weights(name: str, turn: int, text: float, picture: float) -> None:
    query = STRATEGIES[name](Evidence(turn, [axis(0)], pictures=[axis(1)], picture_space=VISUAL))
    assert weights(query) == [(JOINT, text), (VISUAL, picture)]


def test_many_pictures_do_not_outweigh_the_text() -> None:
    """The paper's sum over K unit vectors would; each is made unit, then the mean, then it is weighed."""
    query = STRATEGIES["paper"](Evidence(0, [axis(0)], pictures=[axis(1)] * 8))
    np.testing.assert_allclose(merged(query)[0].vector[:2], np.array([0.7, 0.3]) / np.hypot(0.7, 0.3), atol=1e-6)


def test_a_long_picture_weighs_no_more_than_a_short_one() -> None:
    query = STRATEGIES["constant"](Evidence(0, [axis(0)], pictures=[1000 * axis(1), axis(2)]))
    np.testing.assert_allclose(query.terms[1].vector[1:3], [np.sqrt(0.5)] * 2, atol=1e-6)


def test_orthogonal_keeps_only_what_the_picture_adds() -> None:
    same = STRATEGIES["orthogonal"](Evidence(0, [axis(0)], pictures=[axis(0)]))
    np.testing.assert_allclose(same.terms[0].vector, axis(0), atol=1e-6)
    picture = (axis(0) + axis(1)) / np.sqrt(2)
    other = STRATEGIES["orthogonal"](Evidence(0, [axis(0)], pictures=[picture])).terms[0].vector
    expected = axis(0) + 0.15 * (picture - np.sqrt(0.5) * axis(0))
    np.testing.assert_allclose(other, expected / np.linalg.norm(expected), atol=1e-6)


def test_orthogonal_in_another_space_adds_the_whole_picture() -> None:
    query = STRATEGIES["orthogonal"](Evidence(0, [axis(0)], pictures=[axis(0)], picture_space=VISUAL))
    assert weights(query) == [(JOINT, 1.0), (VISUAL, 0.7)]


@pytest.mark.parametrize(
    ("fit", "weight"),
    [
        (Fit(2.0, True), 0.3),
        (Fit(0.5, True), 0.15),
        (Fit(2.0, False), 0.15),
        (Fit(-1.0, True), None),
        (Fit(float("nan"), True), None),
    ],
)
def test_adaptive_trusts_a_picture_as_far_as_it_fits(fit: Fit, weight: float | None) -> None:
    query = STRATEGIES["adaptive"](Evidence(0, [axis(0)], pictures=[axis(1)], picture_space=VISUAL, fits=[fit]))
    pictures = [round(term.weight, 4) for term in query.terms if term.space == VISUAL]
    assert pictures == ([] if weight is None else [weight])


def test_adaptive_leaves_out_the_one_picture_that_disagrees() -> None:
    fits = [Fit(2.0, True), Fit(-2.0, True)]
    query = STRATEGIES["adaptive"](Evidence(0, [axis(0)], pictures=[axis(1), axis(2)], fits=fits))
    np.testing.assert_allclose(query.terms[1].vector, axis(1), atol=1e-6)


@pytest.mark.parametrize("name", STRATEGIES)
def test_feedback_pulls_and_pushes(name: str) -> None:
    evidence = Evidence(0, [axis(0)], pictures=[axis(5)], liked=[axis(1)], unliked=[axis(2)], rejects=[axis(3)])
    found = {int(np.argmax(term.vector)): term.weight for term in STRATEGIES[name](evidence).terms}
    assert found[1] == 0.75 and found[2] == -0.15 and found[3] == -REJECT_WEIGHT


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_evidence_there_is_still_a_query(name: str) -> None:
    for evidence in (Evidence(0, dim=DIM), Evidence(0, [np.zeros(DIM, np.float32)], dim=DIM)):
        (term,) = STRATEGIES[name](evidence).terms
        assert not term.vector.any() and len(term.vector) == DIM


def test_opposite_texts_ask_for_nothing_rather_than_for_noise() -> None:
    query = STRATEGIES["text-only"](Evidence(0, [axis(0), -axis(0)]))
    assert not query.terms[0].vector.any()


def test_statements_weigh_as_their_weights_say() -> None:
    (term,) = STRATEGIES["text-only"](Evidence(0, [axis(0), axis(1)], weights=[0.75, 0.25])).terms
    assert term.vector[0] == pytest.approx(3 * term.vector[1])


def test_rejects_alone_ask_for_what_shows_none_of_them() -> None:
    query = STRATEGIES["orthogonal"](Evidence(0, rejects=[axis(0)], kinds=[axis(1)]))
    assert query.combine == "least" and weights(query) == [(JOINT, -1.0), (JOINT, -1.0)]
    with_a_want = STRATEGIES["orthogonal"](Evidence(0, [axis(2)], rejects=[axis(0)]))
    assert with_a_want.combine == "cosine" and weights(with_a_want) == [(JOINT, 1.0), (JOINT, -REJECT_WEIGHT)]


def test_liked_photos_alone_are_compared_by_cosine() -> None:
    query = STRATEGIES["orthogonal"](Evidence(0, liked=[axis(0), axis(1)]))
    assert query.combine == "cosine" and query.by_example and len(query.terms) == 1


def test_an_unknown_strategy_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        strategy_named("magic")
    assert "magic" in caught.value.message and "z-score" in caught.value.hint


def test_every_strategy_documents_its_formula() -> None:
    for strategy in STRATEGIES.values():
        documented: Strategy = strategy
        assert "=" in (documented.__doc__ or "") or "gate" in (documented.__doc__ or "")


class Shelf:
    """A library of vectors: as much of `Library` as a search by text takes."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def sample(self, count: int) -> list[int]:
        return list(range(min(count, len(self.rows))))

    def vectors(self, ids: Sequence[int]) -> np.ndarray:
        return self.rows[list(ids)]

    def search(self, query: Query, k: int, *, fold: bool) -> list[SimpleNamespace]:
        (term,) = merged(query)
        return [SimpleNamespace(image_id=int(at)) for at in np.argsort(-(self.rows @ term.vector), kind="stable")[:k]]


def streets(empty: int, crowded: int) -> Shelf:
    """Photos of streets (axis 0), of crowds (axis 1) in them, which are more clearly streets, and of other things."""
    other = [axis(2) + 0.01 * axis(at % DIM) for at in range(200)]
    crowds = [axis(0) + 0.8 * axis(1) + 0.001 * at * axis(3) for at in range(crowded)]
    lonely = [0.5 * axis(0) + axis(4) + 0.001 * at * axis(3) for at in range(empty)]
    return Shelf(np.array(crowds + lonely + other))


def shown(shelf: Shelf, known: Evidence) -> np.ndarray:
    query = strategy_named("text-only")(known)
    return shelf.vectors([hit.image_id for hit in shelf.search(query, 12, fold=False)]) @ axis(1)


def test_what_comes_with_the_want_is_rejected_more_firmly() -> None:
    known = Evidence(0, [axis(0)], rejects=[axis(1)], dim=DIM)
    crowded = streets(20, 60)
    assert (shown(crowded, known) > 0.1).all()
    firm = firmly(known, QueryEncoder(None), crowded)  # type: ignore[arg-type]
    assert firm.reject_weight in FIRMER[1:] and not (shown(crowded, firm) > 0.1).any()
    # Where the first page is free of it already, nothing changes; nor where nothing was said but in answer.
    free = streets(60, 0)
    assert firmly(known, QueryEncoder(None), free).reject_weight == REJECT_WEIGHT  # type: ignore[arg-type]
    denied = replace(known, reject_weight=0.05)
    assert firmly(denied, QueryEncoder(None), crowded) is denied  # type: ignore[arg-type]
    alone = replace(known, texts=())
    assert firmly(alone, QueryEncoder(None), crowded) is alone  # type: ignore[arg-type]


def test_an_answer_that_is_only_tried_weighs_as_the_turn_does() -> None:
    reader = QueryEncoder(None)  # type: ignore[arg-type]
    known = Evidence(3, [axis(0)], rejects=[axis(1)], dim=DIM)
    first = firmly(known, reader, streets(20, 60)).reject_weight  # type: ignore[arg-type]
    tried = replace(known, texts=[axis(0), axis(5)], rejects=[axis(1), axis(4)])
    assert firmly(tried, reader, streets(60, 0)).reject_weight == first > REJECT_WEIGHT  # type: ignore[arg-type]
