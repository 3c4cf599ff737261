"""BEiT-3's retrieval models, from Microsoft's own files: a checkpoint (`.pth`) and its vocabulary (`beit3.spm`).

Knows how the files name things and how texts become tokens; the architecture is `beit3_model`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from indexer.encoders.beit3_model import FIRST_POSITION, ImageTower, Shape, TextTower
from indexer.encoders.family import Tokens, padded, squeezed
from indexer.encoders.weights import (
    check_names,
    load_into,
    read_tensors,
    renamed,
    resized_positions,
    vectors_id,
)
from indexer.errors import ModelUnavailable, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

VOCABULARY = "beit3.spm"
# The published fine-tuning reads 64 tokens (`num_max_bpe_tokens`); the position table goes on to 1,022, but nothing
# published says that the rows after were ever trained.
MAX_TEXT_TOKENS = 64
# XLM-RoBERTa's way of putting its own special words before a sentencepiece vocabulary.
_START, _PADDING, _END, _UNKNOWN = 0, 1, 2, 3
_OFFSET = 1
_HEAD = 64
_SIZE = re.compile(r"(?P<name>.+)@(?P<side>\d+)")
_POSITIONS_A = "beit3.encoder.embed_positions.A.weight"
_POSITIONS_B = "beit3.encoder.embed_positions.B.weight"
_WORDS = "beit3.text_embed.weight"
_PATCHES = "beit3.vision_embed.proj.weight"
_HIDDEN = "beit3.encoder.layers.0.ffn.A.fc1.weight"
# Training only: the stand-in for masked patches, and the temperature.
_LEFT_OUT = ("beit3.vision_embed.mask_token", "logit_scale")


class Beit3Family:
    """The model in the checkpoint `weights`, with the vocabulary in `vocabulary`, for pictures of `side` pixels
    (0: those it was trained with)."""

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)
    max_text_tokens = MAX_TEXT_TOKENS
    transformer = True

    def __init__(self, weights: Path, vocabulary: Path, side: int = 0) -> None:
        self._weights = weights
        self._vocabulary = vocabulary
        self._shape = shape_of(read_tensors(weights), weights)
        self.image_size = side or self._shape.side
        if self.image_size % self._shape.patch:
            raise UsageError(f"{weights.stem} reads patches of {self._shape.patch} pixels; {side} is no multiple.")
        self.dim = self._shape.width
        self.id = vectors_id("beit3", self, [weights, vocabulary])

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return squeezed(image, self.image_size)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        room = self.max_text_tokens - 2
        pieces: list[list[int]] = self._pieces.encode(list(texts))
        # Sentencepiece calls an unknown piece 0, where XLM-RoBERTa has its start.
        ids = [[piece + _OFFSET if piece else _UNKNOWN for piece in text[:room]] for text in pieces]
        return padded([[_START, *text, _END] for text in ids], _PADDING)

    def load_image_tower(self) -> nn.Module:
        tensors = _of_tower(read_tensors(self._weights), "A")
        positions = tensors["encoder.embed_positions.weight"]
        grid = self.image_size // self._shape.patch
        tensors["encoder.embed_positions.weight"] = resized_positions(positions, grid, extra=FIRST_POSITION + 1)
        return self._filled(ImageTower, tensors)

    def load_text_tower(self) -> nn.Module:
        return self._filled(TextTower, _of_tower(read_tensors(self._weights), "B"))

    def _filled(self, tower: type[ImageTower | TextTower], tensors: Mapping[str, Tensor]) -> nn.Module:
        with torch.device("meta"):
            module = tower(replace(self._shape, side=self.image_size))
        load_into(module, tensors, self._weights, "BEiT-3 retrieval")
        return module.eval()

    @cached_property
    def _pieces(self) -> Any:
        from sentencepiece import SentencePieceProcessor

        try:
            return SentencePieceProcessor(model_file=str(self._vocabulary))
        except (OSError, RuntimeError) as error:
            raise ModelUnavailable(f"{self._vocabulary} is not a sentencepiece vocabulary.") from error


def find_beit3(spec: str) -> Beit3Family:
    """The model that `spec` names: a checkpoint's path, or a folder with one checkpoint in it, `@SIZE` after either.

    Raises ModelUnavailable where it or its vocabulary is not there.
    """
    sized = _SIZE.fullmatch(spec)
    path = Path(sized["name"] if sized else spec).expanduser()
    if path.is_dir():
        inside = sorted(path.glob("*.pth"))
        if len(inside) != 1:
            raise ModelUnavailable(f"{path} holds {len(inside)} checkpoints.", "Give the path of one `.pth` file.")
        path = inside[0]
    if not path.is_file():
        raise ModelUnavailable(
            f"There is no file {path}.",
            "Give one of Microsoft's retrieval checkpoints, such as beit3_base_patch16_384_coco_retrieval.pth.",
        )
    vocabulary = path.with_name(VOCABULARY)
    if not vocabulary.is_file():
        raise ModelUnavailable(f"There is no {VOCABULARY} beside {path}.", f"Put BEiT-3's {VOCABULARY} there.")
    return Beit3Family(path.resolve(), vocabulary.resolve(), int(sized["side"]) if sized else 0)


def shape_of(tensors: Mapping[str, Tensor], path: Path) -> Shape:
    """The sizes of a checkpoint, read off its tensors. Raises ModelUnavailable naming those missing or unknown."""
    needed = (_POSITIONS_A, _POSITIONS_B, _WORDS, _PATCHES, _HIDDEN)
    check_names(path, "BEiT-3 retrieval", (), set(needed) - set(tensors))
    words, width = tensors[_WORDS].shape
    patch = tensors[_PATCHES].shape[-1]
    grid = round((tensors[_POSITIONS_A].shape[0] - FIRST_POSITION - 1) ** 0.5)
    layer = re.compile(r"beit3\.encoder\.layers\.(\d+)\.")
    shape = Shape(
        width=width,
        layers=1 + max(int(match[1]) for match in map(layer.match, tensors) if match),
        heads=width // _HEAD,
        hidden=tensors[_HIDDEN].shape[0],
        patch=patch,
        side=grid * patch,
        words=words,
        text_positions=tensors[_POSITIONS_B].shape[0],
    )
    if shape.image_positions != tensors[_POSITIONS_A].shape[0] or width % _HEAD:
        raise ModelUnavailable(f"{path} has BEiT-3's tensors, but not its shapes.")
    check_names(path, "BEiT-3 retrieval", tensors, names_of(shape))
    return shape


def names_of(shape: Shape) -> set[str]:
    """Every tensor of a retrieval checkpoint of this shape, by Microsoft's name."""
    with torch.device("meta"):
        towers = {"A": ImageTower(shape), "B": TextTower(shape)}
    return {original_name(name, way) for way, tower in towers.items() for name in tower.state_dict()} | set(_LEFT_OUT)


# A multiway module is the last before the tensor's own name, but for the feed-forward network, which is one as a whole.
_IN_FEED_FORWARD = re.compile(r"(.+\.ffn)\.(.+)")
_MODULE = re.compile(r"(encoder\..+)\.(weight|bias)")


def original_name(name: str, way: str) -> str:
    """Microsoft's name of a tower's tensor."""
    if name.endswith("_head.weight"):
        return name
    inside = _IN_FEED_FORWARD.fullmatch(name) or _MODULE.fullmatch(name)
    return f"beit3.{inside[1]}.{way}.{inside[2]}" if inside else f"beit3.{name}"


def _of_tower(tensors: Mapping[str, Tensor], way: str) -> dict[str, Tensor]:
    """The tensors of one tower, under its own names."""
    others = ("beit3.text_embed.", "language_head.") if way == "A" else ("beit3.vision_embed.", "vision_head.")

    def own_name(name: str) -> str | None:
        if (
            name in _LEFT_OUT
            or name.startswith(others)
            or (name.startswith("beit3.encoder.") and f".{way}." not in name)
        ):
            return None
        return name.removeprefix("beit3.").replace(f".{way}.", ".")

    return renamed(tensors, own_name)
