"""The generator that ships with dar: a small diffusion model that imagines photos as the bundled encoder sees them.

Each sample is a vector of the encoder's visual space, which is searched, and a colour sketch with a picture drawn over
it, which is shown. Knows how a query becomes conditions; the sampling is `sampler`'s. Imports no torch. See
MODEL_CARD.md.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dar_tui.cancellation import Cancelled
from dar_tui.imagine import Conditions, Imagined, Notify, OnStep, Recipe
from dar_tui.imagine.bundled.sampler import ARRAYS, DENOISER, REFINER, SAMPLER_VERSION, has_refiner
from indexer.errors import ModelUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from dar_tui.imagine.bundled.sampler import Sampler
    from indexer.encoders import Vectors

FOLDER = Path(__file__).parent / "pipeline"
# 20 steps are taken over from an earlier try, not searched for. Guidance 2 finds 56 % of 500 test photos within ten by
# pictures alone, guidance 1 48 %.
STEPS = 20
GUIDANCE = 2.0
# Pictures are 64 pixels a side, sketches 32; they are enlarged smoothly.
SIZE = 256


class TextEncoder(Protocol):
    """What gives the conditions: the bundled encoder's text tower."""

    id: str

    def encode_texts_and_sentences(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]: ...


class BundledGenerator:
    """Imagines from a query's vectors (`generate_from`), or from prompts through the encoder's text tower (`generate`).

    `cache` is where the prepared text tower is kept (None: the platform's folder). The models load with the first
    picture. Raises ModelUnavailable where they are missing, altered, or were trained for other heads than the encoder
    has.
    """

    def __init__(
        self,
        notify: Notify | None = None,
        *,
        encoder: TextEncoder | None = None,
        folder: Path = FOLDER,
        cache: Path | None = None,
    ) -> None:
        self._notify = notify
        self._encoder = encoder
        self._folder = folder
        self._cache = cache
        self._sampler: Sampler | None = None
        self._tokenizer: Any = None
        self._loading = threading.Lock()
        self.id = f"bundled-{_digest(folder)[:12]}"
        self.recipe = Recipe(SIZE, SIZE, STEPS, GUIDANCE)

    def load(self) -> None:
        """Loads the models now (half a second) rather than with the first picture."""
        self._loaded()

    def _loaded(self) -> Sampler:
        with self._loading:
            if self._sampler is None:
                self._tokenizer = load_tokenizer()
                self._sampler = load_sampler(self._folder)
            return self._sampler

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        """One picture for each prompt, each from that prompt alone."""
        if not prompts:
            return
        joint, sentences = self._text_tower().encode_texts_and_sentences(prompts)
        vectors = zip(joint, sentences, prompts, strict=True)
        alone = [Conditions(whole, sentence, (prompt,)) for whole, sentence, prompt in vectors]
        yield from self.generate_from(alone, prompts, seeds, on_step, cancelled)

    def generate_from(
        self,
        conditions: Sequence[Conditions],
        prompts: Sequence[str],
        seeds: Sequence[int],
        on_step: OnStep,
        cancelled: Cancelled,
    ) -> Iterator[Imagined]:
        """One picture for each condition, prompt and seed, from queries' own vectors: what was measured to help.

        The prompts are kept as the pictures' captions.
        """
        if not prompts:
            return
        self._loaded()
        bags = {each.statements: self._bag(each.statements) for each in conditions}
        rows = np.stack([np.concatenate([each.joint, each.sentence, bags[each.statements]]) for each in conditions])
        yield from self._imagine(rows, prompts, seeds, on_step, cancelled)

    def _bag(self, statements: Sequence[str]) -> Vectors:
        # A terminal can hand over lone surrogates, which the tokenizer refuses.
        clean = [text.encode("utf-8", "replace").decode() for text in statements]
        return self._loaded().words([self._tokenizer.encode(text).ids for text in clean])

    def _text_tower(self) -> TextEncoder:
        if self._encoder is None:
            from indexer.encoders import default_cache
            from indexer.encoders.bundled import BundledEncoder

            self._encoder = BundledEncoder(self._cache or default_cache(), notify=self._notify)
        trained_for = json.loads((self._folder / "encoder.json").read_text())["heads"]
        if self._encoder.id != f"bundled-{trained_for[:12]}":
            raise ModelUnavailable(
                f"The bundled generator works with the encoder bundled-{trained_for[:12]}, not {self._encoder.id}.",
                "Install dar again, or choose another generator with --generator.",
            )
        return self._encoder

    def _imagine(
        self, conditions: Vectors, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        sampler = self._loaded()
        if conditions.shape[1] != sampler.condition_dim:
            raise ModelUnavailable(
                f"The bundled generator takes {sampler.condition_dim} numbers as condition, not {conditions.shape[1]}.",
                "Use it with the bundled encoder, or choose another generator with --generator.",
            )

        def step_done(step: int) -> None:
            if cancelled():
                raise _Cancelled
            for k in range(len(prompts)):
                on_step(k, step, STEPS)

        try:
            sampled = sampler.sample(
                np.ascontiguousarray(conditions, dtype=np.float32), seeds, STEPS, GUIDANCE, step_done
            )
        except _Cancelled:
            return
        for prompt, seed, vector, picture in zip(prompts, seeds, sampled.vectors, sampled.pictures, strict=True):
            yield Imagined(prompt, seed, _shown(picture), vector)


def _shown(picture: NDArray[np.float32]) -> Image.Image:
    from PIL import Image as pillow

    pixels = (picture * 255).round().astype(np.uint8)
    return pillow.fromarray(pixels).resize((SIZE, SIZE), pillow.Resampling.BICUBIC)


class _Cancelled(Exception):
    """Ends a sampling loop from inside its callback."""


def _digest(folder: Path) -> str:
    digest = hashlib.sha256(f"{SAMPLER_VERSION}".encode())
    # What decides the pictures: without a refiner for its space, sketches.
    names = (DENOISER, ARRAYS, REFINER) if (folder / REFINER).is_file() and has_refiner(folder) else (DENOISER, ARRAYS)
    for name in names:
        path = folder / name
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ModelUnavailable(
                f"The bundled generator's {path} cannot be read: {error.strerror or error}.", "Install dar again."
            ) from error
    return digest.hexdigest()


def load_tokenizer() -> Any:
    """MiniLM's, which separates words for a `WordBag`. Raises ModelUnavailable where it is missing or altered."""
    from tokenizers import Tokenizer

    from indexer.encoders.bundled.backbones import TOKENIZER

    tokenizer = Tokenizer.from_file(str(TOKENIZER.verified()))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def load_sampler(folder: Path = FOLDER, threads: int = 1) -> Sampler:
    """The models of a folder. Raises ModelUnavailable where they cannot be loaded.

    One thread: the products are too small for two cores. Three pictures on a machine with five times as much to do as
    it could: 0.35 s on one core, 4.9 s on both, mostly waiting.
    """
    from dar_tui.imagine.bundled.sampler import Sampler

    # A damaged file raises whatever the reader of that file raises, safetensors' own error among it.
    try:
        return Sampler(folder, threads)
    except Exception as error:
        raise ModelUnavailable(f"The bundled generator cannot be loaded: {error}", "Install dar again.") from error
