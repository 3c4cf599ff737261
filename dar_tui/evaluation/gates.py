"""How pictures suit text and corpus, for the `adaptive` strategy: `dar_tui.fusion.evidence` over arrays.

A benchmark's corpus is arrays, not a library; the figures are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dar_tui.evaluation.corpus import Corpus, Vectors
from dar_tui.fusion.evidence import NEIGHBOURS
from dar_tui.fusion.strategies import Fit
from indexer.search.ranking import NEARLY_SAME
from indexer.search.strength import PHOTO_SAMPLE, Strength, peaks, thresholds
from indexer.store.vectors import spread_of

_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Gate:
    """Measures pictures against one corpus. `peaks`: what its own photos reach with their nearest others."""

    corpus: Corpus
    peaks: Vectors

    @classmethod
    def of(cls, corpus: Corpus) -> Gate:
        """Looks at a sample of the photos, spread evenly."""
        pictures = corpus.vectors(corpus.picture_space)
        sample = np.unique(np.linspace(0, len(pictures) - 1, PHOTO_SAMPLE).astype(np.int64))

        def blocks() -> Iterator[Vectors]:
            for start in range(0, len(pictures), _BLOCK):
                yield np.asarray(pictures[start : start + _BLOCK])

        return cls(corpus, peaks(blocks, np.asarray(pictures[sample]), below=NEARLY_SAME[corpus.picture_space]))

    def fits(self, text: Vectors, pictures: Sequence[Vectors]) -> tuple[Fit, ...]:
        """One Fit for each picture. `text`: (dim,) unit, joint; `pictures`: unit, in the picture space."""
        matching = np.asarray(self.corpus.joint @ text, np.float32)
        standardised = spread_of(matching).z(matching)
        return tuple(self._fit(standardised, picture) for picture in pictures)

    def _fit(self, matching: Vectors, picture: Vectors) -> Fit:
        near = np.asarray(self.corpus.vectors(self.corpus.picture_space) @ picture, np.float32)
        spread = spread_of(near)
        like = np.argsort(-near, kind="stable")[:NEIGHBOURS]
        limits = thresholds(np.zeros(0, np.float32), self.peaks, len(near), spread, by_example=True)
        is_near = limits.classify(float(near[like[0]]) - spread.mean) is not Strength.NONE
        return Fit(float(np.mean(matching[like])), is_near)
