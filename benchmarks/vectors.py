"""Made-up embeddings shaped like real ones, for measuring search at sizes for which nobody has the photos.

Knows statistics only. What is taken from CLIP-like encoders: photos lie in a narrow cone (two random photos have a
cosine of about 0.5), in clusters within clusters, with a spectrum that falls off; one in ten is a near copy of another
(a burst); texts lie off the cloud of photos, at cosines of 0.1 to 0.35, about the things that photos show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

DIM = 512
QUERY_KINDS = ("text", "image", "fused")
_TOPICS, _SCENES = 100, 5_000
# Shares of the variance between photos: what topic, what scene, and what only this photo shows.
_TOPIC, _SCENE, _OWN = 0.35, 0.35, 0.30
# The cone: the part of a vector's squared length that all photos share, and that all texts share.
_PHOTOS_ALIKE, _TEXTS_ALIKE = 0.5, 0.6
# How alike the two cones' axes are; two random ones of 512 numbers would be at 0.
_CONES_COSINE = 0.3
# What part of a text's own content is about the photo it describes.
_ABOUT = 0.6
_COPIES, _COPY_NOISE = 0.1, 0.02
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class World:
    """The same topics, scenes and cone for every vector made from it."""

    dim: int
    rotation: Vectors
    deviations: Vectors
    topics: Vectors
    scenes: Vectors
    topic_of_scene: NDArray[np.int64]
    photos_mean: Vectors
    texts_mean: Vectors

    @classmethod
    def make(cls, dim: int = DIM, seed: int = 0) -> World:
        """A world of vectors of this length."""
        chance = np.random.default_rng(seed)
        rotation, _ = np.linalg.qr(chance.normal(size=(dim, dim)))
        deviations = np.arange(1, dim + 1) ** -0.5
        deviations /= np.linalg.norm(deviations)
        means, _ = np.linalg.qr(chance.normal(size=(dim, 2)))
        return cls(
            dim,
            rotation.astype(np.float32),
            deviations.astype(np.float32),
            _unit(chance.normal(size=(_TOPICS, dim)) * deviations),
            _unit(chance.normal(size=(_SCENES, dim)) * deviations),
            chance.integers(0, _TOPICS, _SCENES),
            means[:, 0].astype(np.float32),
            (_CONES_COSINE * means[:, 0] + np.sqrt(1 - _CONES_COSINE**2) * means[:, 1]).astype(np.float32),
        )

    def photos(self, count: int, seed: int = 1) -> Vectors:
        """(count, dim) unit rows; the first `n` are the same for every count that is a multiple of 20,000."""
        return self.photos_and_pictures(count, seed)[0]

    def photos_and_pictures(self, count: int, seed: int = 1) -> tuple[Vectors, NDArray[np.int64]]:
        """(the photos, for each the number of the photo whose picture it shows: its own, or a copied one's)."""
        out, pictures = np.empty((count, self.dim), np.float32), np.arange(count)
        for start in range(0, count, _ROWS_AT_ONCE):
            chance = np.random.default_rng((seed, start))
            rows = _unit(self._content(chance, min(_ROWS_AT_ONCE, count - start))) * np.sqrt(1 - _PHOTOS_ALIKE)
            rows += np.sqrt(_PHOTOS_ALIKE) * self.photos_mean
            copies = chance.choice(len(rows), int(_COPIES * len(rows)), replace=False)
            others = chance.integers(0, len(rows), len(copies))
            rows[copies] = rows[others] + _COPY_NOISE * chance.normal(size=(len(copies), self.dim))
            out[start : start + len(rows)] = _unit(rows)
            pictures[start + copies] = start + others
        return out, pictures

    def queries(self, kind: str, photos: Vectors, count: int, seed: int = 2) -> Vectors:
        """(count, dim) unit rows about some of these photos: a "text", an "image", or the "fused" mean of both."""
        chance = np.random.default_rng((seed, QUERY_KINDS.index(kind)))
        wanted = np.asarray(photos[np.sort(chance.choice(len(photos), count, replace=False))])
        if kind == "image":
            return self._images(chance, wanted)
        texts = self._texts(chance, wanted)
        return texts if kind == "text" else _unit(0.7 * texts + 0.3 * self._images(chance, wanted))

    def _content(self, chance: np.random.Generator, count: int) -> Vectors:
        scenes = chance.integers(0, _SCENES, count)
        own = _unit(chance.normal(size=(count, self.dim)) * self.deviations)
        content = np.sqrt(_TOPIC) * self.topics[self.topic_of_scene[scenes]] + np.sqrt(_SCENE) * self.scenes[scenes]
        return np.asarray((content + np.sqrt(_OWN) * own) @ self.rotation, np.float32)

    def _images(self, chance: np.random.Generator, wanted: Vectors) -> Vectors:
        """Like the photos wanted, as another picture of the same scene is."""
        noise = _unit(chance.normal(size=wanted.shape) * self.deviations) @ self.rotation
        return _unit(wanted + 0.4 * noise)

    def _texts(self, chance: np.random.Generator, wanted: Vectors) -> Vectors:
        shown = _unit(wanted - (wanted @ self.photos_mean)[:, None] * self.photos_mean)
        other = _unit(chance.normal(size=wanted.shape) * self.deviations) @ self.rotation
        content = _unit(np.sqrt(_ABOUT) * shown + np.sqrt(1 - _ABOUT) * other)
        return _unit(np.sqrt(1 - _TEXTS_ALIKE) * content + np.sqrt(_TEXTS_ALIKE) * self.texts_mean)


def _unit(rows: NDArray[np.floating]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
