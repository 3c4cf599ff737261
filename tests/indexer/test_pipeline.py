"""Index runs over real files: what is counted, what is encoded, what can be found afterwards."""

from __future__ import annotations

import os
import shutil
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.errors import DarError, EncoderMismatch, LibraryNotFound, UsageError
from indexer.indexing.events import Finished, Note, Planned, ProblemFound, Progress, Scanning
from indexer.indexing.options import IndexOptions
from indexer.paths import to_path
from indexer.photos.scan import ScanOptions
from indexer.pipeline import index
from indexer.search.ranking import Query, Term
from indexer.search.where import Where
from tests.indexer.colours import ColourEncoder, Workplace, counts, draw, set_back


def found(place: Workplace, path: Path, k: int = 1) -> list[Path]:
    """The paths a search for this very photo finds."""
    with Image.open(path) as image:
        vector = place.encoder.encode_images([image.convert("RGB")]).joint[0]
    place.encoder.encoded -= 1
    with place.open() as library:
        return [hit.path for hit in library.search(Query((Term(vector),)), k=k, fold=False)]


def all_paths(place: Workplace) -> set[Path]:
    with place.open() as library:
        hits = library.search(Query((Term(np.ones(48, np.float32)),)), k=10_000, fold=False)
        return {path for hit in hits for path in (hit.path, *hit.copies)}


def test_a_first_run_adds_everything_and_a_second_changes_nothing(place: Workplace) -> None:
    place.draw(30)
    first = place.index()
    assert counts(first) == {"added": 30}
    assert (first.photos, first.encoded, first.encoder) == (30, 30, "test-colours-1")
    assert first.images_per_second > 0
    second = place.index()
    assert counts(second) == {"unchanged": 30}
    assert second.encoded == 0


def test_the_counts_of_a_busy_day(place: Workplace) -> None:
    paths = place.draw(200)
    for path in paths:
        set_back(path)
    place.index()
    for path in paths[:20]:
        path.rename(path.with_name(f"renamed-{path.name}"))
    for number, path in enumerate(paths[20:25]):
        draw(path, 1000 + number)
    for path in paths[25:30]:
        path.unlink()
    place.draw(5, start=2000)
    paths[30].write_bytes(b"")
    paths[31].write_bytes(paths[31].read_bytes()[:100])
    paths[32].write_text("This is not a photo.")
    summary = place.index()
    assert counts(summary) == {
        "moved": 20, "changed": 5, "removed": 5, "added": 5, "problems": 3, "unchanged": 167,
    }  # fmt: skip
    assert summary.encoded == 10
    assert summary.photos == 197
    problems = {event.path for event in place.events if isinstance(event, ProblemFound)}
    assert problems == set(paths[30:33])
    with place.open() as library:
        assert library.verify(deep=True) == []
        assert {problem.path for problem in library.problems()} == set(paths[30:33])
    assert all_paths(place) == set(place.photos.iterdir()) - set(paths[30:33])
    # The day after: nothing is read again, and the broken ones still count.
    assert counts(place.index()) == {"unchanged": 197, "problems": 3}


def test_a_touched_file_is_unchanged_and_not_encoded(place: Workplace) -> None:
    paths = place.draw(3)
    place.index()
    set_back(paths[0])
    assert counts(place.index()) == {"unchanged": 3}
    assert place.encoder.encoded == 3


def test_a_run_without_changes_never_loads_the_encoder(place: Workplace) -> None:
    place.draw(3)
    place.index()

    def load():
        raise AssertionError("the encoder was loaded")

    events = list(index(place.library_path, [place.photos], load, IndexOptions(encoder_spec="test-colours-1")))
    assert isinstance(events[-1], Finished)


def test_renames_and_copies_never_load_the_encoder(place: Workplace) -> None:
    paths = place.draw(4)
    place.index()
    paths[0].rename(place.photos / "new name.png")
    shutil.copy(paths[1], place.photos / "copy.png")

    def load():
        raise AssertionError("the encoder was loaded")

    summary = list(index(place.library_path, [place.photos], load))[-1].summary
    assert counts(summary) == {"moved": 1, "added": 1, "unchanged": 3}


def test_an_exact_copy_is_added_without_encoding_and_shown_once(place: Workplace) -> None:
    paths = place.draw(3)
    place.index()
    copy = Path(shutil.copy(paths[0], place.photos / "zz.png"))
    summary = place.index()
    assert counts(summary) == {"added": 1, "unchanged": 3}
    assert (summary.encoded, summary.photos) == (0, 4)
    with place.open() as library:
        vector = library.vectors([library.image_for(paths[0])])[0]
        hits = library.search(Query((Term(vector),)), k=4)
    assert hits[0].path == paths[0]
    assert hits[0].copies == (copy,)
    assert len(hits) == 3


