"""Vector files: append-only float32 rows on disk, memory-mapped for reading.

Knows rows and bytes. Which rows count, and of what, is the catalog's to say: a row counts once its catalog row is
committed, so bytes past the committed rows are leftovers of a run that ended early, and are cut off by the next writer.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from indexer.errors import LibraryDamaged
from indexer.store.disk import FILE_MODE
from indexer.store.seals import REPAIR_HINT

Vectors = NDArray[np.float32]

# Little-endian on every machine, so that a library on a shared drive reads the same everywhere.
_DTYPE = np.dtype("<f4")
# Rows taken at a time where a whole file is gone through: 8 MB at 256 dimensions, small beside the models.
CHUNK_ROWS = 8192


def vector_file(folder: Path, encoder: int, space: str, generation: int) -> Path:
    """Where an encoder's vectors of one space lie."""
    return folder / f"vectors-{encoder}-{space}-{generation}.f32"


def map_rows(path: Path, rows: int, dim: int) -> Vectors:
    """The first `rows` rows as a read-only (rows, dim) array that reads from disk what is touched.

    Raises FileNotFoundError if the file is gone and LibraryDamaged if it holds fewer rows.
    """
    if rows == 0:
        return np.zeros((0, dim), np.float32)
    if path.stat().st_size < rows * dim * _DTYPE.itemsize:
        raise LibraryDamaged(
            f"{path} is shorter than the catalog says.", "Run `dar index`: it encodes again what is lost."
        )
    # A plain array over the mapping: memmap's own class makes every slice several times slower.
    return np.memmap(path, _DTYPE, mode="r", shape=(rows, dim)).view(np.ndarray)


def whole_rows(path: Path, dim: int) -> int:
    """How many whole rows the file holds; 0 if it is missing."""
    try:
        return path.stat().st_size // (dim * _DTYPE.itemsize)
    except FileNotFoundError:
        return 0


def chunks(matrix: Vectors, rows: NDArray[np.int64]) -> Iterator[Vectors]:
    """The given rows of `matrix`, in order, a bounded number at a time."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield np.asarray(matrix[rows[start : start + CHUNK_ROWS]])


def damaged_vectors() -> LibraryDamaged:
    """The error for a vector that is not as it was written."""
    return LibraryDamaged("The library's vectors are damaged.", REPAIR_HINT)


def checksums(*spaces: Vectors) -> list[int]:
    """The CRC-32 of each row's bytes through all spaces, in the order given."""
    found = []
    for parts in zip(*spaces, strict=True):
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part.astype(_DTYPE, copy=False).tobytes(), checksum)
        found.append(checksum)
    return found


class VectorAppender:
    """Adds rows to one vector file, after cutting it to its `rows` committed rows; a context manager."""

    def __init__(self, path: Path, rows: int, dim: int) -> None:
        self.rows = rows
        self._dim = dim
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, FILE_MODE)
        end = rows * dim * _DTYPE.itemsize
        os.ftruncate(self._descriptor, end)
        os.lseek(self._descriptor, end, os.SEEK_SET)

    def append(self, vectors: Vectors) -> None:
        """Writes (n, dim) rows after the last; they are on the disk only after `sync`."""
        if vectors.ndim != 2 or vectors.shape[1] != self._dim:
            raise ValueError(f"expected rows of {self._dim}, got an array of {vectors.shape}")
        remaining = memoryview(np.asarray(vectors, _DTYPE).tobytes())
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
