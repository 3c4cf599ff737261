"""The constants of an encoder for `dar_tui.session.belief`, from photos with captions: what its scores are worth.

Every constant is the one that makes the right photos likeliest, in nats a photo. Photos on which the encoder was
trained would make it look surer than it is. Knows vectors and captions; which encoder made them does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from dar_tui.evaluation.simulated_user import Knowledge
from dar_tui.language.rules.words import content
from dar_tui.questions.bank import Attribute
from dar_tui.session.belief import Calibration

Vectors = NDArray[np.float32]
Nats = NDArray[np.float64]

# Answers of few words by which `word` is found; its standard error is then about 0.02.
_ANSWERS = 1000
_MOST_DOUBT = 0.5


def fitted(
    photos: Vectors,
    captions: Sequence[Sequence[str]],
    texts: Vectors,
    bank: Sequence[Attribute],
    statements: Vectors,
    start: Calibration | None = None,
    seed: int = 0,
) -> Calibration:
    """`photos` (n, dim) and `texts` (n, m, dim), the vectors of their captions, m each; `statements` (len(bank), dim).

    What captions cannot tell (images, likes, how often people overlook or err) stays as in `start`.
    """
    given = start or Calibration()
    right = np.arange(len(photos))
    # 1. How the strength of a text grows with its facts: one caption, two, ... merged as a dialogue's statements are.
    scores, facts, targets = [], [], []
    for count in range(1, texts.shape[1] + 1):
        mean = texts[:, :count].mean(axis=1)
        scores.append(_standardised(mean / np.linalg.norm(mean, axis=1, keepdims=True) @ photos.T))
        facts.append([len({fact for text in each[:count] for fact in content(text)}) for each in captions])
        targets.append(right)
    of_one = scores[0]
    z, logs, all_right = np.concatenate(scores), np.log(np.maximum(np.concatenate(facts), 1)), np.concatenate(targets)

    def misses(constants: Nats) -> float:
        return -_likelihood((constants[0] + constants[1] * logs)[:, None] * z, all_right)

    growth = minimize(misses, np.array([given.word, given.growth]), method="Nelder-Mead", options={"maxiter": 80}).x
    given = replace(given, word=max(float(growth[0]), 0.05), growth=max(float(growth[1]), 0.0))
    # 2. What a few words are worth that are named beside the first caption.
    photo, number = _named(captions, bank, seed)
    if len(photo):
        before = np.array([given.strength(count) for count in facts[0]])[:, None] * of_one
        words = _standardised(statements[number] @ photos.T)
        word = _best(lambda nats: _likelihood(before[photo] + nats * words, photo), 0.0, 4.0)
        # The strength at six facts, about a caption's, stays what it was found to be.
        given = replace(given, word=word, growth=max(given.strength(6) - word, 0.0) / math.log(6))
    # 3. How often all of that is wrong.
    chances = _softmax(np.array([given.strength(count) for count in facts[0]])[:, None] * of_one)[right, right]
    doubt = _best(lambda d: float(np.log((1 - d) * chances + d / len(photos)).mean()), 0.0, _MOST_DOUBT)
    return replace(given, doubt=doubt)


def _named(captions: Sequence[Sequence[str]], bank: Sequence[Attribute], seed: int) -> tuple[NDArray[np.int64], ...]:
    """(photo, attribute) pairs: what a photo's captions mention and its first one does not, in a random order."""
    chance = np.random.default_rng(seed)
    pairs = []
    for photo in chance.permutation(len(captions)).tolist():
        whole, first = Knowledge(captions[photo]), Knowledge(captions[photo][:1])
        known = [at for at, each in enumerate(bank) if not each.choices and whole.telling(each)]
        pairs += [(photo, at) for at in chance.permutation(known).tolist() if not first.telling(bank[at])][:2]
        if len(pairs) >= _ANSWERS:
            break
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _standardised(cosines: Vectors) -> Nats:
    wide = cosines.astype(np.float64)
    deviation = np.maximum(wide.std(axis=1, keepdims=True), 1e-9)
    return np.asarray((wide - wide.mean(axis=1, keepdims=True)) / deviation, np.float64)


def _softmax(nats: Nats) -> Nats:
    raw = np.exp(nats - nats.max(axis=1, keepdims=True))
    return np.asarray(raw / raw.sum(axis=1, keepdims=True), np.float64)


def _likelihood(nats: Nats, right: NDArray[np.int64]) -> float:
    """The mean log chance of the right photos."""
    highest = nats.max(axis=1)
    total = highest + np.log(np.exp(nats - highest[:, None]).sum(axis=1))
    return float((nats[np.arange(len(right)), right] - total).mean())


def _best(merit: Callable[[float], float], low: float, high: float) -> float:
    return float(minimize_scalar(lambda value: -merit(value), bounds=(low, high), method="bounded").x)
