"""Clocks that go backwards or lie far ahead: times are compared for being the same, never for being later."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from indexer.errors import LibraryBusy
from indexer.indexing.repair import repair
from indexer.store import disk
from indexer.store.catalog import CATALOG_NAME
from tests.indexer.colours import Workplace, counts, draw, vector_of

YEAR = 366 * 24 * 3600


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, (seconds, seconds))


@pytest.mark.parametrize("seconds", [0, 1, 2**31 - 1, 2**31, 2**33, -YEAR])
def test_files_of_any_time_are_indexed_once(place: Workplace, seconds: int) -> None:
    for path in place.draw(4):
        set_time(path, seconds)
    assert counts(place.index()) == {"added": 4}
    assert counts(place.index()) == {"unchanged": 4}


def test_a_photo_edited_while_the_clock_was_behind_is_read_again(place: Workplace) -> None:
    path, *_ = place.draw(3)
    place.index()
    before = path.stat()
    draw(path, 77, (60, 40))
    set_time(path, int(before.st_mtime) - 10 * YEAR)
    assert counts(place.index()) == {"changed": 1, "unchanged": 2}
    with place.open() as library:
        assert library.vectors([library.image_for(path) or 0])[0] == pytest.approx(vector_of(path))


def test_a_library_written_in_the_future_is_read_and_written_now(place: Workplace) -> None:
    place.draw(12)
    place.index(graph_threshold=10)
    for path in sorted(place.library_path.rglob("*")):
        if path.is_file():
            set_time(path, int(datetime.now().timestamp()) + 50 * YEAR)
    place.draw(3, start=40)
    assert counts(place.index(graph_threshold=10)) == {"added": 3, "unchanged": 12}
    with place.open(graph_threshold=10) as library:
        assert library.info().photos == 15 and library.verify(deep=True) == []
    (place.library_path / CATALOG_NAME).write_bytes(b"gone")
    repair(place.library_path)
    assert counts(place.index()) == {"unchanged": 15}


def test_an_open_library_notices_a_graph_whose_time_went_back(place: Workplace) -> None:
    place.draw(12)
    place.index(graph_threshold=10)
    with place.open(graph_threshold=10) as library:
        for path in place.library_path.glob("graph-*"):
            set_time(path, int(datetime.now().timestamp()) + YEAR)
        added = draw(place.photos / "late.png", 900)
        place.index(graph_threshold=10)  # its graph is older than the one before, by its time
        assert library.image_for(added) is not None and library.verify(deep=True) == []


def test_the_holder_of_a_lock_may_have_begun_in_the_future(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime(2024, 1, 1) + timedelta(days=30_000)

    place.draw(2)
    place.index()
    monkeypatch.setattr(disk, "datetime", Ahead)
    with place.open() as library, library.writer():
        monkeypatch.undo()
        with pytest.raises(LibraryBusy, match="2106"):
            place.index()
    assert counts(place.index()) == {"unchanged": 2}
