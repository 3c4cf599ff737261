"""From what the user typed to an `indexer` query: text, photos to be like, texts to be unlike.

Knows which vector space each part lives in and how the parts are weighted. Prints nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from dar_tui.cli.options import STDIN
from dar_tui.cli.state import State
from indexer.encoders import JOINT, VISUAL
from indexer.errors import DarError, EncoderMismatch, NothingFound, UnreadablePhoto, UsageError
from indexer.paths import at_home
from indexer.printable import visible
from indexer.search.ranking import Query, Term

if TYPE_CHECKING:
    from PIL import Image

    from indexer.encoders import Encoder
    from indexer.library import Library
    from indexer.search.ranking import Vectors
    from indexer.store.records import EncoderRecord

# A whole step away from the unwanted text would leave the wanted one behind: text vectors of one encoder are all alike
# to some degree, so subtracting as much as was added mostly adds noise.
UNLIKE_WEIGHT = 0.5
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Asked:
    """What the user asked for, as typed."""

    text: str = ""
    like: tuple[Path, ...] = ()
    unlike: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip() and not self.like:
            raise UsageError("Nothing to search for.", "Describe the photo: `dar search 'a dog on the beach'`.")

    @property
    def stage(self) -> str:
        """What the hits come from: "text" or "example"."""
        return "text" if self.text.strip() else "example"


def is_empty(library: Library) -> NothingFound:
    """What to say of a library without photos."""
    return NothingFound(f"The library {visible(library.path)} is empty.", "Run `dar index FOLDER` first.")


class QueryBuilder:
    """Makes one query for one library; loads the library's encoder only if a stored vector does not do."""

    def __init__(self, state: State, library: Library) -> None:
        self._state = state
        self._library = library

    @cached_property
    def record(self) -> EncoderRecord:
        """The library's encoder. Raises NothingFound for a library that never held a photo."""
        record = self._library.encoder
        if record is None:
            raise is_empty(self._library)
        return record

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder the library was made with, loaded. Raises EncoderMismatch if it is not the same any more."""
        encoder = self._state.load_encoder(self.record.spec)
        if encoder.id != self.record.encoder_id:
            raise EncoderMismatch(
                f"The library was made with {self.record.encoder_id}, but {self.record.spec} is now {encoder.id}.",
                "Run `dar index --switch-encoder` to encode its photos again.",
            )
        return encoder

    def build(self, asked: Asked) -> tuple[Query, frozenset[int]]:
        """The query, and the images that are examples themselves and so no answers."""
        space = VISUAL if self.record.visual_dim else JOINT
        examples = [self._example(path, space) for path in asked.like]
        texts = [*([asked.text] if asked.text.strip() else []), *asked.unlike]
        weights = [1.0] * (len(texts) - len(asked.unlike)) + [-UNLIKE_WEIGHT] * len(asked.unlike)
        vectors = list(self.encoder.encode_texts(texts)) if texts else []
        terms = [Term(vector, JOINT, weight) for vector, weight in zip(vectors, weights, strict=True)]
        terms += [Term(vector, space, 1 / len(examples)) for vector, _ in examples]
        # Photos are far nearer to photos than to texts, so cosines of the two only add up once standardised.
        combine = "z" if examples and texts else "cosine"
        known = frozenset(image_id for _, image_id in examples if image_id is not None)
        return Query(tuple(terms), combine, by_example=not asked.text.strip()), known

    def _example(self, path: Path, space: str) -> tuple[Vectors, int | None]:
        """A photo's vector: the stored one if the library has this file, else made now."""
        from indexer.photos.photo import open_photo

        if path == STDIN:
            return self._vector_of(self._from_stdin(), space), None
        image_id = self._library.image_for(path)
        if image_id is not None:
            try:
                return self._library.vectors([image_id], space)[0], image_id
            except DarError:
                pass  # known, but not encoded yet: read it like any other file
        try:
            photo = open_photo(os.fsencode(at_home(path)), self.encoder.image_size)
        except UnreadablePhoto as error:
            if not os.path.lexists(at_home(path)):
                raise UsageError(
                    f"--like {visible(path)}: there is no such file.",
                    "Give its path, as `dar search --paths` prints it.",
                ) from None
            raise UsageError(f"--like {visible(path)}: {error.message}.", "Give a photo that can be opened.") from None
        if photo.damage:
            self._state.output.note(f"--like {visible(path)}: {photo.damage}.")
        return self._vector_of(photo.image, space), image_id

    def _from_stdin(self) -> Image.Image:
        """The photo that comes in on stdin; kept in a file meanwhile, since decoders go back and forth in it."""
        from indexer.photos.photo import MAX_WHOLE_BYTES, open_photo

        if sys.stdin.isatty():
            raise UsageError("--like - waits for a photo on stdin.", "Give one: `dar search --like - < PHOTO`.")
        with NamedTemporaryFile(prefix="dar-") as file:
            left = MAX_WHOLE_BYTES + 1
            while left and (piece := sys.stdin.buffer.read(min(left, _PIECE_BYTES))):
                file.write(piece)
                left -= len(piece)
            file.flush()
            if not left:
                raise UsageError("--like -: what comes in is too large for a photo.", "Give its path instead.")
            try:
                photo = open_photo(os.fsencode(file.name), self.encoder.image_size)
            except UnreadablePhoto as error:
                raise UsageError(
                    f"--like -: what comes in {error.message}.", "Give a photo that can be opened."
                ) from None
        if photo.damage:
            self._state.output.note(f"--like -: {photo.damage}.")
        return photo.image

    def _vector_of(self, image: Image.Image, space: str) -> Vectors:
        embeddings = self.encoder.encode_images([image])
        rows = embeddings.visual if space == VISUAL and embeddings.visual is not None else embeddings.joint
        vector: Vectors = rows[0]
        return vector


def photos_to_be_like(paths: Sequence[Path] | None) -> tuple[Path, ...]:
    """The photos given with --like, each once."""
    return tuple(dict.fromkeys(paths or ()))
