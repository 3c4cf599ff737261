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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from indexer.encoders.bundled.backbones import ImageBackbone
from indexer.encoders.bundled.towers import CLASSES, SENTENCE_DIM, SIDE, PhotoFeatures, ReadTexts, SentenceVectors
from indexer.runtime import export_graph, open_graph

CAPTIONS = 5
KEPT_OUT = 1000
# Longer than any caption, short enough for a cache.
MOST_TOKENS = 64
# Photos that are searched for to judge an encoder, so never trained on: file name, tab, query.
EVERYDAY_QUERIES = Path(__file__).parents[2] / "tests/data/everyday_queries.tsv"


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


def uncaptioned(folder: Path) -> list[str]:
    """The file names in `folder`, in alphabetical order, without those that the everyday queries ask for."""
    wanted = {line.split("\t")[0] for line in EVERYDAY_QUERIES.read_text(encoding="utf-8").splitlines()}
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in wanted)


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

    def wholes(self) -> Tensor:
        """The features of each whole photo, (n, channels), float32."""
        return torch.from_numpy(self.tokens[:, 0].astype(np.float32))


def cache_photos(
    work: Path, photos: Path, names: Sequence[str], views: int, backbones: Sequence[ImageBackbone], threads: int = 2
) -> list[PhotoCache]:
    """Computes what is missing (Lite2 takes 2 minutes a view for 7,000 photos on 2 cores) and maps all of it."""
    folder = work / "+".join(each.name for each in backbones)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(views) if not (folder / f"view{number}.done").exists()]
    if missing:
        # As a graph: torch spends half of the time on giving its memory back and asking for it again.
        graph = folder / "features.onnx"
        if not graph.exists():
            example = torch.zeros((2, SIDE, SIDE, 3), dtype=torch.uint8)
            rows: dict[int, object] = {0: torch.export.Dim("n")}
            export_graph(PhotoFeatures(backbones).eval(), example, graph, "pixels", ["tokens", "probabilities"], rows)
        features = open_graph(graph, threads)
        channels = sum(sum(each.channels) for each in backbones)
        for number in missing:
            _compute_view(features, channels, folder, photos, names, number)
    return [
        PhotoCache(
            np.load(folder / f"tokens{number}.npy", mmap_mode="r"),
            np.load(folder / f"probabilities{number}.npy", mmap_mode="r"),
        )
        for number in range(views)
    ]


def _compute_view(features: Any, channels: int, folder: Path, photos: Path, names: Sequence[str], number: int) -> None:
    rows = len(names)
    tokens = np.lib.format.open_memmap(folder / f"tokens{number}.npy", "w+", np.float16, (rows, 10, channels))
    chances = np.lib.format.open_memmap(folder / f"probabilities{number}.npy", "w+", np.float16, (rows, CLASSES))

    def decode(name: str) -> NDArray[np.uint8]:
        with Image.open(photos / name) as image:
            return view(image.convert("RGB"), name, number)

    with ThreadPoolExecutor(2) as pool:
        for start in _batches(rows, 8):
            pixels = np.stack(list(pool.map(decode, names[start : start + 8])))
            tokens[start : start + 8], chances[start : start + 8] = features.run(None, {"pixels": pixels})
    tokens.flush()
    chances.flush()
    (folder / f"view{number}.done").touch()


@dataclass(frozen=True)
class TextCache:
    """Texts as frozen MiniLM reads them: unit sentence vectors (n, 384), the ids of all word pieces one after the other
    and, where its last layers are tuned, the states before those layers (tokens, 384) float16; text i has the tokens
    from `starts[i]` to `starts[i + 1]`."""

    sentences: Tensor
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    states: NDArray[np.float16] | None

    def rows(self, index: NDArray[np.int64]) -> ReadTexts:
        """Some texts, the states padded to the longest of them."""
        sentences = self.sentences[torch.from_numpy(index)]
        lengths = self.lengths(index)
        taken = np.arange(lengths.max()) < lengths[:, None]
        ids = np.zeros(taken.shape, dtype=np.int64)
        ids[taken] = self.ids[(self.starts[index][:, None] + np.arange(lengths.max()))[taken]]
        if self.states is None:
            return ReadTexts(sentences, torch.from_numpy(ids))
        states = torch.zeros(*taken.shape, SENTENCE_DIM)
        for row, (text, length) in enumerate(zip(index, lengths, strict=True)):
            start = self.starts[text]
            states[row, :length] = torch.from_numpy(self.states[start : start + length].astype(np.float32))
        return ReadTexts(sentences, torch.from_numpy(ids), states, torch.from_numpy(taken).long())

    def lengths(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many tokens each has."""
        return np.asarray(self.starts[index + 1] - self.starts[index])


def cache_texts(work: Path, name: str, texts: Sequence[str], tuned_layers: int) -> TextCache:
    """What MiniLM makes of `texts`, computed once and kept in `work` under this name (40,000 captions: 1 minute)."""
    from tokenizers import Tokenizer

    from indexer.encoders.bundled.backbones import TOKENIZER

    tokenizer = Tokenizer.from_file(str(TOKENIZER.verified()))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST_TOKENS)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in ids])])
    vectors_path, states_path = work / f"{name}.npy", work / f"{name}-states{tuned_layers}.npy"
    if not vectors_path.exists() or (tuned_layers and not states_path.exists()):
        work.mkdir(parents=True, exist_ok=True)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        model = SentenceVectors(tuned_layers).eval()
        vectors = torch.empty(len(ids), SENTENCE_DIM)
        states = np.empty((starts[-1] if tuned_layers else 0, SENTENCE_DIM), dtype=np.float16)
        with torch.inference_mode():
            for start in _batches(len(order), 128):
                batch = order[start : start + 128]
                longest = max(len(ids[i]) for i in batch)
                read = model(torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch]))
                vectors[batch] = read.sentences
                for row, i in enumerate(batch if tuned_layers else []):
                    states[starts[i] : starts[i + 1]] = read.states[row, : len(ids[i])].half().numpy()
        np.save(vectors_path, vectors.half().numpy())
        if tuned_layers:
            np.save(states_path, states)
    sentences = torch.from_numpy(np.load(vectors_path)).float()
    flat = np.concatenate([np.array(each, dtype=np.int64) for each in ids])
    return TextCache(sentences, flat, starts, np.load(states_path, mmap_mode="r") if tuned_layers else None)


def class_names() -> list[list[str]]:
    """ImageNet's 1,000 classes in the classifier's order, each with its synonyms."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return [[name.strip() for name in info.index_to_description(i).split(",")] for i in range(CLASSES)]


def _batches(total: int, size: int) -> Iterator[int]:
    yield from range(0, total, size)
