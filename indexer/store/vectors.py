"""Vectors, and what a library asks of whatever stores them: rows by number, and the rows nearest to a vector.

The store is a protocol, so that the vectors may be in files beside the catalog (`file_store`) or in an engine on other
machines (`qdrant_store`). The catalog records which rows count and what they are of: rows are appended and synced
first, then committed by the catalog, and what lies behind the committed rows is cut off by the next writer.

The spread of a query, the mean and deviation of its products with all vectors, follows from the mean and covariance of
the vectors without reading them: for a query q, the mean is q.m and the variance q.C.q, exactly.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.errors import LibraryDamaged
from indexer.store.catalog import Space
from indexer.store.schema import REPAIR_HINT

Vectors = NDArray[np.float32]

# Little-endian on every machine, so that a library on a shared drive reads the same everywhere.
DTYPE = np.dtype("<f4")
# Rows taken at a time where a whole file is gone through: 8 MB at 256 dimensions, small beside the models.
CHUNK_ROWS = 8192
# Cosines are float32, good to 1e-7; deviations below this are rounding, not differences between photos.
NO_DEVIATION = 1e-6
RowNumbers = NDArray[np.int64]


def damaged_vectors() -> LibraryDamaged:
    """The error for a vector that is not as it was written."""
    return LibraryDamaged("The library's vectors are damaged.", REPAIR_HINT)


def checksums(*spaces: Vectors) -> list[int]:
    """The CRC-32 of each row's bytes through all spaces, in the order given."""
    found = []
    for parts in zip(*spaces, strict=True):
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part.astype(DTYPE, copy=False).tobytes(), checksum)
        found.append(checksum)
    return found


@dataclass(frozen=True)
class Spread:
    """Mean and deviation of one query's cosines over the library."""

    mean: float
    deviation: float

    def z(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardises cosines; all 0 where the library's are all alike."""
        if self.deviation <= NO_DEVIATION:
            return np.zeros_like(cosines, dtype=np.float32)
        return ((cosines - self.mean) / self.deviation).astype(np.float32)


def spread_of(cosines: NDArray[np.float32]) -> Spread:
    """The spread of one query's cosines with every photo of the library."""
    if len(cosines) == 0:
        return Spread(0.0, 0.0)
    return Spread(float(cosines.mean(dtype=np.float64)), float(cosines.std(dtype=np.float64)))


@dataclass(frozen=True, eq=False)
class Scan:
    """Dot products with every row, (rows,) float32; those from `exact_from` on, and all if that is 0, are exact."""

    products: Vectors
    exact_from: int = 0


@dataclass(frozen=True, eq=False)
class Nearest:
    """The rows an index found, (n,), in no promised order; their products, if it knows them to float32's rounding."""

    rows: RowNumbers
    products: Vectors | None = None


class VectorRows(Protocol):
    """The committed rows of one space, for reading. Usable from one thread at a time."""

    rows: int
    # Whether going through all rows is a matter of milliseconds; if not, `nearest` is asked wherever it can answer.
    scans_fast: bool
    # How many rows `nearest` and `spread` know of; 0 if they do not answer. Younger rows have to be looked at.
    indexed: int

    def take(self, rows: RowNumbers) -> Vectors:
        """The (n, dim) vectors of these rows, exactly, in this order."""
        ...

    def scan(self, vector: Vectors) -> Scan:
        """The dot product of every row with this vector."""
        ...

    def nearest(self, vector: Vectors, count: int) -> Nearest:
        """About the `count` indexed rows with the highest dot product."""
        ...

    def spread(self, vector: Vectors) -> Spread:
        """Mean and deviation of the products with the rows that were live when they were indexed."""
        ...


class RowAppender(Protocol):
    """Adds rows behind the committed ones."""

    rows: int

    def append(self, vectors: Vectors) -> None:
        """Adds (n, dim) rows after the last; they are safe only after `sync`."""
        ...

    def sync(self) -> None:
        """Returns once every appended row outlives a crash."""
        ...

    def close(self) -> None:
        """Ends; what was not synced may be lost."""
        ...


class VectorStore(Protocol):
    """Everything one library keeps of vectors."""

    def open(self, space: Space, rows: int) -> VectorRows:
        """The first `rows` rows, readable until the space is dropped and usually longer.

        Raises FileNotFoundError if the space is not there and LibraryDamaged if it holds fewer rows.
        """
        ...

    def append_to(self, space: Space, rows: int) -> RowAppender:
        """Makes the space if it is missing and cuts it to its `rows` committed rows."""
        ...

    def whole_rows(self, space: Space) -> int:
        """How many whole rows there are; 0 if the space is not there."""
        ...

    def derive(self, space: Space, rows: int, live: RowNumbers, threads: int, index_above: int) -> bool:
        """Brings up to date whatever makes searching faster; returns whether anything changed.

        `live` are the rows that `spread` is to speak of; up to `index_above` of them nothing need answer `nearest`.
        """
        ...

    def drop_derived(self, space: Space) -> None:
        """Removes what was derived from the space, so that `derive` makes it anew."""
        ...

    def drop(self, space: Space) -> None:
        """Removes the space with all that was derived from it, if it is there."""
        ...

    def problems(self, space: Space, rows: int, *, deep: bool) -> Iterator[str]:
        """What is wrong with what is kept of the space, one line each; vectors' checksums are the caller's."""
        ...

    def close(self) -> None:
        """Closes files and connections."""
        ...


def chunks(source: VectorRows, rows: RowNumbers) -> Iterator[Vectors]:
    """The given rows, in order, a bounded number at a time."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield source.take(rows[start : start + CHUNK_ROWS])


def moments_of(chunks: Iterable[Vectors], dim: int) -> Vectors:
    """(dim + 1, dim): the mean of the rows, then their covariance."""
    count, total, products = 0, np.zeros(dim), np.zeros((dim, dim))
    for chunk in chunks:
        part = chunk.astype(np.float64)
        count += len(part)
        total += part.sum(axis=0)
        products += part.T @ part
    mean = total / max(count, 1)
    covariance = products / max(count, 1) - np.outer(mean, mean)
    return np.vstack([mean, covariance]).astype(np.float32)


def spread_from(moments: Vectors, vector: Vectors) -> Spread:
    """The spread of this query's dot products over the rows whose moments these are."""
    # In float32, as the moments are: making a megabyte of them float64 took longer than the product.
    direction = vector.astype(np.float64)
    variance = float(direction @ (moments[1:] @ vector))
    return Spread(float(direction @ moments[0]), max(variance, 0.0) ** 0.5)
