"""The graph finds what the exact product finds, and is never trusted when it should not be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.store.hnsw import graph_files, graph_problem, load_graph, write_graph
from indexer.store.vectors import spread_of
from tests.indexer.colours import unit

ROWS, DIM = 3000, 32


def photos(rows: int = ROWS) -> np.ndarray:
    """Clustered, in a narrow cone, as photo embeddings are."""
    numbers = np.random.default_rng(0)
    centres = numbers.normal(size=(60, DIM))
    return unit(centres[numbers.integers(0, 60, ROWS)] + 0.5 * numbers.normal(size=(ROWS, DIM)) + 1.0)[:rows]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph-1-joint-0.hnsw"
    assert write_graph(path, photos(), np.arange(ROWS), threads=1)
    return path


def queries(kind: str) -> np.ndarray:
    numbers = np.random.default_rng(5)
    near = photos()[numbers.integers(0, ROWS, 100)] + 0.1 * numbers.normal(size=(100, DIM))
    text = numbers.normal(size=(100, DIM)) - 1.0
    return unit({"image": near, "text": text, "fused": unit(near) + unit(text)}[kind])


@pytest.mark.parametrize("kind", ["text", "image", "fused"])
def test_recall_at_10_is_at_least_99_percent(written: Path, kind: str) -> None:
    graph = load_graph(written, DIM)
    assert graph is not None
    found = 0
    for query in queries(kind):
        exact = set(np.argsort(-(photos() @ query))[:10].tolist())
        found += len(exact & set(graph.nearest(query, 200).rows.tolist()))
    assert found / 1000 >= 0.99


def test_spreads_equal_those_of_the_whole_product(written: Path) -> None:
    graph = load_graph(written, DIM)
    assert graph is not None
    for query in queries("text")[:10]:
        exact = spread_of(photos() @ query)
        assert graph.spread(query).mean == pytest.approx(exact.mean, abs=1e-5)
        assert graph.spread(query).deviation == pytest.approx(exact.deviation, rel=1e-3)


def test_extending_adds_what_is_new_and_an_unchanged_graph_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "graph-1-joint-0.hnsw"
    write_graph(path, photos(1000), np.arange(1000), threads=1)
    assert not write_graph(path, photos(1000), np.arange(1000), threads=1)
    assert write_graph(path, photos(1500), np.arange(1500), threads=1)
    graph = load_graph(path, DIM)
    assert graph is not None
    assert graph.rows == 1500
    assert 1400 in graph.nearest(photos()[1400], 10).rows


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_graph_is_not_used_and_is_made_again(tmp_path: Path, which: int, damage: str) -> None:
    path = tmp_path / "graph-1-joint-0.hnsw"
    write_graph(path, photos(300), np.arange(300), threads=1)
    file = graph_files(path)[which]
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif which == 0:
        file.write_bytes(content[:500] + bytes([content[500] ^ 255]) + content[501:])
    else:
        file.write_bytes(b"x" + content[1:])
    assert load_graph(path, DIM) is None
    write_graph(path, photos(300), np.arange(300), threads=1)
    assert load_graph(path, DIM) is not None
    assert graph_problem(path, DIM) == ""
