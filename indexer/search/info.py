"""What a library says of itself: plain values, made by `Library.info`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from indexer.store.records import EncoderRecord


@dataclass(frozen=True)
class RootInfo:
    """A folder in the library, how many photos and problems it has, and whether it is there now."""

    path: Path
    photos: int
    problems: int
    present: bool


@dataclass(frozen=True)
class EncoderInfo:
    """An encoder the library has vectors of, and of how many photos."""

    record: EncoderRecord
    photos: int


@dataclass(frozen=True)
class LibraryInfo:
    """`photos` are files, `images` are different ones, `size` is that of the library's own files in bytes.

    `encoder` is the one searches use, `encoders` are all.
    """

    path: Path
    encoder: EncoderRecord | None
    photos: int
    images: int
    problems: int
    roots: tuple[RootInfo, ...]
    size: int
    schema: int
    encoders: tuple[EncoderInfo, ...] = ()
