"""Captioned photos for training: which are kept out, and their features under frozen backbones, cached on disk.

Knows nothing of losses or heads.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from indexer.encoders.bundled.towers import CHANNELS, CLASSES, SENTENCE_DIM, PhotoFeatures, SentenceVectors

CAPTIONS = 5
KEPT_OUT = 1000
SIDE = 260


@dataclass(frozen=True)
class Captioned:
    """File names in alphabetical order and, for each, its five captions."""

    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Split:
    """Indices into `Captioned.names`. `test` is never trained on; `dev` only by a run that reports on `test`."""

    train: NDArray[np.int64]
    dev: NDArray[np.int64]
    test: NDArray[np.int64]


def read_captions(table: Path) -> Captioned:
    """Reads `file<TAB>caption` lines; a trailing full stop is dropped, as nobody types one into a search box."""
    found: dict[str, list[str]] = {}
    for line in table.read_text(encoding="utf-8").splitlines():
        name, _, caption = line.partition("\t")
        found.setdefault(name, []).append(caption.strip().removesuffix(".").strip())
    names = sorted(found)
    return Captioned(tuple(names), tuple(tuple(found[name][:CAPTIONS]) for name in names))


def split(names: Sequence[str]) -> Split:
    """By the SHA-256 of the file name: the lowest thousand are the test set, the next thousand the development set."""
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode()).hexdigest())
    return Split(
        train=np.array(order[2 * KEPT_OUT :]),
        dev=np.array(order[KEPT_OUT : 2 * KEPT_OUT]),
        test=np.array(order[:KEPT_OUT]),
    )


def view(image: Image.Image, name: str, number: int) -> NDArray[np.uint8]:
    """View 0 is the whole photo, 1 its mirror image, others crops (60-100 % of the area), half of them mirrored."""
    if number < 2:
        whole = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return np.asarray(ImageOps.mirror(whole) if number else whole)
    chance = random.Random(f"{name}-{number}")
    width, height = image.size
    area = chance.uniform(0.6, 1.0) * width * height
    aspect = exp(chance.uniform(log(0.8), log(1.25)))
    w, h = min(width, (area * aspect) ** 0.5), min(height, (area / aspect) ** 0.5)
    left, top = chance.uniform(0, width - w), chance.uniform(0, height - h)
    crop = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, left + w, top + h))
    return np.asarray(ImageOps.mirror(crop) if chance.random() < 0.5 else crop)


@dataclass(frozen=True)
class PhotoCache:
    """One view of every photo, float16: token features (n, 10, channels) and class probabilities (n, classes)."""

    tokens: NDArray[np.float16]
    probabilities: NDArray[np.float16]

    def rows(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The same for some photos, as float32."""
        return torch.from_numpy(self.tokens[index]).float(), torch.from_numpy(self.probabilities[index]).float()


def cache_photos(folder: Path, photos: Path, names: Sequence[str], views: int) -> list[PhotoCache]:
    """Computes what is missing (about 2 minutes a view for 7,000 photos on 2 cores) and maps all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(views) if not (folder / f"view{number}.done").exists()]
    if missing:
        features = PhotoFeatures().eval().to(memory_format=torch.channels_last)
        for number in missing:
            _compute_view(features, folder, photos, names, number)
    return [
        PhotoCache(
            np.load(folder / f"tokens{number}.npy", mmap_mode="r"),
            np.load(folder / f"probabilities{number}.npy", mmap_mode="r"),
        )
        for number in range(views)
    ]


def _compute_view(features: PhotoFeatures, folder: Path, photos: Path, names: Sequence[str], number: int) -> None:
    rows = len(names)
    tokens = np.lib.format.open_memmap(folder / f"tokens{number}.npy", "w+", np.float16, (rows, 10, CHANNELS))
    chances = np.lib.format.open_memmap(folder / f"probabilities{number}.npy", "w+", np.float16, (rows, CLASSES))

    def decode(name: str) -> NDArray[np.uint8]:
        with Image.open(photos / name) as image:
            return view(image.convert("RGB"), name, number)

    with ThreadPoolExecutor(2) as pool, torch.inference_mode():
        for start in _batches(rows, 16):
            pixels = np.stack(list(pool.map(decode, names[start : start + 16])))
            batch_tokens, batch_chances = features(torch.from_numpy(pixels))
            tokens[start : start + 16] = batch_tokens.half().numpy()
            chances[start : start + 16] = batch_chances.half().numpy()
    tokens.flush()
    chances.flush()
    (folder / f"view{number}.done").touch()


def cache_sentences(path: Path, texts: Sequence[str]) -> Tensor:
    """MiniLM's unit sentence vectors, (n, 384) float32, computed once and kept in `path`."""
    if path.exists():
        return torch.from_numpy(np.load(path)).float()
    from tokenizers import Tokenizer

    from indexer.encoders.bundled.backbones import TOKENIZER

    tokenizer = Tokenizer.from_file(str(TOKENIZER.verified()))
    tokenizer.no_padding()
    tokenizer.enable_truncation(64)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    model = SentenceVectors().eval()
    vectors = torch.empty(len(ids), SENTENCE_DIM)
    with torch.inference_mode():
        for start in _batches(len(order), 128):
            batch = order[start : start + 128]
            longest = max(len(ids[i]) for i in batch)
            padded = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch])
            vectors[batch] = model(padded)
    np.save(path, vectors.half().numpy())
    return vectors


def class_names() -> list[list[str]]:
    """ImageNet's 1,000 classes in the classifier's order, each with its synonyms."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return [[name.strip() for name in info.index_to_description(i).split(",")] for i in range(CLASSES)]


def _batches(total: int, size: int) -> Iterator[int]:
    yield from range(0, total, size)
