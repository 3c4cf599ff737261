"""The ChatIR protocol on its own files: our figures against a derivation of their own, to the last digit.

The derivation takes 10 s for each file; so every eighth dialogue is derived, and all of them with DAR_ALL_DIALOGUES=1.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from dar_tui.evaluation import metrics
from dar_tui.evaluation.datasets import read_corpus, read_dialogs
from dar_tui.evaluation.metrics import places

CHATIR = Path(__file__).parents[2].parent / "shared" / "benchmarks" / "chatir"
SETS = (
    *("VisDial_v1.0_queries_val.json", "ChatGPT_BLIP2.json", "Human_BLIP2.json"),
    *("FLAN_ALPACA_XXL_BLIP2.json", "plugir_rewrites.json"),
)
LENGTHS, DIM = 11, 6
EVERY = 1 if os.environ.get("DAR_ALL_DIALOGUES") else 8
pytestmark = pytest.mark.skipif(not CHATIR.is_dir(), reason="the ChatIR files are not beside the repository")


def stand_in(count: int, seed: int) -> np.ndarray:
    """Random unit vectors, as an encoder gives them."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """The corpus, in which every 25th photo has a copy at another place, as real corpora have."""
    vectors = stand_in(50_000, 1)
    copies = np.random.default_rng(2).permutation(50_000)[: 2 * 2_000].reshape(2, 2_000)
    vectors[copies[0]] = vectors[copies[1]]
    return vectors


def derived(file: Path, photos: np.ndarray, texts: np.ndarray) -> tuple[list[list[int]], list[list[int]]]:
    """Ranks and ties from the protocol's description alone, in float64, one dialogue after the other.

    Photos with the same vector are scored once, so that they tie whatever the order of summation.
    """
    names = json.loads((CHATIR / "Search_Space_val_50k.json").read_text())
    number = {name: at for at, name in enumerate(names)}
    different, which = np.unique(photos.astype(np.float64), axis=0, return_inverse=True)
    count = np.bincount(which.ravel())
    ranks, ties = [], []
    for at, dialogue in enumerate(json.loads(file.read_text())[::EVERY]):
        own = which.ravel()[number[dialogue["img"]]]
        ranks_here, ties_here = [], []
        for length in range(LENGTHS):
            scores = different @ texts[at * LENGTHS + length].astype(np.float64)
            ranks_here.append(int(count[scores > scores[own]].sum()))
            ties_here.append(int(count[own]) - 1)
        ranks.append(ranks_here)
        ties.append(ties_here)
    return ranks, ties


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_figure_equals_its_derivation(name: str, photos: np.ndarray) -> None:
    dialogs, corpus = read_dialogs(CHATIR / name), read_corpus(CHATIR / "Search_Space_val_50k.json")
    assert len(dialogs.entries) == 2064 and len(corpus.names) == 50_000
    targets = np.repeat(corpus.rows_of(dialogs)[::EVERY], LENGTHS)
    texts = stand_in(len(targets), len(name))
    # So that some are found: each dialogue's queries come nearer to its photo, turn after turn.
    nearer = np.tile(np.linspace(1, 2.5, LENGTHS, dtype=np.float32), len(targets) // LENGTHS)[:, None]
    texts = texts + nearer * photos[targets]
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)

    found = places(photos, texts, targets)
    measured = metrics.measure(found.ranks.reshape(-1, LENGTHS), found.ties.reshape(-1, LENGTHS))

    ranks, ties = derived(CHATIR / name, photos, texts)
    assert found.ranks.tolist() == [rank for row in ranks for rank in row]
    assert found.ties.tolist() == [tied for row in ties for tied in row]
    assert sum(map(sum, ties)) > 0
    # Hits@k: found within the first k at this length or a shorter one. Recall@k: at this length.
    queries = len(ranks)
    for k in (1, 5, 10):
        hits = [sum(any(rank < k for rank in row[: length + 1]) for row in ranks) for length in range(LENGTHS)]
        recall = [sum(row[length] < k for row in ranks) for length in range(LENGTHS)]
        assert [each.mean for each in measured.hits[k]] == pytest.approx([100 * n / queries for n in hits], rel=1e-14)
        assert [each.mean for each in measured.recall[k]] == pytest.approx(
            [100 * n / queries for n in recall], rel=1e-14
        )
        assert hits[0] < hits[-1] and recall[-1] < queries
    # BRI: the area under the logarithm of the best rank so far, counted from 1, over the ten turns.
    areas = []
    for row in ranks:
        best = [math.log(min(row[: length + 1]) + 1) for length in range(LENGTHS)]
        areas.append(sum((best[t] + best[t + 1]) / 2 for t in range(LENGTHS - 1)) / (LENGTHS - 1))
    assert measured.bri is not None
    assert measured.bri.mean == pytest.approx(sum(areas) / queries, rel=1e-13)
