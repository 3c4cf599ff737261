"""Steps, guidance, scheduler and size that are right for each family of text-to-image models, and where they were read.

Knows models by name and configuration only; loads nothing. docs/models.md shows the same table, and a test compares
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dar_tui.imagine import Recipe
from indexer.errors import UsageError

# Where neither the pipeline, nor its denoiser, nor its family says what size it was trained at: Stable Diffusion's.
FALLBACK_SIZE = 512


@dataclass(frozen=True)
class Traits:
    """What distinguishes families. `name`: the hub id or folder name, the name the weights were saved under, and those
    of LoRAs.

    `size`: pixels a side the model was trained at, 0 if it does not say. `steps`, `guidance`: the pipeline class's own
    defaults. `embedded`: the denoiser takes the guidance as an input, as those do that were distilled with it.
    `distilled`: the pipeline says of itself that its guidance or steps are distilled.
    """

    name: str
    pipeline: str
    scheduler: str
    timestep_spacing: str
    size: int
    steps: int
    guidance: float
    on_cpu: bool
    embedded: bool = False
    distilled: bool = False


@dataclass(frozen=True)
class Overrides:
    """What the user set by hand; None leaves the family's own."""

    steps: int | None = None
    guidance: float | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"{self.steps} steps draw nothing.", "Give 1 step or more.")
        if self.guidance is not None and self.guidance < 0:
            raise UsageError(f"A guidance of {self.guidance} has no meaning.", "Give 0 or more.")
        if self.size is not None and (self.size < 8 or self.size % 8):
            raise UsageError(f"A size of {self.size} pixels cannot be drawn.", "Give a multiple of 8.")


