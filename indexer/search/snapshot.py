"""One committed state of the library, as a search sees it: which photos are live, and their vectors.

Knows arrays and where they are mapped from. Scores exactly, or takes candidates from the graph of a large library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.errors import EncoderMismatch
from indexer.search.ranking import Term
from indexer.search.strength import Spread, spread_of
from indexer.store.catalog import Catalog
from indexer.store.graph import Graph, graph_file
from indexer.store.records import EncoderRecord
from indexer.store.vectors import Vectors, map_rows, vector_file

LoadGraph = Callable[[Path, int], Graph | None]
Positions = NDArray[np.int64]

# What a graph search fetches for each photo wanted, so that folding and exact re-scoring have a choice.
_OVERFETCH = 4
_MIN_FETCH = 200
# Past this a graph is no faster than the whole product.
_MAX_FETCH = 5000


@dataclass(frozen=True, eq=False)
class Snapshot:
    """`ids` and `rows` (n,) are the live photos in the order of rows; a *position* is an index into both."""

    folder: Path
    version: int
    encoder: EncoderRecord
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    text_peaks: Vectors
    photo_peaks: Vectors
    _matrices: dict[str, Vectors] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, catalog: Catalog, encoder: EncoderRecord) -> Snapshot:
        """The state the catalog is in, as this encoder sees the photos. Call it within `consistent()`."""
        return cls(folder, catalog.version(), encoder, *catalog.live_rows(encoder.id), *catalog.peaks(encoder.id))

    def dim(self, space: str) -> int:
        """The length of this space's vectors; raises EncoderMismatch if the library's encoder does not have it."""
        dim = {JOINT: self.encoder.dim, VISUAL: self.encoder.visual_dim}.get(space, 0)
        if not dim:
            raise EncoderMismatch(
                f"The library's encoder {self.encoder.encoder_id} has no {space} space.", "Search by text, or re-index."
            )
        return dim

    @property
    def picture_space(self) -> str:
        """The space in which photos are compared with photos."""
        return VISUAL if self.encoder.visual_dim else JOINT

    def matrix(self, space: str) -> Vectors:
        """All committed rows of a space, memory-mapped, dead ones included."""
        if space not in self._matrices:
            path = vector_file(self.folder, self.encoder.id, space, self.encoder.generation)
            self._matrices[space] = map_rows(path, self.encoder.rows, self.dim(space))
        return self._matrices[space]

    def map_all(self) -> None:
        """Maps every space now, so that a later compaction cannot take the files away. Raises FileNotFoundError."""
        for space in (JOINT, VISUAL) if self.encoder.visual_dim else (JOINT,):
            if self.encoder.rows:
                self.matrix(space)

    def check(self, terms: Sequence[Term]) -> None:
        """Raises EncoderMismatch unless every term could have been made by the library's encoder."""
        for term in terms:
            dim = self.dim(term.space)
            if len(term.vector) != dim:
                raise EncoderMismatch(
                    f"The query has {len(term.vector)} numbers; the library's encoder, {self.encoder.encoder_id}, makes"
                    f" {dim}.",
                    f"Search with the encoder `{self.encoder.spec}`.",
                )

    def cosines(self, terms: Sequence[Term], positions: Positions | None) -> list[NDArray[np.float32]]:
        """For each term, its cosine with the photo at each position (all photos for None)."""
        return [self._products(term.space, term.vector.astype(np.float32, copy=False), positions) for term in terms]

    def _products(self, space: str, vector: Vectors, positions: Positions | None) -> NDArray[np.float32]:
        matrix = self.matrix(space)
        rows = self.rows if positions is None else self.rows[positions]
        # Picking rows copies them; from a quarter of all rows on, the product of everything is cheaper.
        if 4 * len(rows) < len(matrix):
            return np.asarray(matrix[rows] @ vector, np.float32)
        product = matrix @ vector
        return np.asarray(product if len(rows) == len(matrix) else product[rows], np.float32)

    def scored(
        self, terms: Sequence[Term], positions: Positions | None, graphs: Sequence[Graph] | None
    ) -> tuple[list[NDArray[np.float32]], list[Spread]]:
        """Each term's cosines at the positions, and their spread over the whole library.

        With `graphs` (one for each term) the spread comes from their moments, so that only the positions are read.
        """
        if graphs is not None:
            spreads = [graph.spread(term.vector) for graph, term in zip(graphs, terms, strict=True)]
            return self.cosines(terms, positions), spreads
        whole = self.cosines(terms, None)
        return [values if positions is None else values[positions] for values in whole], list(map(spread_of, whole))

    def graphs(self, terms: Sequence[Term], load: LoadGraph) -> list[Graph] | None:
        """The graph of each term's space; None if one of them is missing or damaged."""
        found: list[Graph] = []
        for term in terms:
            path = graph_file(self.folder, self.encoder.id, term.space, self.encoder.generation)
            graph = load(path, self.dim(term.space))
            if graph is None or graph.rows > self.encoder.rows:
                return None
            found.append(graph)
        return found

    def candidates(
        self, terms: Sequence[Term], graphs: Sequence[Graph], allowed: NDArray[np.bool_] | None, want: int
    ) -> Positions | None:
        """Positions among which the best `want` are very likely to be; None if only looking at all of them will tell.

        Photos younger than the graph are always among them.
        """
        passing = len(self.ids) if allowed is None else int(allowed.sum())
        covered = min(graph.rows for graph in graphs)
        fetch = max(_MIN_FETCH, _OVERFETCH * want) * covered // max(passing, 1) + 1
        if fetch > _MAX_FETCH:
            return None
        young = np.arange(np.searchsorted(self.rows, covered), len(self.rows))
        found = [young]
        for term, graph in zip(terms, graphs, strict=True):
            if term.weight > 0:
                rows = graph.nearest(term.vector.astype(np.float32), fetch)
                places = np.searchsorted(self.rows, rows)
                places = places[places < len(self.rows)]
                found.append(places[np.isin(self.rows[places], rows)])
        positions = np.unique(np.concatenate(found))
        if allowed is not None:
            positions = positions[allowed[positions]]
        return positions if len(positions) >= min(want, passing) else None
