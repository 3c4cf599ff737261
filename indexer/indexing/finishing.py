"""The end of an index run: what is derived from the photos as a whole, if they changed since it was last derived.

Knows which encoder searches use and what has to be said of the others. How things are derived is the writer's.
"""

from __future__ import annotations

from collections.abc import Iterator

from indexer.indexing.events import Note
from indexer.indexing.options import IndexOptions
from indexer.indexing.target import Target
from indexer.indexing.writer import LibraryWriter, null_digest
from indexer.store.catalog import Catalog
from indexer.store.embeddings import unembedded

# As many as are read while nobody wonders what takes so long.
_MANY_THUMBNAILS = 2_000


def finish(catalog: Catalog, writer: LibraryWriter, target: Target, options: IndexOptions) -> Iterator[Note]:
    """Switches to the run's encoder if that was asked for, and brings peaks, sketches and graphs up to date."""
    encoder, record = target.encoder, target.record
    if encoder is not None and record is not None:
        if target.switches and not record.active:
            writer.activate(record)
            if old := target.replaced:
                yield Note(
                    f"Searches use the encoder of this version of dar now, {record.encoder_id}."
                    f" `dar library drop {old.encoder_id}` frees the disk that the vectors of before take."
                )
        digest, _ = catalog.null_vectors(record)
        if options.null_texts and digest != null_digest(options.null_texts):
            writer.keep_null_vectors(options.null_texts, encoder.encode_texts(list(options.null_texts)))
    # Of libraries from before there were hashes, and of photos whose thumbnail was lost then.
    if unhashed := catalog.unhashed():
        if len(unhashed) > _MANY_THUMBNAILS:
            yield Note(f"Reading {len(unhashed):,} thumbnails once, to tell copies of one picture from pictures alike.")
        writer.hash_pictures(unhashed)
    if not writer.is_finished():
        if catalog.counts()[1] > options.graph_threshold:
            yield Note("Bringing the search graph up to date.")
        writer.finish(options.threads, options.graph_threshold, options.compact_above)
    active = target.searched_instead()
    if record is not None and active is None and (lacking := len(unembedded(catalog, record.id))):
        yield Note(
            f"{lacking:,} photos, of folders that could not be looked at, have no vectors of {record.spec} yet and are"
            " not found until `dar index` sees them."
        )
    if active is None or record is None:
        return
    yield Note(f"Searches still use {active.spec}; `dar library use {record.spec}` makes them use {record.spec}.")
    if lacking := len(unembedded(catalog, active.id)):
        yield Note(f"{active.spec} has no vectors yet of {lacking:,} photos; `dar index` makes them.")
