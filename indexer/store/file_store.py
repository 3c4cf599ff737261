"""A library's vectors in files beside its catalog: the vector file, and a sketch and a graph derived from it.

A vector file is append-only float32 rows, memory-mapped for reading. Bytes past the committed rows are leftovers of a
run that ended early, and are cut off by the next writer.

The sketch is the vectors at one byte a number, so that a whole library can be scanned in milliseconds. It chooses
which photos are looked at, their exact vectors then score them. Kernels are numkong's, which loads with the first
sketch. Why: going through 100,000 vectors of 512 numbers takes as long as reading them from memory. As float32
(205 MB) that was 24 ms at best on 2 cores, as int8 (51 MB) 2 ms; the 20 best of the sketch held the exact 10 best in
all of 600 queries (docs/performance.md).

Knows nothing of the catalog, and of what the rows are.
"""

from __future__ import annotations

import json
import os
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from indexer.errors import LibraryDamaged
from indexer.files import FILE_MODE, write_atomically
from indexer.store.catalog import Space
from indexer.store.hnsw import Graph, drop_graph, graph_file, graph_problem, load_graph, write_graph
from indexer.store.vectors import CHUNK_ROWS, DTYPE, Nearest, RowNumbers, Scan, Spread, Vectors

Codes = NDArray[np.int8]

# Up to here the exact product of everything takes no longer than opening a sketch: 5 ms at 512 numbers.
SKETCH_ABOVE = 20_000
_LEVELS = 127
# Photos of today say how large the numbers of tomorrow's are; what is larger all the same is cut off.
_HEADROOM = 1.1
# Rows compared with their vectors at every `verify`: a sketch of other vectors differs in nearly all of them.
_SAMPLE = 64
# Up to so many rows are read one by one. Touching them in the mapping would bring in what lies around each as well: of
# 100,000 photos' 200 MB, 140 for the 200 a search looks at, all for the 4,800 a question is made from (which cost 7 ms
# rather than 2). 20,000 take 36 ms and 40 MB.
_READ_SINGLY = 20_000


def vector_file(folder: Path, encoder: int, space: str, generation: int) -> Path:
    """Where an encoder's vectors of one space lie."""
    return folder / f"vectors-{encoder}-{space}-{generation}.f32"


def map_rows(path: Path, rows: int, dim: int) -> Vectors:
    """The first `rows` rows as a read-only (rows, dim) array that reads from disk what is touched.

    Raises FileNotFoundError if the file is gone and LibraryDamaged if it holds fewer rows.
    """
    if rows == 0:
        return np.zeros((0, dim), np.float32)
    if path.stat().st_size < rows * dim * DTYPE.itemsize:
        raise LibraryDamaged(
            f"{path} is shorter than the catalog says.", "Run `dar index`: it encodes again what is lost."
        )
    # A plain array over the mapping: memmap's own class makes every slice several times slower.
    return np.memmap(path, DTYPE, mode="r", shape=(rows, dim)).view(np.ndarray)


def whole_rows(path: Path, dim: int) -> int:
    """How many whole rows the file holds; 0 if it is missing."""
    try:
        return path.stat().st_size // (dim * DTYPE.itemsize)
    except FileNotFoundError:
        return 0


class VectorAppender:
    """Adds rows to one vector file, after cutting it to its `rows` committed rows; a context manager."""

    def __init__(self, path: Path, rows: int, dim: int) -> None:
        self.rows = rows
        self._dim = dim
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, FILE_MODE)
        end = rows * dim * DTYPE.itemsize
        os.ftruncate(self._descriptor, end)
        os.lseek(self._descriptor, end, os.SEEK_SET)

    def append(self, vectors: Vectors) -> None:
        """Writes (n, dim) rows after the last; they are on the disk only after `sync`."""
        if vectors.ndim != 2 or vectors.shape[1] != self._dim:
            raise ValueError(f"expected rows of {self._dim}, got an array of {vectors.shape}")
        remaining = memoryview(np.asarray(vectors, DTYPE).tobytes())
        while remaining:
            remaining = remaining[os.write(self._descriptor, remaining) :]
        self.rows += len(vectors)

    def sync(self) -> None:
        """Returns once every appended row is on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Closes the file; what was not synced may be lost."""
        os.close(self._descriptor)

    def __enter__(self) -> VectorAppender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Sketch:
    """The first `rows` rows of a vector file in int8, memory-mapped."""

    def __init__(self, codes: Codes, scale: float) -> None:
        self.rows = len(codes)
        self.codes = codes
        self.scale = scale

    def products(self, vector: Vectors) -> Vectors:
        """(rows,) dot products, good to about 0.001 for unit vectors."""
        import numkong

        unit = _LEVELS / max(float(np.abs(vector).max()), 1e-12)
        # The query in two digits of base 127: its own rounding would shift the products of all photos alike.
        high = np.round(vector * unit)
        low = np.round((vector * unit - high) * _LEVELS)
        digits = np.stack([high, low]).astype(np.int8)
        found = np.asarray(numkong.cdist(digits, self.codes, "dot"))
        return np.asarray((found[0] + found[1] / _LEVELS) / (unit * self.scale), np.float32)


