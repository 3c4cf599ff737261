"""A disk that refuses each write in turn, by a limit on the size of files; `benchmarks.soak` fills a real one."""

from __future__ import annotations

import json
import resource
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.store.disk import disk_errors_named
from indexer.store.hnsw import graph_problem, load_graph, write_graph
from indexer.store.schema import seal_of
from tests.indexer.colours import Workplace, unit
from tests.indexer.endurance import Operation, Truth, found, indexing, run

PAGE = 4096
PHOTOS = 24


def limited(size: int) -> Operation:
    """No file may grow beyond so many bytes; Python ignores the signal, so that a write says "file too large"."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def removing(place: Workplace) -> None:
    for path in sorted(place.photos.iterdir())[: PHOTOS // 2]:
        path.unlink()


def adding(place: Workplace) -> None:
    place.draw(PHOTOS, start=PHOTOS)


@pytest.mark.parametrize("change", [None, adding, removing], ids=["new", "more", "compacted"])
def test_each_write_that_fails_leaves_a_sound_library(
    place: Workplace, tmp_path: Path, change: Callable[[Workplace], None] | None
) -> None:
    place.draw(PHOTOS)
    base = tmp_path / "base"
    base.mkdir()
    before = Truth.of(place.photos)
    if change is not None:
        assert run(indexing(base, place.photos)).is_done
        change(place)
    truth = Truth.of(place.photos)
    whole = tmp_path / "whole"
    shutil.copytree(base, whole)
    assert run(indexing(whole, place.photos)).is_done
    expected = found(whole, truth)
    largest = max(path.stat().st_size for path in whole.rglob("*"))
    refusals = 0
    for size in (*range(0, 4 * PAGE, PAGE), *range(4 * PAGE, largest + 2 * PAGE, 9 * PAGE), 16 * largest):
        library = tmp_path / "library"
        shutil.copytree(base, library)
        outcome = run(indexing(library, place.photos), limited(size))
        assert not outcome.fault, f"{size} bytes: {outcome.fault}"
        if outcome.refused:
            refusals += 1
            assert "full" in outcome.refused or "I/O error" in outcome.refused
        if any(library.glob("catalog.sqlite3")) and (change is not None or outcome.is_done):
            # Photos that are gone may be found until a run says so.
            may_be_found = truth if outcome.is_done else Truth({**truth.vectors, **before.vectors})
            assert may_be_found.wrongs(library) == [], size
        again = run(indexing(library, place.photos))
        assert again.is_done, f"{size} bytes: {again}"
        assert truth.wrongs(library, graphs=True) == [] and found(library, truth) == expected
        shutil.rmtree(library)
    assert refusals >= 4 and outcome.is_done


@pytest.mark.parametrize("size", [0, PAGE, 4 * PAGE])
def test_a_library_on_a_full_disk_is_searched_all_the_same(place: Workplace, size: int) -> None:
    """SQLite's readers write too: a lock file of 32 kB."""
    place.draw(12)
    assert run(indexing(place.library_path, place.photos)).is_done
    truth = Truth.of(place.photos)

    def search() -> None:
        assert truth.wrongs(place.library_path) == []

    assert run(search, limited(size)).is_done


def test_a_graph_that_did_not_fit_is_told_and_never_searched(tmp_path: Path) -> None:
    """hnswlib says nothing of a write that failed, and throws at a file that is too short."""
    vectors = unit(np.random.default_rng(1).normal(size=(300, 48)))
    path = tmp_path / "graph-1-joint-0.hnsw"

    def write() -> None:
        with disk_errors_named(tmp_path):
            write_graph(path, vectors, np.arange(300), 1)

    for size in (0, PAGE, 16 * PAGE):
        assert "is full" in run(write, limited(size)).refused
        assert load_graph(path, 48) is None and not list(tmp_path.glob("*.tmp"))
    write()
    graph = load_graph(path, 48)
    assert graph is not None and graph.nearest(vectors[7], 1).rows[0] == 7


def test_a_cut_graph_whose_checksum_is_of_the_cut_is_damaged_and_made_again(tmp_path: Path) -> None:
    """What a disk that was full left before dar looked for it."""
    vectors = unit(np.random.default_rng(1).normal(size=(300, 48)))
    path, live = tmp_path / "graph-1-joint-0.hnsw", np.arange(300)
    write_graph(path, vectors[:200], live[:200], 1)
    path.write_bytes(path.read_bytes()[:5000])
    told = json.loads(path.with_suffix(".json").read_text())
    told["graph"] = zlib.crc32(path.read_bytes())
    told["own"] = seal_of(*(told[name] for name in ("rows", "live", "dim", "graph", "moments")))
    path.with_suffix(".json").write_text(json.dumps(told))
    assert load_graph(path, 48) is None and "damaged" in graph_problem(path, 48)
    assert write_graph(path, vectors, live, 1)
    graph = load_graph(path, 48)
    assert graph is not None and graph.nearest(vectors[7], 1).rows[0] == 7
