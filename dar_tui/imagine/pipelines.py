"""diffusers' pipeline classes: which of them draws from text, what it was trained at, and its scheduler.

Knows the library's conventions; loads no weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dar_tui.imagine.recipes import Solver, Traits
from indexer.runtime import quiet_libraries

# What makes videos, sounds or shapes asks for these; what changes pictures has to be given one.
_OTHER_MEDIA = {"num_frames", "frames", "audio_length_in_s", "audio_end_in_s", "frame_size", "video"}


def pipeline_class(index: Mapping[str, Any]) -> Any:
    """The class to load a pipeline with, by the content of its `model_index.json`.

    That is `AutoPipelineForText2Image` wherever it knows the class, which also loads pipelines saved for changing
    pictures as those that draw them; else the class itself, if it draws from text alone. Raises ValueError for others.
    """
    import diffusers
    from diffusers.pipelines.auto_pipeline import SUPPORTED_TASKS_MAPPINGS

    name = index.get("_class_name")
    mappings: list[Any] = list(SUPPORTED_TASKS_MAPPINGS)
    known = {each.__name__ for mapping in mappings for each in mapping.values()}
    found = getattr(diffusers, name, None) if isinstance(name, str) else None
    if name in known or found is None:
        return diffusers.AutoPipelineForText2Image
    if not (inspect.isclass(found) and issubclass(found, diffusers.DiffusionPipeline) and draws_from_text(found)):
        raise ValueError(f"a {name} does not draw pictures from text")
    return found


def draws_from_text(pipeline: Any) -> bool:
    """Whether a pipeline's class makes pictures of a prompt and needs nothing else."""
    parameters = dict(inspect.signature(pipeline.__call__).parameters)
    parameters.pop("self", None)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = {
        name for name, each in parameters.items() if each.default is inspect.Parameter.empty and each.kind not in kinds
    }
    return (
        {"prompt", "num_inference_steps"} <= parameters.keys()
        and needed <= {"prompt"}
        and not (_OTHER_MEDIA & parameters.keys())
    )


def traits_of(pipeline: Any, names: tuple[str, ...], on_cpu: bool) -> Traits:
    """What its recipe is chosen by. `names`: what the model and its LoRAs are called."""
    parameters = inspect.signature(pipeline.__call__).parameters
    scheduler = getattr(pipeline, "scheduler", None)
    config = scheduler.config if scheduler is not None else {}
    saved_as = str(pipeline.config.get("_name_or_path", ""))
    return Traits(
        # The last part of each: a folder above may be called anything.
        name=" ".join(Path(name).name for name in (*names, saved_as)),
        pipeline=type(pipeline).__name__,
        scheduler=type(scheduler).__name__,
        timestep_spacing=str(config.get("timestep_spacing", "")),
        size=native_size(pipeline),
        steps=_default(parameters, "num_inference_steps", 50),
        guidance=_default(parameters, "guidance_scale", 7.5),
        on_cpu=on_cpu,
        embedded=getattr(getattr(pipeline, "unet", None), "config", {}).get("time_cond_proj_dim") is not None,
        distilled=bool(pipeline.config.get("is_distilled", False)),
    )


def native_size(pipeline: Any) -> int:
    """Pixels a side the model was trained at, wherever this pipeline class keeps it; 0 where it does not say."""
    given = int(_default(inspect.signature(pipeline.__call__).parameters, "height", 0))
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    sample = getattr(pipeline, "default_sample_size", None) or getattr(denoiser, "config", {}).get("sample_size")
    if isinstance(sample, list | tuple):
        sample = sample[0]
    scale = getattr(pipeline, "vae_scale_factor", None)
    trained = int(sample) * int(scale) if sample and scale else 0
    # SANA's class says 1024 whatever the model, of which there are some for 512 and for more.
    return trained or given if type(pipeline).__name__.startswith("Sana") else given or trained


def _default(parameters: Any, name: str, fallback: Any) -> Any:
    value = parameters[name].default if name in parameters else None
    return fallback if value is None or value is inspect.Parameter.empty else value


def use_solver(pipeline: Any, solver: Solver) -> None:
    """Replaces the pipeline's scheduler, keeping what the new one knows of the old one's settings."""
    import diffusers

    with quiet_libraries():
        scheduler = getattr(diffusers, solver.name)
        pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **solver.settings)


def images_of(output: Any) -> Any:
    """The pictures of a pipeline's answer, which most call `images` and Kandinsky's `image`."""
    return output.images if hasattr(output, "images") else output.image