def test_two_copies_in_one_first_run_are_encoded_once(place: Workplace) -> None:
    path = place.draw(1)[0]
    shutil.copy(path, place.photos / "copy.png")
    summary = place.index()
    assert counts(summary) == {"added": 2}
    assert summary.encoded == 1


def test_moves_between_folders_are_moves(place: Workplace) -> None:
    paths = place.draw(6, under="a")
    place.index()
    (place.photos / "b").mkdir()
    for path in paths[:3]:
        path.rename(place.photos / "b" / path.name)
    assert counts(place.index()) == {"moved": 3, "unchanged": 3}


def test_moves_between_roots_are_moves(place: Workplace, tmp_path: Path) -> None:
    paths = place.draw(4)
    other = tmp_path / "other"
    other.mkdir()
    draw(other / "x.png", 99)
    place.index(place.photos, other)
    paths[0].rename(other / "moved.png")
    assert counts(place.index(place.photos, other)) == {"moved": 1, "unchanged": 4}


def test_a_move_out_of_a_root_that_is_not_looked_at_is_a_move(place: Workplace, tmp_path: Path) -> None:
    paths = place.draw(4)
    other = tmp_path / "other"
    other.mkdir()
    draw(other / "x.png", 99)
    place.index(place.photos, other)
    paths[0].rename(other / "moved.png")
    assert counts(place.index(other)) == {"moved": 1, "unchanged": 1}
    assert counts(place.index()) == {"unchanged": 3}


def test_names_swapped_between_two_photos_are_two_changes(place: Workplace) -> None:
    first, second = place.draw(2)
    place.index()
    spare = place.photos / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    for path in (first, second):
        set_back(path)
    summary = place.index()
    assert counts(summary) == {"changed": 2}
    assert summary.encoded == 0
    assert found(place, first) == [first]


def test_a_photo_that_returns_is_not_encoded_again(place: Workplace) -> None:
    paths = place.draw(4)
    place.index()
    kept = paths[0].read_bytes()
    paths[0].unlink()
    assert counts(place.index()) == {"removed": 1, "unchanged": 3}
    paths[0].write_bytes(kept)
    summary = place.index()
    assert counts(summary) == {"added": 1, "unchanged": 3}
    assert summary.encoded == 0


def test_a_photo_that_breaks_leaves_results_and_one_that_heals_returns(place: Workplace) -> None:
    paths = place.draw(3)
    good = paths[0].read_bytes()
    place.index()
    paths[0].write_bytes(good[:60])
    assert counts(place.index()) == {"problems": 1, "unchanged": 2}
    assert paths[0] not in all_paths(place)
    paths[0].write_bytes(good)
    assert counts(place.index()) == {"added": 1, "unchanged": 2}
    with place.open() as library:
        assert library.problems() == []


def test_broken_files_are_read_again_only_when_asked(place: Workplace) -> None:
    place.draw(2)
    (place.photos / "bad.jpg").write_bytes(b"nothing")
    assert counts(place.index()) == {"added": 2, "problems": 1}
    place.index()
    assert not any(isinstance(event, ProblemFound) for event in place.events)
    assert counts(place.index(retry_problems=True)) == {"unchanged": 2, "problems": 1}
    assert any(isinstance(event, ProblemFound) for event in place.events)


def test_a_broken_file_that_is_deleted_is_no_longer_a_problem(place: Workplace) -> None:
    place.draw(1)
    bad = place.photos / "bad.jpg"
    bad.write_bytes(b"")
    place.index()
    bad.unlink()
    assert counts(place.index()) == {"unchanged": 1}


def test_file_names_that_are_not_text_survive(place: Workplace) -> None:
    place.draw(1)
    name = os.fsencode(place.photos) + b"/caf\xe9 \xff.png"
    try:
        shutil.copy(place.photos / "0000.png", name)
    except OSError:
        pytest.skip("this file system only takes valid text")
    draw(to_path(name), 5)
    assert counts(place.index()) == {"added": 2}
    assert found(place, to_path(name)) == [to_path(name)]
    assert counts(place.index()) == {"unchanged": 2}


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


def test_a_rehearsal_counts_and_writes_nothing(place: Workplace) -> None:
    paths = place.draw(5)
    summary = place.index(dry_run=True)
    assert counts(summary) == {"added": 5}
    assert summary.dry_run
    assert not place.library_path.exists()
    place.index()
    paths[0].rename(place.photos / "new.png")
    paths[1].unlink()
    draw(paths[2], 77)
    before = {path: path.stat().st_mtime_ns for path in place.library_path.glob("*.f32")}
    assert counts(place.index(dry_run=True)) == {"moved": 1, "removed": 1, "changed": 1, "unchanged": 2}
    assert place.encoder.encoded == 5
    assert {path: path.stat().st_mtime_ns for path in place.library_path.glob("*.f32")} == before
    with place.open() as library:
        assert library.image_for(paths[1]) is not None


