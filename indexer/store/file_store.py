"""A library's vectors in files beside its catalog: the vector file, and a sketch and a graph derived from it.

Knows which file answers what. Knows nothing of the catalog, and of what the rows are.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from indexer.errors import LibraryDamaged
from indexer.search.strength import Spread
from indexer.store.graph import Graph, drop_graph, graph_file, graph_problem, load_graph, write_graph
from indexer.store.records import Space
from indexer.store.sketch import (
    SKETCH_ABOVE,
    Sketch,
    drop_sketch,
    load_sketch,
    sketch_file,
    sketch_problem,
    write_sketch,
)
from indexer.store.vector_store import Nearest, RowNumbers, Scan
from indexer.store.vectors import VectorAppender, Vectors, map_rows, vector_file, whole_rows

# Up to so many rows are read one by one. Touching them in the mapping would bring in what lies around each as well: of
# 100,000 photos' 200 MB, 140 for the 200 a search looks at, all for the 4,800 a question is made from (which cost 7 ms
# rather than 2). 20,000 take 36 ms and 40 MB.
_READ_SINGLY = 20_000


class FileRows:
    """The rows of one vector file, memory-mapped and open: a later compaction does not take them away."""

    scans_fast = True

    def __init__(self, matrix: Vectors, descriptor: int | None, sketch: Sketch | None, graph: Graph | None) -> None:
        self.rows = len(matrix)
        self._matrix = matrix
        self._descriptor = descriptor
        if descriptor is not None:
            # Whoever still holds a snapshot of the library reads on; the last one to let go closes the file.
            weakref.finalize(self, os.close, descriptor)
        self._sketch = sketch if sketch is not None and sketch.rows <= self.rows else None
        self._graph = graph if graph is not None and graph.rows <= self.rows else None
        self.indexed = self._graph.rows if self._graph is not None else 0

    def take(self, rows: RowNumbers) -> Vectors:
        if self._descriptor is None or not 0 < len(rows) <= _READ_SINGLY or not hasattr(os, "preadv"):
            return np.asarray(self._matrix[rows])
        if 0 <= rows.min() <= rows.max() < self.rows:
            taken = np.empty((len(rows), self._matrix.shape[1]), self._matrix.dtype)
            # Into their places at once: as pieces to be joined they would be there twice.
            places, length = taken.data.cast("B"), taken.strides[0]
            read = [
                os.preadv(self._descriptor, [places[at * length : (at + 1) * length]], row * length)
                for at, row in enumerate(rows.tolist())
            ]
            if min(read) == length:
                return taken
        raise LibraryDamaged("A vector file was cut short while it was read.", "Run `dar library verify`.")

    def scan(self, vector: Vectors) -> Scan:
        if self._sketch is None:
            return Scan(np.asarray(self._matrix @ vector, np.float32))
        young = self._matrix[self._sketch.rows :] @ vector
        return Scan(np.concatenate([self._sketch.products(vector), young]), exact_from=self._sketch.rows)

    def nearest(self, vector: Vectors, count: int) -> Nearest:
        assert self._graph is not None
        return self._graph.nearest(vector, count)

    def spread(self, vector: Vectors) -> Spread:
        assert self._graph is not None
        return self._graph.spread(vector)


class FileStore:
    """The vector files of the library in `folder`. Up to `index_above` rows no graph is loaded."""

    def __init__(self, folder: Path, *, index_above: int, sketch_above: int = SKETCH_ABOVE) -> None:
        self._folder = folder
        self._index_above = index_above
        self._sketch_above = sketch_above
        self._graphs: dict[Path, tuple[int, Graph | None]] = {}

    def open(self, space: Space, rows: int) -> FileRows:
        matrix = map_rows(self._vectors(space), rows, space.dim)
        sketch = load_sketch(self._sketch(space), space.dim) if rows > self._sketch_above else None
        graph = self._loaded_graph(space) if rows > self._index_above else None
        descriptor = os.open(self._vectors(space), os.O_RDONLY | getattr(os, "O_BINARY", 0)) if rows else None
        return FileRows(matrix, descriptor, sketch, graph)

    def append_to(self, space: Space, rows: int) -> VectorAppender:
        return VectorAppender(self._vectors(space), rows, space.dim)

    def whole_rows(self, space: Space) -> int:
        return whole_rows(self._vectors(space), space.dim)

    def derive(self, space: Space, rows: int, live: RowNumbers, threads: int, index_above: int) -> bool:
        matrix = map_rows(self._vectors(space), rows, space.dim)
        changed = rows > self._sketch_above and write_sketch(self._sketch(space), matrix)
        if len(live) > index_above:
            changed |= write_graph(self._graph(space), matrix, live, threads)
        return changed

    def drop_derived(self, space: Space) -> None:
        drop_graph(self._graph(space))
        drop_sketch(self._sketch(space))

    def drop(self, space: Space) -> None:
        self._vectors(space).unlink(missing_ok=True)
        self.drop_derived(space)

    def problems(self, space: Space, rows: int, *, deep: bool) -> Iterator[str]:
        path = self._vectors(space)
        try:
            matrix = map_rows(path, rows, space.dim)
        except FileNotFoundError:
            yield f"{path.name} is missing"
            return
        except LibraryDamaged:
            yield f"{path.name} is shorter than the catalog says"
            return
        if problem := sketch_problem(self._sketch(space), matrix, deep=deep):
            yield f"{problem}; `dar library repair` makes it again"
        if problem := graph_problem(self._graph(space), space.dim):
            yield f"{problem}; searches are exact until `dar library repair` makes it again"

    def close(self) -> None:
        self._graphs.clear()

    def _loaded_graph(self, space: Space) -> Graph | None:
        path = self._graph(space)
        try:
            written = path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if path not in self._graphs or self._graphs[path][0] != written:
            self._graphs = {known: graph for known, graph in self._graphs.items() if known.exists()}
            self._graphs[path] = (written, load_graph(path, space.dim))
        return self._graphs[path][1]

    def _vectors(self, space: Space) -> Path:
        return vector_file(self._folder, space.encoder, space.name, space.generation)

    def _sketch(self, space: Space) -> Path:
        return sketch_file(self._folder, space.encoder, space.name, space.generation)

    def _graph(self, space: Space) -> Path:
        return graph_file(self._folder, space.encoder, space.name, space.generation)
