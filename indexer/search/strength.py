"""How strong a match is, relative to what this very library gives to queries it has no answer to.

Pure functions over cosines. A cosine means little by itself: it depends on the encoder and on how alike the library's
photos are. So a hit's *lift*, its cosine less the query's mean cosine over the library, is compared with the highest
lift, the *peak*, that queries of a known kind reach here:

- a text query with the peaks of unrelated texts: what chance gives;
- a query by example with the peaks of the library's own photos, each looking for its nearest other photo.

Dividing by the deviation too would undo it: a query that matches nothing has a small one. Over 600 photos, peaks of
lifts separated captions of photos that were there from 200 names of objects that were not with an AUC of 0.96 (and from
unrelated texts with 0.97); standardised, with 0.57 (0.83).

Knows nothing of files, catalogs or encoders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from indexer.store.vectors import NO_DEVIATION, Spread

Vectors = NDArray[np.float32]

# A text hit is strong above what 19 of 20 unrelated texts find, and weak above what half of them find.
TEXT_STRONG, TEXT_WEAK = 0.95, 0.5
# A hit by example is strong if as near as a typical photo here is to its nearest, weak if as near as a lonely one.
PHOTO_STRONG, PHOTO_WEAK = 0.5, 0.05
# Below this a mean says nothing: every photo is a good part of it.
MIN_PHOTOS = 8
# Enough for two quantiles: the standard error of a median of 128 is about 0.1 deviations.
PHOTO_SAMPLE = 128
# Texts that describe no photo: what a library gives them is what it gives to chance. Abstract on purpose: a text about
# things, however odd, would be a match in somebody's library.
NULL_TEXTS: tuple[str, ...] = (
    "the interest rate was revised by a quarter of a percent",
    "an argument about the meaning of probability",
    "the third declension of irregular nouns",
    "terms and conditions apply",
    "please restart the service and try again",
    "a proof by induction over the natural numbers",
    "the committee postponed its decision",
    "inflation expectations for the next quarter",
    "the password must contain at least eight characters",
    "a theory of justice and its critics",
    "copyright law in the digital age",
    "the square root of minus one",
    "an unexpected end of input at line four",
    "the history of the subjunctive mood",
    "our policy on refunds has changed",
    "the difference between knowing and believing",
    "quarterly revenue exceeded the forecast",
    "a summary of the previous meeting",
    "the second law of thermodynamics",
    "compatibility with earlier versions",
    "the average of the remaining values",
    "an amendment to the third paragraph",
    "why promises bind us",
    "the deadline for applications has passed",
    "a translation error in the contract",
    "memory leak in the background process",
    "the etymology of borrowed verbs",
    "a discount for early payment",
    "the jurisdiction of the lower courts",
    "statistical significance of the result",
    "it depends on what you mean by free will",
    "the licence expires at the end of the year",
    "an overview of monetary policy",
    "the rules of evidence",
    "how to cite a secondary source",
    "the burden of proof",
    "rounding errors in floating point arithmetic",
    "a clause about liability",
    "the pronunciation of silent letters",
    "supply and demand in equilibrium",
    "nobody remembers who said it first",
    "the exception that proves the rule",
    "an invitation to tender",
    "notes on the philosophy of language",
    "the tax year begins in April",
    "unsubscribe from this list",
    "a matter of principle rather than taste",
    "the protocol was never ratified",
)


class Strength(StrEnum):
    """How a hit compares with chance in this library."""

    STRONG = "strong"
    WEAK = "weak"
    NONE = "none"


@dataclass(frozen=True)
class Thresholds:
    """The lift from which a hit is strong, and from which it is at least weak."""

    strong: float
    weak: float

    def classify(self, lift: float) -> Strength:
        """Names the strength of a hit with this lift."""
        if lift >= self.strong:
            return Strength.STRONG
        return Strength.WEAK if lift >= self.weak else Strength.NONE

    def lacking(self, lift: float) -> Strength:
        """The strength of a hit asked to lack what has this lift in it: weak where an unrelated text would reach that.

        Never strong: that something is not seen proves little.
        """
        return Strength.WEAK if lift < self.weak or math.isinf(self.weak) else Strength.NONE


def thresholds(
    text_peaks: Vectors, photo_peaks: Vectors, photos: int, spread: Spread, *, by_example: bool
) -> Thresholds:
    """The thresholds for a query of this kind and spread in a library of this many photos.

    Too few photos to judge by: everything is weak. Peaks not measured yet: the quantiles that the largest of n normally
    distributed values of the query's own deviation would have.
    """
    if photos < MIN_PHOTOS:
        return Thresholds(math.inf, -math.inf)
    if by_example and len(photo_peaks):
        return _quantiles(photo_peaks, PHOTO_STRONG, PHOTO_WEAK)
    if not by_example and len(text_peaks):
        return _quantiles(text_peaks, TEXT_STRONG, TEXT_WEAK)
    normal = NormalDist()
    strong, weak = (normal.inv_cdf(share ** (1 / photos)) for share in (TEXT_STRONG, TEXT_WEAK))
    return Thresholds(strong * spread.deviation, weak * spread.deviation)


def _quantiles(peaks: Vectors, strong: float, weak: float) -> Thresholds:
    return Thresholds(float(np.quantile(peaks, strong)), float(np.quantile(peaks, weak)))


def peaks(photos: Callable[[], Iterator[Vectors]], queries: Vectors, *, below: float = math.inf) -> Vectors:
    """The highest lift each query reaches over the library, sorted; (m,) for queries (m, dim).

    `photos` starts a pass over the library's vectors, chunk by chunk. Cosines of `below` and more do not count as a
    peak: so a photo's nearest *other* photo is found, not itself or a copy of it.
    """
    if not len(queries):
        return np.zeros(0, np.float32)
    count = 0
    total, squares = np.zeros(len(queries)), np.zeros(len(queries))
    highest = np.full(len(queries), -np.inf)
    for chunk in photos():
        cosines = (chunk @ queries.T).astype(np.float64)
        count += len(cosines)
        total += cosines.sum(axis=0)
        squares += np.square(cosines).sum(axis=0)
        highest = np.maximum(highest, np.where(cosines < below, cosines, -np.inf).max(axis=0))
    if count == 0:
        return np.zeros(0, np.float32)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    usable = (deviation > NO_DEVIATION) & np.isfinite(highest)
    return np.sort((highest - mean)[usable].astype(np.float32))
