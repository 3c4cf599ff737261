"""What a text lets one expect of a photo: ridge regression on made-up captions whose words say what is in the photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from indexer.encoders.bundled.backbones import LITE2
from indexer.encoders.bundled.towers import CLASSES, SENTENCE_DIM, Heads, ReadTexts
from training.encoder.data import CAPTIONS, PhotoCache, TextCache
from training.encoder.loop import LEAST_SEEN, Material, fit_expectation, word_places

START, END = 101, 102
CHANNELS = sum(LITE2.channels)
WORDS = np.arange(2000, 2030)
PHOTOS = 300


def made_up(seed: int) -> tuple[list[list[int]], NDArray[np.float16]]:
    """Five captions each of photos that show three of thirty things, by their ids, and the photos' features."""
    chance = np.random.default_rng(seed)
    looks = np.random.default_rng(99).normal(size=(len(WORDS), CHANNELS))
    shown = np.stack([chance.choice(len(WORDS), 3, replace=False) for _ in range(PHOTOS)])
    texts = [[START, *WORDS[chance.permutation(row)], END] for row in shown for _ in range(CAPTIONS)]
    whole = looks[shown].sum(1) + chance.normal(size=(PHOTOS, CHANNELS))
    return texts, np.repeat(whole[:, None], 10, 1).astype(np.float16)


def cached(texts: Sequence[Sequence[int]], seed: int) -> TextCache:
    """Sentence vectors that say nothing."""
    sentences = F.normalize(torch.randn(len(texts), SENTENCE_DIM, generator=torch.Generator().manual_seed(seed)), dim=1)
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return TextCache(sentences, np.concatenate([np.array(text) for text in texts]), starts, None)


def material_of(
    texts: Sequence[Sequence[int]],
    features: NDArray[np.float16],
    names: Sequence[Sequence[int]] = ([START, END],),
    probabilities: NDArray[np.float16] | None = None,
) -> Material:
    """One view of photos, their captions, and the names of the first classes."""
    if probabilities is None:
        probabilities = np.zeros((len(features), CLASSES), dtype=np.float16)
    cache = PhotoCache(features, probabilities)
    photos = np.arange(len(texts) // CAPTIONS)
    return Material([cache], cached(texts, 0), photos, cached(names, 2), np.arange(len(names)))


def test_rare_words_have_no_place_and_common_ones_no_weight() -> None:
    texts = [[START, 2000, 2000, END], *[[START, 2000, 2001, END]] * LEAST_SEEN, *[[START, 7, END]] * (LEAST_SEEN - 2)]
    texts += [[START, END]] * (2 * CAPTIONS - len(texts))
    material = material_of(texts, np.zeros((2, 10, CHANNELS), dtype=np.float16), [[START, 8, END]])
    places, rarity = word_places(material)
    known = {piece: float(rarity[places[piece]]) for piece in (START, 2000, 2001)}
    assert known[START] == 0
    assert known[2000] == np.float32(np.log(10 / (LEAST_SEEN + 1))) and known[2001] == np.float32(
        np.log(10 / LEAST_SEEN)
    )
    assert places[7] == 0 and rarity[0] == 0
    # A class's name counts as the rarest of known words, though no caption has it.
    assert rarity[places[8]] == rarity.max() > 0


def test_a_photo_is_expected_from_the_words_alone() -> None:
    texts, features = made_up(0)
    material = material_of(texts, features)
    places, rarity = word_places(material)
    heads = Heads(1, 8, 8, 8, 32, words=len(rarity) - 1)
    heads.visual.fit(torch.from_numpy(features[:, 0]).float())
    fit_expectation(heads, material, places, rarity)
    assert heads.expectation is not None

    others, unseen = made_up(1)
    with torch.inference_mode():
        expected = heads.expectation(cached(others, 1).rows(np.arange(0, len(others), CAPTIONS)))
        photos = F.normalize(heads.visual.whitened(torch.from_numpy(unseen[:, 0]).float()), dim=1)
    scores = expected @ photos.T
    ranks = (scores > scores.diagonal()[:, None]).sum(1)
    assert (ranks < 10).float().mean() > 0.8
    torch.testing.assert_close(expected.norm(dim=1), torch.ones(PHOTOS))


def test_a_class_that_no_caption_mentions_is_expected_by_its_name() -> None:
    chance = np.random.default_rng(3)
    texts, features = made_up(0)
    classes = 20
    looks = chance.normal(size=(classes, CHANNELS))
    of_photo = chance.integers(classes, size=PHOTOS)
    features = (features + looks[of_photo][:, None]).astype(np.float16)
    probabilities = np.full((PHOTOS, CLASSES), 1e-4, dtype=np.float16)
    probabilities[np.arange(PHOTOS), of_photo] = 0.9
    names = [[START, 3000 + number, END] for number in range(classes)]
    material = material_of(texts, features, names, probabilities)
    places, rarity = word_places(material)
    heads = Heads(1, 8, 8, 8, 64, words=len(rarity) - 1)
    heads.visual.fit(torch.from_numpy(features[:, 0]).float())
    fit_expectation(heads, material, places, rarity)
    assert heads.expectation is not None

    with torch.inference_mode():
        expected = heads.expectation(material.names.rows(np.arange(classes)))
        photos = F.normalize(heads.visual.whitened(torch.from_numpy(features[:, 0]).float()), dim=1)
    best = (expected @ photos.T).topk(5, dim=1).indices.numpy()
    assert (of_photo[best] == np.arange(classes)[:, None]).mean() > 0.8


def test_padding_changes_nothing() -> None:
    heads = Heads(1, 8, 8, 8, 8, words=2)
    assert heads.expectation is not None
    heads.expectation.places[[2000, 2001]] = torch.tensor([1, 2], dtype=torch.int32)
    heads.expectation.rarity.copy_(torch.tensor([0.0, 1.0, 2.0]))
    heads.expectation.weights.copy_(torch.randn(heads.expectation.weights.shape))
    sentence = F.normalize(torch.randn(1, SENTENCE_DIM), dim=1)
    short = heads.expectation(ReadTexts(sentence, torch.tensor([[START, 2001, END]])))
    padded = heads.expectation(ReadTexts(sentence, torch.tensor([[START, 2001, END, 0, 0]])))
    torch.testing.assert_close(short, padded)
