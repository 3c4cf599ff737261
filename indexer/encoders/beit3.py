"""BEiT-3 for retrieval (Wang et al., CVPR 2023) as an encoder family: its towers and Microsoft's own files.

The files are a checkpoint (`.pth`) and its vocabulary (`beit3.spm`). The architecture is the published one: Magneto
layers, one way a tower. A multiway transformer keeps two copies of every weight, A for pictures and B for words, and
sends each token through its own. In retrieval no sequence mixes the two, so the model falls apart into two plain
transformers: a tower of all the As and one of all the Bs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from indexer.encoders.torch_encoder import Tokens, padded, squeezed
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


# Position tables start at 2, as fairseq's do; the rows before are never read.
FIRST_POSITION = 2
_EPS = 1e-5

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


@dataclass(frozen=True)
class Beit3Shape:
    """The sizes of a model. Heads are 64 wide in base and large; `dim` of the vectors is `width`."""

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    side: int
    words: int
    text_positions: int

    @property
    def image_positions(self) -> int:
        """Rows of the pictures' position table: the class token and the patches after the unread rows."""
        return (self.side // self.patch) ** 2 + 1 + FIRST_POSITION


BASE = Beit3Shape(width=768, layers=12, heads=12, hidden=3072, patch=16, side=224, words=64010, text_positions=1024)
LARGE = Beit3Shape(width=1024, layers=24, heads=16, hidden=4096, patch=16, side=224, words=64010, text_positions=1024)


class Attention(nn.Module):
    """Self-attention with a norm before the output projection (sub-LayerNorm)."""

    def __init__(self, shape: Beit3Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width)
        self.k_proj = nn.Linear(shape.width, shape.width)
        self.v_proj = nn.Linear(shape.width, shape.width)
        self.inner_attn_ln = nn.LayerNorm(shape.width, eps=_EPS)
        self.out_proj = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """`seen` (n, 1, 1, tokens) is False on padding."""
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        out: Tensor = self.out_proj(self.inner_attn_ln(mixed.transpose(1, 2).flatten(2)))
        return out


class FeedForward(nn.Module):
    """Two linear maps with a norm before the second (sub-LayerNorm)."""

    def __init__(self, shape: Beit3Shape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.hidden)
        self.ffn_layernorm = nn.LayerNorm(shape.hidden, eps=_EPS)
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.ffn_layernorm(F.gelu(self.fc1(x))))
        return out


class Layer(nn.Module):
    def __init__(self, shape: Beit3Shape) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(shape.width, eps=_EPS)
        self.self_attn = Attention(shape)
        self.final_layer_norm = nn.LayerNorm(shape.width, eps=_EPS)
        self.ffn = FeedForward(shape)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x), seen)
        x = x + self.ffn(self.final_layer_norm(x))
        return x


class Transformer(nn.Module):
    """One way of the multiway encoder: embedded tokens (n, tokens, width) to the first token's output (n, width)."""

    def __init__(self, shape: Beit3Shape, positions: int) -> None:
        super().__init__()
        self.embed_positions = nn.Embedding(positions, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.layer_norm = nn.LayerNorm(shape.width, eps=_EPS)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        x = x + self.embed_positions.weight[FIRST_POSITION : FIRST_POSITION + x.shape[1]]
        for layer in self.layers:
            x = layer(x, seen)
        first: Tensor = self.layer_norm(x[:, 0])
        return first


class Patches(nn.Module):
    """Pixels (n, 3, side, side) to the class token and the patches after it."""

    def __init__(self, shape: Beit3Shape) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, shape.width, kernel_size=shape.patch, stride=shape.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.proj(pixels).flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)


class Beit3ImageTower(nn.Module):
    """All the As: normalised pixels (n, 3, side, side) to vectors (n, width)."""

    def __init__(self, shape: Beit3Shape) -> None:
        super().__init__()
        self.vision_embed = Patches(shape)
        self.encoder = Transformer(shape, shape.image_positions)
        self.vision_head = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.vision_head(self.encoder(self.vision_embed(pixels)))
        return vectors


class Beit3TextTower(nn.Module):
    """All the Bs: token ids and mask (n, tokens), mask 0 on padding, to vectors (n, width)."""

    def __init__(self, shape: Beit3Shape) -> None:
        super().__init__()
        self.text_embed = nn.Embedding(shape.words, shape.width)
        self.encoder = Transformer(shape, shape.text_positions)
        self.language_head = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        seen = mask.bool()[:, None, None, :]
        vectors: Tensor = self.language_head(self.encoder(self.text_embed(ids), seen))
        return vectors


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
        return self._filled(Beit3ImageTower, tensors)

    def load_text_tower(self) -> nn.Module:
        return self._filled(Beit3TextTower, _of_tower(read_tensors(self._weights), "B"))

    def _filled(self, tower: type[Beit3ImageTower | Beit3TextTower], tensors: Mapping[str, Tensor]) -> nn.Module:
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


def shape_of(tensors: Mapping[str, Tensor], path: Path) -> Beit3Shape:
    """The sizes of a checkpoint, read off its tensors. Raises ModelUnavailable naming those missing or unknown."""
    needed = (_POSITIONS_A, _POSITIONS_B, _WORDS, _PATCHES, _HIDDEN)
    check_names(path, "BEiT-3 retrieval", (), set(needed) - set(tensors))
    words, width = tensors[_WORDS].shape
    patch = tensors[_PATCHES].shape[-1]
    grid = round((tensors[_POSITIONS_A].shape[0] - FIRST_POSITION - 1) ** 0.5)
    layer = re.compile(r"beit3\.encoder\.layers\.(\d+)\.")
    shape = Beit3Shape(
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


def names_of(shape: Beit3Shape) -> set[str]:
    """Every tensor of a retrieval checkpoint of this shape, by Microsoft's name."""
    with torch.device("meta"):
        towers = {"A": Beit3ImageTower(shape), "B": Beit3TextTower(shape)}
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
