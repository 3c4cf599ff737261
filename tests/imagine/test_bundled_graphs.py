"""The exported generator against its torch modules and diffusers' sampler, with small models of random weights."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from dar_tui.imagine.bundled.model import FeatureDenoiser, SketchDecoder, SketchRefiner, WordBag
from dar_tui.imagine.bundled.sampler import TRAINED_FOR, Sampler, signal_shares
from training.generator.export import export_generator, export_refiner

VISUAL, CONDITION, STEPS, GUIDANCE = 12, 20, 5, 2.0
SEEDS = (3, 4)


@pytest.fixture(scope="module")
def nets() -> tuple[FeatureDenoiser, SketchDecoder, WordBag, SketchRefiner]:
    torch.manual_seed(0)
    decoder = SketchDecoder(visual_dim=VISUAL, sketch_dim=6, side=32, hub_coordinate=0.375)
    decoder.fit(torch.randn(40, VISUAL) * 3 + 1, torch.rand(40, 3 * 32 * 32) * 2 - 1)
    words = WordBag(4)
    words.fit(torch.tensor([5, 7, 8, 9]), torch.tensor([1, 2, 5, 9]), 10)
    refiner = SketchRefiner(VISUAL, 16, (24, 16, 8, 8))
    # Its last layer begins at zero: a refiner that is not trained changes nothing.
    torch.nn.init.normal_(refiner.leave.weight, std=0.1)
    return FeatureDenoiser(decoder.sample_dim, CONDITION, width=32, blocks=2).eval(), decoder, words, refiner.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, nets: tuple) -> Path:
    denoiser, decoder, words, refiner = nets
    folder = tmp_path_factory.mktemp("generator")
    export_generator(folder, denoiser, decoder, words, heads="h", space="s")
    export_refiner(folder, refiner, "s")
    return folder


def test_vectors_and_pictures_are_those_of_torch_and_diffusers(folder: Path, nets: tuple) -> None:
    from diffusers import DDIMScheduler

    denoiser, decoder, _, refiner = nets
    sampler = Sampler(folder)
    assert sampler.refines
    given = np.random.default_rng(1).standard_normal((2, CONDITION), dtype=np.float32) * 0.1
    previews: list[np.ndarray] = []
    found = sampler.sample(given, SEEDS, STEPS, GUIDANCE, lambda step, preview: previews.append(preview()))

    chances = [np.random.default_rng(seed) for seed in SEEDS]
    samples = torch.from_numpy(np.stack([c.standard_normal(decoder.sample_dim, dtype=np.float32) for c in chances]))
    noise = torch.from_numpy(np.stack([c.standard_normal((4, 32, 32), dtype=np.float32) for c in chances]))
    conditions = torch.from_numpy(given)
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="sample", clip_sample=False, timestep_spacing="trailing"
    )
    scheduler.set_timesteps(STEPS)
    with torch.inference_mode():
        expected = denoiser(torch.zeros_like(samples), scheduler.timesteps[:1].expand(2), conditions)
        for time in scheduler.timesteps:
            clean = denoiser(samples, time.expand(2), conditions)
            anyhow = denoiser(samples, time.expand(2), torch.zeros_like(conditions))
            samples = scheduler.step(anyhow + GUIDANCE * (clean - anyhow), time, samples).prev_sample
        visual = [each[:, :VISUAL] * decoder.visual_scale + decoder.visual_mean for each in (samples, expected)]
        own, mean = (torch.nn.functional.normalize(each, dim=1) for each in visual)
        flat = samples[:, VISUAL:] * decoder.sketch_deviations @ decoder.sketch_components + decoder.sketch_mean
        sketch = flat.view(-1, 32, 32, 3).permute(0, 3, 1, 2).clamp(-1, 1)
        drawn = refiner(visual[0], sketch, noise)
    direction = torch.nn.functional.normalize(0.2 * own + 0.8 * mean, dim=1)
    vectors = torch.nn.functional.normalize(torch.cat([direction, torch.full((2, 1), 0.375)], 1), dim=1)
    np.testing.assert_allclose(found.vectors, vectors.numpy(), atol=1e-3)
    pictures = (drawn.permute(0, 2, 3, 1) / 2 + 0.5).clamp(0, 1).numpy()
    assert pictures.shape == (2, 64, 64, 3)
    # Sketches of random weights are steep: a half-precision weight moves a pixel by up to 2 of 255 levels.
    assert np.abs(found.pictures - pictures).mean() < 1e-3
    apart = [np.abs(found.pictures - preview).mean() for preview in previews]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(apart))


def test_the_schedule_is_diffusers_own() -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2")
    np.testing.assert_allclose(signal_shares(), scheduler.alphas_cumprod.numpy(), rtol=1e-3, atol=1e-6)


def test_words_weigh_by_their_rarity(folder: Path) -> None:
    sampler = Sampler(folder)
    weights = np.log(10 / np.array([1, 2, 5, 9]))
    both = sampler.words([[5, 6, 9], [9, 9]])
    np.testing.assert_allclose(both, np.array([1, 0, 0, 2]) * weights / np.hypot(weights[0], 2 * weights[3]), atol=1e-3)
    np.testing.assert_array_equal(sampler.words([[1, 2]]), np.zeros(4))


def test_a_refiner_of_another_visual_space_is_left_out(folder: Path) -> None:
    trained_for = folder / TRAINED_FOR
    before = trained_for.read_text()
    trained_for.write_text(json.dumps({"heads": "h", "space": "another"}))
    try:
        sampler = Sampler(folder)
        given = np.zeros((1, CONDITION), dtype=np.float32)
        assert not sampler.refines
        assert sampler.sample(given, [1], 2, 1.0).pictures.shape == (1, 32, 32, 3)
    finally:
        trained_for.write_text(before)
