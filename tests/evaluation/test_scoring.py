"""Every fusion strategy ranks a corpus of arrays as the library that holds the same photos does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dar_tui.evaluation.corpus import Corpus, encode_corpus
from dar_tui.evaluation.experiment import Arm, place
from dar_tui.evaluation.gates import Gate
from dar_tui.fusion.evidence import fits
from dar_tui.fusion.strategies import STRATEGIES, Evidence, text_only
from dar_tui.reformulate import QueryStrategy
from indexer.encoders import VISUAL
from indexer.errors import DarError
from tests.session.world import NAMES, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.library.close()


@pytest.fixture(scope="module")
def corpus(world: World, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return encode_corpus(sorted(world.photos.iterdir()), world.encoder, tmp_path_factory.mktemp("cache"))


def evidence(world: World, corpus: Corpus, number: int, rejects: tuple[str, ...] = ()) -> Evidence:
    """Texts of two colours, and pictures that are noisy photos."""
    random = np.random.default_rng(number)
    texts = world.encoder.encode_texts([f"{name} with {name} things" for name in random.choice(NAMES, 2)])
    assert corpus.visual is not None
    pictures = corpus.visual[random.integers(len(corpus.visual), size=3)] + random.normal(size=(3, 16)) * 0.05
    pictures = (pictures / np.linalg.norm(pictures, axis=1, keepdims=True)).astype(np.float32)
    found = Evidence(number % 4, list(texts), None, list(pictures), VISUAL, dim=world.encoder.dim)
    gates = fits(world.library, text_only(found).terms[0].vector, list(pictures), VISUAL)
    return Evidence(
        number % 4,
        list(texts),
        None,
        list(pictures),
        VISUAL,
        list(world.encoder.encode_texts(rejects)),
        fits=gates,
        dim=world.encoder.dim,
    )


@pytest.mark.parametrize("fusion", STRATEGIES)
def test_ranks_are_those_of_a_library(world: World, corpus: Corpus, fusion: str) -> None:
    paths = sorted(world.photos.iterdir())
    asked = [evidence(world, corpus, number, ("blue",) if number % 3 else ()) for number in range(12)]
    targets = np.arange(12) * 4
    found = place(Arm("paint", QueryStrategy.STATEMENTS, fusion), asked, corpus, targets)
    for number, each in enumerate(asked):
        hits = world.library.search(STRATEGIES[fusion](each), len(paths), fold=False)
        scores = {hit.path.name: hit.score for hit in hits}
        own = scores[paths[targets[number]].name]
        # Float32 scores of a library are good to some 1e-6.
        better = sum(score > own + 1e-5 for score in scores.values())
        not_worse = sum(score >= own - 1e-5 for score in scores.values())
        assert better <= found.ranks[number] < not_worse


def test_gates_are_those_of_a_library(world: World, corpus: Corpus) -> None:
    gate = Gate.of(corpus)
    for number in range(8):
        each = evidence(world, corpus, number)
        ours = gate.fits(text_only(each).terms[0].vector, each.pictures)
        assert [fit.is_near for fit in ours] == [fit.is_near for fit in each.fits]
        assert [fit.agreement for fit in ours] == pytest.approx([fit.agreement for fit in each.fits], abs=1e-4)


def test_what_asks_for_nothing_finds_nothing(world: World, corpus: Corpus) -> None:
    nothing = Evidence(0, dim=world.encoder.dim)
    found = place(Arm("paint", QueryStrategy.STATEMENTS, "text-only"), [nothing], corpus, np.array([5]))
    assert found.ranks.tolist() == [55] and found.ties.tolist() == [55]


def test_a_corpus_goes_on_where_it_was_cut_short(world: World, tmp_path: Path) -> None:
    paths = sorted(world.photos.iterdir())
    whole = encode_corpus(paths, world.encoder, tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        if done >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_corpus(paths, world.encoder, tmp_path / "cut", stop)
    (folder,) = (tmp_path / "cut").iterdir()
    with (folder / "visual.f32").open("ab") as file:
        file.write(b"half a row that a crash left")
    steps: list[int] = []
    resumed = encode_corpus(paths, world.encoder, tmp_path / "cut", lambda done, total: steps.append(done))
    assert steps[0] == 24 and steps[-1] == 56
    assert np.array_equal(whole.joint, resumed.joint)
    assert whole.visual is not None and resumed.visual is not None and np.array_equal(whole.visual, resumed.visual)


def test_a_photo_that_cannot_be_read_ends_the_benchmark(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    with pytest.raises(DarError, match=r"broken\.jpg cannot be read"):
        encode_corpus([broken], world.encoder, tmp_path / "cache")
