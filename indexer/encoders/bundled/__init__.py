"""The encoder that ships with dar: works after install, with no download, no GPU and no torch in the process.

Runs two prepared ONNX graphs on ONNX Runtime, one for each tower, each loaded on first use. How the graphs are made is
`graphs`' business; torch is imported only there, once on a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.encoders import ImageEmbeddings, Notify
from indexer.encoders.bundled import graphs
from indexer.encoders.bundled.backbones import TOKENIZER
from indexer.runtime import available_cores, open_graph

if TYPE_CHECKING:
    from PIL import Image

    from indexer.encoders import Pixels, Vectors

# EfficientNet-Lite2's activations for 4 photos stay in the cache of a laptop core; with it alone
# 87 images/s in batches of 4 on 2 cores, 75 in 16, 50-64 in 32.
BATCH = 4


class BundledEncoder:
    """EfficientNet-Lite2 and -Lite0 and all-MiniLM-L6-v2, frozen, with our heads (see MODEL_CARD.md).

    `cache` is the folder the prepared graphs live in. `threads` is the number of cores one encoding call may use
    (0: all of them). `heads` are other heads than those that ship, `retired` those of an earlier version of dar. Raises
    ModelUnavailable where backbones or heads are missing or altered.
    """

    def __init__(
        self,
        cache: Path,
        *,
        threads: int = 0,
        notify: Notify | None = None,
        heads: Path = graphs.HEADS_FILE,
        retired: graphs.Retired | None = None,
    ) -> None:
        self._cache = cache
        self._graphs = graphs.PreparedGraphs(cache, notify, heads, retired)
        self._threads = threads or available_cores()
        self._image_tower: Any = None
        self._text_tower: Any = None
        self._tokenizer: Any = None
        shape = self._graphs.shape
        self.id = f"bundled-{self._graphs.heads_digest[:12]}"
        self.dim = shape.dim
        self.visual_dim = shape.visual_dim
        self.sentence_dim = shape.sentence_dim
        self.image_size = shape.image_size
        self.max_text_tokens = shape.max_text_tokens

    def replaces(self, encoder_id: str) -> bool:
        """Whether this encoder took the place of that one in a new version of dar."""
        return encoder_id in graphs.RETIRED and encoder_id != self.id

    def earlier(self, encoder_id: str) -> RetiredEncoder | None:
        """The encoder that this one replaced, where its graphs are still in the cache."""
        retired = graphs.RETIRED.get(encoder_id)
        if retired is None or not graphs.PreparedGraphs(self._cache, retired=retired).are_ready():
            return None
        return RetiredEncoder(BundledEncoder(self._cache, threads=self._threads, retired=retired))

    def prepare(self, image: Image.Image) -> Pixels:
        """(260, 260, 3) uint8. Half of what exceeds a square is cropped, the other half squeezed.

        A centre crop loses a third of a 3:2 photo, squeezing all of it costs 5 points of ImageNet top-1 (90.0 to 85.0
        on 200 samples); halfway costs 1.5 points and keeps 82 % of the picture.
        """
        from PIL import Image as pillow

        width, height = image.size
        side = (width * height) ** 0.5
        kept_width, kept_height = min(width, side), min(height, side)
        left, top = (width - kept_width) / 2, (height - kept_height) / 2
        resized = image.convert("RGB").resize(
            (self.image_size, self.image_size),
            pillow.Resampling.BICUBIC,
            box=(left, top, left + kept_width, top + kept_height),
            reducing_gap=2.0,
        )
        return np.asarray(resized)

    def encode_prepared(self, batch: Sequence[Pixels]) -> ImageEmbeddings:
        if not batch:
            return ImageEmbeddings(_empty(self.dim), _empty(self.visual_dim))
        if self._image_tower is None:
            self._image_tower = open_graph(self._graphs.image(), self._threads)
        parts = [
            self._image_tower.run(["joint", "visual"], {"pixels": np.stack(batch[start : start + BATCH])})
            for start in range(0, len(batch), BATCH)
        ]
        return ImageEmbeddings(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self.encode_texts_and_sentences(texts)[0]

    def encode_texts_and_sentences(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """The joint vectors (n, dim) and, from the same pass, MiniLM's sentence vectors (n, sentence_dim), both unit.

        The bundled generator is conditioned on both.
        """
        if not texts:
            return _empty(self.dim), _empty(self.sentence_dim)
        if self._text_tower is None:
            self._text_tower = open_graph(self._graphs.text(), self._threads)
        if self._tokenizer is None:
            self._tokenizer = _load_tokenizer(self.max_text_tokens)
        # One text at a time: padding would cost more than batching saves for the handful of texts a turn has.
        parts = [self._encode_text(text) for text in texts]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def pieces(self, word: str) -> int:
        """How many word pieces MiniLM reads this word in. Loads the tokenizer, not the tower."""
        if self._tokenizer is None:
            self._tokenizer = _load_tokenizer(self.max_text_tokens)
        return len(self._tokenizer.encode(word.encode("utf-8", "replace").decode(), add_special_tokens=False).ids)

    def _encode_text(self, text: str) -> tuple[Vectors, Vectors]:
        # A file name or a terminal can hand over lone surrogates, which the tokenizer refuses.
        clean = text.encode("utf-8", "replace").decode()
        ids = np.asarray([self._tokenizer.encode(clean).ids], dtype=np.int64)
        joint, sentence = self._text_tower.run(["joint", "sentence"], {"ids": ids})
        return joint, sentence


class RetiredEncoder:
    """A bundled encoder of an earlier version of dar, for libraries that have its vectors still.

    Gives no sentence vectors: this version's generator would imagine from them in its own encoder's visual space.
    """

    def __init__(self, encoder: BundledEncoder) -> None:
        self._encoder = encoder
        self.id = encoder.id
        self.dim = encoder.dim
        self.visual_dim = encoder.visual_dim
        self.image_size = encoder.image_size
        self.max_text_tokens = encoder.max_text_tokens

    def prepare(self, image: Image.Image) -> Pixels:
        return self._encoder.prepare(image)

    def encode_prepared(self, batch: Sequence[Pixels]) -> ImageEmbeddings:
        return self._encoder.encode_prepared(batch)

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        return self._encoder.encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode_texts(texts)

    def pieces(self, word: str) -> int:
        return self._encoder.pieces(word)


def _load_tokenizer(max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(TOKENIZER.verified()))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _empty(width: int) -> Vectors:
    return np.zeros((0, width), dtype=np.float32)
