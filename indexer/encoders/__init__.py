"""Text and pixels into one vector space: what an encoder is (protocols), and `load_encoder`.

- `bundled`: the encoder that ships with dar, on ONNX Runtime without torch
- `families`: the torch models by name, `open_clip`, `blip` and `beit3`, each a `Family` that `torch_encoder` runs
- `torch_encoder`: runs any of them; `weights`: reading and renaming checkpoints

May import runtime, files, errors and paths; not photos, store or search. Importing it loads no model library:
families load when `load_encoder` meets their spec.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from indexer.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Vectors = NDArray[np.float32]
    Pixels = NDArray[np.uint8] | NDArray[np.float32]

# A line for the user about something slow that is done once ("Preparing the bundled encoder ...").
Notify = Callable[[str], None]

JOINT = "joint"
VISUAL = "visual"

# The families of torch models `load_encoder` knows.
FAMILIES = ("open_clip", "blip", "beit3")


@dataclass(frozen=True)
class ImageEmbeddings:
    """What one batch of n images becomes, from one pass of the backbone.

    `joint`: (n, dim) float32, unit rows, comparable with text. `visual`: (n, visual_dim) float32, unit rows,
    comparable only with other images; None where the encoder has no visual space.
    """

    joint: Vectors
    visual: Vectors | None = None


class Encoder(Protocol):
    """Maps images and texts to unit vectors whose dot product is their similarity.

    `id` names the weights, not only the architecture: two encoders with one id give the same vectors.
    `visual_dim` is 0 where the encoder has no image-only space. The image and text towers load on first use, apart.
    """

    id: str
    dim: int
    visual_dim: int
    image_size: int
    max_text_tokens: int

    def prepare(self, image: Image.Image) -> Pixels:
        """Resizes one upright RGB image to the tower's input; safe to call from many threads at once."""
        ...

    def encode_prepared(self, batch: Sequence[Pixels]) -> ImageEmbeddings:
        """Encodes what `prepare` returned, one row for each."""
        ...

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        """`prepare` and `encode_prepared` in one step."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Returns (n, dim) float32 unit rows in the joint space; texts past `max_text_tokens` are cut."""
        ...


@runtime_checkable
class SentenceEncoder(Protocol):
    """An encoder that also gives sentence vectors, in which two texts that mean the same are near."""

    def encode_texts_and_sentences(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """The (n, dim) joint and (n, sentence_dim) sentence vectors, both of unit length."""
        ...


@runtime_checkable
class TakesWordsApart(Protocol):
    """An encoder that knows how much of a word it recognises."""

    def pieces(self, word: str) -> int:
        """How many parts the word is read in: 1 for one it knows, about one a letter for none it ever saw."""
        ...


@runtime_checkable
class Successor(Protocol):
    """An encoder that took the place of others, under their name, in a new version of dar."""

    def replaces(self, encoder_id: str) -> bool:
        """Whether that is one of them."""
        ...

    def earlier(self, encoder_id: str) -> Encoder | None:
        """The encoder of that id, for libraries that have its vectors still; None where it cannot be loaded."""
        ...


def is_retired(encoder_id: str) -> bool:
    """Whether an encoder of this id shipped with an earlier version of dar, known without loading one."""
    from indexer.encoders.bundled.graphs import RETIRED

    return encoder_id in RETIRED


def fastest_batch(encoder: Encoder | None) -> int:
    """How many images to hand to an encoder at once: its own `batch_size` where it has one, else 8."""
    # The bundled encoder splits what it gets by itself; eight keep decoding and encoding side by side.
    return int(getattr(encoder, "batch_size", 8))


def load_encoder(
    spec: str = "bundled",
    *,
    cache: Path | None = None,
    device: str = "auto",
    notify: Notify | None = None,
    backend: str = "auto",
) -> Encoder:
    """Loads the encoder that `spec` names: `bundled`, or a family, ":" and the family's own part.

    - `open_clip:ViT-B-32/laion2b_s34b_b79k`, `open_clip:hf-hub:OWNER/NAME`, `open_clip:FOLDER`,
      `open_clip:ARCHITECTURE:FILE`
    - `blip:OWNER/NAME`, `blip:FOLDER`, `blip:FILE` (Salesforce's and ChatIR's own checkpoints)
    - `beit3:FILE` (Microsoft's own checkpoints, with `beit3.spm` beside them)

    `@SIZE` at the end of a BLIP or BEiT-3 model makes it look at pictures of SIZE x SIZE pixels. What is prepared once
    on a machine is kept under `cache` (None: the platform's cache folder). `device` and `backend`, one of
    `backends.BACKENDS`, are for torch models. Nothing is downloaded. Raises UsageError for a model that cannot exist
    and ModelUnavailable where its files are not here or cannot be used.
    """
    family, _, rest = spec.partition(":")
    if family == "bundled":
        from indexer.encoders.bundled import BundledEncoder

        return BundledEncoder(cache or default_cache(), notify=notify)
    if family not in FAMILIES or not rest:
        known = ", ".join(f"`{each}:...`" for each in FAMILIES)
        raise UsageError(f"There is no encoder {spec!r}.", f"Use `bundled`, or a model after {known}.")
    from indexer.encoders.families import load_family
    from indexer.encoders.torch_encoder import TorchEncoder, choose_backend

    # Before any file is looked for: a name that is none is the quicker error.
    choose_backend(backend, device)
    model = load_family(family, rest)
    return TorchEncoder(model, choose_backend(backend, device, model.transformer), cache or default_cache(), notify)


def absolute_spec(spec: str) -> str:
    """The spec with the path in it, if there is one, made absolute: a library keeps it, and may be searched from
    another folder."""
    from pathlib import Path

    family, separator, rest = spec.partition(":")
    # A schema of open_clip's or an architecture may stand before the path, a picture size after it.
    parts = re.fullmatch(r"((?:[^:/]+:)?)(.+?)((?:@\d+)?)", rest, re.DOTALL)
    if family not in FAMILIES or parts is None:
        return spec
    path = Path(parts[2]).expanduser()
    return f"{family}{separator}{parts[1]}{path.absolute()}{parts[3]}" if path.exists() else spec


def default_cache() -> Path:
    """The platform's cache folder for dar, for callers that have no settings of their own."""
    from platformdirs import user_cache_path

    return user_cache_path("dar", appauthor=False)
