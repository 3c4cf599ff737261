"""The banks of typical queries by which hubs are told: texts for the joint space, expected photos for the visual one.

Knows what was measured about their sizes. Knows nothing of files.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from indexer.encoders.bundled.towers import Heads
from indexer.encoders.bundled.training.data import CAPTIONS
from indexer.encoders.bundled.training.loop import Material

# Of 1,000, 2,000 and 5,000 photos' captions, 2,000 are as good as 5,000 for texts (Recall@1 of five captions 45.3,
# 47.6 and 47.0); for imagined pictures 4,000 were better than 2,000 (+2.1 Recall@1 over the text, not +1.4).
TEXT_BANK, PICTURE_BANK = 2048, 4096
# The ridge of the regression that says what photo a text lets one expect; 3 and 30 do as well.
RIDGE = 10.0


def fit_hubs(heads: Heads, material: Material, class_names: Tensor, seed: int) -> None:
    """Gives `heads`, complete otherwise, their banks, of training photos alone. `class_names`: sentence vectors
    (classes, 384) of what people type to find an object."""
    chance = np.random.default_rng(seed)
    tokens, probabilities = material.views[0].rows(material.train)
    captions = material.sentences[torch.from_numpy(material.train)]
    with torch.inference_mode():
        photos = heads.uncorrected_photos(tokens, probabilities)
        texts = heads.uncorrected_texts(captions.flatten(0, 1)).unflatten(0, captions.shape[:2])
        typical = torch.from_numpy(chance.permutation(len(material.train)))
        dialogues = F.normalize(texts[typical[:TEXT_BANK]].mean(1), dim=1)
        heads.hubs.fit(torch.cat([dialogues, heads.uncorrected_texts(class_names)]), photos)

        whitened = heads.visual.whitened(tokens[:, 0])
        expected = _expected_photos(texts, captions, whitened, chance)[typical[:PICTURE_BANK]]
        heads.visual.hubs.fit(F.normalize(expected, dim=1), F.normalize(whitened, dim=1))


def _expected_photos(texts: Tensor, captions: Tensor, photos: Tensor, chance: np.random.Generator) -> Tensor:
    """What ridge regression expects each photo to be from all of its captions: (n, dim) like `photos`.

    Linear, where the generator is not; the hubs it finds are the same, and the encoder need not wait for a generator.
    """
    count = chance.integers(1, CAPTIONS + 1, len(photos))
    some = torch.from_numpy(np.argsort(chance.random((len(photos), CAPTIONS)), 1) < count[:, None]).float()[..., None]
    queries = torch.cat([_means(texts, captions, some), _means(texts, captions, torch.ones_like(some))])
    centre, mean = queries.mean(0), photos.mean(0)
    x, y = queries - centre, (photos - mean).repeat(2, 1)
    weights: Tensor = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ y)
    return x[len(photos) :] @ weights + mean


def _means(texts: Tensor, captions: Tensor, shares: Tensor) -> Tensor:
    return torch.cat([F.normalize((part * shares).sum(1), dim=1) for part in (texts, captions)], 1)
