"""BLIP's captioner: transformers' model from a folder, photos into sentences.

Knows how the model was made to write. Knows nothing of libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from indexer.checkpoints import quiet_libraries
from indexer.devices import dtype_for, resolve_device
from indexer.encoders.blip import folder_parts, pretrained
from indexer.encoders.family import squeezed
from indexer.encoders.weights import fingerprint
from indexer.printable import stripped

if TYPE_CHECKING:
    from PIL import Image

# As BLIP's authors evaluated captions on COCO and NoCaps: beam search over three, five to twenty tokens.
_BEAMS = 3
_MIN_TOKENS = 5
_MAX_TOKENS = 20
# Long enough for twenty word pieces; a tokenizer that came with the model could write anything.
_MAX_CHARACTERS = 200
# What one Ctrl-C waits for on a CPU, where a caption is a matter of seconds; on a GPU what keeps it busy.
_BATCH = {"cpu": 4, "cuda": 32}


class BlipCaptioner:
    """A `Captioner` on one device. Loading raises ModelUnavailable where the folder holds no BLIP captioner."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        parts = folder_parts(folder)
        self._device = resolve_device(device)
        self._dtype = dtype_for(self._device)
        self._model = _captioner(folder).to(self._device, self._dtype)
        self._mean, self._std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) for each in (parts.mean, parts.std)
        )
        self._tokenizer = _tokenizer(parts.tokenizer)
        self.image_size = int(self._model.config.vision_config.image_size)
        self.batch_size = _BATCH.get(self._device.type, _BATCH["cpu"])
        facts = (self.image_size, parts.mean, parts.std, _BEAMS, _MIN_TOKENS, _MAX_TOKENS)
        self.id = f"blip-captions-{fingerprint(parts.weights, *facts)}"

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        if not images:
            return []
        pixels = np.stack([squeezed(image, self.image_size) for image in images])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
        batch = ((batch - self._mean) / self._std).to(self._dtype)
        with torch.inference_mode(), quiet_libraries():
            written = self._model.generate(
                pixel_values=batch, num_beams=_BEAMS, min_length=_MIN_TOKENS, max_length=_MAX_TOKENS
            )
        return [
            stripped(self._tokenizer.decode(each, skip_special_tokens=True), _MAX_CHARACTERS)
            for each in written.tolist()
        ]


def _captioner(folder: Path) -> Any:
    from transformers import BlipForConditionalGeneration

    return pretrained(BlipForConditionalGeneration, folder, "a BLIP captioner", "BLIP captioning").eval()


def _tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))
