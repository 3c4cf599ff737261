"""Captions in a library: which photos are described, when that counts, and what a reader sees."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from indexer.indexing.events import Event, Finished, IndexSummary, RunNote
from indexer.indexing.run import index
from indexer.library import Library
from indexer.store.catalog import CATALOG_NAME, Catalog, captions_of, uncaptioned
from indexer.store.disk import writer_lock
from indexer.store.schema import MIGRATIONS, connect, schema_version, seal_expression
from tests.indexer.colours import Workplace


class Scribe:
    """A captioner that counts, and tells the colour in the middle."""

    image_size = 16
    batch_size = 2

    def __init__(self, name: str = "scribe-1") -> None:
        self.id = name
        self.described = 0

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        self.described += len(images)
        return [f"{self.id} sees {image.getpixel((image.width // 2, image.height // 2))}" for image in images]


def run(place: Workplace, scribe: Scribe, stop_after: int = 10**9) -> tuple[IndexSummary, list[Event]]:
    """Indexes with captions; cancelled once so many photos are described."""
    events = list(
        index(
            place.library_path,
            [place.photos],
            place.encoder,
            cancelled=lambda: scribe.described >= stop_after,
            captioner=lambda: scribe,
        )
    )
    last = events[-1]
    assert isinstance(last, Finished)
    return last.summary, events


def shown(place: Workplace) -> dict[str, str]:
    """File names and captions, as a reader of the library finds them."""
    with place.open() as library:
        ids = library.sample(1000)
        return {hit.path.name: hit.caption for hit in library.photos(ids)}


def test_only_photos_without_a_caption_are_described(place: Workplace) -> None:
    place.draw(5)
    scribe = Scribe()
    assert run(place, scribe)[0].captioned == 5
    assert len(set(shown(place).values())) == 5 and all(shown(place).values())
    assert run(place, scribe)[0].captioned == 0 and scribe.described == 5
    place.draw(2, start=5)
    (place.photos / "copy.png").write_bytes((place.photos / "0000.png").read_bytes())
    assert run(place, scribe)[0].captioned == 2
    assert shown(place)["0006.png"]


def test_another_captioner_describes_everything_anew(place: Workplace) -> None:
    place.draw(3)
    run(place, Scribe())
    assert run(place, Scribe("scribe-2"))[0].captioned == 3
    assert all(caption.startswith("scribe-2") for caption in shown(place).values())


def test_what_is_described_before_a_cancel_is_kept_and_gone_on_from(place: Workplace) -> None:
    place.draw(6)
    place.index()
    first = Scribe()
    summary, _ = run(place, first, stop_after=2)
    assert (summary.captioned, summary.interrupted, first.described) == (2, True, 2)
    second = Scribe()
    assert run(place, second)[0].captioned == 4 and second.described == 4


def test_each_batch_is_committed_before_the_next_is_begun(place: Workplace) -> None:
    place.draw(4)

    class Dying(Scribe):
        def caption(self, images: Sequence[Image.Image]) -> list[str]:
            if self.described:
                raise KeyboardInterrupt
            return super().caption(images)

    with pytest.raises(KeyboardInterrupt):
        run(place, Dying())
    assert sum(bool(caption) for caption in shown(place).values()) == 2


def test_a_photo_that_changed_or_went_meanwhile_is_not_described_as_the_old_one(place: Workplace) -> None:
    first, second, *_ = place.draw(4)

    scribe = Scribe()
    place.index()
    other = place.photos.parent / "other"
    other.mkdir()
    first.write_bytes(second.read_bytes()[:-1] + b"\0")
    second.unlink()
    events = list(index(place.library_path, [_with_one_photo(other)], place.encoder, captioner=lambda: scribe))
    assert any(isinstance(event, RunNote) and "2 photos could not be opened" in event.text for event in events)
    captions = shown(place)
    assert captions["0000.png"] == captions["0001.png"] == "" and captions["0002.png"]


def _with_one_photo(folder: Path) -> Path:
    Image.new("RGB", (32, 32), (200, 10, 10)).save(folder / "one.png")
    return folder


def test_images_that_are_forgotten_take_their_captions_along(place: Workplace) -> None:
    drawn = place.draw(4)
    run(place, Scribe())
    for path in drawn[1:]:
        path.unlink()
    place.index(compact_above=0)
    catalog = Catalog.open(place.library_path / CATALOG_NAME)
    assert catalog.connection.execute("SELECT count(*) FROM images").fetchone() == (1,)
    assert catalog.connection.execute("SELECT count(*) FROM captions").fetchone() == (1,)
    assert uncaptioned(catalog, "scribe-1") == []
    catalog.close()


def as_schema(library: Path, version: int) -> None:
    """Takes a library back to the tables that an earlier version of dar wrote."""
    older = sqlite3.connect(":memory:", isolation_level=None)
    for statement in (each for migration in MIGRATIONS[:version] for each in migration):
        older.execute(statement)
    connection = connect(library / CATALOG_NAME, readonly=False)
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        extra = columns_of(connection, table) - columns_of(older, table)
        if not columns_of(older, table):
            connection.execute(f"DROP TABLE {table}")
            continue
        for column in extra:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        if "seal" in columns_of(older, table):
            connection.execute(f"UPDATE {table} SET seal = {seal_expression(table, version)}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    older.close()


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


earlier_schemas = pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))


@earlier_schemas
def test_an_older_library_is_brought_up_to_date_with_all_it_holds(place: Workplace, version: int) -> None:
    place.draw(3)
    place.index()
    as_schema(place.library_path, version)
    assert set(shown(place)) == {"0000.png", "0001.png", "0002.png"}
    with place.open() as library:
        assert library.info().schema == len(MIGRATIONS)
        assert library.verify(deep=True) == []
    encoded = place.encoder.encoded
    assert run(place, Scribe())[0].captioned == 3 and place.encoder.encoded == encoded


@earlier_schemas
def test_an_older_library_is_searched_while_another_process_writes_to_it(place: Workplace, version: int) -> None:
    place.draw(3)
    place.index()
    as_schema(place.library_path, version)
    with writer_lock(place.library_path):
        assert set(shown(place).values()) == {""}
        with place.open() as library:
            assert library.verify(deep=True) == []
    with sqlite3.connect(place.library_path / CATALOG_NAME) as connection:
        assert schema_version(connection) == version


def test_captions_of_more_images_than_a_statement_takes(place: Workplace) -> None:
    place.draw(2)
    run(place, Scribe())
    with Library.open(place.library_path) as library:
        assert len(captions_of(library._catalog, range(2000))) == 2
