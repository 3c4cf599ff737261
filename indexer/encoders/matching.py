"""The chance that a photo and a text belong together, by BLIP's matching head, which reads both at once.

Knows models and pixels. Knows nothing of libraries; imports no torch before a matcher is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexer.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_MATCHER = "blip:Salesforce/blip-itm-base-coco"
# Pictures at once: what is held in memory stays small next to the weights.
_BATCH = 8


class Matcher:
    """One model on one device. `spec` is what `load_encoder` takes for BLIP ("": DEFAULT_MATCHER).

    Raises UsageError for another kind of model and ModelUnavailable where it is not on this machine.
    """

    def __init__(self, spec: str = "", device: str = "auto") -> None:
        family, _, name = (spec or DEFAULT_MATCHER).partition(":")
        if family != "blip" or not name:
            raise UsageError(f"{spec!r} has no matching head.", f"Give a BLIP model, such as {DEFAULT_MATCHER}.")
        from indexer.encoders.blip import find_blip
        from indexer.runtime import dtype_for, resolve_device

        self._family = find_blip(name)
        self._device = resolve_device(device)
        self._dtype = dtype_for(self._device)
        self._model = self._family.load_matcher().to(self._device, self._dtype)
        self.image_size = self._family.image_size

    def chances(self, text: str, images: Sequence[Image.Image]) -> list[float]:
        """For each upright RGB picture the chance, 0 to 1, that the text is about it."""
        import numpy as np
        import torch

        tokens = self._family.tokenize([text.encode("utf-8", "replace").decode()])
        ids, mask = (torch.from_numpy(each).to(self._device) for each in (tokens.ids, tokens.mask))
        mean, std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) for each in (self._family.mean, self._family.std)
        )
        found: list[float] = []
        for start in range(0, len(images), _BATCH):
            pixels = np.stack([self._family.prepare(image) for image in images[start : start + _BATCH]])
            batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
            batch = ((batch - mean) / std).to(self._dtype)
            with torch.inference_mode():
                found += self._model(batch, ids.expand(len(pixels), -1), mask.expand(len(pixels), -1)).tolist()
        return found
