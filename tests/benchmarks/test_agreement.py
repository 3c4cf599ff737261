"""The judge of rounded vectors: it must see what changes, and nothing where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.agreement import LEAST_OVERLAP, top_overlap


def vectors(count: int = 300, dim: int = 32) -> np.ndarray:
    numbers = np.random.default_rng(3).normal(size=(count, dim)).astype(np.float32)
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


def test_the_same_vectors_agree_and_others_do_not() -> None:
    exact = vectors()
    assert top_overlap(exact, exact) == 1
    assert top_overlap(exact, exact[::-1].copy()) < 0.1


def test_noise_is_seen() -> None:
    exact = vectors()
    noise = np.random.default_rng(4).normal(size=exact.shape).astype(np.float32)
    assert top_overlap(exact, exact + noise * 1e-5) > LEAST_OVERLAP
    assert top_overlap(exact, exact + noise * 0.05) < LEAST_OVERLAP


def test_one_swapped_neighbour_of_one_row_counts_once() -> None:
    angles = np.radians([0, 10, 25, 50, 100]).astype(np.float32)
    exact = np.stack([np.cos(angles), np.sin(angles)], 1)
    moved = exact.copy()
    moved[2] = np.cos(np.radians(-8.0)), np.sin(np.radians(-8.0))
    # Nearest to 0, 10, 25, 50, 100: 10, 0, 10, 25, 50; then with 25 at -8: -8, 0, 0, 10, 50.
    assert top_overlap(exact, moved, k=1) == pytest.approx(2 / 5)


def test_too_few_rows_are_an_error() -> None:
    with pytest.raises(ValueError, match="nearest"):
        top_overlap(vectors(10), vectors(10))
