"""The photos a question is asked about: the best few hundred, how likely each is the one, and the library behind them.

Knows libraries and queries; knows no questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from dar_tui.fusion.finding import Filters, find
from indexer.encoders import JOINT
from indexer.library import Library
from indexer.printable import stripped
from indexer.search.ranking import Query

Vectors = NDArray[np.float32]
Weights = NDArray[np.float64]

# "The top few hundred": of 1,000 photos the right one is nearly always among these.
SIZE = 300
# As many captions as a small language model keeps apart in one prompt.
_CAPTIONS = 5
# Mean and deviation of a contrast over 2,000 photos are known to 2 %.
SAMPLE = 2000
# How much likelier the photo is for each standard deviation of score among the candidates: e to this power. About what
# Recall@1 of 25 and Recall@10 of 70 in METHOD say of a candidate's chances by rank.
_SHARPNESS = 1.5


@dataclass(frozen=True, eq=False)
class Candidates:
    """n photos, best first: `vectors` (n, dim) joint, `weights` (n,) the chance that each is the one, adding to 1.

    `captions`: what was said of the best ones that have a caption, best first.
    """

    ids: tuple[int, ...]
    vectors: Vectors
    weights: Weights
    taken_at: tuple[datetime | None, ...]
    captions: tuple[str, ...] = ()


def candidates(library: Library, query: Query, filters: Filters, size: int = SIZE) -> Candidates | None:
    """The best photos under the query and the filters; None where there are fewer than two to choose from."""
    hits = find(library, query, size, filters).hits
    if len(hits) < 2:
        return None
    ids = tuple(hit.image_id for hit in hits)
    weights = chances(np.array([hit.score for hit in hits], np.float64))
    captions = tuple(stripped(hit.caption) for hit in hits if hit.caption)[:_CAPTIONS]
    return Candidates(ids, library.vectors(ids, JOINT), weights, tuple(hit.taken_at for hit in hits), captions)


def chances(scores: NDArray[np.float64]) -> Weights:
    """Scores, on any scale, to the chance that each photo is the one: a softmax of the standardised scores."""
    deviation = float(scores.std())
    if deviation <= 1e-9:
        return np.full(len(scores), 1 / len(scores))
    exponents = _SHARPNESS * (scores - scores.max()) / deviation
    raw = np.exp(exponents)
    return np.asarray(raw / raw.sum(), np.float64)


def sample(library: Library, size: int = SAMPLE, seed: int = 0) -> Vectors:
    """The (n, dim) joint vectors of `size` photos picked at random; all of a library that has no more."""
    return library.vectors(library.sample(size, seed), JOINT)
