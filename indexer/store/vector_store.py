"""What a library asks of whatever keeps its vectors: rows by number, and the rows nearest to a vector.

A protocol, so that the vectors may lie in files beside the catalog (`file_store`) or in an engine on other machines
(`qdrant_store`). The catalog says which rows count and what they are of, whoever keeps them: rows are appended and made
safe first, then committed by the catalog, and what lies behind the committed rows is cut off by the next writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.search.strength import Spread
from indexer.store.records import Space
from indexer.store.vectors import CHUNK_ROWS, Vectors

RowNumbers = NDArray[np.int64]


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
        """Lets go of files and connections."""
        ...


def chunks(source: VectorRows, rows: RowNumbers) -> Iterator[Vectors]:
    """The given rows, in order, a bounded number at a time."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield source.take(rows[start : start + CHUNK_ROWS])
