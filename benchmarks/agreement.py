"""Whether rounded vectors still find the same things: the overlap of nearest neighbours, and two trained judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# What rounding may change at most of the ten nearest.
LEAST_OVERLAP = 0.99

Vectors = NDArray[np.float32]


def top_overlap(exact: Vectors, rounded: Vectors, k: int = 10) -> float:
    """The share of each row's `k` nearest other rows that are the same in both; rows are unit vectors (n, dim)."""
    if exact.shape != rounded.shape or len(exact) <= k:
        raise ValueError(f"{exact.shape} and {rounded.shape} have no {k} nearest rows to compare")
    nearest = []
    for vectors in (exact, rounded):
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -np.inf)
        nearest.append(np.argpartition(-cosines, k, axis=1)[:, :k])
    same = sum(len(np.intersect1d(first, second)) for first, second in zip(*nearest, strict=True))
    return same / (k * len(exact))


def trained_photos(photos: Sequence[Path]) -> float:
    """The overlap that bf16 leaves in EfficientNet-Lite2, with its ImageNet weights, on these photos."""
    import torch

    from indexer.encoders.bundled.backbones import load_image_backbone

    pixels = np.stack([_squeezed(path) for path in photos])
    batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128

    def embed(dtype: torch.dtype) -> torch.Tensor:
        model: Any = load_image_backbone().to(dtype=dtype, memory_format=torch.channels_last)
        parts = [model.forward_features(part.to(dtype)).float().mean((2, 3)) for part in batch.split(8)]
        return torch.cat(parts)

    return _overlap_of(embed)


def trained_texts(texts: Sequence[str]) -> float:
    """The overlap that bf16 leaves in all-MiniLM-L6-v2, a trained transformer of six layers, on these texts."""
    import torch

    from indexer.encoders.bundled import _load_tokenizer
    from indexer.encoders.bundled.backbones import load_text_backbone

    tokenizer = _load_tokenizer(64)
    ids = [torch.tensor([each.ids]) for each in tokenizer.encode_batch(list(texts))]

    def embed(dtype: torch.dtype) -> torch.Tensor:
        model: Any = load_text_backbone().to(dtype)
        return torch.cat([model(input_ids=each).last_hidden_state.float().mean(1) for each in ids])

    return _overlap_of(embed)


def _overlap_of(embed: Callable[[Any], Any]) -> float:
    import torch
    from torch.nn import functional as F

    with torch.inference_mode():
        exact, rounded = (F.normalize(embed(dtype), dim=1).numpy() for dtype in (torch.float32, torch.bfloat16))
    return top_overlap(exact, rounded)


def _squeezed(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((260, 260), Image.Resampling.BICUBIC))
