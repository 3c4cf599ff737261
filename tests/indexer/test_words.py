"""The words about photos and in them: stored, merged, indexed, found, and made anew where they are damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.indexing.repair import repair
from indexer.indexing.writer import Batch, FileEntry, NewImage, open_writer
from indexer.library import Library
from indexer.photos.facts import CaptureFacts, FileFacts
from indexer.photos.written import TextLine, Written, merged
from indexer.search.ranking import Query, Term
from indexer.search.where import Where
from indexer.store.catalog import unread
from indexer.store.catalog_writer import ImageFields
from indexer.store.words import WORDS_NAME

DIM = 4
TAGGED = Written("The old pier", "Where we swam", ("Sea side", "pier"), ("Anna Müller",), 4)


def fill(folder: Path, images: list[Written], sidecars: dict[int, Written] | None = None) -> list[int]:
    """A library of images with these words in their bytes, and beside some of their files; returns their ids."""
    with open_writer(folder) as writer:
        writer.use_encoder("test", "test", DIM, 0)
        writer.claim([b"/photos"])
        batch = Batch()
        for at, written in enumerate(images):
            digest = b"%016d" % at
            batch.images.append(
                NewImage(
                    digest, ImageFields(10, 4, 3, "JPEG", written=written), np.eye(DIM, dtype=np.float32)[at % DIM]
                )
            )
            beside = (sidecars or {}).get(at, Written())
            facts = FileFacts(stamp=1, written=beside)
            batch.files.append(FileEntry(b"/photos/%d.jpg" % at, 10, 1, digest, facts))
        writer.commit(batch)
        return [writer.catalog.image_of(b"%016d" % at) or 0 for at in range(len(images))]


def found(library: Library, *written: tuple[str, str], rating: tuple[int, int] | None = None) -> list[str]:
    hits = library.listing(Where(written=written, rating=rating), 100, by_name=True)
    return [hit.path.name for hit in hits]


def test_a_photo_is_found_by_each_of_its_words(tmp_path: Path) -> None:
    fill(tmp_path, [TAGGED, Written(), Written(keywords=("Sea", "side"), rating=2)])
    with Library.open(tmp_path) as library:
        assert found(library, ("title", "old pier")) == ["0.jpg"]
        assert found(library, ("people", "anna")) == ["0.jpg"]
        assert found(library, ("people", "muller")) == ["0.jpg"], "diacritics do not matter"
        assert found(library, ("", "swam")) == ["0.jpg"]
        assert found(library, ("keywords", "sea side")) == ["0.jpg"], "a phrase is within one keyword"
        assert found(library, ("keywords", "sea")) == ["0.jpg", "2.jpg"]
        assert found(library, ("people", "pier")) == []
        assert found(library, ("keywords", "sea"), ("people", "anna")) == ["0.jpg"]
        assert found(library, rating=(4, 5)) == ["0.jpg"]
        assert found(library, rating=(1, 5)) == ["0.jpg", "2.jpg"]
        (hit,) = library.listing(Where(written=(("title", "pier"),)), 1)
        assert hit.written == TAGGED


def test_a_sidecar_wins_and_keywords_unite(tmp_path: Path) -> None:
    fill(tmp_path, [TAGGED], {0: Written("A new title", keywords=("PIER", "Winter"), rating=1)})
    with Library.open(tmp_path) as library:
        (hit,) = library.listing(Where(), 1)
        assert hit.written == Written(
            "A new title", "Where we swam", ("PIER", "Winter", "Sea side"), ("Anna Müller",), 1
        )
        assert found(library, ("title", "old pier")) == []
        assert found(library, rating=(4, 5)) == []


def test_words_follow_what_changes(tmp_path: Path) -> None:
    (first, second) = fill(tmp_path, [TAGGED, Written()])
    with Library.open(tmp_path) as library:
        assert found(library, ("", "anna")) == ["0.jpg"]
        with open_writer(tmp_path) as writer, writer.catalog.transaction():
            writer.catalog.put_own_facts(first, CaptureFacts())
            writer.catalog.put_own_facts(second, CaptureFacts(written=Written(people=("Anna",))))
        assert found(library, ("", "anna")) == ["1.jpg"], "the library that is open sees it"
        with open_writer(tmp_path) as writer, writer.catalog.transaction():
            writer.catalog.put_captions("blip", [(first, "a wooden pier")])
            writer.catalog.put_readings("ocr", [(second, [TextLine("TOTAL 42.10", (0.1, 0.2, 0.5, 0.3), 0.9)])])
        assert found(library, ("caption", "pier")) == ["0.jpg"]
        assert found(library, ("text", "total")) == ["1.jpg"]
        assert library.excerpt(second, ["total"]) == "TOTAL 42.10"
        assert library.text_in(second) == (TextLine("TOTAL 42.10", (0.1, 0.2, 0.5, 0.3), 0.9),)
        assert library.text_in(first) == ()


def test_text_is_read_once_by_each_reader(tmp_path: Path) -> None:
    (first, second) = fill(tmp_path, [Written(), Written()])
    with open_writer(tmp_path) as writer:
        assert unread(writer.catalog, "one") == [second, first]
        with writer.catalog.transaction():
            writer.catalog.put_readings("one", [(second, ())])
        assert unread(writer.catalog, "one") == [first]
        assert unread(writer.catalog, "other") == [second, first]


def test_a_mistyped_or_misread_word_is_found_where_nothing_else_is(tmp_path: Path) -> None:
    fill(tmp_path, [Written(keywords=("invoice", "Katharina")), Written(keywords=("invites",))])
    with Library.open(tmp_path) as library:
        assert found(library, ("", "invioce")) == ["0.jpg"]
        assert found(library, ("", "Katarina")) == ["0.jpg"]
        assert found(library, ("", "invioce kathrina")) == ["0.jpg"]
        assert found(library, ("", "invite")) == ["1.jpg"]
        assert found(library, ("", "Katharina invoice")) == [], "both are known, and stand in another order"
        assert found(library, ("", "zzzzz")) == []


def test_scripts_without_spaces_are_found_by_a_part(tmp_path: Path) -> None:
    (first,) = fill(tmp_path, [Written("東京の夜景 in Tokyo")])
    with Library.open(tmp_path) as library:
        assert found(library, ("", "夜景")) == ["0.jpg"]
        assert found(library, ("", "京夜")) == []
        assert "東京の夜景 in Tokyo" in library.excerpt(first, ["夜景"])


@pytest.mark.parametrize("phrase", ['"', "a AND", "NEAR(", "*", "title:", "-x", "(", "\0", "'; DROP TABLE words", "^a"])
def test_no_phrase_is_read_as_syntax(tmp_path: Path, phrase: str) -> None:
    fill(tmp_path, [TAGGED])
    with Library.open(tmp_path) as library:
        assert found(library, ("", phrase)) == []
        assert found(library, ("", "anna")) == ["0.jpg"]


def test_a_damaged_index_is_noticed_and_made_anew(tmp_path: Path) -> None:
    fill(tmp_path, [TAGGED, Written()])
    index = tmp_path / WORDS_NAME
    whole = index.read_bytes()
    for broken in (b"", b"not a database", whole[: len(whole) // 2], whole[:5000] + bytes(4000) + whole[9000:]):
        index.write_bytes(broken)
        with Library.open(tmp_path) as library:
            assert any(WORDS_NAME in problem for problem in library.verify(deep=True))
            assert len(library.search(Query((Term(np.eye(DIM, dtype=np.float32)[0]),)), 2)) == 2
        assert any(WORDS_NAME in line for line in repair(tmp_path).done)
        with Library.open(tmp_path) as library:
            assert not any(WORDS_NAME in problem for problem in library.verify(deep=True))
            assert found(library, ("", "anna")) == ["0.jpg"]
    index.unlink()
    with open_writer(tmp_path):
        pass
    assert index.exists()


def test_a_library_that_never_had_words_has_no_index(tmp_path: Path) -> None:
    fill(tmp_path, [Written(), Written()])
    assert not (tmp_path / WORDS_NAME).exists()
    with Library.open(tmp_path) as library:
        assert found(library, ("", "anna")) == []
        (mention,) = library.mentions(["anna"])
        assert not len(mention.about) and mention.images == 2


WORDS = st.sampled_from(["anna", "pier", "sea side", "Ümlaut", "42", ""])
WRITTEN = st.builds(
    Written,
    title=WORDS,
    description=WORDS,
    keywords=st.lists(WORDS.filter(bool), max_size=3).map(tuple),
    people=st.lists(WORDS.filter(bool), max_size=2).map(tuple),
    rating=st.none() | st.integers(-1, 5),
)


@given(WRITTEN)
def test_what_is_stored_comes_back(written: Written) -> None:
    assert Written.from_json(written.to_json()) == written
    assert (written.to_json() == "") == (not written)


@given(st.lists(WRITTEN, max_size=4))
def test_all_words_of_the_parts_are_in_the_whole(parts: list[Written]) -> None:
    whole = merged(parts)
    assert {word.casefold() for word in whole.keywords} == {word.casefold() for part in parts for word in part.keywords}
    assert len({name.casefold() for name in whole.people}) == len(whole.people)
    assert whole.title in {part.title for part in parts} | {""}
    assert merged([whole]) == whole


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 5), WRITTEN), max_size=4), min_size=1, max_size=4))
def test_the_index_is_as_if_made_at_once(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[tuple[int, Written]]]
) -> None:
    """Whatever order words come in, every photo is found by just the words it has now."""
    folder = tmp_path_factory.mktemp("library")
    ids = fill(folder, [Written()] * 6)
    now = dict.fromkeys(range(6), Written())
    for run in runs:
        with open_writer(folder) as writer, writer.catalog.transaction():
            for at, written in run:
                writer.catalog.put_own_facts(ids[at], CaptureFacts(written=written))
                now[at] = written
        with Library.open(folder) as library:
            for field, of in (("title", lambda each: each.title), ("people", lambda each: " | ".join(each.people))):
                for word in ("anna", "pier", "ümlaut", "42"):
                    expected = [f"{at}.jpg" for at, each in now.items() if word in of(each).casefold()]
                    assert found(library, (field, word)) == expected


def test_an_index_that_another_run_is_making_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path, [TAGGED])
    (tmp_path / f"{WORDS_NAME}.tmp").write_bytes(b"half")
    with Library.open(tmp_path) as library:
        assert found(library, ("", "anna")) == ["0.jpg"]
    with sqlite3.connect(tmp_path / WORDS_NAME) as connection:
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (1,)
