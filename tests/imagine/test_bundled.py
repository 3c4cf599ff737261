"""The bundled generator through its public doors: the shipped pipeline, real sampling, the bundled text tower."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dar_tui.imagine import ConditionedGenerator, Conditions, Imagined, Previewing, load_generator
from dar_tui.imagine.bundled import FOLDER, BundledGenerator
from dar_tui.imagine.bundled.sampler import DENOISER
from indexer.encoders.bundled import BundledEncoder
from indexer.errors import ModelUnavailable

SEEDS = (11, 12, 13)
PROMPTS = ("one", "two", "three")


def ignore(k: int, step: int, steps: int) -> None:
    pass


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def generator() -> BundledGenerator:
    return BundledGenerator()


@pytest.fixture
def encoder() -> BundledEncoder:
    return BundledEncoder(Path(os.environ["DAR_CACHE"]))


def conditions(encoder: BundledEncoder, *texts: str) -> Conditions:
    joint, sentence = (part.mean(0) for part in encoder.encode_texts_and_sentences(texts))
    return Conditions(joint / np.linalg.norm(joint), sentence / np.linalg.norm(sentence), texts)


def imagine(generator: BundledGenerator, given: Conditions, seeds: tuple[int, ...] = SEEDS) -> list[Imagined]:
    return list(generator.generate_from([given] * len(seeds), PROMPTS[: len(seeds)], seeds, ignore, never))


def test_it_is_loaded_by_its_name_and_is_conditioned_on_vectors() -> None:
    loaded = load_generator("bundled")
    assert isinstance(loaded, ConditionedGenerator)
    assert loaded.id.startswith("bundled-")


def test_one_picture_and_one_unit_vector_of_the_visual_space_for_each_prompt(
    generator: BundledGenerator, encoder: BundledEncoder
) -> None:
    pictures = imagine(generator, conditions(encoder, "a dog on the beach"))
    assert [(each.prompt, each.seed) for each in pictures] == list(zip(PROMPTS, SEEDS, strict=True))
    for each in pictures:
        assert each.image.size == (generator.recipe.width, generator.recipe.height)
        assert each.vector is not None
        assert each.vector.shape == (encoder.visual_dim,)
        assert each.vector.dtype == np.float32
        assert np.linalg.norm(each.vector) == pytest.approx(1, abs=1e-4)


def test_seeds_decide_and_neighbours_do_not(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    given = conditions(encoder, "two children playing football")
    together, again = imagine(generator, given), imagine(generator, given)
    alone = imagine(generator, given, SEEDS[1:2])
    for one, other in zip(together, again, strict=True):
        np.testing.assert_array_equal(one.vector, other.vector)
        assert one.image.tobytes() == other.image.tobytes()
    assert together[1].vector is not None and alone[0].vector is not None
    np.testing.assert_allclose(together[1].vector, alone[0].vector, atol=1e-4)
    for one, other in pairwise(together):
        assert one.vector is not None and other.vector is not None
        assert float(one.vector @ other.vector) < 0.99


def test_vectors_follow_the_query(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    def mean(text: str) -> np.ndarray:
        vectors = [each.vector for each in imagine(generator, conditions(encoder, text)) if each.vector is not None]
        return np.mean(vectors, axis=0)

    dog, dogs, football = mean("a brown dog running"), mean("two dogs running"), mean("men playing football")
    assert dog @ dogs > dog @ football


def test_the_words_count_beside_the_vectors(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    """A dog's vectors said in other words: the pictures follow the words; those no caption used change nothing."""

    def of(*statements: str) -> np.ndarray:
        said = replace(conditions(encoder, "a dog"), statements=statements)
        return np.mean([each.vector for each in imagine(generator, said) if each.vector is not None], axis=0)

    snow = np.mean([each.vector for each in imagine(generator, conditions(encoder, "snow"))], axis=0)
    assert of("snow") @ snow > of("a dog") @ snow
    np.testing.assert_array_equal(of("犬"), of())


