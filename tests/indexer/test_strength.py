"""Strong, weak, none: relative to what the library gives to chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from indexer.search.strength import Strength, peaks, thresholds
from indexer.store.vectors import Spread, spread_of
from tests.indexer.colours import unit


def library(photos: int = 500, dim: int = 32, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(photos, dim)))


def test_peaks_equal_a_plain_computation_whatever_the_chunks() -> None:
    photos, texts = library(), library(20, seed=1)
    chunked = peaks(lambda: iter(np.array_split(photos, 7)), texts)
    cosines = photos @ texts.T
    plain = np.sort(cosines.max(axis=0) - cosines.mean(axis=0))
    assert chunked == pytest.approx(plain, abs=1e-4)


def test_unrelated_texts_are_rarely_strong_and_a_true_match_is() -> None:
    photos = library()
    nulls = peaks(lambda: iter([photos]), library(48, seed=2))
    limits = thresholds(nulls, np.zeros(0, np.float32), len(photos), Spread(0.0, 1.0), by_example=False)
    strengths = []
    for text in library(200, seed=3):
        cosines = photos @ text
        strengths.append(limits.classify(float((cosines - spread_of(cosines).mean).max())))
    assert strengths.count(Strength.STRONG) / 200 < 0.15
    assert strengths.count(Strength.NONE) / 200 > 0.3
    cosines = photos @ unit(photos[7] + 0.1 * library(1, seed=4)[0])
    assert limits.classify(float((cosines - spread_of(cosines).mean)[7])) is Strength.STRONG


def test_thresholds_before_any_measurement_come_from_the_normal_distribution() -> None:
    none = np.zeros(0, np.float32)
    small, large = (thresholds(none, none, photos, Spread(0.1, 1.0), by_example=False) for photos in (100, 10_000))
    assert small.weak < small.strong
    assert small.strong < large.strong
    assert 2 < small.weak < 3
    narrow = thresholds(none, none, 100, Spread(0.1, 0.2), by_example=False)
    assert narrow.weak == pytest.approx(small.weak / 5)


def test_in_a_handful_of_photos_everything_is_weak() -> None:
    limits = thresholds(np.array([1.0], np.float32), np.zeros(0, np.float32), 3, Spread(0.0, 1.0), by_example=False)
    assert {limits.classify(lift) for lift in (-5.0, 0.0, 100.0)} == {Strength.WEAK}


def test_by_example_uses_the_librarys_own_neighbours() -> None:
    texts, photos = np.array([3, 3.1, 3.2], np.float32), np.array([5, 6, 7], np.float32)
    assert thresholds(texts, photos, 100, Spread(0.0, 1.0), by_example=True).strong == pytest.approx(6)
    assert thresholds(texts, photos, 100, Spread(0.0, 1.0), by_example=False).strong < 3.3


def test_a_photo_is_not_its_own_nearest_neighbour() -> None:
    photos = library(50)
    found = peaks(lambda: iter([photos]), photos, below=0.97)
    assert len(found) == 50
    cosines = photos @ photos.T
    assert found.max() < (1 - cosines.mean(axis=0)).min()


def test_degenerate_libraries_give_no_peaks_and_no_nan() -> None:
    same = np.repeat(library(1), 10, axis=0)
    assert len(peaks(lambda: iter([same]), library(5, seed=1))) == 0
    assert len(peaks(lambda: iter([]), library(5, seed=1))) == 0
    assert spread_of(np.zeros(0, np.float32)) == Spread(0.0, 0.0)
    assert not math.isnan(float(Spread(0.5, 0.0).z(np.array([0.5], np.float32))[0]))
