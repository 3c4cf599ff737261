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

from dar_tui.imagine import ConditionedGenerator, Conditions, Imagined, load_generator
from dar_tui.imagine.bundled import FOLDER, BundledGenerator
from dar_tui.imagine.bundled.sampler import DENOISER, TRAINED_FOR, Sampler
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


def test_the_graphs_compute_what_the_trained_models_do(tmp_path: Path) -> None:
    import torch

    from dar_tui.imagine.bundled.model import FeatureDenoiser, SketchDecoder, SketchRefiner, WordBag
    from training.generator.export import export_generator, export_refiner

    torch.manual_seed(3)
    denoiser = FeatureDenoiser(sample_dim=24, condition_dim=12, width=64, blocks=2).eval()
    decoder = SketchDecoder(visual_dim=16, sketch_dim=8, side=32, hub_coordinate=0.2)
    decoder.sketch_components.normal_(0, 0.05)
    refiner = SketchRefiner(16, style_dim=32, widths=(16, 8, 8, 8)).eval()
    torch.nn.init.normal_(refiner.leave.weight, std=0.1)
    words = WordBag(4)
    words.fit(torch.tensor([5, 6, 7, 8]), torch.tensor([1.0, 2, 3, 4]), 10)
    export_generator(tmp_path, denoiser, decoder, words, heads="0" * 64, space="here")
    assert not Sampler(tmp_path).refines
    export_refiner(tmp_path, refiner, "elsewhere")
    assert not Sampler(tmp_path).refines, "a refiner of another visual space draws nonsense"
    export_refiner(tmp_path, refiner, "here")
    sampler = Sampler(tmp_path)
    assert sampler.refines and (sampler.sample_dim, sampler.condition_dim) == (24, 12)

    samples, conditions, time = torch.randn(3, 24), torch.randn(3, 12), torch.full((3,), 700.0)
    noise = torch.randn(3, 4, 32, 32)
    with torch.inference_mode():
        clean = denoiser(samples, time, conditions)
        visual = samples[:, :16] * decoder.visual_scale + decoder.visual_mean
        sketch = (samples[:, 16:] * decoder.sketch_deviations) @ decoder.sketch_components + decoder.sketch_mean
        drawn = refiner(visual, sketch.view(3, 32, 32, 3).permute(0, 3, 1, 2).clamp(-1, 1), noise)
    run = sampler._denoise(samples.numpy(), 700, conditions.numpy())
    np.testing.assert_allclose(run, clean.numpy(), atol=2e-3)
    pictures = sampler.pictures(samples.numpy(), noise.numpy())
    np.testing.assert_allclose(pictures, (drawn.permute(0, 2, 3, 1) / 2 + 0.5).clamp(0, 1).numpy(), atol=2e-3)
    expected = torch.tensor([10.0, 5.0, 0, 0]).log().clamp(min=0)
    np.testing.assert_allclose(sampler.words([[5, 6, 99]]), (expected / expected.norm()).numpy(), atol=1e-3)


def test_neither_loading_nor_drawing_imports_torch() -> None:
    code = """
import sys, numpy as np
from dar_tui.imagine import Conditions
from dar_tui.imagine.bundled import BundledGenerator, load_sampler
generator = BundledGenerator()
sampler = load_sampler()
rest = sampler.condition_dim - len(sampler.words([[]]))
given = Conditions(np.ones(rest - 384, np.float32), np.ones(384, np.float32), ("a dog",))
(picture,) = generator.generate_from([given], ["a dog"], [1], lambda *_: None, lambda: False)
assert picture.image.size == (256, 256)
assert not {"torch", "diffusers", "transformers"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


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
    trained_for = json.loads((FOLDER / TRAINED_FOR).read_text())
    (tmp_path / "pipeline" / TRAINED_FOR).write_text(json.dumps(trained_for | {"heads": "0" * 64}))
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
