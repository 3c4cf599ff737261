"""The two towers as torch modules, backbone and heads together: pixels or token ids in, unit vectors out.

A joint vector has two parts. The *learned* part comes from a contrastive loss on captioned photos. The *concept* part
is zero-shot, after ConSE (Norouzi et al., 2014): a photo is the mean of ImageNet's class-name sentence vectors,
weighted by the classifier's probabilities, and a text is its own sentence vector, both in the class names' principal
components. It knows a thousand objects that the captions never mention, and is long only where the classifier is sure.

Used to train, to compare with and to export; nothing here runs when photos are indexed or searched.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from indexer.encoders.bundled.backbones import (
    LITE2,
    ImageBackbone,
    image_backbones,
    load_image_backbone,
    load_text_backbone,
)

# Popularity follows from queries a photo suits best: an average over all of the bank finds no hubs (+0.0 Recall@10
# on the development set, where the mean of the 10 largest finds +3.5).
NEAREST = 10
# How far popularities are spread. They deviate by 0.07; doubled they are as long as a coordinate of consequence, and
# two photos' own similarity still hardly depends on them.
SPREAD = 2.0

# Photo features are standardised, then clipped: ReLU6 features have long tails that say little.
CLIP = 6.0

# The cosine to the nearest class at which a caption passes into a class's name: set between the percentiles below, not
# searched for.
NAMED = 0.72

# One member of 256, 256 and 384 finds 69.6 % at 10 on the development set, one of 512, 768 and 1024 finds 70.7 %.
HIDDEN, IMAGE_WIDTH, TEXT_WIDTH = 384, 512, 768

# What BERT was trained with.
TUNED_DROPOUT = 0.1

SENTENCE_DIM = 384
CLASSES = 1000
# Of MiniLM's tokenizer.
VOCABULARY = 30522
# How loud a text's words are beside its sentence vector of length 1 where a photo is expected from both, and the
# expectation beside what the members learnt; 0.7 to 1.4 are within half a point.
WORDS_LOUDNESS, EXPECTATION = 0.7, 1.2
# Side of the pixels a photo is prepared to; a backbone that takes smaller ones shrinks them itself.
SIDE = 260
# The blocks whose channels are features beside the head's: the later ones name things, the earlier ones still hold
# colour and texture (+2 points of Recall@10 over the head alone).
LAST_BLOCK, FIFTH_BLOCK = 6, 4
WHITENING = 0.75

# The concept part of a text, beside its learned part of length 1, and what a photo's popularity counts against it: of a
# caption, and of a class's name. Chosen on the development set and 200 object photos together. Captions gain
# Recall@10 up to a strength of 0.75 and lose Recall@1 from 0.6 on; of names alone 93.5 % are found within ten with 0.5,
# 96 % with 0.1 or none.
CAPTION_LOUDNESS, NAME_LOUDNESS = 0.3, 3.0
CAPTION_STRENGTH, NAME_STRENGTH = 0.5, 0.1
# The same strength for an imagined picture; tried from 0.5 to 1.
PICTURE_STRENGTH = 0.75


# Hubs are photos that lie near many queries whatever is asked, and so rank where the right ones should. One more
# coordinate corrects for them. A photo's is minus its popularity h(x), a query's is a constant, so a dot product is
#
#     q.x - strength * h(x),   h(x) = the mean of the 10 largest b.x over a bank of typical queries b
#
# as cross-domain similarity local scaling has it for the photos' side (CSLS: Conneau et al., ICLR 2018), with a bank of
# queries as in Bogolin et al., CVPR 2022. Written into the vectors, it costs a library nothing: every search, filter
# and fusion of it is the search it always was.
class HubCoordinate(nn.Module):
    """Unit vectors (n, dim) -> unit vectors (n, dim + 1), photos and queries each in their way."""

    bank: Tensor
    centre: Tensor

    def __init__(self, queries: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("bank", torch.zeros(queries, dim))
        self.register_buffer("centre", torch.zeros(()))

    def fit(self, bank: Tensor, photos: Tensor) -> None:
        """Takes typical queries (queries, dim) and photos (n, dim) of average popularity, both unit."""
        self.bank.copy_(bank)
        self.centre.copy_(self._popularity(photos).mean())

    def of_photos(self, photos: Tensor) -> Tensor:
        # Centred, so that an average photo's vector stays what it was.
        away = SPREAD * (self.centre - self._popularity(photos))
        return F.normalize(torch.cat([photos, away[:, None]], 1), dim=1)

    def of_queries(self, queries: Tensor, strength: Tensor) -> Tensor:
        """`strength` (n, 1) is what a photo's popularity counts beside its similarity."""
        return F.normalize(torch.cat([queries, strength / SPREAD], 1), dim=1)

    def _popularity(self, photos: Tensor) -> Tensor:
        if len(self.bank) < NEAREST:
            # Heads in training have no bank yet.
            return photos.new_zeros(len(photos))
        return (photos @ self.bank.T).topk(NEAREST, dim=1).values.mean(1)


