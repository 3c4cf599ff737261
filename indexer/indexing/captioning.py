"""Captions: what a model says of a photo. The protocol, the one kind of model there is (BLIP), and the
last part of an index run, which describes the photos that have no caption yet.

Imports no torch before a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from indexer.errors import UnreadablePhoto
from indexer.indexing.events import Counts, Event, Planned, Progress, RunNote
from indexer.indexing.writer import LibraryWriter
from indexer.photos.decoders import Decoders
from indexer.photos.photo import content_hash, open_photo
from indexer.runtime import find_checkpoint
from indexer.store.catalog import uncaptioned

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_CAPTIONER = "Salesforce/blip-image-captioning-base"


class Captioner(Protocol):
    """A model that describes photos. `id` is the same for the same captions, wherever the model lies."""

    id: str
    image_size: int
    batch_size: int

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        """One sentence for each upright RGB picture, safe to print; "" where the model has nothing to say."""
        ...


def find_captioner(spec: str = "") -> Path:
    """The folder of a captioner, a hub id or a folder; "" is the default one.

    Raises ModelUnavailable, with the command that pulls it, where it is not on this machine, UsageError for no name.
    """
    return find_checkpoint(spec or DEFAULT_CAPTIONER, "config.json").folder


def load_captioner(spec: str = "", device: str = "auto") -> Captioner:
    """The captioner `spec` names; weights as safetensors only, and nothing from the network.

    Raises what `find_captioner` raises, ModelUnavailable where the files are no BLIP captioner, and UsageError for a
    device there is not.
    """
    folder = find_captioner(spec)
    from indexer.encoders.blip import BlipCaptioner

    return BlipCaptioner(folder, device)


@dataclass(frozen=True)
class Described:
    """How many images were described, and whether that was cut short."""

    captioned: int
    interrupted: bool = False


def describe(
    writer: LibraryWriter, load: Callable[[], Captioner], cancelled: Callable[[], bool]
) -> Generator[Event, None, Described]:
    """Describes every image that `load`'s captioner has not described, one transaction for each batch.

    When `cancelled` says so, or the generator is closed, what is committed stays and the next run continues from there.
    """
    captioner = load()
    waiting = uncaptioned(writer.catalog, captioner.id)
    if not waiting:
        return Described(0)
    yield RunNote(f"Describing {len(waiting):,} photos.")
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
                writer.catalog.put_captions(captioner.id, zip(pictures, texts, strict=True))
            captioned += len(pictures)
            unreadable += len(ids) - len(pictures)
            yield Progress(start + len(ids), len(waiting), Counts())
    if unreadable:
        yield RunNote(f"{unreadable:,} photos could not be opened just now and stay without a caption.")
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
