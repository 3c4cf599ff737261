"""The two models of the bundled generator, as diffusers components saved and loaded by `from_pretrained`.

They live in the bundled encoder's visual space, not in pixels: a *sample* is a photo's visual features followed by the
principal components of a small colour sketch of it. Know nothing of text, sampling or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

# How much of a picture's own sample is in the vector it is searched by; the rest is what all samples have in common.
SAMPLE_SHARE = 0.2


class Block(nn.Module):
    """A residual MLP, its input shifted by the embedded time and condition."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return cast(Tensor, x + self.layers(self.norm(x) + context))


class FeatureDenoiser(ModelMixin, ConfigMixin):
    """Predicts the clean sample x0 from a noisy one: (n, sample_dim), timesteps (n,), condition (n, condition_dim).

    A condition of zeros is no condition, for classifier-free guidance (Ho and Salimans, 2022).
    """

    @register_to_config
    def __init__(
        self, sample_dim: int, condition_dim: int, width: int = 1024, blocks: int = 4, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.condition = nn.Linear(condition_dim, width)
        self.enter = nn.Linear(sample_dim, width)
        self.body = nn.ModuleList(Block(width, dropout) for _ in range(blocks))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, sample_dim))

    def forward(self, sample: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        # Numbers of unit vectors are small, 0.05 or so; 20 brings them to the scale the layer starts at.
        context = F.silu(self.time(_sinusoids(timestep)) + self.condition(20.0 * condition))
        x = self.enter(sample)
        for block in self.body:
            x = block(x, context)
        return cast(Tensor, self.leave(x))


class WordBag(ModelMixin, ConfigMixin):
    """Which words a query's statements use: their token ids -> (vocabulary,), unit, rare words weighing more.

    A sentence vector says what a sentence is about, and only roughly in which words. The words themselves add what an
    image has to show (+1.7 points of Recall@10 and of Recall@1 on the development set, by linear regression).
    """

    ids: Tensor
    weights: Tensor

    @register_to_config
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.register_buffer("ids", torch.zeros(vocabulary, dtype=torch.int64))
        self.register_buffer("weights", torch.ones(vocabulary))

    def fit(self, ids: Tensor, documents: Tensor, total: int) -> None:
        """Takes the vocabulary's token ids and in how many of `total` statements each occurs, both (vocabulary,)."""
        self.ids.copy_(ids)
        self.weights.copy_((total / documents).log())

    def forward(self, statements: Sequence[Sequence[int]]) -> Tensor:
        """Zeros where no statement has a word of the vocabulary."""
        bag = torch.zeros(len(self.ids))
        for tokens in statements:
            bag += torch.isin(self.ids, torch.tensor(sorted(set(tokens)), dtype=torch.int64)).float()
        return F.normalize(bag * self.weights.float(), dim=0)


class SketchDecoder(ModelMixin, ConfigMixin):
    """Samples back into what they stand for: unit vectors of the visual space, and (side, side) RGB sketches.

    The visual space's last coordinate marks hubs; a sample has none, and every query's is the same (`hub_coordinate`,
    see `indexer.encoders.bundled.towers`).

    The samples' two parts are standardised as wholes (`visual_scale`) or by component (`sketch_deviations`), so that
    the noise schedule meets numbers of deviation 1.
    """

    visual_mean: Tensor
    visual_scale: Tensor
    sketch_mean: Tensor
    sketch_components: Tensor
    sketch_deviations: Tensor

    @register_to_config
    def __init__(self, visual_dim: int, sketch_dim: int, side: int, hub_coordinate: float) -> None:
        super().__init__()
        self.visual_dim, self.side, self.hub_coordinate = visual_dim, side, hub_coordinate
        self.register_buffer("visual_mean", torch.zeros(visual_dim))
        self.register_buffer("visual_scale", torch.ones(()))
        self.register_buffer("sketch_mean", torch.zeros(3 * side * side))
        self.register_buffer("sketch_components", torch.zeros(sketch_dim, 3 * side * side))
        self.register_buffer("sketch_deviations", torch.ones(sketch_dim))

    @property
    def sample_dim(self) -> int:
        return self.visual_dim + len(self.sketch_deviations)

    def fit(self, visual: Tensor, sketches: Tensor) -> None:
        """Takes half-whitened visual features (n, visual_dim) and sketches (n, 3 * side * side) in -1..1."""
        self.visual_mean.copy_(visual.mean(0))
        self.visual_scale.copy_((visual - visual.mean(0)).std())
        self.sketch_mean.copy_(sketches.mean(0))
        centred = sketches - sketches.mean(0)
        self.sketch_components.copy_(torch.linalg.svd(centred, full_matrices=False).Vh[: len(self.sketch_deviations)])
        self.sketch_deviations.copy_((centred @ self.sketch_components.T).std(0))

    def encode(self, visual: Tensor, sketches: Tensor) -> Tensor:
        """The samples of photos, (n, sample_dim)."""
        parts = (sketches - self.sketch_mean) @ self.sketch_components.T / self.sketch_deviations
        return torch.cat([(visual - self.visual_mean) / self.visual_scale, parts], 1)

    def vectors(self, samples: Tensor, expected: Tensor) -> Tensor:
        """(n, visual_dim + 1), unit: what to search by. `expected`: the mean of all samples of the same condition.

        One sample is one photo out of many that would fit. Searching by it is searching for its accidents too.
        """
        own, mean = (self._direction(each) for each in (samples, expected))
        blended = F.normalize(SAMPLE_SHARE * own + (1 - SAMPLE_SHARE) * mean, dim=1)
        constant = blended.new_full((len(blended), 1), self.hub_coordinate)
        return F.normalize(torch.cat([blended, constant], 1), dim=1)

    def _direction(self, samples: Tensor) -> Tensor:
        return F.normalize(samples[:, : self.visual_dim] * self.visual_scale + self.visual_mean, dim=1)

    def pictures(self, samples: Tensor) -> Tensor:
        """(n, side, side, 3) in 0..1."""
        parts = samples[:, self.visual_dim :] * self.sketch_deviations
        flat = parts @ self.sketch_components + self.sketch_mean
        return (flat.view(-1, self.side, self.side, 3) / 2 + 0.5).clamp(0, 1)


def _sinusoids(timestep: Tensor) -> Tensor:
    frequencies = torch.exp(torch.arange(64, device=timestep.device) * (-math.log(10_000.0) / 64))
    angles = timestep.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)
