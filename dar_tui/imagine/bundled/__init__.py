"""The generator that ships with dar: a small diffusion model that imagines photos as the bundled encoder sees them.

Each sample is a vector of the encoder's visual space, which is searched, and a colour sketch, which is shown. Sky,
grass, water and snow come out right in a sketch, objects do not. Knows how a query becomes conditions; the sampling is
`pipeline`'s. See MODEL_CARD.md.
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
from indexer.errors import ModelUnavailable
from indexer.runtime import lone_threads

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from indexer.encoders import Vectors

FOLDER = Path(__file__).parent / "pipeline"
# 20 steps are taken over from an earlier try, not searched for. Guidance 2 finds 56 % of 500 test photos within ten by
# pictures alone, guidance 1 48 %.
STEPS = 20
GUIDANCE = 2.0
# Sketches are 32 pixels a side; they are enlarged smoothly, since there is nothing sharp in them.
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
        self._pipeline: Any = None
        self._tokenizer: Any = None
        self._alone: Executor | None = None
        self._loading = threading.Lock()
        self.id = f"bundled-{_digest(folder)[:12]}"
        self.recipe = Recipe(SIZE, SIZE, STEPS, GUIDANCE)

    def load(self) -> None:
        """Loads the models now (torch and diffusers: some seconds) rather than with the first picture."""
        with self._loading:
            if self._pipeline is None:
                self._tokenizer = load_tokenizer()
                self._pipeline = load_pipeline(self._folder)
                self._alone = lone_threads(1, "dar-imagine")

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
        self.load()
        bags = {each.statements: self._bag(each.statements) for each in conditions}
        rows = np.stack([np.concatenate([each.joint, each.sentence, bags[each.statements]]) for each in conditions])
        yield from self._imagine(rows, prompts, seeds, on_step, cancelled)

    def _bag(self, statements: Sequence[str]) -> Vectors:
        # A terminal can hand over lone surrogates, which the tokenizer refuses.
        clean = [text.encode("utf-8", "replace").decode() for text in statements]
        bag: Vectors = self._pipeline.words([self._tokenizer.encode(text).ids for text in clean]).numpy()
        return bag

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
        assert self._alone is not None
        expected = self._pipeline.denoiser.config.condition_dim
        if conditions.shape[1] != expected:
            raise ModelUnavailable(
                f"The bundled generator takes conditions of {expected} numbers, not {conditions.shape[1]}.",
                "Use it with the bundled encoder, or choose another generator with --generator.",
            )
        import torch
        from PIL import Image

        def step_done(step: int, steps: int) -> None:
            if cancelled():
                raise _Cancelled
            for k in range(len(prompts)):
                on_step(k, step, steps)

        # A CPU generator for each picture: a picture then depends on its own seed and not on its neighbours.
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        try:
            # Its products are too small for two cores. Three pictures, processor and clock, on a machine with five
            # times as much to do as it could: 0.35 s and 2.1 s on one core, 4.9 s and 29 s on both, mostly waiting.
            sampled = self._alone.submit(
                self._pipeline,
                torch.from_numpy(np.ascontiguousarray(conditions, dtype=np.float32)),
                generators,
                STEPS,
                GUIDANCE,
                step_done,
            ).result()
        except _Cancelled:
            return
        for prompt, seed, vector, picture in zip(prompts, seeds, sampled.vectors, sampled.pictures, strict=True):
            pixels = (picture.numpy() * 255).round().astype(np.uint8)
            shown = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            yield Imagined(prompt, seed, shown, vector.numpy())


class _Cancelled(Exception):
    """Ends a sampling loop from inside its callback."""


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("denoiser", "decoder", "words"):
        path = folder / name / "diffusion_pytorch_model.safetensors"
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


def load_pipeline(folder: Path = FOLDER) -> Any:
    """The `SketchPipeline` of a folder, float32. Raises ModelUnavailable where it cannot be loaded."""
    import torch

    from dar_tui.imagine.bundled.pipeline import SketchPipeline
    from indexer.runtime import quiet_libraries

    try:
        with quiet_libraries():
            pipeline = SketchPipeline.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
    # A damaged file raises whatever the reader of that file raises, safetensors' own error among it.
    except Exception as error:
        raise ModelUnavailable(f"The bundled generator cannot be loaded: {error}", "Install dar again.") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
