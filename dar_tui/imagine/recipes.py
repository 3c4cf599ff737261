"""Steps, guidance and size that are right for each family of text-to-image models, and where the figures come from.

Knows models by name and configuration only; loads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from dar_tui.imagine import Recipe
from indexer.errors import UsageError


@dataclass(frozen=True)
class Traits:
    """What distinguishes families. `name` is the hub id or folder name, and the name the weights were saved under.

    `size`: pixels a side the model was trained at. `steps`, `guidance`: the pipeline class's own defaults. `embedded`:
    the denoiser takes the guidance as an input, as those do that were distilled with it.
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
class ModelFamily:
    """One row: models that want the same steps and guidance. None leaves the pipeline's default.

    `words`: one of them is in the name ("" is in every name). `steps_on_cpu`: where a step costs seconds.
    `solver`: draw with DPM-Solver++ instead of the scheduler saved with the weights. `embedded`: only models that take
    the guidance as an input.
    """

    title: str
    pipelines: tuple[str, ...]
    words: tuple[str, ...]
    steps: int | None
    guidance: float | None
    source: str
    steps_on_cpu: int | None = None
    schedulers: tuple[str, ...] = ()
    trailing: bool = False
    solver: bool = False
    embedded: bool = False

    def fits(self, traits: Traits) -> bool:
        """Whether a model is of this family: by pipeline, then by name or, for renamed folders, by scheduler."""
        if traits.pipeline not in self.pipelines or (self.embedded and not traits.embedded):
            return False
        if any(word in traits.name.lower() for word in self.words):
            return True
        spacing = not self.trailing or traits.timestep_spacing == "trailing"
        return traits.scheduler in self.schedulers and spacing


STABLE_DIFFUSION = "StableDiffusionPipeline"
SDXL = "StableDiffusionXLPipeline"
SD3 = "StableDiffusion3Pipeline"

# The first that fits counts. A model of no family is drawn by its pipeline class's own defaults (SDXL: 50 and 5.0).
FAMILIES = (
    ModelFamily(
        "Latent Consistency",
        ("LatentConsistencyModelPipeline",),
        ("",),
        4,
        8.0,
        "model card of SimianLuo/LCM_Dreamshaper_v7: 1-8 steps, guidance 8.0",
    ),
    ModelFamily(
        "LCM-distilled Stable Diffusion",
        (STABLE_DIFFUSION, SDXL),
        ("lcm",),
        4,
        8.0,
        "diffusers' LCM guide: 4 steps, guidance 8.0, the denoiser having been trained with 3 to 13",
        schedulers=("LCMScheduler",),
        embedded=True,
    ),
    ModelFamily(
        "Stable Diffusion with an LCM-LoRA",
        (STABLE_DIFFUSION, SDXL),
        ("lcm",),
        4,
        1.0,
        "diffusers' LCM guide: 4 steps, guidance 1.0 to 2.0",
        schedulers=("LCMScheduler",),
    ),
    ModelFamily(
        "SD-Turbo and SDXL-Turbo",
        (STABLE_DIFFUSION, SDXL),
        ("turbo", "lightning"),
        4,
        0.0,
        # Their scheduler configs say Euler with trailing timesteps; SD 1.x, 2.x and SDXL base say leading.
        "model cards of stabilityai/sd-turbo and sdxl-turbo: guidance 0.0, 1 step, up to 4 for better pictures",
        steps_on_cpu=1,
        schedulers=("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"),
        trailing=True,
    ),
    ModelFamily(
        "Stable Diffusion 3.5 Turbo",
        (SD3,),
        ("turbo",),
        4,
        0.0,
        "model card of stable-diffusion-3.5-large-turbo",
    ),
    ModelFamily(
        "Stable Diffusion 3.5 medium",
        (SD3,),
        ("3.5-medium",),
        40,
        4.5,
        "model card of stable-diffusion-3.5-medium",
    ),
    ModelFamily(
        "Stable Diffusion 3.5 large",
        (SD3,),
        ("3.5-large",),
        28,
        3.5,
        "model card of stable-diffusion-3.5-large",
    ),
    ModelFamily(
        "Stable Diffusion 3", (SD3,), ("",), 28, 7.0, "model card of stabilityai/stable-diffusion-3-medium-diffusers"
    ),
    ModelFamily(
        "Stable Diffusion 1 and 2",
        (STABLE_DIFFUSION,),
        ("",),
        25,
        7.5,
        # 25 are enough only for a second-order solver; PNDM and DDIM, saved with these weights, take 50.
        "diffusers' Stable Diffusion 2 guide: DPMSolverMultistepScheduler, 25 steps; the pipeline's own guidance",
        solver=True,
    ),
    ModelFamily(
        "FLUX.1 schnell", ("FluxPipeline",), ("schnell",), 4, 0.0, "model card of black-forest-labs/FLUX.1-schnell"
    ),
)


def family_of(traits: Traits) -> ModelFamily | None:
    """The first row that fits, or None: the pipeline's own defaults hold."""
    return next((family for family in FAMILIES if family.fits(traits)), None)


def recipe_for(traits: Traits, overrides: Overrides | None = None) -> Recipe:
    """What a model is drawn with: the user's figure, else the family's, else the pipeline's."""
    overrides = overrides or Overrides()
    family = family_of(traits)
    steps, guidance = traits.steps, traits.guidance
    if family is not None:
        steps = family.steps if family.steps is not None else steps
        steps = family.steps_on_cpu if traits.on_cpu and family.steps_on_cpu is not None else steps
        guidance = family.guidance if family.guidance is not None else guidance
    size = overrides.size if overrides.size is not None else traits.size
    return Recipe(
        width=size,
        height=size,
        steps=overrides.steps if overrides.steps is not None else steps,
        guidance=overrides.guidance if overrides.guidance is not None else guidance,
    )
