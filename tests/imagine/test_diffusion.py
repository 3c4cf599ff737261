"""The diffusers path on tiny real pipelines: loading, drawing, steps, cancelling, memory, unusable pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from numpy.typing import NDArray

from dar_tui.imagine import Imagined, Recipe, load_generator
from dar_tui.imagine.diffusion import DiffusionGenerator
from dar_tui.imagine.recipes import Overrides
from indexer.errors import DarError, ModelUnavailable, UsageError

PROMPTS = ["a brown dog on a beach", "a cat in the snow", "two red boats"]
SEEDS = [3, 1, 4]
FEW = Overrides(steps=4)


@pytest.fixture(scope="module")
def generator(stable_diffusion: Path) -> DiffusionGenerator:
    return DiffusionGenerator(str(stable_diffusion), "cpu", overrides=FEW)


def pixels(imagined: Imagined) -> NDArray[np.int16]:
    return np.asarray(imagined.image, dtype=np.int16)


def silent(k: int, step: int, steps: int) -> None:
    pass


def never() -> bool:
    return False


def draw(generator: Any, prompts: list[str] = PROMPTS, seeds: list[int] = SEEDS) -> list[Imagined]:
    return list(generator.generate(prompts, seeds, silent, never))


def assert_same(left: list[Imagined], right: list[Imagined], tolerance: int = 1) -> None:
    assert [(one.prompt, one.seed) for one in left] == [(one.prompt, one.seed) for one in right]
    for one, other in zip(left, right, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= tolerance


def test_loads_by_spec_with_the_recipe_of_its_family(
    stable_diffusion: Path, sd_turbo: Path, stable_diffusion_3: Path
) -> None:
    recipes = [load_generator(f"diffusers:{f}", "cpu").recipe for f in (stable_diffusion, sd_turbo, stable_diffusion_3)]
    assert recipes == [Recipe(32, 32, 25, 7.5), Recipe(32, 32, 1, 0.0), Recipe(32, 32, 28, 7.0)]


def test_what_the_user_sets_goes_before_the_family(stable_diffusion_3: Path) -> None:
    generator = load_generator(f"diffusers:{stable_diffusion_3}", "cpu", steps=3, guidance=0.0, size=16)
    assert generator.recipe == Recipe(16, 16, 3, 0.0)
    assert draw(generator, PROMPTS[:1], SEEDS[:1])[0].image.size == (16, 16)


def test_draws_what_the_library_itself_draws(generator: DiffusionGenerator, stable_diffusion: Path) -> None:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(stable_diffusion, safety_checker=None)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    expected = pipeline(
        PROMPTS[0], num_inference_steps=4, guidance_scale=7.5, generator=torch.Generator().manual_seed(3)
    ).images[0]
    [drawn] = draw(generator, PROMPTS[:1], SEEDS[:1])
    assert np.array_equal(pixels(drawn), np.asarray(expected))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["stable_diffusion", "stable_diffusion_3", "sd_turbo"])
def test_pictures_do_not_depend_on_the_batch(model: str, request: pytest.FixtureRequest) -> None:
    folder = str(request.getfixturevalue(model))
    alone = draw(DiffusionGenerator(folder, "cpu", overrides=FEW, batch_size=1))
    together = draw(DiffusionGenerator(folder, "cpu", overrides=FEW, batch_size=3))
    unevenly = draw(DiffusionGenerator(folder, "cpu", overrides=FEW, batch_size=2))
    assert_same(alone, together)
    assert_same(alone, unevenly)
    assert all(np.abs(pixels(one) - pixels(other)).max() > 50 for one, other in pairwise(alone))


def test_prompt_and_seed_each_change_the_picture(generator: DiffusionGenerator) -> None:
    first, other_seed, other_prompt = draw(generator, [PROMPTS[0], PROMPTS[0], PROMPTS[1]], [3, 4, 3])
    assert np.abs(pixels(first) - pixels(other_seed)).max() > 50
    # Random weights heed the prompt only faintly.
    assert not np.array_equal(pixels(first), pixels(other_prompt))


def test_counts_every_step_and_gives_each_picture_out_early(generator: DiffusionGenerator) -> None:
    log: list[object] = []
    drawn = generator.generate(PROMPTS[:2], SEEDS[:2], lambda *step: log.append(step), never)
    log.extend(imagined.seed for imagined in drawn)
    expected = [*((0, step, 4) for step in (1, 2, 3, 4)), 3, *((1, step, 4) for step in (1, 2, 3, 4)), 1]
    assert log == expected


def test_counts_steps_of_a_whole_batch(stable_diffusion_3: Path) -> None:
    log: list[tuple[int, int, int]] = []
    generator = DiffusionGenerator(str(stable_diffusion_3), "cpu", overrides=Overrides(steps=2), batch_size=2)
    list(generator.generate(PROMPTS, SEEDS, lambda *step: log.append(step), never))
    assert log == [(0, 1, 2), (1, 1, 2), (0, 2, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]


@pytest.mark.parametrize("model", ["stable_diffusion", "stable_diffusion_3"])
def test_cancels_in_the_middle_of_a_picture(model: str, request: pytest.FixtureRequest) -> None:
    generator = DiffusionGenerator(str(request.getfixturevalue(model)), "cpu", overrides=FEW)
    before = draw(generator)
    steps: list[tuple[int, int, int]] = []
    drawn = list(generator.generate(PROMPTS, SEEDS, lambda *step: steps.append(step), lambda: (1, 2, 4) in steps))
    assert [imagined.seed for imagined in drawn] == SEEDS[:1]
    assert steps[-1] == (1, 2, 4)
    assert_same(before, draw(generator), tolerance=0)


def test_cancels_inside_a_step(generator: DiffusionGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()
    forward = UNet2DConditionModel.forward

    def start(self: Any, *inputs: Any, **named: Any) -> Any:
        started.set()
        return forward(self, *inputs, **named)

    monkeypatch.setattr(UNet2DConditionModel, "forward", start)
    steps: list[int] = []
    assert not list(generator.generate(PROMPTS, SEEDS, lambda *step: steps.append(1), started.is_set))
    assert started.is_set() and not steps


def test_cancels_while_decoding(generator: DiffusionGenerator) -> None:
    steps: list[int] = []
    drawn = generator.generate(PROMPTS[:1], SEEDS[:1], lambda k, step, steps_: steps.append(step), lambda: 4 in steps)
    assert not list(drawn)
    assert steps == [1, 2, 3, 4]


def test_draws_nothing_when_cancelled_from_the_start(generator: DiffusionGenerator) -> None:
    assert not list(generator.generate(PROMPTS, SEEDS, silent, lambda: True))


def test_no_prompts_no_pictures(generator: DiffusionGenerator) -> None:
    assert draw(generator, [], []) == []


@pytest.mark.slow
def test_a_smaller_batch_answers_full_memory(
    stable_diffusion: Path, too_large: Callable[[Any, int], list[int]]
) -> None:
    prompts, seeds = [*PROMPTS, "a tall tree"], [*SEEDS, 5]
    expected = draw(DiffusionGenerator(str(stable_diffusion), "cpu", overrides=FEW), prompts, seeds)
    lines: list[str] = []
    generator = DiffusionGenerator(str(stable_diffusion), "cpu", lines.append, overrides=FEW, batch_size=4)
    asked = too_large(UNet2DConditionModel, 2)  # Guidance doubles the batch: one picture is two.
    assert_same(expected, draw(generator, prompts, seeds))
    assert asked == [8, 4] + [2] * 16
    assert lines[-2:] == [
        "Memory ran out drawing 4 pictures at once; drawing 2 at a time.",
        "Memory ran out drawing 2 pictures at once; drawing 1 at a time.",
    ]
    assert_same(expected, draw(generator, prompts, seeds))
    assert asked == [8, 4] + [2] * 32


def test_memory_too_small_for_one_picture_is_a_clear_error(
    stable_diffusion_3: Path, too_large: Callable[[Any, int], list[int]]
) -> None:
    lines: list[str] = []
    generator = DiffusionGenerator(str(stable_diffusion_3), "cpu", lines.append, overrides=FEW, batch_size=2)
    asked = too_large(SD3Transformer2DModel, 0)
    with pytest.raises(DarError, match=r"does not fit into memory, even one picture of 32x32") as caught:
        draw(generator)
    assert asked == [4, 2, 2]
    assert caught.value.hint
    assert lines[-1] == "Memory ran out drawing one picture; drawing it in slices (slower)."


@pytest.mark.slow
def test_drawing_in_slices_gives_the_same_picture(stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = draw(DiffusionGenerator(str(stable_diffusion), "cpu", overrides=FEW))
    lines: list[str] = []
    generator = DiffusionGenerator(str(stable_diffusion), "cpu", lines.append, overrides=FEW)
    decode = AutoencoderKL.decode
    failures = iter([True])

    def fail_first(self: Any, *inputs: Any, **named: Any) -> Any:
        if next(failures, False):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return decode(self, *inputs, **named)

    monkeypatch.setattr(AutoencoderKL, "decode", fail_first)
    assert_same(expected, draw(generator))
    assert "in slices" in lines[-1]


@pytest.mark.parametrize(("value", "reason"), [(float("nan"), "not made of numbers"), (-1.0, "black"), (0.3, "flat")])
def test_unusable_pictures_are_left_out(
    value: float, reason: str, stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    generator = DiffusionGenerator(str(stable_diffusion), "cpu", lines.append, overrides=FEW, batch_size=3)
    decode = AutoencoderKL.decode

    def spoil(self: Any, *inputs: Any, **named: Any) -> Any:
        image = decode(self, *inputs, **named)[0]
        image[spoilt] = value
        return (image,)

    monkeypatch.setattr(AutoencoderKL, "decode", spoil)
    spoilt = slice(1, 2)
    assert [imagined.seed for imagined in draw(generator)] == [3, 4]
    assert lines[-1].startswith("Picture 2 is left out") and reason in lines[-1]
    spoilt = slice(None)
    with pytest.raises(ModelUnavailable, match="no usable picture"):
        draw(generator)


def test_another_failure_names_its_cause(generator: DiffusionGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, *inputs: Any, **named: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")

    monkeypatch.setattr(UNet2DConditionModel, "forward", fail)
    with pytest.raises(ModelUnavailable, match="illegal memory access was encountered") as caught:
        draw(generator)
    assert "more lines" not in caught.value.message


def test_errors_of_the_caller_pass_through(generator: DiffusionGenerator) -> None:
    def fail(k: int, step: int, steps: int) -> None:
        raise KeyError("the interface's own bug")

    with pytest.raises(KeyError):
        list(generator.generate(PROMPTS, SEEDS, fail, never))


def test_two_threads_take_turns(generator: DiffusionGenerator) -> None:
    expected = draw(generator)
    drawn: dict[int, list[Imagined]] = {}
    threads = [threading.Thread(target=lambda n=n: drawn.update({n: draw(generator)})) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in drawn.values():
        assert_same(expected, one, tolerance=0)
    assert len(drawn) == 2


def test_writes_nothing_to_the_terminal(stable_diffusion: Path, capfd: pytest.CaptureFixture[str]) -> None:
    generator = DiffusionGenerator(str(stable_diffusion), "cpu", overrides=FEW)
    draw(generator, ["far longer than the text encoder can read " * 20], [1])
    assert capfd.readouterr() == ("", "")


def test_says_that_the_safety_checker_is_not_loaded(stable_diffusion: Path, stable_diffusion_3: Path) -> None:
    lines: list[str] = []
    DiffusionGenerator(str(stable_diffusion), "cpu", lines.append)
    assert len(lines) == 1 and "safety checker is not loaded" in lines[0]
    DiffusionGenerator(str(stable_diffusion_3), "cpu", lines.append)
    assert len(lines) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_a_gpu_that_is_not_there(stable_diffusion: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no cuda"):
        DiffusionGenerator(str(stable_diffusion), "cuda")


def test_a_device_that_does_not_exist(stable_diffusion: Path) -> None:
    with pytest.raises(UsageError, match="no device 'gpu'"):
        DiffusionGenerator(str(stable_diffusion), "gpu")


@pytest.mark.parametrize("overrides", [{"steps": 0}, {"guidance": -1.0}, {"size": 30}])
def test_settings_that_draw_nothing(overrides: dict[str, Any], stable_diffusion: Path) -> None:
    with pytest.raises(UsageError):
        load_generator(f"diffusers:{stable_diffusion}", "cpu", **overrides)
