"""What every vector store promises, and what only the one on a server has to withstand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import DarError, LibraryDamaged, UsageError
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.store.catalog import Space
from indexer.store.file_store import FileRows, FileStore
from indexer.store.qdrant_store import QdrantStore
from indexer.store.vectors import VectorStore, chunks, spread_of
from tests.indexer.colours import Workplace, unit, vector_of

# A server heeds the width it is asked to search with; the one in this process looks at everything.
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")
DIM, ROWS = 24, 1200
SPACE = Space(1, "joint", DIM, 0)


@pytest.fixture
def store(vectors: str, tmp_path: Path) -> Iterator[VectorStore]:
    files = FileStore(tmp_path, index_above=500, sketch_above=500)
    made = QdrantStore(vectors.removeprefix("qdrant:"), "a", tmp_path) if vectors else files
    with closing(made):
        yield made


def numbers(rows: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(rows, DIM)) + 0.5)


def put(store: VectorStore, rows: np.ndarray, behind: int = 0) -> None:
    with closing(store.append_to(SPACE, behind)) as appender:
        appender.append(rows)
        appender.sync()


def test_rows_come_back_as_they_were_and_in_the_order_asked_for(store: VectorStore) -> None:
    put(store, numbers(ROWS))
    opened = store.open(SPACE, ROWS)
    asked = np.array([7, 1199, 0, 7])
    assert np.array_equal(opened.take(asked), numbers(ROWS)[asked])
    assert np.array_equal(np.vstack(list(chunks(opened, np.arange(ROWS)))), numbers(ROWS))


def test_rows_by_the_thousand_are_read_and_not_brought_in_with_all_around_them(tmp_path: Path) -> None:
    files, many = FileStore(tmp_path, index_above=10**9), 4 * ROWS
    put(files, numbers(2 * many))
    vectors = tmp_path / "vectors-1-joint-0.f32"
    asked = np.random.default_rng(1).permutation(2 * many)[:many]
    mapping = np.full((2 * many, DIM), 7, np.float32)
    # The descriptor is the rows' from now on, to be closed with them.
    rows = FileRows(mapping, os.open(vectors, os.O_RDONLY), None, None)
    assert np.array_equal(rows.take(asked), numbers(2 * many)[asked])
    os.truncate(vectors, many * DIM * 4)
    with pytest.raises(LibraryDamaged):
        rows.take(asked)


def test_what_lies_behind_the_committed_rows_is_replaced(store: VectorStore) -> None:
    put(store, numbers(100))
    put(store, numbers(50, seed=1), behind=60)
    assert store.whole_rows(SPACE) == 110
    opened = store.open(SPACE, 110)
    assert np.array_equal(opened.take(np.arange(60)), numbers(100)[:60])
    assert np.array_equal(opened.take(np.arange(60, 110)), numbers(50, seed=1))
    # A run that was killed before its commit: the rows are there, and do not count.
    put(store, numbers(30, seed=2), behind=110)
    assert len(store.open(SPACE, 110).scan(numbers(1)[0]).products) == 110
    store.derive(SPACE, 110, np.arange(110), 1, 50)
    opened = store.open(SPACE, 110)
    assert not opened.indexed or (opened.nearest(numbers(30, seed=2)[3], 40).rows < 110).all()


def test_fewer_rows_than_were_committed_are_damage_and_a_missing_space_is_missing(store: VectorStore) -> None:
    assert store.whole_rows(SPACE) == 0
    assert store.open(SPACE, 0).rows == 0
    with pytest.raises(FileNotFoundError):
        store.open(SPACE, 5)
    assert "missing" in next(store.problems(SPACE, 5, deep=False))
    put(store, numbers(4))
    with pytest.raises(LibraryDamaged):
        store.open(SPACE, 5)
    assert len(list(store.problems(SPACE, 5, deep=False))) == 1
    store.drop(SPACE)
    assert store.whole_rows(SPACE) == 0


def test_after_deriving_the_nearest_and_the_spread_are_known(store: VectorStore) -> None:
    put(store, numbers(ROWS))
    assert store.open(SPACE, ROWS).indexed == 0
    assert store.derive(SPACE, ROWS, np.arange(ROWS), 1, 500)
    assert not store.derive(SPACE, ROWS, np.arange(ROWS), 1, 500)
    opened = store.open(SPACE, ROWS)
    assert opened.indexed == ROWS
    found = 0
    for query in numbers(30, seed=9):
        products = numbers(ROWS) @ query
        nearest = opened.nearest(query, 40)
        found += len(set(np.argsort(-products)[:10].tolist()) & set(nearest.rows.tolist()))
        if nearest.products is not None:
            assert nearest.products == pytest.approx(products[nearest.rows], abs=1e-6)
        assert opened.spread(query).mean == pytest.approx(spread_of(products).mean, abs=1e-5)
        assert opened.spread(query).deviation == pytest.approx(spread_of(products).deviation, rel=1e-3)
        scan = opened.scan(query)
        assert np.abs(scan.products - products).max() < (1e-5 if scan.exact_from == 0 else 0.01)
    assert found >= 0.99 * 300
    assert list(store.problems(SPACE, ROWS, deep=True)) == []


# A library from photos to search, with its vectors on a server


def test_photos_are_indexed_found_and_removed_with_vectors_on_a_server(place: Workplace, qdrant: str) -> None:
    paths = place.draw(12)
    summary = place.index(vectors=qdrant)
    assert summary.added == 12
    assert list(place.library_path.glob("vectors-*")) == []
    with place.open() as library:
        for path in paths:
            assert library.search(Query((Term(vector_of(path)),)), 1)[0].path == path
        assert library.verify(deep=True) == []
    vector = vector_of(paths[3])
    paths[3].unlink()
    # Nobody has to say again where the vectors are.
    assert place.index().removed == 1
    with place.open() as library:
        left = [hit.path for hit in library.search(Query((Term(vector),)), 12, fold=False)]
    assert sorted(left) == [path for path in paths if path != paths[3]]


def test_vectors_lost_on_the_server_are_an_error_and_are_encoded_again(place: Workplace, qdrant: str) -> None:
    from indexer.store import qdrant_store

    paths = place.draw(6)
    place.index(vectors=qdrant)
    client = qdrant_store.connect("")
    for collection in client.get_collections().collections:
        client.delete_collection(collection.name)
    with place.open() as library:
        assert any("missing on" in problem for problem in library.verify())
        with pytest.raises(LibraryDamaged, match="missing"):
            library.search(Query((Term(vector_of(paths[0])),)))
    assert place.index().encoded == 6
    with place.open() as library:
        assert library.verify(deep=True) == []


def test_a_library_stays_where_its_vectors_are(place: Workplace, qdrant: str, tmp_path: Path) -> None:
    place.draw(3)
    place.index()
    with pytest.raises(UsageError, match="files in its folder"):
        place.index(vectors=qdrant)
    for wrong in ("qdrant:", "redis:x"):
        with pytest.raises(UsageError, match="no vector store"):
            Library.create(tmp_path / "other", vectors=wrong)


def test_a_server_that_is_away_is_named_with_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client")
    # Port 9 of this machine: nothing answers there.
    store = QdrantStore("http://127.0.0.1:9", "a", tmp_path)
    with pytest.raises(DarError, match=r"127\.0\.0\.1:9") as raised:
        store.whole_rows(SPACE)
    assert "server runs" in raised.value.hint


def test_without_the_client_the_hint_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(DarError) as raised:
        QdrantStore("http://127.0.0.1:9", "a", tmp_path).whole_rows(SPACE)
    assert "pip install" in raised.value.hint


def test_two_libraries_on_one_server_do_not_meet(tmp_path: Path, qdrant: str) -> None:
    first, second = (QdrantStore("http://x", name, tmp_path / name) for name in ("a", "b"))
    put(first, numbers(5))
    assert second.whole_rows(SPACE) == 0
