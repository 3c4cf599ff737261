"""Prompts into images: what a generator is (protocols), and `load_generator`.

- `diffusion`: any diffusers pipeline; `recipes`: the steps, guidance and scheduler its family wants; `pipelines`: which
  classes draw from text; `loras`: small files that change a model
- `bundled`: the small generator that ships with dar
- `worker`: a generator in a thread of its own; `cache`: generated images on disk

May import `indexer`; not the session, fusion or questions. Importing it loads no model library and no Pillow: families
load when `load_generator` meets their spec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from dar_tui.cancellation import Cancelled
from indexer.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

# (k, step, steps): picture k (from 0) has taken `step` of `steps` (from 1); once memory ran out, it starts again.
OnStep = Callable[[int, int, int], None]
# A line for the user about something they should know ("The model's safety checker is not loaded ...").
Notify = Callable[[str], None]


@dataclass(frozen=True)
class Imagined:
    """One picture that a prompt was turned into.

    `vector`: (dim,) float32 of unit length in the encoder's visual space, where the generator makes it itself; None
    where the encoder is to make it from the pixels. `path`: the PNG in the picture cache, which may go when the cache
    is full; who keeps a picture copies it.
    """

    prompt: str
    seed: int
    image: Image.Image
    vector: NDArray[np.float32] | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Recipe:
    """How a picture is drawn: its size in pixels, the number of denoising steps, and classifier-free guidance."""

    width: int
    height: int
    steps: int
    guidance: float


class Generator(Protocol):
    """Draws pictures from text.

    `id` names the weights, not only the architecture. `id`, `recipe`, prompt and seed together decide the picture.
    """

    @property
    def id(self) -> str: ...

    @property
    def recipe(self) -> Recipe: ...

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        """Yields one picture for each prompt and seed, each as soon as it is ready, in any order.

        A picture that came out unusable (one flat colour, not numbers) is left out. Stops quietly once `cancelled()`.
        Raises DarError where nothing could be drawn.
        """
        ...


@dataclass(frozen=True, eq=False)
class Conditions:
    """A query as vectors: the normalised means over its statements' (d,) joint and (s,) sentence vectors, float32; and
    the statements themselves, whose very words a vector only hints at."""

    joint: NDArray[np.float32]
    sentence: NDArray[np.float32]
    statements: tuple[str, ...] = ()


@runtime_checkable
class ConditionedGenerator(Protocol):
    """Draws pictures from an encoder's vectors of the query; the prompts are labels and do not change the pictures."""

    @property
    def id(self) -> str: ...

    @property
    def recipe(self) -> Recipe: ...

    def generate_from(
        self,
        conditions: Sequence[Conditions],
        prompts: Sequence[str],
        seeds: Sequence[int],
        on_step: OnStep,
        cancelled: Cancelled,
    ) -> Iterator[Imagined]:
        """As `Generator.generate`, one picture for each condition, prompt and seed: queries may share a batch.

        Raises DarError for another encoder's vectors."""
        ...


@runtime_checkable
class Preloadable(Protocol):
    """A generator that loads its models with the first picture, or earlier when asked to."""

    def load(self) -> None: ...


def load_generator(
    spec: str = "bundled",
    device: str = "auto",
    notify: Notify | None = None,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    size: int | None = None,
    cache: Path | None = None,
) -> Generator | ConditionedGenerator:
    """Loads the generator that `spec` names: `bundled`, or `diffusers:`, a hub id or folder, and any LoRAs (`loras`).

    `steps`, `guidance` and `size` (pixels a side) override what is right for the model's family. What is prepared once
    on a machine is kept under `cache` (None: the platform's cache folder). Nothing is downloaded. Raises UsageError for
    a spec that means nothing, ModelUnavailable where weights cannot be used.
    """
    family, _, rest = spec.partition(":")
    if family == "bundled" and not rest:
        from dar_tui.imagine.bundled import BundledGenerator

        return BundledGenerator(notify=notify, cache=cache)
    if family == "diffusers" and rest:
        from dar_tui.imagine.diffusion import DiffusionGenerator
        from dar_tui.imagine.recipes import Overrides

        return DiffusionGenerator(rest, device, notify, overrides=Overrides(steps, guidance, size))
    if family == "diffusers":
        raise UsageError("The spec `diffusers:` names no model.", "For example `diffusers:stabilityai/sd-turbo`.")
    hint = f"Did you mean `diffusers:{spec}`?" if "/" in spec else "Use `bundled` or `diffusers:MODEL`."
    raise UsageError(f"There is no generator {spec!r}.", hint)
