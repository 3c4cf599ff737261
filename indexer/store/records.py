"""What the catalog tells of roots, files, images, problems and encoders: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from indexer.encoders import JOINT, VISUAL


@dataclass(frozen=True)
class Root:
    """A folder whose photos are in the library; paths of files are relative to it. Roots never nest."""

    id: int
    path: bytes


@dataclass(frozen=True)
class FileRecord:
    """A file as it was when last read: size in bytes, time of last change, and the image it holds.

    `stamp`: of the sidecars and rules that its facts were read with; 0 if they were not.
    """

    size: int
    mtime_ns: int
    image_id: int
    stamp: int = 0


@dataclass(frozen=True)
class ImageRecord:
    """One image, however many files hold it: `width` and `height` upright, `taken_at` naive local time.

    `taken_unsure`: whether that is uncertain to the day, or of a kind that is often wrong. `taken_known`: how many
    characters of the date's ISO text are known: 4 its year, 7 its month too, 19 all of it or at least the day.
    """

    id: int
    content_hash: bytes
    width: int
    height: int
    format: str
    taken_at: datetime | None
    taken_from: str
    latitude: float | None
    longitude: float | None
    camera: str
    taken_unsure: bool = False
    city: str = ""
    region: str = ""
    country: str = ""
    taken_known: int = 19


class Picture(NamedTuple):
    """What tells whether two images are copies or of one burst. `phash`: None where it is not known yet.

    A tuple, since every search makes some of them: a frozen dataclass takes four times as long.
    """

    phash: int | None
    taken_at: str | None
    camera: str
    width: int
    height: int


@dataclass(frozen=True)
class Problem:
    """A file (or a folder that cannot be listed) that is not in the library, and why; or, in a list of notes, a file
    that is, and what is wrong with it."""

    path: Path
    reason: str


@dataclass(frozen=True)
class EncoderRecord:
    """An encoder the library has vectors of: `rows` are committed in its vector files of this `generation`.

    `derived`: the library's number of changes when what is derived from these vectors was made; -1: never.
    """

    id: int
    spec: str
    encoder_id: str
    dim: int
    visual_dim: int
    active: bool
    generation: int
    rows: int
    derived: int


@dataclass(frozen=True)
class Space:
    """One encoder's vectors of one kind; the generation changes when they are rewritten with other row numbers."""

    encoder: int
    name: str
    dim: int
    generation: int


def spaces_of(encoder: EncoderRecord) -> list[Space]:
    """The spaces this encoder's vectors lie in, as the vector store knows them."""
    dims = [(JOINT, encoder.dim), *([(VISUAL, encoder.visual_dim)] if encoder.visual_dim else [])]
    return [Space(encoder.id, name, dim, encoder.generation) for name, dim in dims]
