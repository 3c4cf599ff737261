"""What one two-tower model has to say of itself, so that `TorchEncoder` can run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from torch import nn

Colour = tuple[float, float, float]

# OpenAI's CLIP, and BLIP after it, normalise pixels by the mean and deviation of CLIP's training pictures.
CLIP_MEAN: Colour = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Colour = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, eq=False)
class Tokens:
    """Texts as a text tower reads them: `ids` and `mask`, both (n, longest) int64; `mask` is 0 on padding, else 1."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class Family(Protocol):
    """One model: what it is called, how it reads pictures and words, and where its towers come from.

    `mean` and `std` are what pixels of 0 to 1 are normalised by. Towers come in fp32 and in eval mode: an image tower
    maps normalised pixels (n, 3, side, side), a text tower ids and mask (n, longest) each, to vectors (n, dim) of any
    length. Either is loaded without keeping the other's weights in memory. `transformer` says whether the image tower
    is one, which rounding to 16 bits harms less than a convolutional one.
    """

    id: str
    dim: int
    image_size: int
    max_text_tokens: int
    mean: Colour
    std: Colour
    transformer: bool

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """(side, side, 3), resized and cropped as the model was trained; called from many threads."""
        ...

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """At most `max_text_tokens` of each text."""
        ...

    def load_image_tower(self) -> nn.Module: ...

    def load_text_tower(self) -> nn.Module: ...


def squeezed(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """(side, side, 3): the whole picture squeezed into a square by Pillow's bicubic filter, as torchvision's `Resize`
    does for BLIP and BEiT-3."""
    import numpy as np
    from PIL import Image as pillow

    return np.asarray(image.convert("RGB").resize((side, side), pillow.Resampling.BICUBIC))


def padded(sequences: Sequence[Sequence[int]], padding: int) -> Tokens:
    """Token ids of several lengths as one batch, padded at the end up to the longest."""
    import numpy as np

    longest = max(len(sequence) for sequence in sequences)
    ids = np.full((len(sequences), longest), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return Tokens(ids, mask)
