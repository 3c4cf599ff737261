"""Steps and guidance of the models people use, told apart by what their folders say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dar_tui.imagine.recipes import FAMILIES, ModelFamily, Overrides, Traits, call_arguments, family_of, recipe_for

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


TURBO = "stable-diffusion-xl-base-1.0 "


@pytest.mark.parametrize(
    ("traits", "steps", "guidance"),
    [
        (replace(SDXL, name=TURBO + "Hyper-SDXL-8steps-lora", on_cpu=True), 8, 0.0),
        (replace(SDXL, name=TURBO + "Hyper-SDXL-1step-lora"), 1, 0.0),
        (replace(SDXL, name=TURBO + "Hyper-SDXL-12steps-CFG-lora"), 12, 5.0),
        (replace(SD3, name=SD3.name + " Hyper-SD3-4steps-CFG-lora"), 4, 3.0),
        (replace(FLUX, name="FLUX.1-dev Hyper-FLUX.1-dev-16steps-lora"), 16, 3.5),
        (replace(SDXL, name=TURBO + "sdxl_lightning_2step_lora", on_cpu=True), 2, 0.0),
        (replace(SDXL, name="SDXL-Lightning", on_cpu=True), 4, 0.0),
        (replace(SDXL, name=TURBO + "lcm-lora-sdxl"), 4, 1.0),
        (replace(SD, name="sdxs-512-dreamshaper"), 1, 0.0),
        (replace(SD, name="PixArt-LCM-XL-2-1024-MS", pipeline="PixArtAlphaPipeline"), 4, 0.0),
        (replace(SD, name="PixArt-Alpha-DMD-XL-2-512x512", pipeline="PixArtAlphaPipeline"), 1, 1.0),
        (replace(SD, name="x", pipeline="SanaSprintPipeline", on_cpu=True), 2, 4.5),
        (replace(SD3, name="Z-Image-Turbo", pipeline="ZImagePipeline"), 8, 0.0),
        (replace(SD3, name="klein", pipeline="Flux2KleinPipeline", distilled=True), 4, 1.0),
        (replace(SD3, name="klein-base", pipeline="Flux2KleinPipeline"), 50, 4.0),
        (replace(SD3, name="Qwen-Image", pipeline="QwenImagePipeline"), 50, 4.0),
        (replace(SD3, name="Qwen-Image Qwen-Image-Lightning-4steps-V2.0", pipeline="QwenImagePipeline"), 4, 1.0),
    ],
)
def test_a_distilled_model_keeps_its_number_of_steps(traits: Traits, steps: int, guidance: float) -> None:
    recipe = recipe_for(traits)
    assert (recipe.steps, recipe.guidance) == (steps, guidance)


def test_what_a_pipeline_is_called_with_besides() -> None:
    def arguments(overrides: Overrides, **changes: str) -> dict[str, object]:
        traits = replace(SD3, **changes)  # type: ignore[arg-type]
        return call_arguments(family_of(traits), recipe_for(traits, overrides), 2)

    plain = Overrides()
    assert arguments(plain, name="FLUX.1-schnell", pipeline="FluxPipeline")["max_sequence_length"] == 256
    dmd = {"name": "PixArt-DMD", "pipeline": "PixArtAlphaPipeline"}
    assert arguments(plain, **dmd)["timesteps"] == [400]
    assert "timesteps" not in arguments(Overrides(steps=4), **dmd)
    qwen = arguments(plain, name="Qwen-Image", pipeline="QwenImagePipeline")
    assert qwen == {"num_inference_steps": 50, "true_cfg_scale": 4.0, "negative_prompt": [" ", " "]}


def test_the_table_in_the_documentation_is_this_one() -> None:
    """Family, steps, guidance, scheduler and source of docs/models.md, row by row."""
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (read|unchecked) \|$", text, re.MULTILINE)
    assert [tuple(row) for row in rows] == [as_row(family) for family in FAMILIES]


def as_row(family: ModelFamily) -> tuple[str, ...]:
    steps = "the number in the name" if family.steps_in_name else str(family.steps)
    steps += f", {family.steps_on_cpu} on a CPU" if family.steps_on_cpu else ""
    solver = f"`{family.solver.name}`" if family.solver else "as saved"
    return (
        family.title,
        steps,
        f"{family.guidance:g}",
        solver,
        family.source,
        "read" if family.checked else "unchecked",
    )
