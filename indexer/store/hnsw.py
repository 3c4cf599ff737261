"""The HNSW graph: fast candidates out of a large vector file, and the file's mean and covariance.

Derived from vectors, never the truth: a graph that is missing, older or damaged only makes a search exact and slower.
Candidates are the caller's to filter and to score exactly. hnswlib loads with the first graph.
"""

from __future__ import annotations

import errno
import io
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.files import FILE_MODE, sync_file, write_atomically
from indexer.store.schema import seal_of
from indexer.store.vectors import CHUNK_ROWS, Nearest, Spread, Vectors, moments_of, spread_from

# Text vectors lie off the cloud of photos, where graphs lose their way first: many links and a wide search. Of a
# million, searches this wide found 0.993 of the ten nearest to 2,000 texts, and of those to 500 pictures and to 500 of
# both 1.000 and 0.996 (docs/performance.md). Among more the width grows with them: a caution, not measured.
_LINKS = 32
_BUILD_WIDTH = 200
_SEARCH_WIDTH = 650
_MEASURED_ROWS = 1_000_000
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class _GraphSideCar:
    """What must hold of the graph and its moments: the rows they cover, the CRC-32 of the numbers of those live among
    them, and their own CRC-32."""

    rows: int
    live: int
    dim: int
    graph: int
    moments: int


class Graph:
    """A graph over the first `rows` rows of a vector file, dead ones included."""

    def __init__(self, index: Any, rows: int, moments: Vectors) -> None:
        self.rows = rows
        self._index = index
        self._moments = moments

    def nearest(self, vector: Vectors, count: int) -> Nearest:
        """About the `count` rows with the highest dot product."""
        count = min(count, self.rows)
        width = _SEARCH_WIDTH * max(self.rows, _MEASURED_ROWS) // _MEASURED_ROWS
        self._index.set_ef(max(width, 2 * count))
        labels, distances = self._index.knn_query(vector[np.newaxis], k=count, num_threads=1)
        # hnswlib keeps the vectors as they are and calls 1 less the product a distance.
        return Nearest(labels[0].astype(np.int64), 1 - distances[0])

    def spread(self, vector: Vectors) -> Spread:
        """The exact spread of this query's dot products over the rows that were live when the graph was written."""
        return spread_from(self._moments, vector)


def graph_file(folder: Path, encoder: int, space: str, generation: int) -> Path:
    """Where the graph over an encoder's vectors of one space lies; its side-car and moments lie beside it."""
    return folder / f"graph-{encoder}-{space}-{generation}.hnsw"


def graph_files(path: Path) -> tuple[Path, Path, Path]:
    """The graph file, its side-car and its moments."""
    return path, path.with_suffix(".json"), path.with_suffix(".npy")


def load_graph(path: Path, dim: int) -> Graph | None:
    """The graph at `path`, or None where it is missing, damaged or half replaced."""
    graph, _, moments_file = graph_files(path)
    side_car = _read_side_car(path)
    # Checked before hnswlib sees it: that trusts the file and may crash the process on a damaged one.
    if side_car is None or side_car.dim != dim or not _is_whole(path, side_car):
        return None
    moments = np.load(moments_file, allow_pickle=False)
    index = _new_index(dim)
    try:
        index.load_index(str(graph))
    except RuntimeError:  # cut short before its checksum was taken
        return None
    return Graph(index, side_car.rows, moments)


def graph_problem(path: Path, dim: int) -> str:
    """What is wrong with the graph at `path`; "" if nothing is, or there is none."""
    if not any(part.exists() for part in graph_files(path)) or load_graph(path, dim) is not None:
        return ""
    return f"{path.name} is damaged"


def write_graph(path: Path, matrix: Vectors, live: NDArray[np.int64], threads: int) -> bool:
    """Makes the graph at `path` cover all rows of `matrix`, extending what is there; returns whether it had to change.

    `live` are the rows whose mean and covariance are kept with it.
    """
    rows, dim = matrix.shape
    side_car = _read_side_car(path)
    if side_car is not None and (side_car.rows > rows or not _is_whole(path, side_car)):
        side_car = None
    live_checksum = zlib.crc32(live.astype("<i8").tobytes())
    if side_car is not None and (side_car.rows, side_car.live) == (rows, live_checksum):
        return False
    covered = side_car.rows if side_car is not None else 0
    if covered < rows:
        index = _loaded(path, dim, rows) if covered else None
        if index is None:
            covered, index = 0, _new_index(dim)
            index.init_index(max_elements=rows, ef_construction=_BUILD_WIDTH, M=_LINKS, random_seed=0)
        for start in range(covered, rows, CHUNK_ROWS):
            end = min(start + CHUNK_ROWS, rows)
            index.add_items(np.asarray(matrix[start:end]), np.arange(start, end), num_threads=threads)
        _save_graph(path, index)
    _save_side_car(path, rows, live_checksum, moments_of(_chunks(matrix, live), dim))
    return True


def drop_graph(path: Path) -> None:
    """Removes the graph if it is there."""
    for file in graph_files(path):
        file.unlink(missing_ok=True)


def _new_index(dim: int) -> Any:
    import hnswlib  # type: ignore[import-not-found, import-untyped, unused-ignore]

    return hnswlib.Index(space="ip", dim=dim)


def _loaded(path: Path, dim: int, rows: int) -> Any:
    """The graph with room for so many rows; None if it cannot be read."""
    index = _new_index(dim)
    try:
        index.load_index(str(path), max_elements=rows)
    except RuntimeError:
        return None
    return index


def _save_graph(path: Path, index: Any) -> None:
    graph, side_car, _ = graph_files(path)
    temporary = graph.with_suffix(".hnsw.tmp")
    try:
        index.save_index(str(temporary))
        # hnswlib says nothing of a write that failed.
        if temporary.stat().st_size != index.index_file_size():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        temporary.chmod(FILE_MODE)
        sync_file(temporary)
        # The side-car goes first and comes back last: in between there is no graph, rather than a wrong one.
        side_car.unlink(missing_ok=True)
        temporary.replace(graph)
    finally:
        temporary.unlink(missing_ok=True)


def _save_side_car(path: Path, rows: int, live: int, moments: Vectors) -> None:
    graph, side_car, moments_file = graph_files(path)
    side_car.unlink(missing_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, moments)
    write_atomically(moments_file, buffer.getvalue())
    content = asdict(_GraphSideCar(rows, live, moments.shape[1], _checksum(graph), _checksum(moments_file)))
    write_atomically(side_car, json.dumps({**content, "own": seal_of(*content.values())}).encode())


def _read_side_car(path: Path) -> _GraphSideCar | None:
    graph, side_car, _ = graph_files(path)
    try:
        saved = json.loads(side_car.read_text())
        content = {field.name: int(saved[field.name]) for field in fields(_GraphSideCar)}
        return _GraphSideCar(**content) if graph.exists() and saved["own"] == seal_of(*content.values()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_whole(path: Path, side_car: _GraphSideCar) -> bool:
    graph, _, moments_file = graph_files(path)
    try:
        return (_checksum(graph), _checksum(moments_file)) == (side_car.graph, side_car.moments)
    except FileNotFoundError:
        return False


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            checksum = zlib.crc32(piece, checksum)
    return checksum


def _chunks(matrix: Vectors, rows: NDArray[np.int64]) -> Iterator[Vectors]:
    """The given rows of `matrix`, in order, a bounded number at a time."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield np.asarray(matrix[rows[start : start + CHUNK_ROWS]])
