"""One committed state of the library, as a search sees it: which photos are live, and their vectors.

Knows how rows become photos. Where vectors lie, and how they are gone through, is the vector store's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.errors import EncoderMismatch
from indexer.search.ranking import Term
from indexer.search.strength import Spread
from indexer.store.catalog import Catalog
from indexer.store.records import EncoderRecord, spaces_of
from indexer.store.vector_store import VectorRows, VectorStore
from indexer.store.vectors import Vectors, checksums, damaged_vectors

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
        return cls(catalog.version(), encoder, *catalog.live_rows(encoder.id), *catalog.peaks(encoder.id), spaces)

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
        recorded = list(catalog.checksums_of(self.encoder.id, image_ids).values())
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
        return [self.spaces[term.space].spread(_numbers(term)) for term in terms]

    def scans_fast(self, terms: Sequence[Term]) -> bool:
        """Whether going through all photos is a matter of milliseconds."""
        return all(self.spaces[term.space].scans_fast for term in terms)

    def candidates(self, terms: Sequence[Term], fetch: int) -> Positions:
        """The positions of about `fetch` nearest photos of each wanted term, and of all that are not indexed yet."""
        covered = min(self.spaces[term.space].indexed for term in terms)
        found = [np.arange(np.searchsorted(self.rows, covered), len(self.rows))]
        for term in terms:
            if term.weight > 0:
                rows = self.spaces[term.space].nearest(_numbers(term), fetch)
                places = np.searchsorted(self.rows, rows)
                inside = places < len(self.rows)
                found.append(places[inside][self.rows[places[inside]] == rows[inside]])
        return np.unique(np.concatenate(found))


def _numbers(term: Term) -> Vectors:
    return term.vector.astype(np.float32, copy=False)


def _each(terms: Sequence[Term], answer: Callable[[Term], Answer]) -> list[Answer]:
    """The answer to each term; asked once where two are the same, as what is scored and what is judged mostly are."""
    answers: list[Answer] = []
    for place, term in enumerate(terms):
        same = next(
            (
                earlier
                for earlier in range(place)
                if terms[earlier].space == term.space and np.array_equal(terms[earlier].vector, term.vector)
            ),
            None,
        )
        answers.append(answer(term) if same is None else answers[same])
    return answers