def test_excluded_files_leave_the_library(place: Workplace) -> None:
    place.draw(2)
    place.draw(2, start=10, under="private")
    place.index()
    assert counts(place.index(scan=ScanOptions(exclude=("private",)))) == {"removed": 2, "unchanged": 2}


def test_events_come_in_order_and_progress_only_grows(place: Workplace) -> None:
    place.draw(40)
    place.index(batch_size=4)
    kinds = [type(event) for event in place.events]
    assert kinds[0] is Scanning
    assert kinds[1] is Planned
    assert kinds[-1] is Finished
    done = [event.done for event in place.events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 40
    assert max(place.encoder.batches) == 4


def test_capture_facts_and_sizes_reach_the_hits(place: Workplace) -> None:
    exif = Image.Exif()
    exif[0x0110] = "Camera X"
    exif[0x0132] = "2019:07:14 12:30:00"
    path = place.photos / "a.jpg"
    Image.new("RGB", (80, 40), (200, 30, 30)).save(path, exif=exif)
    place.index()
    with place.open() as library:
        hit = library.search(Query((Term(np.ones(48, np.float32)),)))[0]
    assert hit.taken_at == datetime(2019, 7, 14, 12, 30)
    assert (hit.width, hit.height, hit.format, hit.taken_from) == (80, 40, "JPEG", "exif")
    assert "Camera X" in hit.camera
    with Image.open(hit.thumbnail) as thumbnail:
        assert thumbnail.size == (80, 40)


def test_cancelling_commits_what_is_encoded_and_the_next_run_goes_on(place: Workplace) -> None:
    place.draw(60)
    stop = threading.Event()
    run = index(place.library_path, [place.photos], place.encoder, IndexOptions(workers=2), stop.is_set)
    for event in run:
        if isinstance(event, Progress | Planned):
            stop.set()
    assert event.summary.interrupted
    done = event.summary.encoded
    assert 0 < done < 60
    summary = place.index()
    assert counts(summary) == {"unchanged": done, "added": 60 - done}
    assert place.encoder.encoded == 60


def test_ctrl_c_commits_what_is_encoded(place: Workplace) -> None:
    place.draw(60)

    class Interrupted(ColourEncoder):
        def encode_prepared(self, batch):
            if self.encoded >= 24:
                raise KeyboardInterrupt
            return super().encode_prepared(batch)

    place.encoder = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        place.index()
    place.encoder = ColourEncoder()
    summary = place.index()
    assert counts(summary) == {"unchanged": 24, "added": 36}
    assert place.encoder.encoded == 36


def test_a_run_that_is_closed_half_way_lets_go_of_the_library(place: Workplace) -> None:
    place.draw(20)
    run = index(place.library_path, [place.photos], place.encoder, IndexOptions(workers=1))
    for event in run:
        if isinstance(event, Planned):
            break
    run.close()
    assert counts(place.index()) == {"added": 20}


def test_another_encoder_under_no_name_is_refused_and_both_are_named(place: Workplace) -> None:
    place.draw(3)
    place.index(encoder_spec="colours")

    class Other(ColourEncoder):
        id = "other-1"

    place.encoder = Other()
    place.draw(1, start=9)
    for spec in ("", "colours"):
        with pytest.raises(EncoderMismatch, match=r"test-colours-1.*other-1"):
            place.index(encoder_spec=spec)


def test_switching_the_encoder_encodes_everything_and_then_searches_with_it(place: Workplace) -> None:
    paths = place.draw(12)
    place.index(encoder_spec="colours")

    class Other(ColourEncoder):
        id = "other-1"
        visual_dim = 0

    place.encoder = Other()
    summary = place.index(encoder_spec="other", switch_encoder=True)
    assert counts(summary) == {"unchanged": 12}
    assert (summary.encoded, summary.encoder) == (12, "other-1")
    assert found(place, paths[3]) == [paths[3]]
    with place.open() as library:
        assert library.verify(deep=True) == []


def test_where_under_a_folder_names_the_copy_in_that_folder(place: Workplace) -> None:
    first = place.draw(1, under="a")[0]
    copy = draw(place.photos / "b" / "copy.png", 0)
    assert first.read_bytes() == copy.read_bytes()
    place.index()
    with place.open() as library:
        everywhere, inside = (
            library.search(Query((Term(np.ones(48, np.float32)),)), where=where)[0]
            for where in (Where(), Where(under=(place.photos / "b",)))
        )
    assert (everywhere.path, everywhere.copies) == (first, (copy,))
    assert (inside.path, inside.copies) == (copy, (first,))


def test_photos_left_out_for_want_of_an_extra_are_mentioned(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.draw(1)
    (place.photos / "phone.heic").write_bytes(b"\0" * 100)
    place.index()
    notes = [event.text for event in place.events if isinstance(event, Note)]
    problems = [event for event in place.events if isinstance(event, ProblemFound)]
    assert problems or any(".heic" in note for note in notes)
