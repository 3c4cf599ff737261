"""A small world in which words and photos truly meet: photos of two colours, an encoder and a generator that know them.

Photos are real JPEGs, the library is a real one. Only the models are small: a text is the colours it names, a photo the
colours it shows.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dar_tui.cancellation import Cancelled
from dar_tui.imagine import Conditions, Imagined, OnStep, Recipe
from dar_tui.questions.questioner import GroundedQuestioner, Policy
from dar_tui.reformulate import RuleReformulator
from dar_tui.session.session import Session, SessionOptions, SessionParts
from dar_tui.session.transcript import Log, Started, session_path
from indexer.encoders import ImageEmbeddings
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library
from tests.photos import jpeg

Vectors = NDArray[np.float32]
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 170, 40),
    "blue": (30, 40, 220),
    "yellow": (240, 220, 20),
    "white": (250, 250, 250),
    "black": (8, 8, 8),
    "pink": (250, 140, 190),
    "orange": (250, 130, 10),
}
NAMES = tuple(COLOURS)
NOISE = 8
NOON = datetime(2024, 6, 15, 12, 0)


def unit(vectors: NDArray[np.floating]) -> Vectors:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


class PaintEncoder:
    """Joint: how much of each colour (8), then noise by the text's hash (8). Visual: colours of left and right (16)."""

    id = "test-paint-1"
    dim = len(COLOURS) + NOISE
    visual_dim = 2 * len(COLOURS)
    image_size = 16
    max_text_tokens = 32

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.BOX), np.uint8)

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        palette = np.array(list(COLOURS.values()), np.float32)
        pixels = np.stack(batch).astype(np.float32)
        distances = np.linalg.norm(pixels[:, :, :, None, :] - palette, axis=-1)
        shares = np.exp(-distances / 40)
        shares /= shares.sum(axis=-1, keepdims=True)
        halves = np.concatenate([shares[:, :, :4].mean(axis=(1, 2)), shares[:, :, 4:].mean(axis=(1, 2))], axis=1)
        grain = pixels.reshape(len(batch), -1)[:, :NOISE] % 7 / 70
        joint = np.concatenate([shares.mean(axis=(1, 2)), grain], axis=1)
        return ImageEmbeddings(unit(joint), unit(halves))

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return unit(np.stack([self._text(text) for text in texts])) if texts else np.zeros((0, self.dim), np.float32)

    def _text(self, text: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        noise = np.random.default_rng(seed).normal(size=NOISE) * 0.1
        said = re.findall(r"\w+", text.lower())
        return np.concatenate([[float(said.count(name)) for name in NAMES], noise])


class PaintGenerator:
    """Paints the first two colours a prompt names, in 2 steps; the seed shades the right half."""

    def __init__(self, *, fails: Exception | None = None, gate: threading.Event | None = None) -> None:
        self.id = "test-painter-1"
        self.recipe = Recipe(32, 32, 2, 0.0)
        self.fails = fails
        self.gate = gate
        self.started = threading.Event()
        self.prompts: list[str] = []

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        for k, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            self.started.set()
            while self.gate is not None and not self.gate.wait(0.01):
                if cancelled():
                    return
            if cancelled():
                return
            if self.fails is not None and k == 1:
                raise self.fails
            self.prompts.append(prompt)
            for step in (1, 2):
                on_step(k, step, 2)
            named = [word for word in re.findall(r"\w+", prompt.lower()) if word in COLOURS] or ["white"]
            yield Imagined(prompt, seed, painted(named[0], named[-1], shade=seed % 20))


class ConditionedPainter(PaintGenerator):
    """Paints from vectors: what it is given is kept for the test to look at."""

    conditions: Conditions | None = None

    def generate_from(
        self,
        conditions: Sequence[Conditions],
        prompts: Sequence[str],
        seeds: Sequence[int],
        on_step: OnStep,
        cancelled: Cancelled,
    ) -> Iterator[Imagined]:
        self.conditions = conditions[0]
        yield from self.generate(prompts, seeds, on_step, cancelled)


def painted(left: str, right: str, shade: int = 0) -> Image.Image:
    image = Image.new("RGB", (32, 32), COLOURS[left])
    other = tuple(max(0, value - shade) for value in COLOURS[right])
    image.paste(other, (16, 0, 32, 32))
    return image


def textured(image: Image.Image, seed: int) -> Image.Image:
    """Slightly uneven, each in its own way, as photos are: two of even colours in the same halves look like copies."""
    lighter = np.random.default_rng(seed).integers(-4, 5, (4, 8, 1))
    # The grain is read from the top row. As much darker below as lighter above: both halves keep their colours.
    lighter[0] = 0
    uneven = np.concatenate([lighter, -lighter]).repeat(8, 0).repeat(8, 1)
    return Image.fromarray(np.clip(np.asarray(image, np.int16) + uneven, 0, 255).astype(np.uint8))


# The painter knows a prompt's first and last colour alone: worth less beside the words than what dar's own imagines.
OPTIONS = SessionOptions(picture_weight=0.15)


class World:
    """A library of one photo for each ordered pair of two colours (56), taken a month apart from 2019 on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos = folder / "photos"
        self.photos.mkdir(parents=True)
        for number, (left, right) in enumerate(itertools.permutations(NAMES, 2)):
            taken = datetime(2019 + number // 12, number % 12 + 1, 5, 9, 30)
            image = textured(painted(left, right).resize((64, 64)), number)
            jpeg(self.photos / f"{left}-{right}.jpg", image=image, taken_at=taken)
        self.encoder = PaintEncoder()
        for _ in index(folder / "library", (self.photos,), self.encoder, IndexOptions(workers=1)):
            pass
        self.library = Library.open(folder / "library")

    def engine(
        self, generator: object | None = None, *, asks: bool = False, policy: Policy = Policy.OPEN
    ) -> SessionParts:
        def load() -> object:
            if isinstance(generator, Exception):
                raise generator
            return generator

        return SessionParts(
            library=self.library,
            encoder=self.encoder,
            reformulator=RuleReformulator(),
            load_generator=load if generator is not None else None,  # type: ignore[arg-type]
            questioner=GroundedQuestioner(self.library, self.encoder, self.folder / "cache", policy=policy)
            if asks
            else None,
        )

    def log(self) -> Log:
        # Not `Log.begin`, whose names differ from run to run, and with them the pictures' seeds.
        return Log(session_path(self.folder / "sessions", NOON), Started(NOON))

    def session(
        self, generator: object | None = None, *, asks: bool = False, policy: Policy = Policy.OPEN, **options: object
    ) -> Session:
        chosen = replace(OPTIONS, **options)  # type: ignore[arg-type]
        return Session(self.engine(generator, asks=asks, policy=policy), self.log(), chosen, now=fixed(NOON))


def fixed(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment
