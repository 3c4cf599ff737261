"""The two towers as torch modules, backbone and heads together: pixels or token ids in, unit vectors out.

A joint vector has two parts. The *learned* part comes from a contrastive loss on captioned photos. The *concept* part
is zero-shot, after ConSE (Norouzi et al., 2014): a photo is the mean of ImageNet's class-name sentence vectors,
weighted by the classifier's probabilities, and a text is its own sentence vector, both in the class names' principal
components. It knows a thousand objects that the captions never mention, and is long only where the classifier is sure.

Used to train, to compare with and to export; nothing here runs when photos are indexed or searched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from indexer.encoders.bundled.backbones import load_image_backbone, load_text_backbone

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

SENTENCE_DIM = 384
CLASSES = 1000
POOLED = 1280
# Channels of EfficientNet-Lite2's head, its last block (9x9) and its fifth (17x17): the later ones name things, the
# earlier ones still hold colour and texture (+2 points of Recall@10 over the head alone).
CHANNELS = POOLED + 352 + 120
WHITENING = 0.75

# The concept part of a text, beside its learned part of length 1, and what a photo's popularity counts against it: of a
# caption, and of a class's name. Chosen on the development set and 200 object photos together. Captions gain
# Recall@10 up to a strength of 0.75 and lose Recall@1 from 0.6 on; of names alone 93.5 % are found within ten with 0.5,
# 96 % with 0.1 or none.
CAPTION_LOUDNESS, NAME_LOUDNESS = 0.5, 3.0
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


class TextHead(nn.Module):
    """Unit sentence vectors (n, sentence_dim) -> learned part (n, dim), unit."""

    centre: Tensor

    def __init__(self, sentence_dim: int, dim: int, *, width: int = TEXT_WIDTH, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(sentence_dim))
        self.dropout = nn.Dropout(dropout / 2)
        self.head = ResidualHead(sentence_dim, width, dim, dropout)

    def forward(self, sentences: Tensor, noise: float = 0.0) -> Tensor:
        # A unit vector of 384 numbers has a deviation of 0.05 in each; 20 brings it to 1.
        x = (sentences - self.centre) * 20.0
        if noise:
            x = x + noise * torch.randn_like(x)
        return F.normalize(self.head(self.dropout(x)), dim=1)


class Member(nn.Module):
    """One pair of heads, trained by itself from its own seed."""

    def __init__(self, channels: int, concept_dim: int, sentence_dim: int, dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.image = ImageHead(channels, concept_dim, dim, dropout=dropout)
        self.text = TextHead(sentence_dim, dim, dropout=dropout)


class PhotoFeatures(nn.Module):
    """EfficientNet-Lite2 on (n, 260, 260, 3) uint8: token features (n, 10, 1752) and class probabilities (n, 1000).

    The first token is the whole photo, the others a 3x3 grid. A token's first 1,280 numbers are the pooled features.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = load_image_backbone()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        net: Any = self.backbone
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = net.bn1(net.conv_stem(x))
        stages = []
        for stage in cast(nn.Sequential, net.blocks):
            x = stage(x)
            stages.append(x)
        top = net.bn2(net.conv_head(x))
        whole = top.mean((2, 3))
        grid = torch.cat([_grid(top), _grid(stages[6]), _grid(stages[4])], 2)
        first = torch.cat([whole, grid[:, :, POOLED:].mean(1)], 1)
        logits = net.classifier(whole)
        return torch.cat([first[:, None], grid], 1), logits.softmax(-1)


