"""Which files of a repository a model needs: its weights once, as safetensors, and what describes them.

Knows the layouts that diffusers, open_clip and transformers publish in; knows names only, and reaches no network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from dar_tui.models.source import Source
from indexer.errors import ModelUnavailable

PIPELINE_INDEX = "model_index.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"
OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"

_WEIGHTS = ".safetensors"
_DESCRIPTIONS = (".json", ".txt", ".model", ".jinja")
# Weights in other formats, or of other kinds, that repositories keep beside those a model is loaded from.
_OTHER_WEIGHTS = (".fp16.", ".fp32.", ".bf16.", "non_ema", "lora", "adapter")
# Loaded by nothing here: see `dar_tui.imagine.diffusion` on the safety checker.
_UNUSED_FOLDERS = ("safety_checker",)


def needed_files(names: Iterable[str], source: Source) -> list[str]:
    """The files to pull, sorted, of all that a repository has.

    Raises ModelUnavailable where the weights are not there as safetensors: other formats can run code when opened.
    """
    there = sorted(names)
    if source.file:
        if source.file not in there:
            page = f"See https://huggingface.co/{source.hub_id}."
            raise ModelUnavailable(f"The model {source.hub_id} has no file {source.file}.", page)
        return [source.file]
    if source.patterns:
        chosen = [name for name in _at_root(there) if any(fnmatchcase(name, each) for each in source.patterns)]
    elif PIPELINE_INDEX in there:
        chosen = _pipeline(there)
    elif OPEN_CLIP_CONFIG in there:
        chosen = [*(name for name in _at_root(there) if _describes(name)), *_only(there, OPEN_CLIP_WEIGHTS)]
    else:
        chosen = [name for name in _at_root(there) if _describes(name) or _is_weight(name)]
    if source.has_weights and not any(name.endswith(_WEIGHTS) for name in chosen):
        raise ModelUnavailable(
            f"The model {source.hub_id} has no safetensors weights, and dar loads no others: they could run code.",
            "Choose another model, or convert it and give dar the folder.",
        )
    return sorted(chosen)


def _pipeline(names: list[str]) -> list[str]:
    """A diffusers pipeline keeps each part in a folder; single files at the root hold the same weights once more."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) == 2 and path.parts[0] not in _UNUSED_FOLDERS:
            folders[path.parts[0]].append(name)
    halves = {folder: [name for name in inside if _is_half(name)] for folder, inside in folders.items()}
    whole = {folder: [name for name in inside if _is_weight(name)] for folder, inside in folders.items()}
    # Half the download for the same pictures, but only if all parts have it: the loader takes one format for all.
    weights = halves if all(halves[folder] for folder, files in whole.items() if files) else whole
    described = [name for inside in folders.values() for name in inside if _describes(name)]
    return [PIPELINE_INDEX, *described, *(name for files in weights.values() for name in files)]


def _is_half(name: str) -> bool:
    # "model.fp16.safetensors", and "model.fp16-00001-of-00002.safetensors" where it comes in pieces.
    return name.endswith(_WEIGHTS) and ".fp16" in name and "non_ema" not in name


def _is_weight(name: str) -> bool:
    plain = PurePosixPath(name).name
    return plain.endswith(_WEIGHTS) and not any(word in plain for word in (*_OTHER_WEIGHTS, ".fp16-"))


def _describes(name: str) -> bool:
    return name.endswith(_DESCRIPTIONS)


def _at_root(names: Iterable[str]) -> list[str]:
    return [name for name in names if "/" not in name]


def _only(names: Iterable[str], wanted: str) -> list[str]:
    return [name for name in names if name == wanted]
