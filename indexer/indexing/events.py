"""What an index run reports as it goes: plain data, in the order of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Counts:
    """What became of the files looked at. Copies of a known photo count as added, broken files only as problems."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    problems: int = 0


@dataclass(frozen=True)
class Scanning:
    """A folder's files are being listed."""

    folder: Path


@dataclass(frozen=True)
class Planned:
    """The folders are listed: `total` files have to be read, the others are as they were."""

    total: int
    counts: Counts


@dataclass(frozen=True)
class Progress:
    """`done` of `total` files have been read."""

    done: int
    total: int
    counts: Counts


@dataclass(frozen=True)
class ProblemFound:
    """A file cannot be read as a photo, or a folder cannot be listed; the run goes on.

    `refused` is false where the file is in the library all the same, such as a photo whose end is missing.
    """

    path: Path
    reason: str
    refused: bool = True


@dataclass(frozen=True)
class RunNote:
    """Something worth a line."""

    text: str


@dataclass(frozen=True)
class IndexSummary:
    """The end of a run.

    `encoder` is the id of the library's encoder. `photos` are the files in the library now; `encoded` the images that
    went through the encoder; `images_per_second` is `encoded` by `seconds`, everything included. `problems` are
    those in the folders looked at, `notes` the files there that were opened though something is wrong with them.
    `skipped` counts by kind what was left out of them, `unmatched` are the patterns to exclude that matched nothing in
    any of them. `captioned`: images a captioner described afterwards, in time that is not in
    `seconds`. `interrupted`: it was cancelled, and the next run continues from here.
    """

    library: Path
    encoder: str
    photos: int
    added: int
    changed: int
    moved: int
    removed: int
    unchanged: int
    problems: int
    seconds: float
    images_per_second: float
    encoded: int
    interrupted: bool = False
    dry_run: bool = False
    captioned: int = 0
    notes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The last event of a run."""

    summary: IndexSummary


Event = Scanning | Planned | Progress | ProblemFound | RunNote | Finished