def test_it_draws_without_torch(encoder: BundledEncoder) -> None:
    """In a process of its own, with the encoder's towers prepared: from prompts to pictures."""
    encoder.encode_texts(["prepared"])
    code = """if True:
        import sys
        from dar_tui.imagine import load_generator
        pictures = list(load_generator("bundled").generate(["a dog"], [1], lambda *_: None, lambda: False))
        assert len(pictures) == 1
        print([name for name in ("torch", "diffusers", "transformers") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sketches_get_broad_colours_right(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    def colour(text: str) -> np.ndarray:
        pictures = imagine(generator, conditions(encoder, text))
        return np.mean([np.asarray(each.image, dtype=float).mean((0, 1)) for each in pictures], axis=0)

    snow, grass = colour("a skier on a snowy mountain"), colour("a dog running through green grass")
    assert snow.mean() > grass.mean()
    # How much greener than the mean of red and blue.
    assert grass[1] - grass[[0, 2]].mean() > snow[1] - snow[[0, 2]].mean()


def test_prompts_alone_do_as_well(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    through_prompts = BundledGenerator(encoder=encoder)
    pictures = list(through_prompts.generate(["a dog", "a red car"], [1, 1], ignore, never))
    assert len(pictures) == 2
    assert pictures[0].vector is not None and pictures[1].vector is not None
    assert float(pictures[0].vector @ pictures[1].vector) < 0.9
    given = imagine(generator, conditions(encoder, "a dog"), (1,))
    assert given[0].vector is not None
    np.testing.assert_allclose(pictures[0].vector, given[0].vector, atol=1e-3)


def test_steps_are_reported_in_order(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    told: list[tuple[int, int, int]] = []
    given = conditions(encoder, "a dog")
    list(generator.generate_from([given] * len(PROMPTS), PROMPTS, SEEDS, lambda *step: told.append(step), never))
    steps = generator.recipe.steps
    assert [step for k, step, _ in told if k == 2] == list(range(1, steps + 1))
    assert {total for _, _, total in told} == {steps}


def test_previews_come_closer_to_the_picture_and_change_nothing(
    generator: BundledGenerator, encoder: BundledEncoder
) -> None:
    given = conditions(encoder, "a dog in the snow")
    plain = imagine(generator, given)
    seen: dict[int, list[np.ndarray]] = {k: [] for k in range(len(SEEDS))}
    watched = BundledGenerator()
    assert isinstance(watched, Previewing)
    watched.on_preview = lambda k, picture: seen[k].append(np.asarray(picture, dtype=float))
    for k, (each, other) in enumerate(zip(imagine(watched, given), plain, strict=True)):
        final = np.asarray(each.image, dtype=float)
        assert each.image.tobytes() == other.image.tobytes()
        apart = [np.abs(final - preview).mean() for preview in seen[k]]
        assert len(apart) >= 3
        assert apart[-1] < apart[0]


def test_cancelling_stops_between_steps_and_the_generator_works_on(
    generator: BundledGenerator, encoder: BundledEncoder
) -> None:
    given, told = conditions(encoder, "a dog"), []
    stopped = generator.generate_from(
        [given] * len(PROMPTS), PROMPTS, SEEDS, lambda *step: told.append(step), lambda: len(told) >= 2 * len(PROMPTS)
    )
    assert list(stopped) == []
    assert max(step for _, step, _ in told) == 2
    assert len(imagine(generator, given)) == len(PROMPTS)


def test_nothing_asked_is_nothing_drawn(generator: BundledGenerator, encoder: BundledEncoder) -> None:
    assert list(generator.generate([], [], ignore, never)) == []
    assert list(generator.generate_from([], [], [], ignore, never)) == []


def test_other_heads_are_refused(encoder: BundledEncoder, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "pipeline")
    (tmp_path / "pipeline" / "encoder.json").write_text(json.dumps({"heads": "0" * 64, "space": ""}))
    other = BundledGenerator(encoder=encoder, folder=tmp_path / "pipeline")
    with pytest.raises(ModelUnavailable, match="works with the encoder"):
        list(other.generate(["a dog"], [1], ignore, never))


def test_queries_share_a_batch_and_each_gets_its_own_pictures(
    generator: BundledGenerator, encoder: BundledEncoder
) -> None:
    both = [conditions(encoder, "a dog in the snow"), conditions(encoder, "a child by a pool")]
    together = list(generator.generate_from(both, ["snow", "pool"], [5, 6], ignore, never))
    for given, seed, found in zip(both, (5, 6), together, strict=True):
        (alone,) = imagine(generator, given, (seed,))
        assert alone.vector is not None and found.vector is not None
        np.testing.assert_allclose(found.vector, alone.vector, atol=1e-5)


def test_vectors_of_another_width_are_refused(generator: BundledGenerator) -> None:
    foreign = Conditions(np.ones(8, np.float32), np.ones(8, np.float32))
    with pytest.raises(ModelUnavailable):
        imagine(generator, foreign)


def test_missing_or_damaged_models_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        BundledGenerator(folder=tmp_path)
    shutil.copytree(FOLDER, tmp_path / "pipeline")
    (tmp_path / "pipeline" / DENOISER).write_bytes(b"cut")
    damaged = BundledGenerator(folder=tmp_path / "pipeline")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        damaged.load()
