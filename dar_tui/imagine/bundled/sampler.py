"""The bundled generator's sampling: conditions in, vectors to search by and pictures to show out.

Two ONNX graphs run on ONNX Runtime: the denoiser (a diffusion model over samples) and, where there is one for its
visual space, the refiner, which draws a picture over a sample's sketch. What is around them is numpy. Imports no
torch: its load took 6 s of the first turn and 0.5 GB. How the graphs are made is `training.generator`'s business; knows
nothing of text towers, prompts or saving pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.runtime import open_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from indexer.encoders import Vectors

DENOISER, REFINER, ARRAYS, TRAINED_FOR = "denoiser.onnx", "refiner.onnx", "arrays.safetensors", "encoder.json"
REFINER_SPACE = "refiner.json"
# What decides a picture beside the seed and the conditions; FILES that are missing are left out.
FILES = (DENOISER, REFINER, ARRAYS, TRAINED_FOR, REFINER_SPACE)
# Raised by hand whenever the same files give other pictures.
SAMPLER_VERSION = 2

# How many steps of noise the denoiser was trained on.
TIMES = 1000
# How much of a picture's own sample is in the vector it is searched by; the rest is what all samples have in common.
SAMPLE_SHARE = 0.2
# What the refiner may draw texture from, beside the sample: channels of noise at the sketch's size.
NOISE_CHANNELS = 4


@dataclass(frozen=True)
class Sampled:
    """`vectors` (n, visual_dim + 1), unit, to search by; `pictures` (n, side, side, 3) in 0..1, of the same samples."""

    vectors: Vectors
    pictures: NDArray[np.float32]


def signal_shares(times: int = TIMES) -> NDArray[np.float32]:
    """The cosine schedule of Nichol and Dhariwal (2021): alpha-bar of each time step, (times,)."""
    ends = np.cos((np.arange(times + 1) / times + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1 - ends[1:] / ends[:-1], 0.999)
    return np.cumprod(1 - betas).astype(np.float32)


class Sampler:
    """The models of a folder. `threads` is how many cores one call may use.

    Raises ModelUnavailable for a graph that does not load, OSError, KeyError, ValueError or safetensors' own error for
    other damage.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        from safetensors.numpy import load_file

        self._arrays = {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in load_file(folder / ARRAYS).items()
        }
        self.visual_dim = len(self._arrays["visual_mean"])
        self.hub_coordinate = float(self._arrays["hub_coordinate"][0])
        self.sketch_side = round((len(self._arrays["sketch_mean"]) / 3) ** 0.5)
        self._denoiser = open_graph(folder / DENOISER, threads)
        self._refiner: Any = open_graph(folder / REFINER, threads) if has_refiner(folder) else None
        self._shares = signal_shares()

    @property
    def sample_dim(self) -> int:
        return self.visual_dim + len(self._arrays["sketch_deviations"])

    @property
    def condition_dim(self) -> int:
        (_, _, condition) = self._denoiser.get_inputs()
        return int(condition.shape[1])

    @property
    def refines(self) -> bool:
        """Whether pictures are drawn over the sketches."""
        return self._refiner is not None

    def words(self, statements: Sequence[Sequence[int]]) -> Vectors:
        """Which words statements (token ids each) use: (vocabulary,), unit, rare words weighing more.

        Zeros where no statement has a word of the vocabulary.
        """
        ids, weights = self._arrays["word_ids"], self._arrays["word_weights"]
        bag = np.zeros(len(ids), dtype=np.float32)
        for tokens in statements:
            bag += np.isin(ids, list(set(tokens)))
        return _unit(bag * weights)

    def sample(
        self,
        conditions: Vectors,
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        on_step: Callable[[int], None] | None = None,
    ) -> Sampled:
        """One sample for each row of `conditions` (n, condition_dim) and its own seed, by DDIM (Song et al., 2021).

        `on_step(step)` is called after every step, from 1, and may raise to stop.
        """
        # A source of chance for each picture: a picture then depends on its own seed and not on its neighbours.
        chances = [np.random.default_rng(seed) for seed in seeds]
        samples = np.stack([chance.standard_normal(self.sample_dim, dtype=np.float32) for chance in chances])
        side = self.sketch_side
        noise = np.stack([chance.standard_normal((NOISE_CHANNELS, side, side), dtype=np.float32) for chance in chances])
        # From the noisiest time down ("trailing", Lin et al., 2024).
        times = (np.round(np.arange(TIMES, 0, -TIMES / steps)) - 1).astype(np.int64)
        # Of pure noise a model that predicts the clean sample predicts the mean of all samples there are.
        expected = self._denoise(np.zeros_like(samples), times[0], conditions)
        both = np.concatenate([conditions, np.zeros_like(conditions)]) if guidance != 1.0 else conditions
        for step, time in enumerate(times, 1):
            if guidance != 1.0:
                clean, anyhow = np.split(self._denoise(np.concatenate([samples, samples]), time, both), 2)
                clean = anyhow + guidance * (clean - anyhow)
            else:
                clean = self._denoise(samples, time, conditions)
            share = self._shares[time]
            before = self._shares[time - TIMES // steps] if time >= TIMES // steps else np.float32(1)
            direction = (samples - np.sqrt(share) * clean) / np.sqrt(1 - share)
            samples = np.sqrt(before) * clean + np.sqrt(1 - before) * direction
            if on_step is not None:
                on_step(step)
        return Sampled(self.vectors(samples, expected), self.pictures(samples, noise))

    def vectors(self, samples: Vectors, expected: Vectors) -> Vectors:
        """(n, visual_dim + 1), unit: what to search by. `expected`: the mean of all samples of the same condition.

        One sample is one photo out of many that would fit. Searching by it is searching for its accidents too. The
        visual space's last coordinate marks hubs; a sample has none, and every query's is the same.
        """
        own, mean = (_unit(self._visual(each)) for each in (samples, expected))
        blended = _unit(SAMPLE_SHARE * own + (1 - SAMPLE_SHARE) * mean)
        constant = np.full((len(blended), 1), self.hub_coordinate, dtype=np.float32)
        return _unit(np.concatenate([blended, constant], 1))

    def sketches(self, samples: Vectors) -> NDArray[np.float32]:
        """(n, side, side, 3) in 0..1."""
        parts = samples[:, self.visual_dim :] * self._arrays["sketch_deviations"]
        flat = parts @ self._arrays["sketch_components"] + self._arrays["sketch_mean"]
        shaped = flat.reshape(-1, self.sketch_side, self.sketch_side, 3)
        return np.asarray(np.clip(shaped / 2 + 0.5, 0, 1))

    def pictures(self, samples: Vectors, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, side, side, 3) in 0..1: what the refiner draws over the sketches, or these where there is none."""
        sketches = self.sketches(samples)
        if self._refiner is None:
            return sketches
        given = {
            "visual": self._visual(samples),
            "sketch": np.ascontiguousarray(sketches.transpose(0, 3, 1, 2) * 2 - 1),
            "noise": noise,
        }
        (drawn,) = self._refiner.run(None, given)
        return np.clip(drawn.transpose(0, 2, 3, 1) / 2 + 0.5, 0, 1)  # type: ignore[no-any-return]

    def _visual(self, samples: Vectors) -> Vectors:
        """(n, visual_dim), as the encoder's visual space has it before it makes it unit."""
        return samples[:, : self.visual_dim] * self._arrays["visual_scale"] + self._arrays["visual_mean"]

    def _denoise(self, samples: Vectors, time: int, conditions: Vectors) -> Vectors:
        times = np.full(len(samples), time, dtype=np.float32)
        (clean,) = self._denoiser.run(None, {"sample": samples, "time": times, "condition": conditions})
        return clean  # type: ignore[no-any-return]


def has_refiner(folder: Path) -> bool:
    """Whether the folder's refiner draws in the visual space that its denoiser imagines in."""
    if not (folder / REFINER).is_file():
        return False
    space = json.loads((folder / REFINER_SPACE).read_text())["space"]
    return bool(space == json.loads((folder / TRAINED_FOR).read_text()).get("space"))


def _unit(x: Vectors) -> Vectors:
    lengths = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.maximum(lengths, 1e-12), dtype=np.float32)
