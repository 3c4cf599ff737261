"""Weight files: what they are called by, and how their tensors are read, checked and fitted.

Nothing in a file is ever run. Knows nothing of any one architecture.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import pickle
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.errors import ModelUnavailable
from indexer.runtime import first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

# Hashing whole files would add a second for each gigabyte to every start. Training moves every tensor, so that 64
# samples spread over a file distinguish any two trainings; a copy of a file keeps its name.
_SAMPLES = 64
_SAMPLE_BYTES = 65_536
# What a model's weights can be in, each an alternative of file patterns, the best first; pickles only where there is
# nothing else. Those called `model` come late for open_clip: transformers saves its own layout under that name.
OPEN_CLIP_FILES = (
    ("open_clip_model.safetensors",),
    ("open_clip_pytorch_model.safetensors",),
    ("open_clip_model-*.safetensors", "open_clip_model.safetensors.index.json"),
    ("open_clip_pytorch_model.bin",),
    ("model.safetensors",),
    ("pytorch_model.bin",),
)
TRANSFORMERS_FILES = (
    ("model.safetensors",),
    ("model-*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin",),
    ("pytorch_model-*.bin", "pytorch_model.bin.index.json"),
)
# What training scripts put their tensors under.
_WRAPPERS = ("state_dict", "model", "module")
_NAMES_SHOWN = 4


class Sized(Protocol):
    """What a family's vectors are like."""

    dim: int
    image_size: int


def vectors_id(family: str, sizes: Sized, files: Sequence[Path], *facts: object) -> str:
    """An encoder's id: the same for the same vectors, whatever the files are called and wherever they lie.

    `facts` are what else changes the vectors. Raises what `fingerprint` raises.
    """
    name = f"{family}-{sizes.dim}d-{sizes.image_size}px"
    return f"{name}-{fingerprint(files, sizes.image_size, *facts)}"


def fingerprint(files: Sequence[Path], *facts: object) -> str:
    """12 hex digits that name the weights in `files` and the `facts` that change their vectors.

    Raises ModelUnavailable where a file cannot be read.
    """
    digest = hashlib.sha256(repr(facts).encode())
    for path in files:
        try:
            size = path.stat().st_size
            digest.update(size.to_bytes(8, "little"))
            with path.open("rb") as file:
                for sample in range(_SAMPLES):
                    file.seek(max(size - _SAMPLE_BYTES, 0) * sample // (_SAMPLES - 1))
                    digest.update(file.read(_SAMPLE_BYTES))
        except OSError as error:
            raise ModelUnavailable(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()[:12]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a pickled training checkpoint, by name.

    Raises ModelUnavailable where the file cannot be read or holds anything but weights and plain values.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Training scripts keep their arguments beside the weights; a Namespace is a plain bag of values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = _unpickled(path)
    except pickle.UnpicklingError as error:
        # torch's own message goes on to advise opening the file without this protection.
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused is None:
            raise ModelUnavailable(
                f"{path} cannot be read as weights: it is damaged, or something else.", "Download it again."
            ) from error
        raise ModelUnavailable(
            f"{path} holds more than weights ({refused[1]}), and is not opened.",
            "Use a safetensors file of the same model, if there is one.",
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError) as error:
        raise ModelUnavailable(f"{path} cannot be read as weights: {first_line(error)}.") from error
    return _tensors_in(content, path)


def _unpickled(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:
        # Checkpoints from before torch 1.6 are no zip archives and cannot be mapped.
        return torch.load(path, map_location="cpu", weights_only=True)


def _tensors_in(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = content if isinstance(content, Mapping) else {}
    found = {str(name): value for name, value in tensors.items() if isinstance(value, torch.Tensor)}
    if not found:
        raise ModelUnavailable(f"{path} holds no weights that can be recognised by name.")
    prefix = "module."  # from training on several GPUs
    if all(name.startswith(prefix) for name in found):
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def check_names(path: Path, kind: str, found: Iterable[str], expected: Iterable[str]) -> None:
    """Raises ModelUnavailable, naming them, unless the tensors found in `path` are those a `kind` model has."""
    unknown, missing = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
    if unknown or missing:
        faults = [f"{what} {_listed(names)}" for what, names in (("unknown", unknown), ("missing", missing)) if names]
        raise ModelUnavailable(
            f"{path} does not hold a {kind} model: {'; '.join(faults)}.",
            "Give the file of a model of this family that was trained for retrieval.",
        )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, kind: str) -> None:
    """Loads all of `tensors` into all of `module`, in fp32; raises ModelUnavailable naming what does not fit."""
    own = module.state_dict()
    check_names(path, kind, tensors, own)
    wrong = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if tensor.shape != own[name].shape
    ]
    if wrong:
        raise ModelUnavailable(f"{path} has tensors of other shapes than a {kind} model: {_listed(wrong)}.")
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)


def resized_positions(table: Tensor, side: int, extra: int) -> Tensor:
    """A table of position embeddings (..., extra + n * n, width) for a grid of `side` x `side` patches.

    The first `extra` rows stay; the grid is resized bicubically, as the models' own code does.
    """
    import torch
    from torch.nn import functional as F

    rows, grid = table[..., :extra, :], table[..., extra:, :]
    old, width = math.isqrt(grid.shape[-2]), grid.shape[-1]
    if old == side:
        return table
    square = grid.reshape(1, old, old, width).permute(0, 3, 1, 2).float()
    resized = F.interpolate(square, size=(side, side), mode="bicubic", align_corners=False)
    flat = resized.permute(0, 2, 3, 1).reshape(*table.shape[:-2], side * side, width)
    return torch.cat([rows.float(), flat], dim=-2)


def renamed(tensors: Mapping[str, Tensor], rename: Callable[[str], str | None]) -> dict[str, Tensor]:
    """The tensors under the names `rename` gives them, without those it gives None for."""
    names = {name: rename(name) for name in tensors}
    return {new: tensors[name] for name, new in names.items() if new is not None}