@dataclass(frozen=True)
class Solver:
    """A scheduler of diffusers' by its class's name, and what differs from the settings saved with the weights."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFamily:
    """One row: models that want the same steps and guidance. None leaves the pipeline's default.

    `words`: one of them is in the name ("" is in every name); `all_words`: each of them is. `source`: the address it
    was read at; `checked`: it was read there, rather than remembered. `steps_in_name`: the name's own number ("4step")
    counts before `steps`: such a model was distilled for exactly that many. `steps_on_cpu`: where a step costs seconds.
    `schedulers`: renamed folders are known by these, with `trailing` only where their timesteps are. `solver`: what to
    draw with instead of the scheduler saved with the weights. `embedded`, `distilled`: only models that are so, see
    `Traits`. `size`: where the pipeline does not say. `guidance_by_steps`: guidance that goes with a number of steps.
    `guidance_argument`: what the pipeline calls it; `arguments`: what else it is called with, while `steps` are as
    they are here. `lora_weight`: how much of a LoRA of the family is added.
    """

    title: str
    pipelines: tuple[str, ...]
    words: tuple[str, ...]
    steps: int | None
    guidance: float | None
    source: str
    checked: bool = True
    all_words: tuple[str, ...] = ()
    steps_in_name: bool = False
    steps_on_cpu: int | None = None
    schedulers: tuple[str, ...] = ()
    trailing: bool = False
    solver: Solver | None = None
    embedded: bool = False
    distilled: bool = False
    size: int = 0
    guidance_by_steps: Mapping[int, float] = field(default_factory=dict)
    guidance_argument: str = "guidance_scale"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    lora_weight: float = 1.0

    def fits(self, traits: Traits) -> bool:
        """Whether a model is of this family: by pipeline, then by name or, for renamed folders, by scheduler."""
        if traits.pipeline not in self.pipelines or (self.embedded and not traits.embedded):
            return False
        if self.distilled and not traits.distilled:
            return False
        name = traits.name.lower()
        if any(word in name for word in self.words) and all(word in name for word in self.all_words):
            return True
        spacing = not self.trailing or traits.timestep_spacing == "trailing"
        return traits.scheduler in self.schedulers and spacing


SD = "StableDiffusionPipeline"
SDXL = "StableDiffusionXLPipeline"
SD3 = "StableDiffusion3Pipeline"
FLUX = "FluxPipeline"
FLUX2 = "Flux2KleinPipeline"
QWEN = "QwenImagePipeline"
Z_IMAGE = "ZImagePipeline"
PIXART = ("PixArtAlphaPipeline", "PixArtSigmaPipeline")

_HUB = "https://huggingface.co"
_DOCS = f"{_HUB}/docs/diffusers"
_HYPER = f"{_HUB}/ByteDance/Hyper-SD/blob/0d30c24b74c11f3d13dcd56c4689f80b7ebe45cf/README.md"
_HYPER_WORDS = ("hyper-sd", "hypersd", "hyper_sd", "hyper-flux")
_PLUS = Solver("DPMSolverMultistepScheduler")
_TRAILING = {"timestep_spacing": "trailing"}
# log(3): the shift that these were distilled with, whatever the size of the picture.
_LIGHTNING_SHIFT = 1.0986122886681098

# The first that fits counts. A model of no family is drawn by its pipeline class's own defaults.
FAMILIES = (
    # Step-distilled models and LoRAs come first: their names are the base model's and a word.
    ModelFamily(
        "Hyper-SD, 1 step", (SD, SDXL), _HYPER_WORDS, 1, 0.0, _HYPER, all_words=("1step",),
        solver=Solver("TCDScheduler"), arguments={"eta": 1.0},
    ),
    ModelFamily(
        "Hyper-SD with guidance kept", (SD, SDXL), _HYPER_WORDS, 8, 5.0, _HYPER, all_words=("cfg",), steps_in_name=True,
        solver=Solver("DDIMScheduler", _TRAILING),
    ),
    ModelFamily(
        "Hyper-SD", (SD, SDXL), _HYPER_WORDS, 4, 0.0, _HYPER, steps_in_name=True,
        solver=Solver("DDIMScheduler", _TRAILING),
    ),
    ModelFamily(
        "Hyper-SD for Stable Diffusion 3", (SD3,), _HYPER_WORDS, 8, 5.0, _HYPER, steps_in_name=True,
        guidance_by_steps={4: 3.0, 8: 5.0, 16: 7.0}, lora_weight=0.125,
    ),
    ModelFamily(
        "Hyper-SD for FLUX.1", (FLUX,), _HYPER_WORDS, 8, 3.5, _HYPER, steps_in_name=True, lora_weight=0.125,
    ),
    ModelFamily(
        "SDXL-Lightning, 1 step", (SDXL,), ("lightning",), 1, 0.0, f"{_HUB}/ByteDance/SDXL-Lightning",
        # Experimental, its makers say; it predicts the picture and not the noise, unlike the others.
        all_words=("1step",), solver=Solver("EulerDiscreteScheduler", {**_TRAILING, "prediction_type": "sample"}),
    ),
    ModelFamily(
        "SDXL-Lightning", (SDXL,), ("lightning",), 4, 0.0, f"{_HUB}/ByteDance/SDXL-Lightning", steps_in_name=True,
        solver=Solver("EulerDiscreteScheduler", _TRAILING),
    ),
    ModelFamily("SDXS", (SD,), ("sdxs",), 1, 0.0, f"{_HUB}/IDKiro/sdxs-512-dreamshaper"),
    ModelFamily(
        "Latent Consistency", ("LatentConsistencyModelPipeline",), ("",), 4, 8.0,
        f"{_HUB}/SimianLuo/LCM_Dreamshaper_v7", checked=False,
    ),
    ModelFamily(
        "LCM-distilled Stable Diffusion", (SD, SDXL), ("lcm",), 4, 8.0, f"{_DOCS}/main/en/using-diffusers/lcm",
        # The denoiser was trained with guidance from 3 to 13.
        schedulers=("LCMScheduler",), embedded=True, checked=False,
    ),
    ModelFamily(
        "LCM-LoRA", (SD, SDXL), ("lcm",), 4, 1.0,
        f"{_HUB}/latent-consistency/lcm-lora-sdxl/blob/b7cca8c51c28fa1628e9c65d5210ab2dce867525/README.md",
        schedulers=("LCMScheduler",), solver=Solver("LCMScheduler"),
    ),
    ModelFamily(
        "SD-Turbo and SDXL-Turbo", (SD, SDXL), ("turbo",), 4, 0.0, f"{_DOCS}/en/using-diffusers/sdxl_turbo.md",
        # Their scheduler configs say Euler with trailing timesteps; SD 1.x, 2.x and SDXL base say leading. One step is
        # what they were distilled for, up to four draw better.
        steps_on_cpu=1, schedulers=("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"), trailing=True,
    ),
    ModelFamily(
        "Stable Diffusion 3.5 large turbo", (SD3,), ("turbo",), 4, 0.0,
        f"{_HUB}/spaces/stabilityai/stable-diffusion-3.5-large-turbo/commit/69b5899498ae7a7269aa507b919e44781a28238d",
    ),
    ModelFamily(
        "Stable Diffusion 3.5 medium", (SD3,), ("3.5-medium",), 40, 4.5,
        f"{_HUB}/TensorStack/StableDiffusion3.5-Medium-amuse/blob/refs%2Fpr%2F1/amuse_template.json",
    ),
    ModelFamily(
        "Stable Diffusion 3.5 large", (SD3,), ("3.5-large",), 28, 3.5, f"{_HUB}/stabilityai/stable-diffusion-3.5-large",
        checked=False,
    ),
    ModelFamily("Stable Diffusion 3 medium", (SD3,), ("",), 28, 7.0, "diffusers 0.42.1, StableDiffusion3Pipeline"),
    ModelFamily(
        "Stable Diffusion 1 and 2", (SD,), ("",), 25, 7.5,
        # 25 are enough only for a second-order solver; PNDM and DDIM, saved with these weights, take 50.
        f"{_HUB}/stabilityai/stable-diffusion-2-1/commit/8512ede917ee12dad907e8b14b4f49508c81109f", solver=_PLUS,
    ),
    ModelFamily("Stable Diffusion XL", (SDXL,), ("",), 50, 5.0, "diffusers 0.42.1, StableDiffusionXLPipeline"),
    ModelFamily(
        "PixArt-DMD", PIXART, ("dmd",), 1, 1.0, "https://github.com/PixArt-alpha/PixArt-sigma, app/app_pixart_dmd.py",
        arguments={"timesteps": [400]},
    ),
    ModelFamily(
        "PixArt-LCM", PIXART, ("lcm",), 4, 0.0, f"{_HUB}/PixArt-alpha/PixArt-LCM-XL-2-1024-MS",
        schedulers=("LCMScheduler",),
    ),
    ModelFamily("PixArt alpha and sigma", PIXART, ("",), 20, 4.5, "diffusers 0.42.1, PixArtSigmaPipeline"),
    ModelFamily(
        "SANA-Sprint", ("SanaSprintPipeline",), ("",), 2, 4.5, "https://nvlabs.github.io/Sana/docs/sana_sprint",
    ),
    ModelFamily("SANA", ("SanaPipeline",), ("",), 20, 4.5, "https://nvlabs.github.io/Sana/docs/sana"),
    ModelFamily(
        "FLUX.1 schnell", (FLUX,), ("schnell",), 4, 0.0, f"{_DOCS}/v0.33.1/api/pipelines/flux",
        # It reads no more than 256 tokens; the pipeline's default is FLUX.1 dev's 512.
        arguments={"max_sequence_length": 256},
    ),
    ModelFamily("FLUX.1 dev", (FLUX,), ("",), 28, 3.5, "diffusers 0.42.1, FluxPipeline"),
    ModelFamily(
        "FLUX.2 klein", (FLUX2,), ("",), 4, 1.0, f"{_HUB}/CaaretAI/FLUX.2-klein-4B", distilled=True,
    ),
    ModelFamily("FLUX.2 klein base", (FLUX2,), ("",), 50, 4.0, "diffusers 0.42.1, Flux2KleinPipeline"),
    ModelFamily("FLUX.2 dev", ("Flux2Pipeline",), ("",), 50, 2.5, "diffusers 0.42.1, Flux2Pipeline"),
    ModelFamily(
        "Z-Image-Turbo", (Z_IMAGE,), ("turbo",), 8, 0.0, f"{_HUB}/Tongyi-MAI/Z-Image-Turbo/discussions/158", size=1024,
    ),
    ModelFamily("Z-Image", (Z_IMAGE,), ("",), 50, 4.0, f"{_HUB}/Tongyi-MAI/Z-Image", checked=False, size=1024),
    ModelFamily(
        "Qwen-Image-Lightning", (QWEN,), ("lightning",), 8, 1.0,
        f"{_HUB}/lightx2v/Qwen-Image-Lightning/blob/813e69cd4c5627f2c7b921667f79690a0e12bd4e/README.md",
        steps_in_name=True, guidance_argument="true_cfg_scale",
        solver=Solver(
            "FlowMatchEulerDiscreteScheduler",
            {"base_shift": _LIGHTNING_SHIFT, "max_shift": _LIGHTNING_SHIFT, "shift_terminal": None},
        ),
    ),
    ModelFamily(
        "Qwen-Image", (QWEN,), ("",), 50, 4.0, "https://github.com/QwenLM/Qwen-Image, README.md",
        guidance_argument="true_cfg_scale",
    ),
    ModelFamily(
        "Lumina-Image 2.0", ("Lumina2Pipeline", "Lumina2Text2ImgPipeline"), ("",), 50, 4.0,
        f"{_HUB}/Alpha-VLLM/Lumina-Image-2.0/discussions/12",
        arguments={"cfg_trunc_ratio": 0.25, "cfg_normalization": True},
    ),
    ModelFamily(
        "Kolors", ("KolorsPipeline",), ("",), 25, 6.5, f"{_DOCS}/api/pipelines/kolors",
        solver=Solver("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ),
    ModelFamily(
        "Kandinsky 5 image", ("Kandinsky5T2IPipeline",), ("",), 50, 3.5, "diffusers 0.42.1, Kandinsky5T2IPipeline",
    ),
)  # fmt: skip

_STEPS = re.compile(r"(\d+)[\s_-]?steps?(?![a-z])", re.IGNORECASE)


def family_of(traits: Traits) -> ModelFamily | None:
    """The first row that fits, or None: the pipeline's own defaults hold."""
    return next((family for family in FAMILIES if family.fits(traits)), None)


