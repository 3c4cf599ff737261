"""The bundled generator as a diffusers pipeline: conditions in, features and sketches out.

Knows the sampling loop. Knows nothing of text towers, prompts or saving pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor

from dar_tui.imagine.bundled.model import FeatureDenoiser, SketchDecoder, WordBag


@dataclass(frozen=True)
class Sampled:
    """`vectors` (n, visual_dim + 1), unit, to search by; `pictures` (n, side, side, 3) in 0..1, of the same samples."""

    vectors: Tensor
    pictures: Tensor


class SketchPipeline(DiffusionPipeline):
    """Denoises visual features and a colour sketch together, conditioned on a query's vectors and words."""

    denoiser: FeatureDenoiser
    decoder: SketchDecoder
    words: WordBag
    scheduler: Any

    def __init__(
        self, denoiser: FeatureDenoiser, decoder: SketchDecoder, words: WordBag, scheduler: DDIMScheduler
    ) -> None:
        super().__init__()
        cast(Any, self).register_modules(denoiser=denoiser, decoder=decoder, words=words, scheduler=scheduler)

    @torch.inference_mode()
    def __call__(
        self,
        conditions: Tensor,
        generators: Sequence[torch.Generator],
        num_inference_steps: int = 20,
        guidance_scale: float = 2.0,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Sampled:
        """One sample for each row of `conditions` (n, condition_dim), with a CPU generator each.

        `on_step(step, steps)` is called after every step and may raise to stop.
        """
        shape = (1, self.decoder.sample_dim)
        samples = torch.cat([torch.randn(shape, generator=generator) for generator in generators])
        # A scheduler keeps its place in the loop: two calls at once would share it.
        scheduler = DDIMScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(num_inference_steps)
        nothing = torch.zeros_like(conditions)
        # Of pure noise a model that predicts the clean sample predicts the mean of all samples there are.
        first = scheduler.timesteps[:1].expand(len(samples))
        expected = self.denoiser(torch.zeros_like(samples), first, conditions)
        for step, timestep in enumerate(scheduler.timesteps, 1):
            times = timestep.expand(len(samples))
            clean = self.denoiser(samples, times, conditions)
            if guidance_scale != 1.0:
                clean_anyhow = self.denoiser(samples, times, nothing)
                clean = clean_anyhow + guidance_scale * (clean - clean_anyhow)
            samples = scheduler.step(clean, timestep, samples).prev_sample
            if on_step is not None:
                on_step(step, num_inference_steps)
        return Sampled(self.decoder.vectors(samples, expected), self.decoder.pictures(samples))
