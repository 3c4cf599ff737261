"""A library large enough for a graph: exact scores, younger photos, filters, fusion."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.encoders import VISUAL
from indexer.indexing.writer import Batch
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.search.where import Where
from tests.indexer.colours import unit
from tests.indexer.filled import DIM, fill, names

# A server heeds the width it is asked to search with; the one in this process looks at everything.
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


@pytest.fixture
def large(library: Library) -> tuple[Library, np.ndarray]:
    return library, fill_large(library)


def fill_large(library: Library) -> np.ndarray:
    joint = fill(library, 1500)
    with library.writer() as writer:
        writer.finish(threads=1, graph_threshold=500)
    return joint


def test_above_the_threshold_the_graph_gives_the_exact_scores(large: tuple[Library, np.ndarray]) -> None:
    library, joint = large
    agree = 0
    with Library.open(library.path, graph_threshold=10**9) as exact:
        for query in unit(np.random.default_rng(1).normal(size=(30, DIM))):
            slow = exact.search(Query((Term(query),)), fold=False)
            fast = library.search(Query((Term(query),)), fold=False)
            agree += len({hit.image_id for hit in slow} & {hit.image_id for hit in fast})
            assert all(hit.score == pytest.approx(float(joint[hit.image_id - 1] @ query), abs=1e-5) for hit in fast)
            assert fast[0].strength == slow[0].strength
    assert agree >= 0.99 * 300


def test_photos_younger_than_the_graph_are_found(large: tuple[Library, np.ndarray]) -> None:
    library, _ = large
    young = fill(library, 20, start=5000)
    assert names(library, young[7], k=1) == [5007]


def test_photos_gone_since_the_graph_and_younger_ones_are_told_apart(large: tuple[Library, np.ndarray]) -> None:
    library, old = large
    joint = np.concatenate([old, fill(library, 200, start=1500)])
    gone = set(range(0, 1500, 3))
    with library.writer() as writer:
        writer.commit(Batch(gone=[b"/photos/%06d.jpg" % number for number in gone]))
    agree = 0
    with Library.open(library.path, graph_threshold=10**9) as exact:
        for query in unit(np.random.default_rng(3).normal(size=(20, DIM))):
            hits = library.search(Query((Term(query),)), fold=False)
            found = [int(hit.path.stem) for hit in hits]
            assert gone.isdisjoint(found)
            assert [hit.score for hit in hits] == pytest.approx((joint[found] @ query).tolist(), abs=1e-5)
            agree += len(set(found) & set(names(exact, query)))
    assert agree >= 0.99 * 200


def test_filters_work_above_the_threshold(large: tuple[Library, np.ndarray]) -> None:
    library, joint = large
    query = joint[3]
    for allowed in (frozenset(range(1, 51)), frozenset(range(1, 1200))):
        expected = [image for image in np.argsort(-(joint @ query)) + 1 if image in allowed][:10]
        assert [number + 1 for number in names(library, query, Where(only=allowed))] == expected


def test_fused_queries_agree_with_the_exact_ones_above_the_threshold(large: tuple[Library, np.ndarray]) -> None:
    library, joint = large
    query = Query((Term(joint[3]), Term(library.vectors([9], VISUAL)[0], VISUAL, 0.3)), "z")
    with Library.open(library.path, graph_threshold=10**9) as exact:
        slow, fast = exact.search(query, 5, fold=False), library.search(query, 5, fold=False)
    assert [hit.image_id for hit in fast] == [hit.image_id for hit in slow]
    assert [hit.score for hit in fast] == pytest.approx([hit.score for hit in slow], abs=0.02)


@pytest.mark.parametrize("suffix", [".hnsw", ".json", ".npy"])
def test_without_its_graph_a_large_library_is_searched_exactly(library_in_files: Library, suffix: str) -> None:
    library = library_in_files
    joint = fill_large(library)
    assert len(list(library.path.glob(f"graph-*{suffix}"))) == 2
    for path in library.path.glob(f"graph-*{suffix}"):
        path.write_bytes(path.read_bytes()[:-20])
    assert names(library, joint[11], k=1) == [11]
    with library.writer() as writer:
        writer.finish(threads=1, graph_threshold=500)
    assert library.verify() == []
