"""Recall of heads on photos they were not trained on, from cached features; the figures in MODEL_CARD.md come from
`benchmarks/quality.py`, which goes through the encoder itself."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from indexer.encoders.bundled.towers import Heads
from indexer.encoders.bundled.training.data import PhotoCache


def recall(heads: Heads, whole: PhotoCache, sentences: Tensor, photos: NDArray[np.int64]) -> str:
    """Recall@1/5/10 among `photos`, of every caption alone and of the mean of all five."""
    with torch.inference_mode():
        library = heads.embed_photos(*whole.rows(photos))
        own = sentences[torch.from_numpy(photos)]
        texts = heads.embed_texts(own.flatten(0, 1)).unflatten(0, own.shape[:2])
        single = torch.stack([ranks(texts[:, i] @ library.T) for i in range(texts.shape[1])])
        five = ranks(F.normalize(texts.mean(1), dim=1) @ library.T)
    return f"R@1/5/10 one caption {_at(single)}  five {_at(five)}"


def ranks(scores: Tensor) -> Tensor:
    """0-based rank of the diagonal in each row: how many scores are strictly better."""
    return (scores > scores.diagonal()[:, None]).sum(1)


def _at(places: Tensor) -> str:
    return "/".join(f"{100 * (places < k).float().mean().item():.1f}" for k in (1, 5, 10))
