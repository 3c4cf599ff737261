"""Any family of two-tower torch models as an encoder: towers loaded on first use, apart, and run in batches.

Knows nothing of architectures or weight files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from indexer.encoders import ImageEmbeddings, Notify
from indexer.encoders.image_towers import ImageTower, load_image_tower

if TYPE_CHECKING:
    from PIL import Image

    from indexer.encoders import Pixels, Vectors
    from indexer.encoders.backends import Backend
    from indexer.encoders.family import Family

# A turn has a handful of texts; more at once would only pad the short ones further.
_TEXTS_AT_ONCE = 32


class TorchEncoder:
    """Runs `family` on `backend`; `cache` keeps what is prepared once. Has no visual space of its own.

    Loading a tower raises ModelUnavailable where its weights cannot be used.
    """

    visual_dim = 0

    def __init__(self, family: Family, backend: Backend, cache: Path, notify: Notify | None = None) -> None:
        self._family = family
        self._backend = backend
        self._cache = cache
        self._notify = notify or (lambda _line: None)
        self._images: ImageTower | None = None
        self._texts: nn.Module | None = None
        self._loading = Lock()
        self.id = family.id
        self.dim = family.dim
        self.image_size = family.image_size
        self.max_text_tokens = family.max_text_tokens
        self.batch_size = backend.batch_size(family.image_size)

    def prepare(self, image: Image.Image) -> Pixels:
        return self._family.prepare(image)

    def encode_prepared(self, batch: Sequence[Pixels]) -> ImageEmbeddings:
        if not batch:
            return ImageEmbeddings(_empty(self.dim))
        tower = self._image_tower()
        parts = [
            tower(np.stack(batch[start : start + self.batch_size])) for start in range(0, len(batch), self.batch_size)
        ]
        return ImageEmbeddings(np.concatenate(parts))

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return _empty(self.dim)
        tower = self._text_tower()
        # A file name or a terminal can hand over lone surrogates, which tokenizers refuse.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        parts = []
        for start in range(0, len(clean), _TEXTS_AT_ONCE):
            tokens = self._family.tokenize(clean[start : start + _TEXTS_AT_ONCE])
            ids, mask = (torch.from_numpy(array).to(self._backend.device) for array in (tokens.ids, tokens.mask))
            with torch.inference_mode():
                parts.append(F.normalize(tower(ids, mask).float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)

    def _image_tower(self) -> ImageTower:
        with self._loading:
            if self._images is None:
                self._images = load_image_tower(self._family, self._backend, self._cache, self._notify)
            return self._images

    def _text_tower(self) -> nn.Module:
        with self._loading:
            if self._texts is None:
                self._texts = self._family.load_text_tower().to(self._backend.device, self._backend.text_dtype)
            return self._texts


def _empty(width: int) -> Vectors:
    return np.zeros((0, width), dtype=np.float32)
