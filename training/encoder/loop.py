"""Training of one ensemble member: heads fitted to captioned photos by a contrastive loss, then their hub banks.

The banks hold typical queries, by which photos that match everything (hubs) are recognised: captions for the joint
space, expected photos for the visual one. Reads and writes no files. All randomness comes from the given seed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from indexer.encoders.bundled.towers import VOCABULARY, Heads, Member, ReadTexts
from training.encoder.data import CAPTIONS, PhotoCache, TextCache

Log = Callable[[str], None]

# Of 1,000, 2,000 and 5,000 photos' captions, 2,000 are as good as 5,000 for texts (Recall@1 of five captions 45.3,
# 47.6 and 47.0); for imagined pictures 4,000 were better than 2,000 (+2.1 Recall@1 over the text, not +1.4).
TEXT_BANK, PICTURE_BANK = 2048, 4096
# The ridge of the regression that says what photo a text lets one expect; 3 and 30 do as well.
RIDGE = 10.0
# The ridge of the expectation that stands beside the members: with 3, 10 and 30 they find 73.4, 72.8 and 71.8 % of
# captions within ten, and less the hubs 76.6, 76.4 and 75.9 %.
EXPECTATION_RIDGE = 5.0
# A word in fewer captions tells photos apart only by heart.
LEAST_SEEN = 4
# What a class's name counts beside a caption when photos are expected from texts, and how many deviations of its logit
# a photo of the class lies from the average. With 5 and 6 the expectation alone finds 33 % of queries among everyday
# photos within ten, without classes 23 %; captions are found as before (63.3 and 62.8 %).
CLASS_WEIGHT, CLASS_DISTANCE = 6.0, 6.0
# How many parts the captions of a batch are read in.
PARTS = 3


@dataclass(frozen=True)
class Material:
    """What a run learns from: cached views, captions (photo i has texts 5 i to 5 i + 4), the photos it may use, the
    names of ImageNet's classes as people type them with the class of each, and one view of photos without captions."""

    views: list[PhotoCache]
    captions: TextCache
    train: NDArray[np.int64]
    names: TextCache
    classes: NDArray[np.int64]
    others: PhotoCache | None = None

    def sentences(self, photos: NDArray[np.int64]) -> Tensor:
        """Unit sentence vectors of these photos' captions, (n, 5, 384)."""
        return self.captions.sentences.view(-1, CAPTIONS, self.captions.sentences.shape[1])[torch.from_numpy(photos)]


@dataclass(frozen=True)
class Recipe:
    """The settings of one run, as chosen on the development set (MODEL_CARD.md)."""

    seed: int
    # One epoch shows every photo once for each of its captions.
    epochs: int = 6
    batch: int = 512
    rate: float = 1.5e-3
    weight_decay: float = 0.05
    dropout: float = 0.5
    image_noise: float = 0.3
    text_noise: float = 0.25
    average: float = 0.99
    # Tuned layers start from what MiniLM learnt, and learn more slowly than heads that start from nothing.
    tuned_rate: float = 1e-4
    tuned_decay: float = 0.01
    # Share of examples whose text is the mean of 2 to 5 captions, as it is in a dialogue.
    several: float = 0.3


@dataclass(frozen=True)
class Batch:
    """Photos (n), features of one view of each, and their chosen captions, in parts of texts of like length; `owner`
    says whose caption each is, through all parts."""

    photos: NDArray[np.int64]
    tokens: Tensor
    probabilities: Tensor
    texts: list[ReadTexts]
    owner: Tensor


class Batches:
    """Endless seeded batches over the training photos."""

    def __init__(self, material: Material, recipe: Recipe) -> None:
        self._material = material
        self._recipe = recipe
        self._chance = np.random.default_rng(recipe.seed)
        self._queue = np.empty(0, dtype=np.int64)

    def next(self) -> Batch:
        """The next batch: a random view and one, or the mean of several, captions for each photo."""
        material, size, chance = self._material, self._recipe.batch, self._chance
        if len(self._queue) < size:
            self._queue = chance.permutation(material.train)
        photos, self._queue = self._queue[:size], self._queue[size:]

        which = chance.integers(len(material.views), size=size)
        tokens = torch.empty(size, *material.views[0].tokens.shape[1:])
        probabilities = torch.empty(size, material.views[0].probabilities.shape[1])
        for number in np.unique(which):
            rows = np.flatnonzero(which == number)
            tokens[rows], probabilities[rows] = material.views[number].rows(photos[rows])

        several = chance.random(size) < self._recipe.several
        count = np.where(several, chance.integers(2, CAPTIONS + 1, size), 1)
        chosen = np.argsort(chance.random((size, CAPTIONS)), 1) < count[:, None]
        owner, column = np.nonzero(chosen)
        captions = CAPTIONS * photos[owner] + column
        order = np.argsort(material.captions.lengths(captions), kind="stable")
        # Padded to the longest of all, half of the tuned layers' work would be padding.
        texts = [material.captions.rows(part) for part in np.array_split(captions[order], PARTS)]
        return Batch(photos, tokens, probabilities, texts, torch.from_numpy(owner[order]))


