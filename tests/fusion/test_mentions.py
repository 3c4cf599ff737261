"""Words of a search where they stand in the words about photos, or in them: what they are worth, and what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.fusion.mentions import mentioned, nats_of, nobody_called, with_words
from indexer.indexing.writer import Batch, FileEntry, NewImage, open_writer
from indexer.library import Library
from indexer.photos.written import TextLine, Written
from indexer.search.strength import Strength
from indexer.search.where import Where
from indexer.store.catalog_writer import ImageFields

PHOTOS = 200
TAGGED = {
    3: Written(people=("Anna Smith",), keywords=("holiday", "boat")),
    4: Written(people=("Bob",), description="Anna took this one"),
    **{at: Written(keywords=("dogs",)) for at in (10, 11, 12)},
    **{at: Written(keywords=("snapshot",)) for at in range(50, 150)},
}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """200 photos, some with words about them, one with text in it."""
    with open_writer(tmp_path) as writer:
        writer.use_encoder("test", "test", 8, 0)
        writer.claim([b"/photos"])
        batch = Batch()
        vectors = np.random.default_rng(0).normal(size=(PHOTOS, 8)).astype(np.float32)
        for at, vector in enumerate(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)):
            digest, fields = b"%016d" % at, ImageFields(10, 4, 3, "JPEG", written=TAGGED.get(at, Written()))
            batch.images.append(NewImage(digest, fields, vector))
            batch.files.append(FileEntry(b"/photos/%03d.jpg" % at, 10, 1, digest))
        writer.commit(batch)
        with writer.catalog.transaction():
            lines = [TextLine("INVOICE 2231"), TextLine("Total due 42.10")]
            writer.catalog.put_readings("test", [(id_of(20), lines)])
    with Library.open(tmp_path) as opened:
        yield opened


def id_of(at: int) -> int:
    """Ids are given in the order of photos."""
    return at + 1


def need(text: str) -> Need:
    return Dialogue().said(text, datetime(2026, 1, 1)).need()


def worth(library: Library, text: str) -> dict[int, float]:
    """Nats by photo, of those that get any."""
    ids = np.arange(1, PHOTOS + 1)
    nats = nats_of(mentioned(library, need(text)), ids)
    return {int(photo) - 1: float(value) for photo, value in zip(ids, nats, strict=True) if value}


def test_a_name_counts_far_more_than_what_everybody_sees(library: Library) -> None:
    anna, dogs = worth(library, "Anna on a boat"), worth(library, "a dog in the snow")
    assert set(anna) == {3, 4} and anna[3] > anna[4] > 4
    assert set(dogs) == {10, 11, 12}
    assert max(dogs.values()) < 2


def test_what_most_photos_are_called_tells_nothing(library: Library) -> None:
    assert worth(library, "a snapshot") == {}


def test_plural_and_singular_are_one_word(library: Library) -> None:
    assert worth(library, "boats").keys() == {3}
    assert worth(library, "some holidays").keys() == {3}


def test_text_in_a_photo_counts_and_in_quotes_decides(library: Library) -> None:
    quoted, reversed_ = (worth(library, f'an invoice with "{words}"') for words in ("total due", "due total"))
    assert worth(library, "an invoice").keys() == quoted.keys() == reversed_.keys() == {20}
    assert quoted[20] > reversed_[20] + 6


def test_a_library_without_words_costs_no_evidence(tmp_path: Path) -> None:
    with Library.create(tmp_path / "new") as empty:
        assert mentioned(empty, need("Anna on a boat")) == ()
        assert with_words(empty, (), (), need("Anna")) == ()


def test_hits_say_which_words_were_found_and_are_strong_by_a_name(library: Library) -> None:
    hits = library.listing(Where(), PHOTOS, by_name=True)
    sought = need("Anna on a boat")
    marked = with_words(library, hits, mentioned(library, sought), sought)
    assert marked[3].words.startswith("Anna Smith") and marked[3].strength is Strength.STRONG
    assert "Anna took this" in marked[4].words
    assert marked[5] == hits[5]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a photo of Zoe at the beach", "Zoe"),
        ("a photo of Anna at the beach", ""),
        ("a dog on a Sunday in June", ""),
        ("Zoe", ""),
        ("the Eiffel tower in Paris", "Eiffel"),
    ],
)
def test_names_that_no_photo_has_are_named(library: Library, text: str, names: str) -> None:
    note = nobody_called(library, [text])
    assert note.endswith(f"none is with {names}.") if names else not note


def test_a_field_that_filters_is_shown_too(library: Library) -> None:
    sought = need("text:due")
    hits = library.listing(Where(written=sought.written), 9)
    (marked,) = with_words(library, hits, (), sought)
    assert "due 42" in marked.words
