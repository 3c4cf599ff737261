"""BEiT-3 for retrieval (Wang et al., CVPR 2023), after the published architecture: Magneto layers, one way a tower.

A multiway transformer keeps two copies of every weight, A for pictures and B for words, and sends each token through
its own. In retrieval no sequence mixes the two, so the model falls apart into two plain transformers: a tower of all
the As and one of all the Bs. Knows nothing of files or tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Position tables start at 2, as fairseq's do; the rows before are never read.
FIRST_POSITION = 2
_EPS = 1e-5


@dataclass(frozen=True)
class Shape:
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


BASE = Shape(width=768, layers=12, heads=12, hidden=3072, patch=16, side=224, words=64010, text_positions=1024)
LARGE = Shape(width=1024, layers=24, heads=16, hidden=4096, patch=16, side=224, words=64010, text_positions=1024)


class Attention(nn.Module):
    """Self-attention with a norm before the output projection (sub-LayerNorm)."""

    def __init__(self, shape: Shape) -> None:
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

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.hidden)
        self.ffn_layernorm = nn.LayerNorm(shape.hidden, eps=_EPS)
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.ffn_layernorm(F.gelu(self.fc1(x))))
        return out


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
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

    def __init__(self, shape: Shape, positions: int) -> None:
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

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, shape.width, kernel_size=shape.patch, stride=shape.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.proj(pixels).flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)


class ImageTower(nn.Module):
    """All the As: normalised pixels (n, 3, side, side) to vectors (n, width)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.vision_embed = Patches(shape)
        self.encoder = Transformer(shape, shape.image_positions)
        self.vision_head = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.vision_head(self.encoder(self.vision_embed(pixels)))
        return vectors


class TextTower(nn.Module):
    """All the Bs: token ids and mask (n, tokens), mask 0 on padding, to vectors (n, width)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.text_embed = nn.Embedding(shape.words, shape.width)
        self.encoder = Transformer(shape, shape.text_positions)
        self.language_head = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        seen = mask.bool()[:, None, None, :]
        vectors: Tensor = self.language_head(self.encoder(self.text_embed(ids), seen))
        return vectors
