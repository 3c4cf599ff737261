"""The sketch chooses the photos that the exact product would choose, and is never trusted when it should not be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.search.ranking import Query, Term
from indexer.search.searching import Snapshot, search
from indexer.store.catalog import EncoderRecord, ImageTraits, Space
from indexer.store.file_store import (
    FileStore,
    VectorAppender,
    load_sketch,
    sketch_files,
    sketch_problem,
    vector_file,
    write_sketch,
)
from tests.indexer.colours import unit

ROWS, DIM = 3000, 48
SPACE = Space(1, "joint", DIM, 0)


def photos(rows: int = ROWS) -> np.ndarray:
    numbers = np.random.default_rng(0)
    centres = numbers.normal(size=(60, DIM))
    return unit(centres[numbers.integers(0, 60, ROWS)] + 0.5 * numbers.normal(size=(ROWS, DIM)) + 1.0)[:rows]


def queries(count: int) -> np.ndarray:
    return unit(np.random.default_rng(5).normal(size=(count, DIM)) - 0.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sketch-1-joint-0.i8"


def test_products_are_good_to_a_thousandth(path: Path) -> None:
    assert write_sketch(path, photos())
    sketch = load_sketch(path, DIM)
    assert sketch is not None
    for query in queries(20):
        errors = sketch.products(query) - photos() @ query
        assert np.abs(errors).max() < 0.01
        assert errors.std() < 0.002
        # The mean of all products is what a match is compared with.
        assert abs(errors.mean()) < 0.0005


def test_extending_adds_what_is_new_and_cuts_what_a_killed_run_left(path: Path) -> None:
    write_sketch(path, photos(1000))
    with path.open("ab") as file:
        file.write(b"\x7f" * 77)
    assert write_sketch(path, photos(1500))
    assert not write_sketch(path, photos(1500))
    sketch = load_sketch(path, DIM)
    assert sketch is not None
    assert sketch.rows == 1500
    query = queries(1)[0]
    assert sketch.products(query)[1400] == pytest.approx(float(photos()[1400] @ query), abs=0.01)
    assert sketch_problem(path, photos(1500), deep=True) == ""


def test_numbers_larger_than_the_first_ones_are_cut_off_not_wrapped(path: Path) -> None:
    small, large = photos(500) * 0.1, photos(501)[500:]
    write_sketch(path, small)
    write_sketch(path, np.vstack([small, large]))
    sketch = load_sketch(path, DIM)
    assert sketch is not None
    assert int(np.argmax(sketch.products(large[0]))) == 500


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_sketch_is_found_and_made_again(path: Path, which: int, damage: str) -> None:
    write_sketch(path, photos(300))
    file = sketch_files(path)[which]
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.write_bytes(content[:30] + bytes([content[30] ^ 4]) + content[31:])
    assert "damaged" in sketch_problem(path, photos(300), deep=True)
    # One number changed among many is looked for only where all are read; everything else is noticed at once.
    if (which, damage) != (0, "changed"):
        assert load_sketch(path, DIM) is None
        assert write_sketch(path, photos(300))
        assert sketch_problem(path, photos(300), deep=True) == ""


def snapshot(folder: Path, sketch_above: int, live: np.ndarray) -> Snapshot:
    store = FileStore(folder, index_above=10**9, sketch_above=sketch_above)
    store.derive(SPACE, 2900, live, 1, 10**9)
    record = EncoderRecord(1, "made-up", "made-up-1", DIM, 0, True, 0, ROWS, 1)
    peaks = np.zeros(0, np.float32)
    return Snapshot(1, record, live + 1, live, peaks, peaks, {"joint": store.open(SPACE, ROWS)})


@pytest.mark.parametrize("combine", ["cosine", "z", "rrf"])
@pytest.mark.parametrize("filtered", [False, True])
def test_a_search_over_the_sketch_gives_the_exact_photos_and_scores(
    tmp_path: Path, combine: str, filtered: bool
) -> None:
    with VectorAppender(vector_file(tmp_path, 1, "joint", 0), 0, DIM) as appender:
        appender.append(photos())
    live = np.delete(np.arange(ROWS), [3, 500, 1234])
    allowed = np.arange(len(live)) % 3 != 0 if filtered else None
    exact, quick = snapshot(tmp_path, 10**9, live), snapshot(tmp_path, 100, live)
    # Means, deviations and the ranks of photos further down are the sketch's.
    tolerance = {"cosine": 1e-5, "z": 2e-3, "rrf": 2e-4}
    same = 0
    for first, second in zip(queries(20), queries(40)[20:], strict=True):
        query = Query((Term(first), Term(second, weight=0.4), Term(second[::-1].copy(), weight=-0.3)), combine)
        slow, fast = (search(each, query, allowed, 10, pictures=None, index_above=10**9) for each in (exact, quick))
        same += len({group[0].image_id for group in slow} & {group[0].image_id for group in fast})
        assert fast[0][0].score == pytest.approx(slow[0][0].score, abs=tolerance[combine])
    assert same >= 0.99 * 200


def test_a_burst_longer_than_what_is_looked_at_leaves_the_page_full(tmp_path: Path) -> None:
    matrix = photos()
    # 1,500 nearly equal photos match best.
    matrix[:1500] = unit(matrix[7] + 0.001 * np.random.default_rng(1).normal(size=(1500, DIM)))
    with VectorAppender(vector_file(tmp_path, 1, "joint", 0), 0, DIM) as appender:
        appender.append(matrix)
    found = search(
        snapshot(tmp_path, 100, np.arange(ROWS)),
        Query((Term(matrix[7]),)),
        None,
        5,
        pictures=lambda ids: dict.fromkeys(ids, ImageTraits(0, None, "", 4, 3)),
        index_above=10**9,
    )
    assert len(found) == 5
    assert len(found[0]) >= 1500
