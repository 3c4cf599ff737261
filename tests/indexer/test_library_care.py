"""Verifying, compacting, moving, forgetting and opening a library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import DarError, LibraryBusy, LibraryDamaged, LibraryNotFound
from indexer.indexing.writer import Batch, FileEntry, NewImage
from indexer.library import Library
from indexer.store.catalog_writer import ImageFields
from tests.indexer.colours import Workplace, counts, draw, unit, vector_of
from tests.indexer.filled import DIM, VISUAL_DIM, fill, names, use

# A server heeds the width it is asked to search with; the one in this process looks at everything.
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


def test_verify_names_what_is_damaged(library_in_files: Library) -> None:
    library = library_in_files
    fill(library, 20)
    assert library.verify(deep=True) == []
    vectors = library.path / "vectors-1-visual-0.f32"
    content = bytearray(vectors.read_bytes())
    content[3 * VISUAL_DIM * 4] ^= 1
    vectors.write_bytes(bytes(content))
    assert library.verify() == []
    assert library.verify(deep=True) == ["the vector of photo 4 is damaged"]
    next((library.path / "thumbs").rglob("*.jpg")).unlink()
    assert any("thumbnail" in problem for problem in library.verify(deep=True))
    vectors.unlink()
    assert "vectors-1-visual-0.f32 is missing" in library.verify()


def test_lost_vectors_are_an_error_until_the_next_run_encodes_them_again(place: Workplace) -> None:
    paths = place.draw(20)
    place.index()
    vectors = place.library_path / "vectors-1-joint-0.f32"
    os.truncate(vectors, 12 * 48 * 4 + 7)
    with place.open() as library, pytest.raises(LibraryDamaged) as raised:
        names(library, vector_of(paths[0]))
    assert "dar index" in raised.value.hint
    summary = place.index()
    assert counts(summary) == {"unchanged": 20}
    assert summary.encoded == 8
    with place.open() as library:
        assert library.verify(deep=True) == []
        assert {names(library, vector_of(path), k=1)[0] for path in paths} == set(range(20))


def test_compaction_keeps_what_has_a_file_and_old_readers_do_not_notice(library: Library) -> None:
    joint = fill(library, 60)
    reader = Library.open(library.path)
    assert names(reader, joint[50], k=1) == [50]
    gone = [b"/photos/%06d.jpg" % number for number in range(40)]
    with library.writer() as writer:
        use(writer)
        writer.commit(Batch(gone=gone))
        writer.finish(threads=1, compact_above=10)
        late = unit(np.random.default_rng(77).normal(size=DIM))
        entry = FileEntry(b"/photos/000900.jpg", 1, 1, b"z" * 16)
        image = NewImage(b"z" * 16, ImageFields(1, 1, 1, "PNG"), late, unit(np.ones(VISUAL_DIM)))
        writer.commit(Batch(images=[image], files=[entry]))
    assert library.encoder is not None and library.encoder.generation == 1
    assert {path.stem[-1] for path in library.path.glob("vectors-*")} <= {"1"}
    for one in (reader, library):
        assert names(one, joint[50], k=1) == [50]
        assert names(one, late, k=1) == [900]
        assert len(names(one, late, k=100)) == 21
    problems = library.verify(deep=True)
    assert problems == [f"the thumbnail of photo {61} is missing or damaged"]
    assert len(list((library.path / "thumbs").rglob("*.jpg"))) == 20
    reader.close()


def test_few_dead_rows_are_left_alone(library: Library) -> None:
    fill(library, 60)
    with library.writer() as writer:
        use(writer)
        writer.commit(Batch(gone=[b"/photos/000000.jpg"]))
        writer.finish(threads=1, compact_above=0)
    assert library.encoder is not None and library.encoder.generation == 0


def test_photos_and_library_move_together(place: Workplace, tmp_path: Path) -> None:
    paths = place.draw(4)
    place.index()
    target = tmp_path / "elsewhere" / "pictures"
    target.parent.mkdir()
    shutil.move(place.photos, target)
    shutil.move(place.library_path, tmp_path / "lib2")
    place.library_path = tmp_path / "lib2"
    with place.open() as library:
        assert not library.info().roots[0].present
        assert library.move_root(place.photos, target) == 1
        assert library.info().roots[0].present
        assert library.image_for(target / paths[0].name) is not None
    summary = place.index(target)
    assert counts(summary) == {"unchanged": 4}
    assert summary.encoded == 0


def test_moving_onto_another_root_or_from_nowhere_is_refused(place: Workplace, tmp_path: Path) -> None:
    place.draw(1)
    other = tmp_path / "other"
    draw(other / "x.png", 5)
    place.index(place.photos, other)
    with place.open() as library:
        with pytest.raises(DarError, match="overlaps"):
            library.move_root(place.photos, other)
        with pytest.raises(DarError, match="not a folder of this library"):
            library.move_root(tmp_path / "unknown", tmp_path)
        with pytest.raises(DarError, match="no folder"):
            library.move_root(place.photos, tmp_path / "nowhere")
        assert {root.path for root in library.info().roots} == {place.photos, other}


def test_forgetting_a_part_leaves_the_rest_and_the_files(place: Workplace) -> None:
    inner = place.draw(3, under="a")
    place.draw(2, start=10)
    place.index()
    with place.open() as library:
        assert library.forget(place.photos / "a") == 3
        assert library.info().photos == 2
        with pytest.raises(DarError, match="not in the library"):
            library.forget(place.photos.parent / "unknown")
    assert all(path.exists() for path in inner)


def test_no_library_is_an_error_with_exit_code_3(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFound) as raised:
        Library.open(tmp_path / "nowhere")
    assert raised.value.exit_code == 3


def test_a_folder_of_something_else_is_not_made_a_library(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DarError, match="not empty"):
        Library.create(tmp_path)
    with pytest.raises(DarError, match="is a file"):
        Library.create(tmp_path / "holiday.jpg")


def test_writing_is_refused_while_another_writes_but_searching_is_not(library: Library) -> None:
    joint = fill(library, 5)
    with library.writer() as writer:
        use(writer)
        with pytest.raises(LibraryBusy), library.writer():
            pass
        with Library.open(library.path) as reader:
            assert names(reader, joint[2], k=1) == [2]


def test_opening_and_searching_loads_no_model_library_and_no_graph(library_in_files: Library) -> None:
    library = library_in_files
    fill(library, 5)
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from indexer.library import Library; from indexer.search.ranking import Query, Term\n"
        f"Library.open(Path(sys.argv[1])).search(Query((Term(np.ones({DIM}, np.float32)),)))\n"
        "print([name for name in ('torch', 'onnxruntime', 'hnswlib', 'numkong', 'PIL') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(library.path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.strip() == "[]"