def train(heads: Heads, material: Material, recipe: Recipe, report: Callable[[Heads], str], note: Log) -> Heads:
    """Fits `heads` by InfoNCE with in-batch negatives, both ways, and returns their running average.

    Averaged weights, dropout and noise on the standardised features keep 6,000 photos from being learnt by heart.
    """
    scale = nn.Parameter(torch.tensor(log(1 / 0.07)))
    parameters = [*heads.parameters(), scale]
    groups = _groups(heads, scale, recipe)
    optimizer = torch.optim.AdamW(groups)
    epoch = CAPTIONS * len(material.train) // recipe.batch
    steps = recipe.epochs * epoch
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.15)
    average = copy.deepcopy(heads)
    batches = Batches(material, recipe)
    for step in range(1, steps + 1):
        heads.train()
        loss = _loss(heads, batches.next(), recipe, scale)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            # Early averages forget quickly, or the random start would stay in them.
            keep = min(recipe.average, step / (9 + step))
            for mine, theirs in zip(average.parameters(), heads.parameters(), strict=True):
                mine.lerp_(theirs, 1 - keep)
        if step % epoch == 0:
            note(f"seed {recipe.seed} epoch {step // epoch} loss {loss.item():.3f}  {report(average.eval())}")
    return average.eval()


def _groups(heads: Heads, scale: Tensor, recipe: Recipe) -> list[dict[str, Any]]:
    """The parameters with their rates and decays: tuned layers, if there are any, and all others."""
    layers = [cast(Member, member).text.tuned for member in heads.members]
    tuned = [parameter for each in layers if each is not None for parameter in each.parameters()]
    known = {id(parameter) for parameter in tuned}
    others = [parameter for parameter in heads.parameters() if id(parameter) not in known]
    groups = [{"params": [*others, scale], "lr": recipe.rate, "weight_decay": recipe.weight_decay}]
    if tuned:
        groups.append({"params": tuned, "lr": recipe.tuned_rate, "weight_decay": recipe.tuned_decay})
    return groups


