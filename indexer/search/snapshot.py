"""One committed state of the library, as a search sees it: which photos are live, and their vectors.

Knows how rows become photos. Where vectors lie, and how they are gone through, is the vector store's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.errors import EncoderMismatch
from indexer.search.ranking import Term, same
from indexer.store.catalog import Catalog, EncoderRecord, spaces_of
from indexer.store.embeddings import checksums_of, live_rows
from indexer.store.vectors import Spread, VectorRows, Vectors, VectorStore, checksums, damaged_vectors

Positions = NDArray[np.int64]
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """`ids` and `rows` (n,) are the live photos in the order of rows; a *position* is an index into both."""

    version: int
    encoder: EncoderRecord
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    text_peaks: Vectors
    photo_peaks: Vectors
    spaces: Mapping[str, VectorRows]

    @classmethod
    def read(cls, store: VectorStore, catalog: Catalog, encoder: EncoderRecord) -> Snapshot:
        """The state the catalog is in, as this encoder sees the photos. Call it within `consistent()`.

        Opens every space now, so that a later compaction cannot take it away. Raises FileNotFoundError if one did.
        """
        spaces = {space.name: store.open(space, encoder.rows) for space in spaces_of(encoder)}
        return cls(catalog.version(), encoder, *live_rows(catalog, encoder.id), *catalog.peaks(encoder.id), spaces)

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

    def check_vectors(self, catalog: Catalog, image_ids: Sequence[int]) -> None:
        """Raises LibraryDamaged unless the vectors of these images are as they were written.

        Reading every checksum would cost more than a search; those of the photos to be shown cost next to nothing.
        """
        recorded = list(checksums_of(catalog, self.encoder.id, image_ids).values())
        rows = np.array([row for row, _ in recorded], np.int64)
        if len(rows) and rows.max() >= self.encoder.rows:
            raise damaged_vectors()
        if checksums(*(space.take(rows) for space in self.spaces.values())) != [checksum for _, checksum in recorded]:
            raise damaged_vectors()

    def take(self, space: str, positions: Positions) -> Vectors:
        """The (n, dim) vectors of the photos at these positions."""
        return self.spaces[space].take(self.rows[positions])

    def cosines(self, terms: Sequence[Term], positions: Positions) -> list[NDArray[np.float32]]:
        """For each term, its exact cosine with the photo at each position."""
        vectors: dict[str, Vectors] = {}
        for term in terms:
            if term.space not in vectors:
                vectors[term.space] = self.take(term.space, positions)
        return _each(terms, lambda term: np.asarray(vectors[term.space] @ _numbers(term), np.float32))

    def scans(self, terms: Sequence[Term]) -> tuple[list[NDArray[np.float32]], bool]:
        """(for each term, its cosines with all photos; whether they are exact, or nearly so only)."""
        exact = True

        def scan(term: Term) -> NDArray[np.float32]:
            nonlocal exact
            found = self.spaces[term.space].scan(_numbers(term))
            exact = exact and found.exact_from == 0
            return found.products if len(self.rows) == len(found.products) else found.products[self.rows]

        return _each(terms, scan), exact

    def spreads(self, terms: Sequence[Term]) -> list[Spread] | None:
        """The spread of each term's cosines without reading them; None where the store does not know it."""
        if not all(self.spaces[term.space].indexed for term in terms):
            return None
        return _each(terms, lambda term: self.spaces[term.space].spread(_numbers(term)))

    def scans_fast(self, terms: Sequence[Term]) -> bool:
        """Whether going through all photos is a matter of milliseconds."""
        return all(self.spaces[term.space].scans_fast for term in terms)

    def candidates(self, terms: Sequence[Term], fetch: int) -> tuple[Positions, Vectors | None]:
        """The positions of about `fetch` nearest photos of each wanted term, and of all that are not indexed yet.

        With their cosines, where there is one term and its index knows them: then no vector needs to be read.
        """
        covered = min(self.spaces[term.space].indexed for term in terms)
        young = np.arange(np.searchsorted(self.rows, covered), len(self.rows))
        nearest = [self.spaces[term.space].nearest(_numbers(term), fetch) for term in terms if term.weight > 0]
        places = [self._position_of[each.rows] for each in nearest]
        if len(terms) == 1 and nearest and nearest[0].products is not None:
            live = places[0] >= 0
            cosines = [*self.cosines(terms, young), nearest[0].products[live]]
            return np.concatenate([young, places[0][live]]), np.concatenate(cosines)
        return np.unique(np.concatenate([young, *(found[found >= 0] for found in places)])), None

    @cached_property
    def _position_of(self) -> NDArray[np.int32]:
        """The position of each row, -1 where no live photo has it. Looking 200 rows up in `rows` took 0.25 ms."""
        positions = np.full(self.encoder.rows, -1, np.int32)
        if len(self.rows) and not 0 <= self.rows[0] <= self.rows[-1] < self.encoder.rows:
            raise damaged_vectors()
        positions[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return positions


def _numbers(term: Term) -> Vectors:
    return term.vector.astype(np.float32, copy=False)


def _each(terms: Sequence[Term], answer: Callable[[Term], Answer]) -> list[Answer]:
    """The answer to each term; asked once where two are the same, as what is scored and what is judged mostly are."""
    answers: list[Answer] = []
    for place, term in enumerate(terms):
        asked = next((earlier for earlier in range(place) if same(terms[earlier], term)), None)
        answers.append(answer(term) if asked is None else answers[asked])
    return answers