class Standardise(nn.Module):
    """(x - mean) / deviation, clipped; with Gaussian noise of `noise` deviations while training."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, samples: Tensor) -> None:
        """Takes mean and deviation from samples (n, width)."""
        self.mean.copy_(samples.mean(0))
        self.deviation.copy_(samples.std(0) + 1e-3)

    def forward(self, x: Tensor, noise: float = 0.0) -> Tensor:
        x = (x - self.mean) / self.deviation
        if noise:
            x = x + noise * torch.randn_like(x)
        return x.clamp(-CLIP, CLIP)


class AttentionPool(nn.Module):
    """Learned queries, one for each head, over a photo's ten tokens: (n, 10, channels) -> (n, hidden)."""

    def __init__(self, channels: int, tokens: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(channels, hidden)
        self.position = nn.Parameter(torch.zeros(tokens, hidden))
        self.key = nn.Linear(hidden, hidden)
        self.query = nn.Parameter(torch.randn(heads, hidden // heads) * 0.02)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = F.gelu(self.project(self.dropout(tokens)) + self.position)
        keys = self.key(hidden).unflatten(-1, (self.heads, -1))
        values = hidden.unflatten(-1, (self.heads, -1))
        weights = torch.einsum("nthd,hd->nht", keys, self.query).softmax(-1)
        pooled: Tensor = self.norm(torch.einsum("nht,nthd->nhd", weights, values).flatten(1))
        return pooled


class ResidualHead(nn.Module):
    """A linear map plus a one-hidden-layer MLP, both (n, width) -> (n, dim)."""

    def __init__(self, width: int, hidden: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.linear(x) + self.mlp(x)
        return total


class Concepts(nn.Module):
    """The zero-shot part: class names as vectors (classes, dim), already centred and in their principal components."""

    centre: Tensor
    components: Tensor
    class_vectors: Tensor

    def __init__(self, classes: int, sentence_dim: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(sentence_dim))
        self.register_buffer("components", torch.zeros(sentence_dim, dim))
        self.register_buffer("class_vectors", torch.zeros(classes, dim))

    def fit(self, names: Tensor) -> None:
        """Takes the unit sentence vectors of the class names, (classes, sentence_dim)."""
        centre = names.mean(0)
        components = torch.linalg.svd(names - centre, full_matrices=False).Vh[: self.components.shape[1]].T
        self.centre.copy_(centre)
        self.components.copy_(components)
        self.class_vectors.copy_((names - centre) @ components)

    def of_photo(self, probabilities: Tensor) -> Tensor:
        return probabilities @ self.class_vectors

    def named(self, concepts: Tensor) -> Tensor:
        """How far texts with these concepts (n, dim) are a class's name rather than a sentence: (n, 1), 0 to 1.

        Cosines with the nearest class: 0.67-0.98 for "a photo of a CLASS", 0.31-0.64 for captions of everyday scenes
        (5th to 95th percentiles). One loudness for all texts, tried on the development set: 0.5 finds 71.5 % of
        captions and 63 % of names within ten, 1.4 finds 68.0 and 97.5 %.
        """
        nearest = (F.normalize(concepts, dim=1) @ F.normalize(self.class_vectors, dim=1).T).amax(1, keepdim=True)
        return torch.sigmoid((nearest - NAMED) / 0.05)

    def of_text(self, sentences: Tensor) -> Tensor:
        return (sentences - self.centre) @ self.components


class ImageHead(nn.Module):
    """Token features (n, 10, channels) and concepts (n, concept_dim) -> learned part (n, dim), unit."""

    def __init__(
        self,
        channels: int,
        concept_dim: int,
        dim: int,
        *,
        hidden: int = HIDDEN,
        width: int = IMAGE_WIDTH,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.whole = Standardise(channels)
        self.grid = Standardise(channels)
        self.pool = AttentionPool(channels, tokens=10, hidden=hidden, heads=8, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = ResidualHead(channels + hidden + concept_dim, width, dim, dropout)

    def forward(self, tokens: Tensor, concepts: Tensor, noise: float = 0.0) -> Tensor:
        whole = self.whole(tokens[:, 0], noise)
        grid = self.grid(tokens[:, 1:], noise)
        pooled = self.pool(torch.cat([whole[:, None], grid], 1))
        # Concept vectors are short (0.1-1 long); 8 brings them to the scale of the standardised features.
        features = torch.cat([whole, pooled, 8.0 * concepts], 1)
        return F.normalize(self.head(self.dropout(features)), dim=1)


@dataclass(frozen=True)
class ReadTexts:
    """Texts as frozen MiniLM reads them: unit sentence vectors (n, 384), the ids of their word pieces (n, tokens), 0 at
    padding, and, where members tuned its last layers, the states those layers start from (n, tokens, 384) and which of
    the tokens are the text's (n, tokens)."""

    sentences: Tensor
    ids: Tensor
    states: Tensor | None = None
    mask: Tensor | None = None


class TunedLayers(nn.Module):
    """MiniLM's last layers, tuned to captions: states (n, tokens, 384) -> unit sentence vectors (n, 384)."""

    def __init__(self, count: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        text_backbone: Any = load_text_backbone()
        self.layers = copy.deepcopy(text_backbone.encoder.layer[-count:])
        for module in self.layers.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return mean_of_tokens(run_layers(self.layers, states, mask), mask)


def run_layers(layers: nn.ModuleList, states: Tensor, mask: Tensor) -> Tensor:
    """The states (n, tokens, 384) after some of BERT's layers; `mask` (n, tokens) is 0 at padding."""
    # What transformers adds to attention scores, here without its door, which would run the embeddings too.
    away = (1.0 - mask[:, None, None, :].to(states.dtype)) * torch.finfo(states.dtype).min
    for layer in layers:
        after = layer(states, away)
        states = after[0] if isinstance(after, tuple) else after
    return states


def mean_of_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Unit sentence vectors (n, 384): the mean of the states over a text's own tokens."""
    weights = mask[..., None].float()
    return F.normalize((states.float() * weights).sum(1) / weights.sum(1), dim=1)


class TextHead(nn.Module):
    """Texts -> learned part (n, dim), unit, from their sentence vectors or, with `tuned`, from its own layers'."""

    centre: Tensor

    def __init__(
        self,
        sentence_dim: int,
        dim: int,
        *,
        tuned: TunedLayers | None = None,
        width: int = TEXT_WIDTH,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tuned = tuned
        self.register_buffer("centre", torch.zeros(sentence_dim))
        self.dropout = nn.Dropout(dropout / 2)
        self.head = ResidualHead(sentence_dim, width, dim, dropout)

    def forward(self, texts: ReadTexts, noise: float = 0.0) -> Tensor:
        sentences = texts.sentences
        if self.tuned is not None:
            assert texts.states is not None and texts.mask is not None
            sentences = self.tuned(texts.states, texts.mask)
        # A unit vector of 384 numbers has a deviation of 0.05 in each; 20 brings it to 1.
        x = (sentences - self.centre) * 20.0
        if noise:
            x = x + noise * torch.randn_like(x)
        return F.normalize(self.head(self.dropout(x)), dim=1)


class Member(nn.Module):
    """One pair of heads, trained by itself from its own seed."""

    def __init__(
        self,
        channels: int,
        concept_dim: int,
        sentence_dim: int,
        dim: int,
        *,
        tuned_layers: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        tuned = TunedLayers(tuned_layers, dropout=TUNED_DROPOUT if dropout else 0.0) if tuned_layers else None
        self.image = ImageHead(channels, concept_dim, dim, dropout=dropout)
        self.text = TextHead(sentence_dim, dim, tuned=tuned, dropout=dropout)


class PhotoFeatures(nn.Module):
    """Photos (n, 260, 260, 3) uint8 -> token features (n, 10, channels) and class probabilities (n, 1000).

    The first token is the whole photo, the others a 3x3 grid; the backbones' channels stand side by side, their
    probabilities are averaged.
    """

    def __init__(self, backbones: Sequence[ImageBackbone] = (LITE2,)) -> None:
        super().__init__()
        self.shrink = [shrinking(each.side) if each.side != SIDE else None for each in backbones]
        self.backbones = nn.ModuleList(load_image_backbone(each) for each in backbones)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = pixels.permute(0, 3, 1, 2).float()
        parts = []
        for net, shrink in zip(self.backbones, self.shrink, strict=True):
            seen = x if shrink is None else shrink @ x @ shrink.T
            parts.append(self._features(net, (seen - 127.0) / 128.0))
        probabilities = torch.stack([each[1] for each in parts]).mean(0)
        return torch.cat([each[0] for each in parts], 2), probabilities

    def _features(self, net: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        x = net.bn1(net.conv_stem(x))
        stages = []
        for stage in cast(nn.Sequential, net.blocks):
            x = stage(x)
            stages.append(x)
        top = net.bn2(net.conv_head(x))
        whole = top.mean((2, 3))
        maps = (stages[LAST_BLOCK], stages[FIFTH_BLOCK])
        # Heads of Lite2 alone were trained on grids without the outermost rows and columns of 17.
        alone = len(self.backbones) == 1
        grids = [_cells(each) if not alone else _cropped_cells(each) for each in (top, *maps)]
        firsts = [grid.mean(1) if alone else each.mean((2, 3)) for grid, each in zip(grids[1:], maps, strict=True)]
        tokens = torch.cat([torch.cat([whole, *firsts], 1)[:, None], torch.cat(grids, 2)], 1)
        return tokens, net.classifier(whole).softmax(-1)


def shrinking(side: int) -> Tensor:
    """(side, 260): by least squares the smaller rows whose bicubic enlargement comes nearest to the rows given.

    A photo that was of the smaller size, and was enlarged for Lite2, is got back; a bicubic reduction blurs it (the
    features deviate by 0.43 standard deviations from those of the photo itself, so by 0.03).
    """
    rows = torch.eye(side)[None, None]
    enlarged = F.interpolate(rows, (SIDE, side), mode="bicubic", align_corners=False, antialias=True)[0, 0]
    matrix: Tensor = torch.linalg.pinv(enlarged)
    return matrix


def _cells(feature_map: Tensor) -> Tensor:
    """(n, c, side, side) -> (n, 9, c): means over a 3x3 grid, whose cells overlap where 3 does not divide the side."""
    side = feature_map.shape[-1]
    edges = [(cell * side // 3, -(-(cell + 1) * side // 3)) for cell in range(3)]
    # As a matrix: the exporter turns adaptive pooling of such sides into many slices.
    means = torch.zeros(9, side, side)
    for row, (top, bottom) in enumerate(edges):
        for column, (left, right) in enumerate(edges):
            means[3 * row + column, top:bottom, left:right] = 1 / ((bottom - top) * (right - left))
    return (feature_map.flatten(2) @ means.flatten(1).T).transpose(1, 2)


def _cropped_cells(feature_map: Tensor) -> Tensor:
    """The same of 9 or 17 rows and columns; of 17 the outermost are left out."""
    if feature_map.shape[-1] == 17:
        feature_map = feature_map[..., 1:16, 1:16]
    return F.avg_pool2d(feature_map, feature_map.shape[-1] // 3).flatten(2).transpose(1, 2)


class VisualSpace(nn.Module):
    """Features of the whole photo (n, channels) -> (n, dim + 1) unit: in principal components, nearly whitened, and a
    hub coordinate.

    Dividing a component by its deviation to the power 0.75 keeps the strong ones ahead without letting them drown the
    rest. Pooled features alone, half-whitened, were worth 1.0 Recall@10 and 0.8 Recall@1 less to imagined pictures.
    """

    components: Tensor
    deviations: Tensor

    def __init__(self, channels: int, dim: int, queries: int) -> None:
        super().__init__()
        self.standardise = Standardise(channels)
        self.register_buffer("components", torch.zeros(channels, dim))
        self.register_buffer("deviations", torch.ones(dim))
        self.hubs = HubCoordinate(queries, dim)

    def fit(self, whole: Tensor) -> None:
        """Takes the features of many photos, (n, channels)."""
        self.standardise.fit(whole)
        dim = len(self.deviations)
        x = self.standardise(whole)
        basis = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:dim].T
        self.components.copy_(basis)
        self.deviations.copy_((x @ basis).std(0))

    def whitened(self, whole: Tensor) -> Tensor:
        """(n, dim), neither unit nor with a hub coordinate: what a generator diffuses."""
        return cast(Tensor, self.standardise(whole) @ self.components / self.deviations**WHITENING)

    def forward(self, whole: Tensor) -> Tensor:
        return self.hubs.of_photos(F.normalize(self.whitened(whole), dim=1))


class Expectation(nn.Module):
    """What photo a text lets one expect, by ridge regression on its sentence vector and its words: texts -> (n, dim),
    unit, to compare with photos in the visual space before its hub coordinate.

    Words stand apart, each weighted by its rarity: a sentence vector tells what a text is about, not that it says red.
    """

    places: Tensor
    rarity: Tensor
    weights: Tensor
    offset: Tensor

    def __init__(self, words: int, dim: int) -> None:
        super().__init__()
        # Where a word piece's weight stands; 0 for those too rare to learn, whose rarity is put to 0.
        self.register_buffer("places", torch.zeros(VOCABULARY, dtype=torch.int32))
        self.register_buffer("rarity", torch.zeros(words + 1))
        self.register_buffer("weights", torch.zeros(SENTENCE_DIM + words + 1, dim))
        self.register_buffer("offset", torch.zeros(dim))

    def features(self, texts: ReadTexts) -> Tensor:
        """What the regression sees of texts: (n, 384 + words + 1)."""
        places = self.places[texts.ids].long()
        said = torch.zeros(len(places), len(self.rarity)).scatter(1, places, torch.ones(places.shape))
        return torch.cat([texts.sentences, WORDS_LOUDNESS * F.normalize(said * self.rarity, dim=1)], 1)

    def forward(self, texts: ReadTexts) -> Tensor:
        return F.normalize(self.features(texts) @ self.weights - self.offset, dim=1)


class SentenceVectors(nn.Module):
    """all-MiniLM-L6-v2: token ids (n, tokens) -> texts as it reads them, with the states before its last layers where
    `tuned_layers` of them are tuned."""

    def __init__(self, tuned_layers: int = 0) -> None:
        super().__init__()
        self.tuned_layers = tuned_layers
        self.backbone = load_text_backbone()

    def forward(self, ids: Tensor) -> ReadTexts:
        mask = (ids != 0).long()
        if not self.tuned_layers:
            hidden = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
            return ReadTexts(mean_of_tokens(hidden, mask), ids)
        bert: Any = self.backbone
        states = run_layers(bert.encoder.layer[: -self.tuned_layers], bert.embeddings(input_ids=ids), mask)
        last = run_layers(bert.encoder.layer[-self.tuned_layers :], states, mask)
        return ReadTexts(mean_of_tokens(last, mask), ids, states, mask)


class Heads(nn.Module):
    """All that heads.safetensors holds: members side by side, the concepts, the visual space and, with `words`, what
    texts let one expect in it.

    The members' learned parts and the expectation are concatenated and turned into `dim` numbers by `basis`, the
    principal components of what they say about the training photos and captions.
    """

    basis: Tensor

    def __init__(
        self,
        members: int,
        member_dim: int,
        dim: int,
        concept_dim: int,
        visual_dim: int,
        *,
        backbones: Sequence[ImageBackbone] = (LITE2,),
        tuned_layers: int = 0,
        words: int = 0,
        text_bank: int = 0,
        picture_bank: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbones = tuple(backbones)
        self.tuned_layers = tuned_layers
        channels = sum(sum(each.channels) for each in backbones)
        self.concepts = Concepts(CLASSES, SENTENCE_DIM, concept_dim)
        self.members = nn.ModuleList(
            Member(channels, concept_dim, SENTENCE_DIM, member_dim, tuned_layers=tuned_layers, dropout=dropout)
            for _ in range(members)
        )
        self.expectation = Expectation(words, visual_dim) if words else None
        self.register_buffer("basis", torch.eye(members * member_dim + (visual_dim if words else 0), dim))
        self.hubs = HubCoordinate(text_bank, dim + concept_dim)
        self.visual = VisualSpace(channels, visual_dim, picture_bank)

    def embed_photos(self, tokens: Tensor, probabilities: Tensor) -> Tensor:
        """Token features and class probabilities -> joint vectors (n, dim + concept_dim + 1), unit."""
        return self.hubs.of_photos(self.uncorrected_photos(tokens, probabilities))

    def embed_texts(self, texts: ReadTexts) -> Tensor:
        """Texts -> joint vectors (n, dim + concept_dim + 1), unit."""
        named = self.concepts.named(self.concepts.of_text(texts.sentences))
        strength = CAPTION_STRENGTH + (NAME_STRENGTH - CAPTION_STRENGTH) * named
        return self.hubs.of_queries(self.uncorrected_texts(texts), strength)

    def uncorrected_photos(self, tokens: Tensor, probabilities: Tensor, noise: float = 0.0) -> Tensor:
        """What is trained: joint vectors without the hub coordinate, (n, dim + concept_dim), unit."""
        concepts = self.concepts.of_photo(probabilities)
        learned = F.normalize(self.photo_parts(tokens, concepts, noise) @ self.basis, dim=1)
        return F.normalize(torch.cat([learned, concepts], 1), dim=1)

    def uncorrected_texts(self, texts: ReadTexts, noise: float = 0.0) -> Tensor:
        """The same of texts."""
        concepts = self.concepts.of_text(texts.sentences)
        learned = F.normalize(self.text_parts(texts, noise) @ self.basis, dim=1)
        loudness = CAPTION_LOUDNESS + (NAME_LOUDNESS - CAPTION_LOUDNESS) * self.concepts.named(concepts)
        return F.normalize(torch.cat([learned, loudness * concepts], 1), dim=1)

    def fit_basis(self, learned: Tensor) -> None:
        """Takes the members' parts, concatenated, of many photos and texts: (n, members * member_dim)."""
        # No centring: dot products must stay what they were.
        self.basis.copy_(torch.linalg.svd(learned, full_matrices=False).Vh[: self.basis.shape[1]].T)

    def photo_parts(self, tokens: Tensor, concepts: Tensor, noise: float = 0.0) -> Tensor:
        """What members, and the expectation, have of photos, side by side: what `basis` takes."""
        parts = [cast(Member, member).image(tokens, concepts, noise) for member in self.members]
        if self.expectation is not None:
            parts.append(self._expectation_share * F.normalize(self.visual.whitened(tokens[:, 0]), dim=1))
        return torch.cat(parts, 1)

    def text_parts(self, texts: ReadTexts, noise: float = 0.0) -> Tensor:
        """The same of texts."""
        parts = [cast(Member, member).text(texts, noise) for member in self.members]
        if self.expectation is not None:
            parts.append(self._expectation_share * self.expectation(texts))
        return torch.cat(parts, 1)

    @property
    def _expectation_share(self) -> float:
        return EXPECTATION * float(len(self.members) ** 0.5)


class ImageTower(nn.Module):
    """(n, 260, 260, 3) uint8 -> joint (n, dim) and visual (n, visual_dim), unit."""

    def __init__(self, features: PhotoFeatures, heads: Heads) -> None:
        super().__init__()
        self.features = features
        self.heads = heads

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tokens, probabilities = self.features(pixels)
        return self.heads.embed_photos(tokens, probabilities), self.heads.visual(tokens[:, 0])


class TextTower(nn.Module):
    """(n, tokens) int64 -> joint (n, dim) and the sentence vector (n, 384), unit."""

    def __init__(self, sentences: SentenceVectors, heads: Heads) -> None:
        super().__init__()
        self.sentences = sentences
        self.heads = heads

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        texts = self.sentences(ids)
        return self.heads.embed_texts(texts), texts.sentences


# Matrices of at least so many numbers are stored as int8 with a scale for each row; the rest as float16.
PACKED_FROM = 1 << 16
SCALE = "::scale"


def pack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a head file stores them: large matrices in 8 bits, a scale a row, everything else in float16."""
    packed = {}
    for name, tensor in tensors.items():
        packed[name] = tensor.half().contiguous() if tensor.is_floating_point() else tensor
        if tensor.dim() == 2 and tensor.numel() >= PACKED_FROM:
            scale = (tensor.float().abs().amax(1, keepdim=True) / 127).clamp(min=1e-6).half()
            packed[name] = (tensor.float() / scale.float()).round().clamp(-127, 127).to(torch.int8)
            packed[name + SCALE] = scale
    return packed


def unpack(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` stored, or an older file's float16 tensors, as float32."""
    return {
        name: tensor.float() * stored[name + SCALE].float() if name + SCALE in stored else _whole(tensor)
        for name, tensor in stored.items()
        if not name.endswith(SCALE)
    }


def _whole(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def load_heads(path: Path) -> Heads:
    """The trained heads, their sizes read off the tensors; a wrong file raises what safetensors and torch raise."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    tensors = unpack(load_file(path))
    layers = "members.0.text.tuned.layers."
    dim = tensors["basis"].shape[1]
    member_dim = tensors["members.0.image.head.linear.weight"].shape[0]
    heads = Heads(
        members=len({name.split(".")[1] for name in tensors if name.startswith("members.")}),
        member_dim=member_dim,
        dim=dim,
        concept_dim=tensors["concepts.components"].shape[1],
        visual_dim=tensors["visual.deviations"].shape[0],
        backbones=image_backbones(metadata),
        tuned_layers=len({name[len(layers) :].split(".")[0] for name in tensors if name.startswith(layers)}),
        words=len(tensors.get("expectation.rarity", torch.zeros(1))) - 1,
        text_bank=tensors["hubs.bank"].shape[0],
        picture_bank=tensors["visual.hubs.bank"].shape[0],
    )
    heads.load_state_dict(tensors)
    return heads.eval()


def load_image_tower(path: Path) -> ImageTower:
    """Backbones and trained heads, in eval mode."""
    heads = load_heads(path)
    return ImageTower(PhotoFeatures(heads.backbones), heads).eval()


def load_text_tower(path: Path) -> TextTower:
    """Backbone and trained head, in eval mode."""
    heads = load_heads(path)
    return TextTower(SentenceVectors(heads.tuned_layers), heads).eval()