def _loss(heads: Heads, batch: Batch, recipe: Recipe, scale: Tensor) -> Tensor:
    # Heads alone are quick on texts and stay exact; tuned layers take most of a step.
    with torch.autocast("cpu", torch.bfloat16, enabled=heads.tuned_layers > 0):
        parts = [heads.uncorrected_texts(texts, recipe.text_noise).float() for texts in batch.texts]
    captions = torch.cat(parts)
    with torch.autocast("cpu", torch.bfloat16):
        photos = heads.uncorrected_photos(batch.tokens, batch.probabilities, recipe.image_noise)
    texts = F.normalize(torch.zeros_like(photos, dtype=torch.float32).index_add_(0, batch.owner, captions), dim=1)
    scores = scale.clamp(max=log(100)).exp() * photos.float() @ texts.T
    right = torch.arange(len(scores))
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def embed_captions(heads: Heads, captions: TextCache, photos: NDArray[np.int64], *, corrected: bool = True) -> Tensor:
    """The joint vectors of these photos' captions, (n, 5, dim), with the hub coordinate unless not `corrected`."""
    embed = heads.embed_texts if corrected else heads.uncorrected_texts
    with torch.inference_mode():
        texts = (photos[:, None] * CAPTIONS + np.arange(CAPTIONS)).ravel()
        parts = [embed(captions.rows(part)) for part in np.array_split(texts, -(-len(texts) // 1000))]
        rows = torch.cat(parts)
    return rows.view(len(photos), CAPTIONS, -1)


def word_places(material: Material) -> tuple[Tensor, Tensor]:
    """Of the word pieces in the training captions and the class names: each one's place (vocabulary,), 0 for those that
    are in no class's name and in fewer than LEAST_SEEN captions, and the rarity of each place, log(captions / captions
    that have it), 0 at place 0."""
    captions, names = material.captions, material.names
    texts = (material.train[:, None] * CAPTIONS + np.arange(CAPTIONS)).ravel()
    seen = np.zeros(VOCABULARY, dtype=np.int64)
    for text in texts:
        seen[np.unique(captions.ids[captions.starts[text] : captions.starts[text + 1]])] += 1
    seen[names.ids] = np.maximum(seen[names.ids], LEAST_SEEN)
    known = np.flatnonzero(seen >= LEAST_SEEN)
    places = np.zeros(VOCABULARY, dtype=np.int32)
    places[known] = np.arange(1, len(known) + 1)
    rarity = np.concatenate([[0.0], np.log(len(texts) / seen[known])])
    return torch.from_numpy(places), torch.from_numpy(rarity).float()


def fit_expectation(heads: Heads, material: Material, places: Tensor, rarity: Tensor) -> None:
    """Gives `heads` what texts let one expect: ridge regression from each caption, and from the mean of a photo's, to
    the mean of the photo's views in the visual space, and from each class's names to where its photos lie."""
    expectation = heads.expectation
    assert expectation is not None
    expectation.places.copy_(places)
    expectation.rarity.copy_(rarity)
    texts = (material.train[:, None] * CAPTIONS + np.arange(CAPTIONS)).ravel()
    with torch.inference_mode():
        photos = torch.zeros(len(material.train), len(expectation.offset))
        for view in material.views:
            for rows in np.array_split(np.arange(len(photos)), -(-len(photos) // 1000)):
                whole = torch.from_numpy(view.tokens[material.train[rows], 0].astype(np.float32))
                photos[rows] += heads.visual.whitened(whole) / len(material.views)
        parts = np.array_split(texts, -(-len(texts) // 2000))
        single = torch.cat([expectation.features(material.captions.rows(part)) for part in parts])
        together = F.normalize(single.view(len(photos), CAPTIONS, -1).mean(1), dim=1)
        x = torch.cat([single, together])
        centre, mean = x.mean(0), photos.mean(0)
        y = torch.cat([photos.repeat_interleave(CAPTIONS, 0), photos]) - mean
        x -= centre
        named = expectation.features(material.names.rows(np.arange(len(material.classes)))) - centre
        expected = _class_photos(heads, material)[torch.from_numpy(material.classes)] - mean
        products = x.T @ x + CLASS_WEIGHT * named.T @ named + EXPECTATION_RIDGE * torch.eye(x.shape[1])
        weights = torch.linalg.solve(products, x.T @ y + CLASS_WEIGHT * named.T @ expected)
        expectation.weights.copy_(weights)
        # An average photo has nothing of its own: comparisons are about what differs from it.
        expectation.offset.copy_(centre @ weights)


def _class_photos(heads: Heads, material: Material) -> Tensor:
    """Where photos of each class lie in the visual space, (classes, dim).

    Few photos at hand show any one class, but all of them say how features go with its logit: a photo's expected
    features are linear in it, as far as the covariance of both tells.
    """
    wholes = [torch.from_numpy(material.views[0].tokens[material.train, 0].astype(np.float32))]
    chances = [torch.from_numpy(material.views[0].probabilities[material.train].astype(np.float32))]
    if material.others is not None:
        wholes.append(material.others.wholes())
        chances.append(torch.from_numpy(material.others.probabilities.astype(np.float32)))
    photos = torch.cat([heads.visual.whitened(part) for part in wholes])
    # Probabilities are kept in 16 bits, where the smallest are 0.
    logits = torch.cat(chances).clamp(min=1e-6).log()
    logits -= logits.mean(1, keepdim=True)
    logits -= logits.mean(0)
    mean = photos.mean(0)
    slopes = logits.T @ (photos - mean) / len(photos) / logits.std(0).clamp(min=1e-3)[:, None]
    return mean + CLASS_DISTANCE * slopes


def fit_hubs(heads: Heads, material: Material, class_names: ReadTexts, seed: int) -> None:
    """Gives `heads`, complete otherwise, their banks, of training photos alone. `class_names`: what people type to find
    each of the classes."""
    chance = np.random.default_rng(seed)
    tokens, probabilities = material.views[0].rows(material.train)
    captions = material.sentences(material.train)
    with torch.inference_mode():
        photos = heads.uncorrected_photos(tokens, probabilities)
        texts = embed_captions(heads, material.captions, material.train, corrected=False)
        typical = torch.from_numpy(chance.permutation(len(material.train)))
        dialogues = F.normalize(texts[typical[:TEXT_BANK]].mean(1), dim=1)
        heads.hubs.fit(torch.cat([dialogues, heads.uncorrected_texts(class_names)]), photos)

        whitened = heads.visual.whitened(tokens[:, 0])
        expected = _expected_photos(texts, captions, whitened, chance)[typical[:PICTURE_BANK]]
        heads.visual.hubs.fit(F.normalize(expected, dim=1), F.normalize(whitened, dim=1))


def _expected_photos(texts: Tensor, captions: Tensor, photos: Tensor, chance: np.random.Generator) -> Tensor:
    """What ridge regression expects each photo to be from all of its captions: (n, dim) like `photos`.

    Linear, where the generator is not; the hubs it finds are the same, and the encoder need not wait for a generator.
    """
    count = chance.integers(1, CAPTIONS + 1, len(photos))
    some = torch.from_numpy(np.argsort(chance.random((len(photos), CAPTIONS)), 1) < count[:, None]).float()[..., None]
    queries = torch.cat([_means(texts, captions, some), _means(texts, captions, torch.ones_like(some))])
    centre, mean = queries.mean(0), photos.mean(0)
    x, y = queries - centre, (photos - mean).repeat(2, 1)
    weights: Tensor = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ y)
    return x[len(photos) :] @ weights + mean


def _means(texts: Tensor, captions: Tensor, shares: Tensor) -> Tensor:
    return torch.cat([F.normalize((part * shares).sum(1), dim=1) for part in (texts, captions)], 1)