def _grid(feature_map: Tensor) -> Tensor:
    """(n, c, 9 or 17, same) -> (n, 9, c): means over a 3x3 grid; of 17 rows and columns the outermost are left out."""
    if feature_map.shape[-1] == 17:
        feature_map = feature_map[..., 1:16, 1:16]
    return F.avg_pool2d(feature_map, feature_map.shape[-1] // 3).flatten(2).transpose(1, 2)


class VisualSpace(nn.Module):
    """Features of the whole photo (n, 1752) -> (n, dim + 1) unit: in principal components, nearly whitened, and a hub
    coordinate.

    Dividing a component by its deviation to the power 0.75 keeps the strong ones ahead without letting them drown the
    rest. Pooled features alone, half-whitened, were worth 1.0 Recall@10 and 0.8 Recall@1 less to imagined pictures.
    """

    components: Tensor
    deviations: Tensor

    def __init__(self, dim: int, queries: int) -> None:
        super().__init__()
        self.standardise = Standardise(CHANNELS)
        self.register_buffer("components", torch.zeros(CHANNELS, dim))
        self.register_buffer("deviations", torch.ones(dim))
        self.hubs = HubCoordinate(queries, dim)

    def fit(self, whole: Tensor) -> None:
        """Takes the features of many photos, (n, 1752)."""
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


class SentenceVectors(nn.Module):
    """all-MiniLM-L6-v2: token ids (n, tokens) -> the mean of the last layer over the tokens, unit, (n, 384)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = load_text_backbone()

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != 0).long()
        hidden = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].float()
        return F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


class Heads(nn.Module):
    """All that heads.safetensors holds: members side by side, the concepts, and the visual space.

    The members' learned parts are concatenated and turned into `dim` numbers by `basis`, the principal components of
    what they say about the training photos and captions.
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
        text_bank: int = 0,
        picture_bank: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.concepts = Concepts(CLASSES, SENTENCE_DIM, concept_dim)
        self.members = nn.ModuleList(
            Member(CHANNELS, concept_dim, SENTENCE_DIM, member_dim, dropout=dropout) for _ in range(members)
        )
        self.register_buffer("basis", torch.eye(members * member_dim, dim))
        self.hubs = HubCoordinate(text_bank, dim + concept_dim)
        self.visual = VisualSpace(visual_dim, picture_bank)

    def embed_photos(self, tokens: Tensor, probabilities: Tensor) -> Tensor:
        """Token features and class probabilities -> joint vectors (n, dim + concept_dim + 1), unit."""
        return self.hubs.of_photos(self.uncorrected_photos(tokens, probabilities))

    def embed_texts(self, sentences: Tensor) -> Tensor:
        """Sentence vectors (n, 384) -> joint vectors (n, dim + concept_dim + 1), unit."""
        named = self.concepts.named(self.concepts.of_text(sentences))
        strength = CAPTION_STRENGTH + (NAME_STRENGTH - CAPTION_STRENGTH) * named
        return self.hubs.of_queries(self.uncorrected_texts(sentences), strength)

    def uncorrected_photos(self, tokens: Tensor, probabilities: Tensor, noise: float = 0.0) -> Tensor:
        """What is trained: joint vectors without the hub coordinate, (n, dim + concept_dim), unit."""
        concepts = self.concepts.of_photo(probabilities)
        learned = [cast(Member, member).image(tokens, concepts, noise) for member in self.members]
        return F.normalize(torch.cat([self._side_by_side(learned), concepts], 1), dim=1)

    def uncorrected_texts(self, sentences: Tensor, noise: float = 0.0) -> Tensor:
        """The same of sentence vectors (n, 384)."""
        concepts = self.concepts.of_text(sentences)
        learned = [cast(Member, member).text(sentences, noise) for member in self.members]
        loudness = CAPTION_LOUDNESS + (NAME_LOUDNESS - CAPTION_LOUDNESS) * self.concepts.named(concepts)
        return F.normalize(torch.cat([self._side_by_side(learned), loudness * concepts], 1), dim=1)

    def fit_basis(self, learned: Tensor) -> None:
        """Takes the members' parts, concatenated, of many photos and texts: (n, members * member_dim)."""
        # No centring: dot products must stay what they were.
        self.basis.copy_(torch.linalg.svd(learned, full_matrices=False).Vh[: self.basis.shape[1]].T)

    def _side_by_side(self, learned: list[Tensor]) -> Tensor:
        return F.normalize(torch.cat(learned, 1) @ self.basis, dim=1)


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
        sentence = self.sentences(ids)
        return self.heads.embed_texts(sentence), sentence


def load_heads(path: Path) -> Heads:
    """The trained heads, their sizes read off the tensors; a wrong file raises what safetensors and torch raise."""
    from safetensors.torch import load_file

    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    together, dim = tensors["basis"].shape
    member_dim = tensors["members.0.image.head.linear.weight"].shape[0]
    heads = Heads(
        members=together // member_dim,
        member_dim=member_dim,
        dim=dim,
        concept_dim=tensors["concepts.components"].shape[1],
        visual_dim=tensors["visual.deviations"].shape[0],
        text_bank=tensors["hubs.bank"].shape[0],
        picture_bank=tensors["visual.hubs.bank"].shape[0],
    )
    heads.load_state_dict(tensors)
    return heads.eval()


def load_image_tower(path: Path) -> ImageTower:
    """Backbone and trained head, in eval mode."""
    return ImageTower(PhotoFeatures(), load_heads(path)).eval()


def load_text_tower(path: Path) -> TextTower:
    """Backbone and trained head, in eval mode."""
    return TextTower(SentenceVectors(), load_heads(path)).eval()
