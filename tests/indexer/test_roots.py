"""Index runs over folders of a library: parts, parents, none, away, unreadable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.errors import DarError, LibraryNotFound, UsageError
from indexer.indexing.events import ProblemFound, Scanning
from indexer.indexing.run import index
from tests.indexer.colours import Workplace, counts
from tests.indexer.searched import all_paths


def test_indexing_a_part_of_a_root_leaves_the_rest(place: Workplace) -> None:
    inner = place.draw(3, under="2019")
    outer = place.draw(3, start=10, under="2020")
    place.index()
    inner[0].unlink()
    outer[0].unlink()
    assert counts(place.index(place.photos / "2019")) == {"removed": 1, "unchanged": 2}
    with place.open() as library:
        assert [root.path for root in library.info().roots] == [place.photos]
        assert library.image_for(outer[0]) is not None


def test_indexing_the_parent_of_roots_absorbs_them(place: Workplace) -> None:
    place.draw(3, under="a")
    place.draw(3, start=10, under="b/c")
    place.draw(2, start=20)
    (place.photos / "a" / "bad.jpg").write_bytes(b"")
    place.index(place.photos / "a", place.photos / "b" / "c")
    summary = place.index()
    assert counts(summary) == {"added": 2, "unchanged": 6, "problems": 1}
    assert summary.encoded == 2
    with place.open() as library:
        assert [root.path for root in library.info().roots] == [place.photos]
        assert [problem.path for problem in library.problems()] == [place.photos / "a" / "bad.jpg"]


def test_a_folder_named_twice_is_looked_at_once(place: Workplace) -> None:
    place.draw(3, under="a")
    assert counts(place.index(place.photos, place.photos / "a", place.photos)) == {"added": 3}
    assert sum(isinstance(event, Scanning) for event in place.events) == 1


def test_no_folder_means_all_roots(place: Workplace) -> None:
    place.draw(3)
    place.index()
    place.draw(1, start=50)
    events = list(index(place.library_path, [], place.encoder))
    assert counts(events[-1].summary) == {"added": 1, "unchanged": 3}


def test_no_folder_and_no_library_say_so(place: Workplace) -> None:
    with pytest.raises(LibraryNotFound):
        list(index(place.library_path, [], place.encoder))
    place.library_path.mkdir()
    with pytest.raises(UsageError):
        list(index(place.library_path, [], place.encoder))


def test_a_missing_folder_is_an_error_that_leaves_no_library_behind(place: Workplace) -> None:
    with pytest.raises(DarError, match="no folder"):
        place.index(place.photos / "nowhere")
    assert not place.library_path.exists()


def test_an_unmounted_root_never_loses_its_photos(place: Workplace, tmp_path: Path) -> None:
    place.draw(3)
    place.index()
    place.photos.rename(tmp_path / "away")
    with pytest.raises(DarError):
        place.index()
    events = list(index(place.library_path, [], place.encoder))
    assert any(isinstance(event, ProblemFound) and event.path == place.photos for event in events)
    assert events[-1].summary.photos == 3
    # An empty mount point looks like a folder whose photos were all deleted.
    place.photos.mkdir()
    with pytest.raises(DarError, match="is empty") as raised:
        place.index()
    assert "dar library forget" in raised.value.hint
    with place.open() as library:
        assert library.info().photos == 3
        assert library.forget(place.photos) == 3
        assert library.info().photos == 0


def test_a_folder_that_cannot_be_listed_keeps_its_photos(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = place.draw(3, under="locked")
    place.draw(2, start=10)
    place.index()
    real = os.scandir

    def refusing(path):
        if os.fsencode(path).endswith(b"/locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    summary = place.index()
    assert counts(summary) == {"unchanged": 2, "problems": 1}
    assert summary.photos == 5
    assert inner[0] in all_paths(place)
    monkeypatch.undo()
    assert counts(place.index()) == {"unchanged": 5}
    with place.open() as library:
        assert library.problems() == []


def test_the_librarys_own_thumbnails_are_not_photos(place: Workplace) -> None:
    place.draw(2)
    place.library_path = place.photos / "library"
    assert counts(place.index()) == {"added": 2}
    assert counts(place.index()) == {"unchanged": 2}