def recipe_for(traits: Traits, overrides: Overrides | None = None) -> Recipe:
    """What a model is drawn with: the user's figure, else the family's, else the pipeline's."""
    overrides = overrides or Overrides()
    family = family_of(traits)
    steps, guidance = traits.steps, traits.guidance
    if family is not None:
        steps = _steps_of(family, traits)
        guidance = family.guidance if family.guidance is not None else guidance
    steps = overrides.steps if overrides.steps is not None else steps
    if family is not None:
        guidance = family.guidance_by_steps.get(steps, guidance)
    size = overrides.size or traits.size or (family.size if family else 0) or FALLBACK_SIZE
    return Recipe(
        width=size,
        height=size,
        steps=steps,
        guidance=overrides.guidance if overrides.guidance is not None else guidance,
    )


def _steps_of(family: ModelFamily, traits: Traits) -> int:
    named = _STEPS.search(traits.name) if family.steps_in_name else None
    if named:
        return int(named[1])
    if traits.on_cpu and family.steps_on_cpu is not None:
        return family.steps_on_cpu
    return family.steps if family.steps is not None else traits.steps


def call_arguments(family: ModelFamily | None, recipe: Recipe, pictures: int) -> dict[str, Any]:
    """What a pipeline of this family is called with to draw so many pictures, besides prompts, seeds and size."""
    if family is None:
        return {"num_inference_steps": recipe.steps, "guidance_scale": recipe.guidance}
    arguments: dict[str, Any] = {"num_inference_steps": recipe.steps, family.guidance_argument: recipe.guidance}
    if family.guidance_argument == "true_cfg_scale" and recipe.guidance > 1:
        # Without something to guide away from, the pipeline leaves guidance out.
        arguments["negative_prompt"] = [" "] * pictures
    if recipe.steps == family.steps:
        arguments |= family.arguments
    if "SanaSprintPipeline" in family.pipelines:
        # Its bins are those of 1024 pixels, and models of another size are refused with them.
        arguments["use_resolution_binning"] = False
        if recipe.steps != 2:
            # The time between its two steps, which the pipeline refuses with any other number.
            arguments["intermediate_timesteps"] = None
    return arguments
