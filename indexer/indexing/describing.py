"""The last part of an index run with captions: photos nobody has described yet, through a captioner, into the catalog.

Knows which photos those are and when to commit. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.errors import UnreadablePhoto
from indexer.indexing.events import Counts, Event, Note, Planned, Progress
from indexer.indexing.writer import LibraryWriter
from indexer.photos.decoders import Decoders
from indexer.photos.photo import content_hash, open_photo
from indexer.store.catalog import uncaptioned
from indexer.store.catalog_writer import put_captions

if TYPE_CHECKING:
    from PIL import Image

    from indexer.captioning import Captioner


@dataclass(frozen=True)
class Described:
    """How many images were described, and whether that was cut short."""

    captioned: int
    interrupted: bool = False


def describe(
    writer: LibraryWriter, load: Callable[[], Captioner], cancelled: Callable[[], bool]
) -> Generator[Event, None, Described]:
    """Describes every image that `load`'s captioner has not described, one transaction for each batch.

    When `cancelled` says so, or the generator is closed, what is committed stays and the next run goes on from there.
    """
    captioner = load()
    waiting = uncaptioned(writer.catalog, captioner.id)
    if not waiting:
        return Described(0)
    yield Note(f"Describing {len(waiting):,} photos.")
    yield Planned(len(waiting), Counts())
    captioned = unreadable = 0
    with Decoders() as decoders:
        for start in range(0, len(waiting), captioner.batch_size):
            if cancelled():
                return Described(captioned, interrupted=True)
            ids = waiting[start : start + captioner.batch_size]
            pictures = _open_all(writer, ids, captioner.image_size, decoders)
            texts = captioner.caption(list(pictures.values()))
            with writer.catalog.transaction():
                put_captions(writer.catalog, captioner.id, zip(pictures, texts, strict=True))
            captioned += len(pictures)
            unreadable += len(ids) - len(pictures)
            yield Progress(start + len(ids), len(waiting), Counts())
    if unreadable:
        yield Note(f"{unreadable:,} photos could not be opened just now and stay without a caption.")
    return Described(captioned)


def _open_all(writer: LibraryWriter, ids: Sequence[int], side: int, decoders: Decoders) -> dict[int, Image.Image]:
    """The pictures that any file of theirs still gives, in the order of ids."""
    images, paths = writer.catalog.images(ids), writer.catalog.paths_of(ids)
    pictures: dict[int, Image.Image] = {}
    for image_id in ids:
        for path in paths.get(image_id, ()):
            try:
                # A file of another folder than was looked at just now may hold another picture since.
                if content_hash(path) == images[image_id].content_hash:
                    pictures[image_id] = open_photo(path, side, decoders).image
                    break
            except UnreadablePhoto:
                continue
    return pictures
