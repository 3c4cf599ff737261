"""An index run itself: rehearsed, told, cancelled, closed, and with another encoder."""

from __future__ import annotations

import threading
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from indexer.errors import EncoderMismatch
from indexer.indexing.events import Finished, Planned, ProblemFound, Progress, RunNote, Scanning
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.photos.scan import ScanOptions
from indexer.search.ranking import Query, Term
from tests.indexer.colours import ColourEncoder, Workplace, counts, draw
from tests.indexer.searched import found


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
    assert (hit.width, hit.height, hit.format, hit.taken_from) == (80, 40, "JPEG", "modified")
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


def test_photos_left_out_for_want_of_an_extra_are_mentioned(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.draw(1)
    (place.photos / "phone.heic").write_bytes(b"\0" * 100)
    place.index()
    notes = [event.text for event in place.events if isinstance(event, RunNote)]
    problems = [event for event in place.events if isinstance(event, ProblemFound)]
    assert problems or any(".heic" in note for note in notes)
