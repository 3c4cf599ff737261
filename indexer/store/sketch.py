"""The sketch: a space's vectors at one byte a number, so that a whole library can be gone through in milliseconds.

Derived from the vector file, never the truth: it chooses which photos are looked at, their exact vectors then score
them. Kernels are numkong's, which loads with the first sketch.

Why: going through 100,000 vectors of 512 numbers takes as long as reading them from memory. As float32 (205 MB) that
was 24 ms at best on 2 cores, as int8 (51 MB) 2 ms; the 20 best of the sketch held the exact 10 best in all of 600
queries (docs/performance.md).
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.store.disk import FILE_MODE, replace_file
from indexer.store.vectors import CHUNK_ROWS, Vectors

Codes = NDArray[np.int8]

# Up to here the exact product of everything takes no longer than opening a sketch: 5 ms at 512 numbers.
SKETCH_ABOVE = 20_000
_LEVELS = 127
# Photos of today say how large the numbers of tomorrow's are; what is larger all the same is cut off.
_HEADROOM = 1.1
# Rows compared with their vectors at every `verify`: a sketch of other vectors differs in nearly all of them.
_SAMPLE = 64


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
class _SideCar:
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
    side_car = _SideCar(rows, dim, scale)
    told = {"rows": rows, "dim": dim, "scale": scale, "checksum": side_car.checksum}
    replace_file(sketch_files(path)[1], json.dumps(told).encode())
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


def _read_side_car(path: Path) -> _SideCar | None:
    try:
        told = json.loads(sketch_files(path)[1].read_text())
        side_car = _SideCar(int(told["rows"]), int(told["dim"]), float(told["scale"]))
        return side_car if told["checksum"] == side_car.checksum else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
