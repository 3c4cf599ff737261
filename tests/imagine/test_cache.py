"""The picture cache and the PNGs in it, with real files and a real tiny pipeline."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dar_tui.cancellation import Cancelled
from dar_tui.imagine import Imagined, OnStep, Recipe
from dar_tui.imagine.cache import CachedGenerator, Origin, PictureCache, read_png, save_png
from dar_tui.imagine.diffusion import DiffusionGenerator
from dar_tui.imagine.recipes import Overrides
from indexer.errors import ModelUnavailable

ORIGIN = Origin("diffusers:tiny@0", "a brown dog on a beach", 7, Recipe(32, 32, 4, 7.5))


class Counting:
    """Draws one colour for each seed, with a vector of its own, and counts what it was asked for."""

    id = "counting"
    recipe = Recipe(8, 8, 2, 0.0)

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        for k, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            if cancelled():
                return
            self.asked.append((prompt, seed))
            on_step(k, 1, 2)
            on_step(k, 2, 2)
            yield Imagined(prompt, seed, Image.new("RGB", (8, 8), (seed, 0, 0)), unit(seed))


def unit(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.random.default_rng(seed).normal(size=16).astype(np.float32)
    return vector / np.linalg.norm(vector)


def noise(seed: int, size: int = 32) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8))


def keep(cache: PictureCache, origin: Origin, size: int = 32) -> Path:
    path = cache.put(origin, Imagined(origin.prompt, origin.seed, noise(origin.seed, size), unit(origin.seed))).path
    assert path is not None
    return path


def collect(generator: CachedGenerator, prompts: list[str], seeds: list[int]) -> list[Imagined]:
    return list(generator.generate(prompts, seeds, lambda *step: None, lambda: False))


def test_a_kept_picture_comes_back_pixel_by_pixel(tmp_path: Path) -> None:
    path = keep(PictureCache(tmp_path), ORIGIN)
    found = PictureCache(tmp_path).get(ORIGIN)
    assert found is not None and found.path == path and (found.prompt, found.seed) == (ORIGIN.prompt, ORIGIN.seed)
    assert np.array_equal(np.asarray(found.image), np.asarray(noise(7)))
    assert found.vector is not None and np.array_equal(found.vector, unit(7))


@pytest.mark.parametrize(
    "other",
    [
        replace(ORIGIN, model="another"),
        replace(ORIGIN, prompt="a brown dog"),
        replace(ORIGIN, seed=8),
        *(replace(ORIGIN, recipe=recipe) for recipe in (Recipe(32, 64, 4, 7.5), Recipe(32, 32, 5, 7.5))),
        replace(ORIGIN, recipe=Recipe(32, 32, 4, 7.0)),
    ],
)
def test_another_origin_is_another_picture(other: Origin, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    keep(cache, ORIGIN)
    assert cache.get(other) is None


def test_png_says_what_it_was_drawn_from(tmp_path: Path) -> None:
    path = keep(PictureCache(tmp_path), ORIGIN)
    with Image.open(path) as picture:
        picture.load()
        text = dict(picture.text)  # type: ignore[attr-defined]
    assert (text["prompt"], text["seed"], text["model"]) == (ORIGIN.prompt, "7", ORIGIN.model)
    assert json.loads(json.loads(text["dar"])["origin"])["recipe"] == {
        "width": 32,
        "height": 32,
        "steps": 4,
        "guidance": 7.5,
    }


@pytest.mark.slow
@given(prompt=st.text(max_size=200), seed=st.integers(0, 2**63))
def test_any_prompt_survives_the_file(prompt: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.png"
    origin = replace(ORIGIN, prompt=prompt, seed=seed)
    save_png(noise(0, 4), path, origin)
    assert read_png(path).origin == origin.to_json()


def test_half_a_character_survives_the_file(tmp_path: Path) -> None:
    origin = replace(ORIGIN, prompt="dog \udc80 Собака 🐕")
    keep(PictureCache(tmp_path), origin)
    assert PictureCache(tmp_path).get(origin) is not None


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "foreign", "swapped", "bit"])
def test_damaged_entries_are_missing_and_removed(damage: str, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    path = keep(cache, ORIGIN)
    data = path.read_bytes()
    if damage == "foreign":
        noise(1).save(path, "PNG")
    elif damage == "swapped":
        path.write_bytes(keep(cache, replace(ORIGIN, seed=8)).read_bytes())
    elif damage == "bit":
        path.write_bytes(data[:-200] + bytes([data[-200] ^ 1]) + data[-199:])
    else:
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"hello"}[damage])
    assert cache.get(ORIGIN) is None
    assert not path.exists() and not path.with_suffix(".npy").exists()


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "nan", "matrix"])
def test_a_picture_whose_vector_is_damaged_is_missing(damage: str, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    path = keep(cache, ORIGIN)
    vector = path.with_suffix(".npy")
    if damage == "gone":
        vector.unlink()
    elif damage in ("nan", "matrix"):
        np.save(vector, np.full(3, np.nan, np.float32) if damage == "nan" else np.ones((2, 2), np.float32))
    else:
        vector.write_bytes(b"" if damage == "empty" else vector.read_bytes()[:140])
    assert cache.get(ORIGIN) is None
    assert not path.exists()


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, max_bytes=3 * 13_500)  # 64x64 of noise is 12.6 KB.
    origins = [replace(ORIGIN, seed=seed) for seed in range(4)]
    for age, origin in zip((40, 30, 20), origins[:3], strict=True):
        path = keep(cache, origin, 64)
        os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    assert cache.get(origins[0]) is not None  # Used just now; the second is the oldest.
    keep(cache, origins[3], 64)
    assert [cache.get(origin) is not None for origin in origins] == [True, False, True, True]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.*")) <= 3 * 13_500


def test_the_newest_stays_however_large(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, max_bytes=10)
    keep(cache, ORIGIN)
    assert cache.get(ORIGIN) is not None


def test_leftovers_of_a_killed_process_go_in_time(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    path = keep(cache, ORIGIN)
    old, new = path.with_name("old.tmp"), path.with_name("new.tmp")
    old.touch()
    os.utime(old, (0, 0))
    new.touch()
    keep(cache, replace(ORIGIN, seed=8))
    assert not old.exists() and new.exists()


def test_a_disk_that_refuses_costs_only_the_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    generator = CachedGenerator(Counting(), PictureCache(blocked / "cache"))
    [imagined] = collect(generator, ["a dog"], [1])
    assert imagined.path is None and imagined.image.size == (8, 8)


def test_only_what_is_missing_is_drawn(tmp_path: Path) -> None:
    inner = Counting()
    generator = CachedGenerator(inner, PictureCache(tmp_path))
    first = collect(generator, ["a", "b"], [1, 2])
    assert all(imagined.path is not None and imagined.path.is_file() for imagined in first)
    steps: list[tuple[int, int, int]] = []
    again = list(generator.generate(["c", "b", "a"], [3, 2, 1], lambda *step: steps.append(step), lambda: False))
    assert [imagined.prompt for imagined in again] == ["b", "a", "c"]
    assert inner.asked == [("a", 1), ("b", 2), ("c", 3)]
    assert steps == [(0, 1, 2), (0, 2, 2)]
    for imagined in again:
        assert imagined.vector is not None and np.array_equal(imagined.vector, unit(imagined.seed))


def test_steps_are_counted_as_the_caller_counts(tmp_path: Path) -> None:
    generator = CachedGenerator(Counting(), PictureCache(tmp_path))
    collect(generator, ["a"], [1])
    steps: list[tuple[int, int, int]] = []
    list(generator.generate(["a", "b"], [1, 2], lambda *step: steps.append(step), lambda: False))
    assert steps == [(1, 1, 2), (1, 2, 2)]


def test_cancelling_stops_what_is_found_and_what_is_drawn(tmp_path: Path) -> None:
    inner = Counting()
    generator = CachedGenerator(inner, PictureCache(tmp_path))
    drawn = generator.generate(["a", "b"], [1, 2], lambda *step: None, lambda: bool(inner.asked))
    assert [imagined.prompt for imagined in drawn] == ["a"]
    assert not list(generator.generate(["a", "b"], [1, 2], lambda *step: None, lambda: True))


@pytest.mark.slow
def test_a_real_pipeline_draws_once(stable_diffusion_3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import SD3Transformer2DModel

    inner = DiffusionGenerator(str(stable_diffusion_3), "cpu", overrides=Overrides(steps=2))
    generator = CachedGenerator(inner, PictureCache(tmp_path))
    first = collect(generator, ["a dog", "a cat"], [1, 2])

    def fail(*inputs: object, **named: object) -> None:
        raise RuntimeError("drawn again")

    monkeypatch.setattr(SD3Transformer2DModel, "forward", fail)
    again = collect(generator, ["a dog", "a cat"], [1, 2])
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))
    with pytest.raises(ModelUnavailable, match="drawn again"):
        collect(generator, ["a dog"], [3])
