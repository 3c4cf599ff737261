"""An encoder's vectors dropped from a library: gone for good, and the rest sound after a kill at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import indexer
from indexer.errors import EncoderMismatch
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.store.backup import BACKUP_NAME
from indexer.store.catalog import CATALOG_NAME
from indexer.store.file_store import FileStore
from indexer.store.qdrant_store import QdrantStore
from tests.indexer.colours import ColourEncoder, Workplace, vector_of

PHOTOS = 60


class Second(ColourEncoder):
    id = "test-second-1"


@pytest.fixture
def both(place: Workplace, vectors: str) -> list[Path]:
    """Photos with vectors of two encoders, of which searches use the first."""
    paths = place.draw(PHOTOS)
    place.index(encoder_spec="colours", vectors=vectors)
    place.encoder = Second()
    place.index(encoder_spec="second")
    return paths


def specs(library: Library) -> list[str]:
    return [each.record.spec for each in library.info().encoders]


def left_of_second(folder: Path) -> list[str]:
    """What is on the disk, or on the server, of the second encoder's vectors."""
    files = [path.name for path in folder.iterdir() if "-2-" in path.name]
    with Library.open(folder) as library:
        if isinstance(library._store, QdrantStore):
            with library._store.reached() as client:
                files += [each.name for each in client.get_collections().collections if "-2-" in each.name]
    return files


def check_first(folder: Path, paths: list[Path]) -> None:
    """The library is sound, and the first encoder finds every photo."""
    with Library.open(folder) as library:
        assert library.verify(deep=True) == []
        for path in (paths[0], paths[-1]):
            assert library.search(Query((Term(vector_of(path)),)), 1)[0].path == path


def test_a_dropped_encoder_is_gone_with_all_that_was_made_of_it(place: Workplace, both: list[Path]) -> None:
    folder = place.library_path
    assert left_of_second(folder)
    with place.open() as library:
        dropped = library.drop("second")
        assert (dropped.record.encoder_id, dropped.photos) == ("test-second-1", PHOTOS)
        assert specs(library) == ["colours"]
    assert left_of_second(folder) == []
    check_first(folder, both)
    for name in (CATALOG_NAME, BACKUP_NAME):
        with closing(sqlite3.connect(folder / name)) as connection:
            assert connection.execute("SELECT DISTINCT encoder FROM embeddings").fetchall() == [(1,)]
            assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_the_next_run_has_nothing_to_do_and_the_encoder_may_come_back(place: Workplace, both: list[Path]) -> None:
    with place.open() as library:
        library.drop("second")
        with library.writer() as writer:
            assert writer.is_finished()
    assert place.index(encoder_spec="second").encoded == PHOTOS
    with Library.open(place.library_path, "second") as library:
        assert library.search(Query((Term(vector_of(both[7], Second())),)), 1)[0].path == both[7]
        assert library.verify(deep=True) == []


def test_the_encoder_that_searches_use_is_not_dropped(place: Workplace, both: list[Path]) -> None:
    with place.open() as library:
        with pytest.raises(EncoderMismatch, match="Searches use") as caught:
            library.drop("colours")
        assert "`dar library use second`" in caught.value.hint
        with pytest.raises(EncoderMismatch, match="no vectors of the encoder third"):
            library.drop("third")
        assert specs(library) == ["colours", "second"]


def test_two_encoders_of_one_name_are_told_apart_by_their_ids(place: Workplace, both: list[Path]) -> None:
    class Retrained(Second):
        id = "test-second-2"

    place.encoder = Retrained()
    place.draw(1, start=PHOTOS)
    place.index(encoder_spec="second", switch_encoder=True)
    with place.open() as library:
        with pytest.raises(EncoderMismatch, match="2 encoders called second") as caught:
            library.drop("second")
        assert "test-second-1 or test-second-2" in caught.value.hint
        library.drop("test-second-1")
        assert [each.record.encoder_id for each in library.info().encoders] == ["test-colours-1", "test-second-2"]
        assert library.verify(deep=True) == []


def test_whoever_searched_with_it_is_told_instead_of_shown_nothing(place: Workplace, both: list[Path]) -> None:
    with Library.open(place.library_path, "second") as library, place.open() as other:
        assert library.search(Query((Term(vector_of(both[0], Second())),)))
        other.drop("second")
        with pytest.raises(EncoderMismatch, match="no vectors of the encoder test-second-1"):
            library.search(Query((Term(vector_of(both[0], Second())),)))


def test_what_could_not_be_removed_is_removed_by_the_next_writer(
    place: Workplace, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        for store in (FileStore, QdrantStore):
            patched.setattr(store, "drop", ended)
        with place.open() as library, pytest.raises(KeyboardInterrupt):
            library.drop("second")
    assert left_of_second(place.library_path)
    check_first(place.library_path, both)
    # Another encoder, which gets the number of the one that is gone.
    place.encoder = Second()
    place.encoder.id = "test-third-1"
    assert place.index(encoder_spec="third").encoded == PHOTOS
    check_first(place.library_path, both)
    with place.open() as library:
        library.drop("third")
    assert left_of_second(place.library_path) == []


def test_old_files_that_a_compaction_could_not_remove_are_removed_by_the_next_writer(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = place.draw(20)
    place.index(compact_above=0)
    for path in paths[:15]:
        path.unlink()

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(FileStore, "drop", ended)
        place.index(compact_above=0)
    assert list(place.library_path.glob("vectors-1-*-0.f32"))
    check_first(place.library_path, paths[15:])
    place.index(compact_above=0)
    assert not list(place.library_path.glob("vectors-1-*-0.f32"))
    check_first(place.library_path, paths[15:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_at_any_moment_the_library_is_sound_with_the_encoder_or_without(
    place: Workplace, tmp_path: Path
) -> None:
    paths = place.draw(PHOTOS)
    place.index(encoder_spec="colours")
    place.encoder = Second()
    place.index(encoder_spec="second")
    moments = np.random.default_rng(0)
    line, kept, gone, unfinished = 1, 0, 0, 0
    while True:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(place.library_path, folder)
        killed = _dropped_until(folder, line)
        check_first(folder, paths)
        left = left_of_second(folder)
        with Library.open(folder) as library:
            there = "second" in specs(library)
            kept, gone, unfinished = kept + there, gone + (not there), unfinished + (not there and bool(left))
            assert left or not there
            if there:
                library.drop("second")
            else:
                with library.writer():
                    pass
            assert library.verify(deep=True) == []
        assert left_of_second(folder) == []
        if not killed:
            break
        line += int(moments.integers(1, 40))
    # Before the commit, between it and the removal of files, and after: each was met.
    assert kept and gone and unfinished


def _dropped_until(folder: Path, line: int) -> bool:
    """Drops the second encoder in a process that is killed before that many lines; returns whether it was."""
    child = os.fork()
    if child:
        return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    here, left = os.path.dirname(indexer.__file__), line  # noqa: PTH120

    def traced(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        # Seals are computed a row at a time: a kill at each of those lines would show nothing new.
        if not frame.f_code.co_filename.startswith(here) or "seal" in frame.f_code.co_qualname:
            return None
        left -= event == "line"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return traced

    try:
        library = Library.open(folder)
        sys.settrace(traced)
        library.drop("second")
    finally:
        os._exit(0)
