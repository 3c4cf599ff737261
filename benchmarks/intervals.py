"""How sure a difference between two ways of doing the same tasks is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# The interval's ends then move by less than a tenth of a point from one seed to another.
SAMPLES = 10_000


@dataclass(frozen=True)
class Gain:
    """A mean difference and its 95 % interval, in points (hundredths of what one task may give)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def paired_gain(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Gain:
    """What `ours` gains over `theirs`, both (tasks,) over the same tasks, by a paired bootstrap over these."""
    differences = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    picked = np.random.default_rng(seed).integers(len(differences), size=(SAMPLES, len(differences)))
    low, high = np.quantile(differences[picked].mean(axis=1), [0.025, 0.975])
    return Gain(100 * float(differences.mean()), 100 * float(low), 100 * float(high))
