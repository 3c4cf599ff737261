"""Folders into the library, as a stream of events: the door to indexing.

Knows what must hold before a run may begin; `run` knows how it goes. Knows nothing of terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import LibraryNotFound, UsageError
from indexer.indexing.describing import describe
from indexer.indexing.events import (
    Counts,
    Event,
    Finished,
    IndexSummary,
    Note,
    Planned,
    ProblemFound,
    Progress,
    Scanning,
)
from indexer.indexing.options import IndexOptions
from indexer.indexing.run import Run
from indexer.indexing.writer import LibraryWriter, open_writer
from indexer.paths import at_home
from indexer.photos.scan import ScanOptions, scan
from indexer.printable import visible
from indexer.store.backup import prepare_folder
from indexer.store.catalog import CATALOG_NAME, Catalog

if TYPE_CHECKING:
    from indexer.captioning import Captioner
    from indexer.encoders import Encoder

__all__ = [
    "Counts",
    "Event",
    "Finished",
    "IndexOptions",
    "IndexSummary",
    "Note",
    "Planned",
    "ProblemFound",
    "Progress",
    "ScanOptions",
    "Scanning",
    "index",
]


def index(
    library: Path,
    folders: Sequence[Path],
    encoder: Encoder | Callable[[], Encoder],
    options: IndexOptions | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    captioner: Callable[[], Captioner] | None = None,
) -> Iterator[Event]:
    """Brings the library up to date with the folders (all its own, if none are given); ends with Finished.

    The encoder is only called for if there is something to encode. `captioner`, if given, loads what describes the
    photos that it has not described, once they are in; a rehearsal does without. When `cancelled` says so, on
    KeyboardInterrupt and when the iterator is closed, what is encoded is committed first. Raises DarError for a folder
    that is missing or looks unmounted, LibraryBusy, EncoderMismatch, and for a full disk; everything committed before
    stays.
    """
    options = options or IndexOptions()
    exists = (library / CATALOG_NAME).is_file()
    for folder in folders:
        if not at_home(folder).is_dir():
            scan(at_home(folder), options.scan)  # raises, and knows why
    if not folders and not exists:
        if not library.exists():
            raise LibraryNotFound(f"There is no library at {visible(library)}.", "Name a folder: `dar index FOLDER`.")
        raise UsageError("No folder was given and the library has none yet.", "Name a folder: `dar index FOLDER`.")
    with ExitStack() as stack:
        writer: LibraryWriter | None = None
        if options.dry_run:
            catalog = Catalog.open(library / CATALOG_NAME) if exists else Catalog.empty()
            stack.callback(catalog.close)
        else:
            prepare_folder(library)
            writer = stack.enter_context(open_writer(library, options.vectors))
            catalog = writer.catalog
        for event in Run(library, catalog, writer, encoder, options, cancelled).events(folders):
            if isinstance(event, Finished) and captioner is not None and writer is not None:
                summary = event.summary
                if not summary.interrupted:
                    done = yield from describe(writer, captioner, cancelled)
                    summary = replace(summary, captioned=done.captioned, interrupted=done.interrupted)
                writer.copy_catalog()
                event = Finished(summary)
            yield event