@dataclass(frozen=True)
class _SketchSideCar:
    """How many rows the sketch covers, and what a number was multiplied by."""

    rows: int
    dim: int
    scale: float

    @property
    def checksum(self) -> int:
        return zlib.crc32(repr((self.rows, self.dim, self.scale)).encode())


def sketch_file(folder: Path, encoder: int, space: str, generation: int) -> Path:
    """Where the sketch of an encoder's vectors of one space lies; its side-car lies beside it."""
    return folder / f"sketch-{encoder}-{space}-{generation}.i8"


def sketch_files(path: Path) -> tuple[Path, Path]:
    """The sketch and its side-car."""
    return path, path.with_suffix(".json")


def load_sketch(path: Path, dim: int) -> Sketch | None:
    """The sketch at `path`, or None where it is missing or cut short."""
    side_car = _read_side_car(path)
    if side_car is None or side_car.dim != dim or not side_car.rows:
        return None
    try:
        # Not made by one who holds the file: writers add behind what is mapped, or put another file in its place.
        codes = np.memmap(path, np.int8, mode="r", shape=(side_car.rows, dim)).view(np.ndarray)
    except (OSError, ValueError):
        return None
    return Sketch(codes, side_car.scale)


def write_sketch(path: Path, matrix: Vectors) -> bool:
    """Makes the sketch at `path` cover all rows of `matrix`, extending what is there; returns whether it had to."""
    rows, dim = matrix.shape
    old = load_sketch(path, dim)
    if old is not None and old.rows == rows:
        return False
    if old is None or old.rows > rows:
        drop_sketch(path)
        covered, scale = 0, scale_of(matrix)
    else:
        covered, scale = old.rows, old.scale
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "r+b") as file:
        # What a run that was cut short left behind.
        file.truncate(covered * dim)
        file.seek(covered * dim)
        for start in range(covered, rows, CHUNK_ROWS):
            file.write(quantised(np.asarray(matrix[start : start + CHUNK_ROWS]), scale).tobytes())
        file.flush()
        os.fsync(descriptor)
    side_car = _SketchSideCar(rows, dim, scale)
    saved = {"rows": rows, "dim": dim, "scale": scale, "checksum": side_car.checksum}
    write_atomically(sketch_files(path)[1], json.dumps(saved).encode())
    return True


def drop_sketch(path: Path) -> None:
    """Removes the sketch if it is there."""
    for file in reversed(sketch_files(path)):
        file.unlink(missing_ok=True)


def sketch_problem(path: Path, matrix: Vectors, *, deep: bool) -> str:
    """What is wrong with the sketch at `path`; "" if nothing is, or there is none. Compares some rows with the vectors,
    all if `deep`."""
    if not any(file.exists() for file in sketch_files(path)):
        return ""
    sketch = load_sketch(path, matrix.shape[1])
    if sketch is None or sketch.rows > len(matrix):
        return f"{path.name} is damaged"
    numbers = np.arange(sketch.rows) if deep else np.linspace(0, sketch.rows - 1, _SAMPLE).astype(np.int64)
    for start in range(0, len(numbers), CHUNK_ROWS):
        rows = numbers[start : start + CHUNK_ROWS]
        if not np.array_equal(sketch.codes[rows], quantised(np.asarray(matrix[rows]), sketch.scale)):
            return f"{path.name} is damaged"
    return ""


def scale_of(matrix: Vectors) -> float:
    """What to multiply numbers by so that those of most vectors fit into int8."""
    if not len(matrix):
        return float(_LEVELS)
    sample = matrix[np.unique(np.linspace(0, len(matrix) - 1, CHUNK_ROWS).astype(np.int64))]
    return _LEVELS / max(_HEADROOM * float(np.abs(sample).max()), 1e-12)


def quantised(vectors: Vectors, scale: float) -> Codes:
    """The vectors in int8."""
    return np.clip(np.round(vectors * np.float32(scale)), -_LEVELS, _LEVELS).astype(np.int8)


def _read_side_car(path: Path) -> _SketchSideCar | None:
    try:
        saved = json.loads(sketch_files(path)[1].read_text())
        side_car = _SketchSideCar(int(saved["rows"]), int(saved["dim"]), float(saved["scale"]))
        return side_car if saved["checksum"] == side_car.checksum else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
