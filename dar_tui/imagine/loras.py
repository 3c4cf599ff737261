"""LoRAs: small files that change a model's weights, which is how few-step versions of large models are shared.

A generator's spec names them after the model: `diffusers:MODEL+lora:FILE@WEIGHT`, the file being a path, or a hub id
and the file in it (`OWNER/NAME#FILE.safetensors`). They are merged into the weights as the model is loaded, and cost
nothing afterwards. Imports no model library before one is applied.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.errors import ModelUnavailable, UsageError
from indexer.paths import at_home
from indexer.runtime import HUB_ID, find_checkpoint, first_line, quiet_libraries

MARK = "+lora:"
# What diffusers saves a LoRA as, where a hub id names no file.
DEFAULT_FILE = "pytorch_lora_weights.safetensors"

_WEIGHT = re.compile(r"(?P<name>.+)@(?P<weight>-?\d+(?:\.\d*)?|-?\.\d+)")


@dataclass(frozen=True)
class Lora:
    """One LoRA: what it is called by, and how much of it is added; None: as much as its family wants."""

    name: str
    weight: float | None = None

    @property
    def repository(self) -> str:
        """The hub id in the name, "" for a file."""
        hub_id = self.name.partition("#")[0]
        return hub_id if HUB_ID.fullmatch(hub_id) and not at_home(Path(self.name)).exists() else ""

    @property
    def file(self) -> str:
        """The file in the hub's repository."""
        return self.name.partition("#")[2] or DEFAULT_FILE

    @property
    def title(self) -> str:
        """What tells its kind and its number of steps: the file's name, or the repository's where the file has none."""
        plain = Path(self.name.replace("#", "/")).stem
        return self.repository.rpartition("/")[2] if self.repository and plain == Path(DEFAULT_FILE).stem else plain


def with_loras(spec: str, loras: Sequence[str]) -> str:
    """A generator's spec with LoRAs after it, each `FILE` or `ID`, with `@WEIGHT` or without.

    Raises UsageError where the generator takes none.
    """
    if loras and not spec.startswith("diffusers:"):
        raise UsageError(f"The generator {spec} takes no LoRA.", "Name a diffusers model with --generator.")
    return spec + "".join(f"{MARK}{each}" for each in loras)


def loras_apart(name: str) -> tuple[str, tuple[Lora, ...]]:
    """A model's name and the LoRAs named after it. Raises UsageError for one without a name."""
    model, *rest = name.split(MARK)
    found = []
    for each in rest:
        weighed = _WEIGHT.fullmatch(each)
        lora = Lora(weighed["name"], float(weighed["weight"])) if weighed else Lora(each)
        if not lora.name.strip():
            raise UsageError(
                "A LoRA has no name.", "Give a file, or a hub id such as `latent-consistency/lcm-lora-sdxl`."
            )
        found.append(lora)
    return model, tuple(found)


def file_of(lora: Lora) -> Path:
    """Where it is on this machine. Raises ModelUnavailable, with the command that pulls it, where it is not."""
    path = at_home(Path(lora.name))
    if path.is_dir():
        path = path / DEFAULT_FILE
    if lora.repository:
        path = find_checkpoint(lora.repository, lora.file, asked=lora.name).folder / lora.file
    if not path.is_file():
        raise ModelUnavailable(
            f"There is no LoRA {lora.name}.", "Give a file, or a hub id `owner/name#file.safetensors`."
        )
    if path.suffix != ".safetensors":
        raise ModelUnavailable(f"The LoRA {path} is not a safetensors file.", "Other formats can run code when opened.")
    return path


def apply_loras(pipeline: Any, loras: Sequence[Lora], default_weight: float = 1.0) -> None:
    """Merges each into the pipeline's weights. Raises ModelUnavailable where a file is not here or does not fit."""
    if loras and importlib.util.find_spec("peft") is None:
        raise ModelUnavailable("LoRAs need the Python package peft.", "Run `pip install peft`.")
    for lora in loras:
        path = file_of(lora)
        weight = default_weight if lora.weight is None else lora.weight
        try:
            with quiet_libraries():
                pipeline.load_lora_weights(path.parent, weight_name=path.name, local_files_only=True)
                # diffusers only warns where no tensor of the file belongs to the model.
                if not pipeline.get_list_adapters():
                    raise ValueError("none of its tensors is one of the model's")
                pipeline.fuse_lora(lora_scale=weight)
                pipeline.unload_lora_weights()
        # The libraries raise whatever a file for another model runs into; pipelines that take no LoRA lack the methods.
        except Exception as error:
            raise ModelUnavailable(
                f"The LoRA {lora.name} does not fit the model: {first_line(error)}.",
                "Give one that was trained for this model's family.",
            ) from error
