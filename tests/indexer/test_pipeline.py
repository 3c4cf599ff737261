"""Index runs over changing photos: what is counted, what is encoded, what can be found afterwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.encoders import ImageEmbeddings
from indexer.indexing.events import Finished, ProblemFound
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.paths import to_path
from indexer.search.ranking import Query, Term
from indexer.search.where import Where
from tests.indexer.colours import ColourEncoder, Workplace, counts, draw, set_back
from tests.indexer.searched import all_paths, found


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


def test_a_file_of_a_root_that_is_not_looked_at_is_never_gone(place: Workplace, tmp_path: Path) -> None:
    paths = place.draw(4)
    other = tmp_path / "other"
    other.mkdir()
    draw(other / "x.png", 99)
    place.index(place.photos, other)
    paths[0].rename(other / "moved.png")
    assert counts(place.index(other)) == {"added": 1, "unchanged": 1}
    assert counts(place.index()) == {"removed": 1, "unchanged": 3}
    assert place.encoder.encoded == 5


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


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_copy_of_the_last_photo_of_a_commit_is_a_copy(place: Workplace, batch: int) -> None:
    paths = place.draw(64)
    (place.photos / "0063b.png").write_bytes(paths[63].read_bytes())
    summary = place.index(batch_size=batch)
    assert counts(summary) == {"added": 65} and summary.encoded == 64


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_photos_each_beside_its_copy(place: Workplace, workers: int) -> None:
    for path in place.draw(120):
        path.with_name(f"{path.stem} (1).png").write_bytes(path.read_bytes())
    summary = place.index(workers=workers, batch_size=7)
    assert counts(summary) == {"added": 240} and summary.encoded == 120
    with place.open() as library:
        assert library.verify(deep=True) == []


def test_copies_of_a_photo_that_is_refused_are_refused_for_the_same_reason(place: Workplace) -> None:
    place.draw(3)
    white = place.photos / "white.png"
    Image.new("RGB", (40, 40), (255, 255, 255)).save(white)
    for number in range(3):
        (place.photos / f"white{number}.png").write_bytes(white.read_bytes())

    class Refusing(ColourEncoder):
        def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
            made = super().encode_prepared(batch)
            for row, pixels in enumerate(batch):
                if pixels.min() > 250:
                    made.joint[row] = np.nan
            return made

    place.encoder = Refusing()
    assert counts(place.index()) == {"added": 3, "problems": 4}
    with place.open() as library:
        assert len({problem.reason for problem in library.problems()}) == 1
    assert counts(place.index()) == {"unchanged": 3, "problems": 4}


def test_a_broken_rule_of_the_catalog_is_not_called_damage(place: Workplace) -> None:
    place.draw(1)
    place.index()
    with (
        pytest.raises(sqlite3.IntegrityError),
        place.open() as library,
        library.writer() as writer,
        writer.catalog.transaction(),
    ):
        writer.catalog.put_embeddings(1, [(1, 0, 0)])
