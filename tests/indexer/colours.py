"""Real photos of plain colours and an encoder that sees colours: small enough to reason about, real enough to fail."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.encoders import ImageEmbeddings
from indexer.indexing.events import Event, Finished, IndexSummary
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library

Vectors = NDArray[np.float32]
GRID = 4


def unit(vectors: NDArray[np.floating]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


class ColourEncoder:
    """Joint: a 4x4 grid of colours about grey (48). Visual: the same as 2x2 (12). Text: a direction by its hash."""

    id = "test-colours-1"
    dim = GRID * GRID * 3
    visual_dim = 12
    image_size = 16
    max_text_tokens = 32

    def __init__(self) -> None:
        self.encoded = 0
        self.batches: list[int] = []

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((GRID, GRID), Image.Resampling.BOX), np.uint8)

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        self.encoded += len(batch)
        self.batches.append(len(batch))
        grid = np.stack(batch).astype(np.float32) / 255 - 0.45
        coarse = grid.reshape(len(batch), 2, 2, 2, 2, 3).mean(axis=(2, 4))
        visual = unit(coarse.reshape(len(batch), -1)) if self.visual_dim else None
        return ImageEmbeddings(unit(grid.reshape(len(batch), -1)), visual)

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
        return unit(np.stack([np.random.default_rng(seed).normal(size=self.dim) for seed in seeds]))


def draw(path: Path, seed: int, size: tuple[int, int] = (64, 48), **options: object) -> Path:
    """A photo unlike any other: a coarse pattern of colours, by its seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (GRID, GRID, 3), dtype=np.uint8)
    Image.fromarray(cells).resize(size, Image.Resampling.NEAREST).save(path, **options)
    return path


def vector_of(path: Path, encoder: ColourEncoder | None = None) -> Vectors:
    """What the encoder makes of the photo in this file."""
    with Image.open(path) as image:
        return (encoder or ColourEncoder()).encode_images([image.convert("RGB")]).joint[0]


def set_back(path: Path, seconds: int = 100) -> None:
    """Makes the file look older, so that a later write is told apart by its time as well."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - seconds * 10**9))


class Workplace:
    """A folder of photos, a library, an encoder that counts; what most tests here need."""

    def __init__(self, folder: Path) -> None:
        self.photos = folder / "photos"
        self.photos.mkdir()
        self.library_path = folder / "library"
        self.encoder = ColourEncoder()
        self.events: list[Event] = []

    def draw(self, count: int, start: int = 0, under: str = "") -> list[Path]:
        return [draw(self.photos / under / f"{number:04d}.png", number) for number in range(start, start + count)]

    def index(self, *folders: Path, **options: object) -> IndexSummary:
        """Runs an index over the folders (the photos, if none are named) and returns its summary."""
        settings = IndexOptions(**{"workers": 2, **options})  # type: ignore[arg-type]
        self.events = list(index(self.library_path, folders or (self.photos,), self.encoder, settings))
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last.summary

    def open(self, **options: int) -> Library:
        return Library.open(self.library_path, **options)


def counts(summary: IndexSummary) -> dict[str, int]:
    """The counts that are not zero, `unchanged` included."""
    names = ("added", "changed", "moved", "removed", "unchanged", "problems")
    return {name: getattr(summary, name) for name in names if getattr(summary, name)}
