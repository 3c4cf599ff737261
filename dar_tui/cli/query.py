"""From what the user typed to an `indexer` query: text read by the dialogue's rules, photos to be like, texts to be
unlike.

Knows where each part's vector comes from; how they are weighed is the chat's policy (`dar_tui.fusion`). Prints nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from dar_tui.cli.options import STDIN
from dar_tui.cli.state import State
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need, written_text
from dar_tui.language.rules.fields import stars_text
from dar_tui.language.rules.words import content
from dar_tui.language.when import Hemisphere
from indexer.encoders import VISUAL
from indexer.errors import DarError, EncoderMismatch, NothingFound, UnreadablePhoto, UsageError
from indexer.paths import at_home
from indexer.printable import visible

if TYPE_CHECKING:
    from PIL import Image

    from dar_tui.fusion.evidence import QueryEncoder
    from dar_tui.fusion.mentions import Mentioned
    from indexer.encoders import Encoder
    from indexer.library import Library
    from indexer.search.ranking import Query, Vectors
    from indexer.store.catalog import EncoderRecord

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Asked:
    """What the user asked for, as typed. `literal`: the text is searched for as it stands."""

    text: str = ""
    like: tuple[Path, ...] = ()
    unlike: tuple[str, ...] = ()
    literal: bool = False
    hemisphere: Hemisphere = Hemisphere.NORTH
    at: datetime = field(default_factory=datetime.now)

    @cached_property
    def need(self) -> Need:
        """What the text says, read as the first message of a dialogue is."""
        text = self.text.strip()
        if not text:
            return Need()
        need = Need() if self.literal else Dialogue(hemisphere=self.hemisphere).said(text, self.at).need()
        # What no rule can make anything of ("nothing") is looked for as it stands.
        says_something = need.wants or need.rejects or need.when or need.where or need.written or need.rating
        return need if says_something else Need(subject=(text,))

    @property
    def rejects(self) -> tuple[str, ...]:
        """What is to be absent, by the text and by --unlike."""
        return tuple(dict.fromkeys((*self.need.rejects, *(text for text in self.unlike if text.strip()))))

    @property
    def compares(self) -> bool:
        """Whether photos are compared with anything, and not only filtered."""
        return bool(self.need.wants or self.rejects or self.like)

    @property
    def filters(self) -> bool:
        """Whether the text says of photos what they must be, and not only be like."""
        need = self.need
        return bool(need.when or need.where or need.written or need.rating or need.camera)

    @property
    def stage(self) -> str:
        """What the hits come from: "text", "example", or "filter" where nothing is compared."""
        if not self.compares:
            return "filter"
        return "text" if self.need.wants or self.need.rejects or not self.like else "example"

    @property
    def in_words(self) -> str:
        """How the text was read, in a line; "" where it was taken as typed."""
        need = self.need
        if not (need.rejects or self.filters):
            return ""
        said = [
            *need.wants,
            *(f"without {reject}" for reject in need.rejects),
            *(f"not {when.phrase}" if when.excluded else when.phrase for when in need.when),
            *(f"place or folder {name}" for name in need.where if not any(name in want for want in need.wants)),
            *([f"camera {need.camera}"] if need.camera else []),
            *(written_text(*each) for each in need.written),
            *([stars_text(need.rating)] if need.rating else []),
        ]
        return f"Understood: {visible('; '.join(said))}. (--literal searches for the text as typed.)"

    @property
    def as_json(self) -> dict[str, Any]:
        """How the text was read, for scripts."""
        need = self.need
        return {
            "wants": list(need.wants),
            "rejects": list(need.rejects),
            "when": [
                {
                    "phrase": when.phrase,
                    "first": (days := when.bounds()).first and days.first.isoformat(),
                    "last": days.last and days.last.isoformat(),
                    "excluded": when.excluded,
                }
                for when in need.when
            ],
            "where": list(need.where),
            "written": [written_text(*each) for each in need.written],
            "rating": list(need.rating) if need.rating else None,
        }


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
        from indexer.encoders import Successor

        encoder = self._state.load_encoder(self.record.spec)
        if isinstance(encoder, Successor) and encoder.replaces(self.record.encoder_id):
            earlier = encoder.earlier(self.record.encoder_id)
            if earlier is None:
                raise EncoderMismatch(
                    f"The library was made with {self.record.encoder_id}, which this version of dar replaced.",
                    "Run `dar index` to encode its photos again.",
                )
            self._state.output.note("`dar index` encodes this library's photos anew, with a better encoder.")
            return earlier
        if encoder.id != self.record.encoder_id:
            raise EncoderMismatch(
                f"The library was made with {self.record.encoder_id}, but {self.record.spec} is now {encoder.id}.",
                "Run `dar index --switch-encoder` to encode its photos again.",
            )
        return encoder

    @cached_property
    def reader(self) -> QueryEncoder:
        """Texts and pictures into this encoder's vectors."""
        from dar_tui.fusion.evidence import QueryEncoder

        return QueryEncoder(self.encoder)

    @cached_property
    def picture_space(self) -> str:
        """Where photos are compared with pictures."""
        from indexer.encoders import JOINT

        return VISUAL if self.record.visual_dim else JOINT

    def unread(self, asked: Asked) -> tuple[str, ...]:
        """What of the text the encoder does not understand: other scripts, emoji, random letters."""
        said = (*asked.need.wants, *asked.rejects)
        return self.reader.unread(said) if said else ()

    def build(self, asked: Asked, pictures: Sequence[Vectors] = ()) -> tuple[Query, frozenset[int]]:
        """The query as a dialogue's first turn would have it, and the images that are examples and so no answers."""
        from dar_tui.fusion.evidence import against, firmly
        from dar_tui.fusion.strategies import DEFAULT, Evidence, strategy_named

        examples = [self._example(path) for path in asked.like]
        wants, rejects = asked.need.wants, asked.rejects
        texts = self.reader.texts(wants) if wants else []
        rejected, kinds = against(self.reader, rejects, alone=not (wants or examples)) if rejects else ([], [])
        known = Evidence(
            turn=0,
            texts=texts,
            pictures=pictures,
            picture_space=self.picture_space,
            rejects=rejected,
            kinds=kinds,
            liked=[vector for vector, _ in examples],
            dim=self.record.dim,
        )
        ids = frozenset(image_id for _, image_id in examples if image_id is not None)
        return strategy_named(DEFAULT)(firmly(known, self.reader, self._library) if rejects else known), ids

    def believed(self, query: Query, asked: Asked, mentions: Sequence[Mentioned]) -> Query:
        """The query with what words about photos, and in them, say: both in nats, as a dialogue's evidence is."""
        from dar_tui.session.belief import Belief, Posterior, calibration_of
        from dar_tui.session.state import CALIBRATIONS

        given = calibration_of(self.record.encoder_id, self._state.settings.home / CALIBRATIONS)
        facts = len({fact for want in asked.need.wants for fact in content(want)})
        return Belief(given, query, facts, mentions=mentions).query(Posterior(), self.record.dim)

    def _example(self, path: Path) -> tuple[Vectors, int | None]:
        """A photo's vector: the stored one if the library has this file, else made now."""
        from indexer.photos.photo import open_photo

        if path == STDIN:
            return self._vector_of(self._from_stdin()), None
        image_id = self._library.image_for(path)
        if image_id is not None:
            try:
                return self._library.vectors([image_id], self.picture_space)[0], image_id
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
        return self._vector_of(photo.image), image_id

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

    def _vector_of(self, image: Image.Image) -> Vectors:
        embeddings = self.encoder.encode_images([image])
        rows = embeddings.visual if self.picture_space == VISUAL and embeddings.visual is not None else embeddings.joint
        vector: Vectors = rows[0]
        return vector


def photos_to_be_like(paths: Sequence[Path] | None) -> tuple[Path, ...]:
    """The photos given with --like, each once."""
    return tuple(dict.fromkeys(paths or ()))
