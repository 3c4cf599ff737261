"""The hub coordinate: what it does to a dot product, and to a photo that stands near everything."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from indexer.encoders.bundled.towers import NEAREST, SPREAD, HubCoordinate

DIM = 64
HALF = torch.tensor([[0.5]])


def _units(count: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.fixture
def fitted() -> HubCoordinate:
    hubs = HubCoordinate(200, DIM)
    hubs.fit(_units(200, 0), _units(300, 1))
    return hubs


def test_a_dot_product_is_the_similarity_less_the_photos_popularity(fitted: HubCoordinate) -> None:
    photos, query, strength = _units(50, 2), _units(1, 3), 0.5
    largest = (photos @ fitted.bank.T).sort(dim=1, descending=True).values[:, :NEAREST].mean(1)

    scores = (fitted.of_photos(photos) @ fitted.of_queries(query, torch.tensor([[strength]])).T)[:, 0]

    photo_length = (1 + (SPREAD * (largest - fitted.centre)) ** 2).sqrt()
    query_length = (1 + (strength / SPREAD) ** 2) ** 0.5
    expected = ((photos @ query.T)[:, 0] - strength * (largest - fitted.centre)) / photo_length / query_length
    torch.testing.assert_close(scores, expected)


def test_vectors_stay_unit_and_gain_one_coordinate(fitted: HubCoordinate) -> None:
    for vectors in (fitted.of_photos(_units(5, 4)), fitted.of_queries(_units(5, 5), HALF.expand(5, 1))):
        assert vectors.shape == (5, DIM + 1)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))


def test_a_hub_no_longer_stands_before_the_photo_that_was_meant() -> None:
    """Queries share a direction, as captions do. A photo along it is nearer to a query than the query's own photo,
    whose picture says things the query does not."""
    common = torch.eye(DIM)[0]
    queries = F.normalize(common + _units(300, 6), dim=1)
    library = torch.cat([F.normalize(queries + 1.2 * _units(300, 7), dim=1), common[None]])
    hubs = HubCoordinate(200, DIM)
    hubs.fit(queries[:200], library)

    def beaten_by_the_hub(scores: Tensor) -> int:
        return int((scores[:, -1] > scores[:, :-1].diagonal()).sum())

    before = beaten_by_the_hub(queries[200:] @ library[200:].T)
    after = beaten_by_the_hub(hubs.of_queries(queries[200:], HALF.expand(100, 1)) @ hubs.of_photos(library[200:]).T)

    assert before > 50
    assert after < before / 2


def test_without_a_bank_the_order_stays(fitted: HubCoordinate) -> None:
    untrained, photos, query = HubCoordinate(0, DIM), _units(50, 8), _units(1, 9)

    scores = (untrained.of_photos(photos) @ untrained.of_queries(query, HALF).T)[:, 0]

    assert scores.argsort().tolist() == (photos @ query.T)[:, 0].argsort().tolist()
