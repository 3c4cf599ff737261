"""Steps and guidance of the models people use, told apart by what their folders say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dar_tui.imagine.recipes import FAMILIES, Overrides, Traits, recipe_for

SD = Traits("stable-diffusion-2-1", "StableDiffusionPipeline", "DDIMScheduler", "leading", 768, 50, 7.5, on_cpu=False)
SDXL = replace(SD, name="stable-diffusion-xl-base-1.0", pipeline="StableDiffusionXLPipeline", guidance=5.0, size=1024)
SD3 = Traits(
    "stable-diffusion-3-medium-diffusers",
    "StableDiffusion3Pipeline",
    "FlowMatchEulerDiscreteScheduler",
    "",
    1024,
    28,
    7.0,
    on_cpu=False,
)
FLUX = replace(SD3, name="FLUX.1-dev", pipeline="FluxPipeline", guidance=3.5)


@pytest.mark.parametrize(
    ("traits", "steps", "guidance"),
    [
        (SD, 25, 7.5),
        (replace(SD, name="my-own", scheduler="PNDMScheduler"), 25, 7.5),
        (replace(SD, name="sd-turbo", scheduler="EulerDiscreteScheduler", timestep_spacing="trailing"), 4, 0.0),
        (replace(SD, name="my-own", scheduler="EulerDiscreteScheduler", timestep_spacing="trailing"), 4, 0.0),
        (replace(SD, name="my-own", scheduler="EulerDiscreteScheduler"), 25, 7.5),
        (replace(SD, name="sd-turbo", on_cpu=True), 1, 0.0),
        (replace(SD, on_cpu=True), 25, 7.5),
        (replace(SD, name="my-own", scheduler="LCMScheduler"), 4, 1.0),
        (replace(SD, name="my-own", scheduler="LCMScheduler", embedded=True), 4, 8.0),
        (replace(SD, pipeline="LatentConsistencyModelPipeline", scheduler="LCMScheduler", guidance=8.5), 4, 8.0),
        (SDXL, 50, 5.0),
        (replace(SDXL, name="SDXL-Turbo"), 4, 0.0),
        (SD3, 28, 7.0),
        (replace(SD3, name="stable-diffusion-3.5-medium"), 40, 4.5),
        (replace(SD3, name="stable-diffusion-3.5-large"), 28, 3.5),
        (replace(SD3, name="stable-diffusion-3.5-large-turbo"), 4, 0.0),
        (FLUX, 28, 3.5),
        (replace(FLUX, name="FLUX.1-schnell"), 4, 0.0),
        (replace(SD, pipeline="SomePipelineOfTomorrow", steps=12, guidance=2.0), 12, 2.0),
    ],
)
def test_recipes(traits: Traits, steps: int, guidance: float) -> None:
    recipe = recipe_for(traits)
    assert (recipe.steps, recipe.guidance) == (steps, guidance)
    assert (recipe.width, recipe.height) == (traits.size, traits.size)


def test_overrides_win_one_by_one() -> None:
    assert recipe_for(SD, Overrides(steps=9)).guidance == 7.5
    assert recipe_for(SD, Overrides(guidance=0.0)).guidance == 0.0
    assert recipe_for(SD, Overrides(size=512)).width == 512


def test_every_row_names_its_source() -> None:
    assert all(family.source for family in FAMILIES)
