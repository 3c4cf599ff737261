"""Bits that flip on the disk: each is found, none gives a wrong photo, and repairing and indexing undo it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import DarError, LibraryDamaged, LibraryNotFound, LibraryTooNew
from indexer.indexing.plan import IndexOptions
from indexer.indexing.repair import repair
from indexer.indexing.run import index
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.store.backup import BACKUP_NAME
from indexer.store.catalog import CATALOG_NAME
from tests.indexer.colours import ColourEncoder, Workplace, counts, draw, vector_of

PHOTOS = 24
# Small, so that there are graphs to damage; the library is still searched exactly unless a test says otherwise.
GRAPH_THRESHOLD = 10
# Flipped bits are where chance puts them: as many as a quick test can try, the same in every run.
CATALOG_FLIPS, OTHER_FLIPS = 60, 12

Found = dict[str, float]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A library that is only ever copied."""
    place = Workplace(tmp_path_factory.mktemp("sound"))
    place.draw(PHOTOS)
    place.index(graph_threshold=GRAPH_THRESHOLD)
    return place


@pytest.fixture
def copy(sound: Workplace, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound.library_path, tmp_path / "copy"))


def search_all(folder: Path, place: Workplace, *, graphs: bool = False) -> list[Found]:
    """What queries like four of the photos find, path by path, with scores."""
    with Library.open(folder, graph_threshold=GRAPH_THRESHOLD if graphs else 10**9) as library:
        return [
            {str(hit.path): round(hit.score, 4) for hit in library.search(Query((Term(vector),)), 10, fold=False)}
            for vector in (vector_of(place.photos / f"{number:04d}.png") for number in range(4))
        ]


def told(folder: Path) -> list[object]:
    """Everything the catalog says but its own bookkeeping."""
    with closing(sqlite3.connect(folder / CATALOG_NAME)) as connection:
        tables = ("roots", "images", "files", "problems", "encoders", "embeddings", "meta", "captions")
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]


def reindex(folder: Path, place: Workplace) -> None:
    list(index(folder, [place.photos], ColourEncoder(), IndexOptions(workers=1, graph_threshold=GRAPH_THRESHOLD)))


def flip(path: Path, chance: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[chance.integers(len(content))] ^= 1 << int(chance.integers(8))
    path.write_bytes(content)


def verified(folder: Path) -> list[str]:
    try:
        with Library.open(folder, graph_threshold=GRAPH_THRESHOLD) as library:
            return library.verify(deep=True)
    except DarError as error:
        return [error.message]


def repair_fully(folder: Path, place: Workplace) -> None:
    repair(folder, graph_threshold=GRAPH_THRESHOLD)
    reindex(folder, place)
    assert verified(folder) == []


@pytest.mark.parametrize("seed", range(CATALOG_FLIPS))
def test_a_flipped_bit_in_the_catalog_is_found_or_changes_nothing(sound: Workplace, copy: Path, seed: int) -> None:
    expected = search_all(sound.library_path, sound)
    flip(copy / CATALOG_NAME, np.random.default_rng(seed))
    problems = verified(copy)
    if not problems:  # an unused byte
        assert told(copy) == told(sound.library_path)
        assert search_all(copy, sound) == expected
        return
    try:
        for before, after in zip(expected, search_all(copy, sound), strict=True):
            assert all(before.get(path, score) == score for path, score in after.items())
    except DarError as error:
        assert "dar" in error.hint
    repair_fully(copy, sound)
    assert search_all(copy, sound) == expected


def test_bytes_that_are_no_text_in_the_schema_are_damage(sound: Workplace, copy: Path) -> None:
    """SQLite quotes them in its message, which Python then cannot decode."""
    catalog, expected = copy / CATALOG_NAME, search_all(sound.library_path, sound)
    content = bytearray(catalog.read_bytes())
    place = content.index(b"files_by_image")  # where the schema names an index
    content[place : place + 14] = b"\x92\n\xda\x1b\x16\xdd" * 2 + b"\xff\xfe"
    catalog.write_bytes(content)
    assert verified(copy)
    with pytest.raises(LibraryDamaged):
        search_all(copy, sound)
    repair_fully(copy, sound)
    assert search_all(copy, sound) == expected
    (copy / BACKUP_NAME).write_bytes(content)
    assert BACKUP_NAME in verified(copy)[0]


def test_a_photo_whose_row_is_lost_is_damage_not_a_crash(sound: Workplace, copy: Path) -> None:
    expected = search_all(sound.library_path, sound)
    with closing(sqlite3.connect(copy / CATALOG_NAME)) as connection, connection:
        connection.execute("DELETE FROM images WHERE id % 5 = 1")
    assert verified(copy)
    with pytest.raises(LibraryDamaged, match="photos it no longer has"):
        search_all(copy, sound)
    repair_fully(copy, sound)
    assert search_all(copy, sound) == expected


@pytest.mark.parametrize("bit", range(32))
def test_a_flipped_bit_in_the_schemas_version_is_found(sound: Workplace, copy: Path, bit: int) -> None:
    content = bytearray((copy / CATALOG_NAME).read_bytes())
    content[60 + bit // 8] ^= 1 << bit % 8  # where SQLite's header has the user version
    (copy / CATALOG_NAME).write_bytes(content)
    assert verified(copy)
    repair_fully(copy, sound)
    assert search_all(copy, sound) == search_all(sound.library_path, sound)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(OTHER_FLIPS))
@pytest.mark.parametrize("pattern", ["vectors-*-joint-*", "vectors-*-visual-*"])
def test_a_flipped_bit_in_a_vector_is_found_and_encoded_again(
    sound: Workplace, copy: Path, pattern: str, seed: int
) -> None:
    expected = search_all(sound.library_path, sound)
    [vectors] = copy.glob(pattern)
    flip(vectors, np.random.default_rng(seed))
    [problem] = verified(copy)
    assert problem.startswith("the vector of photo")
    try:
        for before, after in zip(expected, search_all(copy, sound), strict=True):
            assert all(before.get(path, score) == score for path, score in after.items())
    except LibraryDamaged as error:
        assert "dar library repair" in error.hint
    repairs = repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert len(repairs.left) == 1 and "dar index" in repairs.left[0] and "1 photos" in repairs.left[0]
    assert sum(len(found) for found in search_all(copy, sound)) == 40  # without the one, with no wrong one
    encoder = ColourEncoder()
    list(index(copy, [sound.photos], encoder, IndexOptions(workers=1, graph_threshold=GRAPH_THRESHOLD)))
    assert encoder.encoded == 1
    assert verified(copy) == [] and search_all(copy, sound) == expected


@pytest.mark.filterwarnings("error")
def test_a_vector_that_became_enormous_is_refused_rather_than_found(sound: Workplace, copy: Path) -> None:
    [vectors] = copy.glob("vectors-*-joint-*")
    rows = np.fromfile(vectors, "<f4")
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    for values in ([np.nan], signalling, [np.inf], [1e30], [-1e30], [np.inf, -np.inf], [3e38, 3e38, -3e38]):
        damaged = rows.copy()
        damaged[5 * ColourEncoder.dim :][: len(values)] = values
        damaged.tofile(vectors)
        with pytest.raises(LibraryDamaged):
            search_all(copy, sound)


@pytest.mark.parametrize("seed", range(OTHER_FLIPS))
@pytest.mark.parametrize("suffix", [".hnsw", ".json", ".npy"])
def test_a_flipped_bit_in_a_graph_is_found_and_never_searched(
    sound: Workplace, copy: Path, suffix: str, seed: int
) -> None:
    expected = search_all(sound.library_path, sound, graphs=True)
    graph = sorted(copy.glob(f"graph-*{suffix}"))[seed % 2]
    flip(graph, np.random.default_rng(seed))
    [problem] = verified(copy)
    assert problem.startswith(graph.stem)
    assert search_all(copy, sound, graphs=True) == expected
    repairs = repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert any("made again" in line for line in repairs.done) and not repairs.left
    assert verified(copy) == [] and search_all(copy, sound, graphs=True) == expected


@pytest.mark.parametrize("seed", range(OTHER_FLIPS))
def test_a_flipped_bit_in_a_thumbnail_is_found_and_the_thumbnail_made_again(
    sound: Workplace, copy: Path, seed: int
) -> None:
    thumbnails = sorted((copy / "thumbs").rglob("*.jpg"))
    before = thumbnails[seed].read_bytes()
    flip(thumbnails[seed], np.random.default_rng(seed))
    [problem] = verified(copy)
    assert "thumbnail" in problem
    assert repair(copy, graph_threshold=GRAPH_THRESHOLD).left == []
    assert verified(copy) == [] and thumbnails[seed].read_bytes() == before


def test_a_thumbnail_of_a_photo_that_is_away_is_removed_and_named(place: Workplace) -> None:
    place.draw(3)
    place.index()
    [thumbnail, *_] = sorted((place.library_path / "thumbs").rglob("*.jpg"))
    thumbnail.write_bytes(b"")  # as a power cut leaves it
    place.photos.rename(place.photos.with_name("away"))
    repairs = repair(place.library_path)
    assert not thumbnail.exists() and "1 thumbnails wait" in repairs.left[0]
    place.photos.with_name("away").rename(place.photos)
    assert repair(place.library_path).done == ["1 thumbnails are made again"]
    assert verified(place.library_path) == []


@pytest.mark.parametrize("what", ["gone", "empty", "text", "half", "torn page"])
def test_a_lost_catalog_comes_back_from_its_copy(sound: Workplace, copy: Path, what: str) -> None:
    expected, catalog = search_all(sound.library_path, sound), copy / CATALOG_NAME
    content = catalog.read_bytes()
    if what == "gone":
        catalog.unlink()
    else:
        pages = bytes(4096).join((content[:4096], content[8192:]))
        catalog.write_bytes({"empty": b"", "text": b"hello" * 999, "half": content[:9000], "torn page": pages}[what])
    with pytest.raises(DarError) as raised:
        search_all(copy, sound)
    assert "dar library repair" in raised.value.hint
    if what != "torn page":  # a run that changes nothing need not meet it
        with pytest.raises(DarError):
            reindex(copy, sound)
    repairs = repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert "copy" in repairs.done[0] and "dar index" in repairs.left[0]
    assert search_all(copy, sound) == expected
    encoder = ColourEncoder()
    list(index(copy, [sound.photos], encoder, IndexOptions(workers=1)))
    assert encoder.encoded == 0 and verified(copy) == []


def test_a_lost_vector_file_is_made_again(sound: Workplace, copy: Path) -> None:
    expected = search_all(sound.library_path, sound)
    next(copy.glob("vectors-*-visual-*")).unlink()
    repairs = repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert f"{PHOTOS} vectors" in repairs.done[0] and "dar index" in repairs.left[0]
    reindex(copy, sound)
    assert verified(copy) == [] and search_all(copy, sound) == expected


def test_what_changed_since_the_copy_is_found_again_under_new_ids(place: Workplace) -> None:
    place.draw(10)
    place.index()
    older = (place.library_path / BACKUP_NAME).read_bytes()
    late = draw(place.photos / "late.png", 500)
    place.index()
    with place.open() as library:
        old_id = library.image_for(late)
    (place.library_path / BACKUP_NAME).write_bytes(older)
    (place.library_path / CATALOG_NAME).write_bytes(b"gone")
    repair(place.library_path)
    assert counts(place.index()) == {"added": 1, "unchanged": 10}
    with place.open() as library:
        assert library.image_for(late) not in (None, old_id)
        assert library.verify(deep=True) == []


@pytest.mark.parametrize("how", ["cut", "zeros", "text", "row"])
def test_a_damaged_copy_of_the_catalog_is_found_and_made_again(copy: Path, how: str) -> None:
    backup = copy / BACKUP_NAME
    content = backup.read_bytes()
    if how == "row":
        with closing(sqlite3.connect(backup)) as connection, connection:
            connection.execute("UPDATE images SET width = width + 1 WHERE id = 3")
    else:
        zeros = content[:8192] + bytes(4096) + content[12288:]
        backup.write_bytes({"cut": content[:9000], "zeros": zeros, "text": b"hello" * 999}[how])
    [problem] = verified(copy)
    assert BACKUP_NAME in problem and "dar library repair" in problem
    repairs = repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert repairs.done == [f"{BACKUP_NAME}, the copy of the catalog, is damaged, and is made again"]
    assert repairs.left == [] and verified(copy) == []


def test_a_damaged_catalog_is_never_copied_over_a_sound_one(place: Workplace) -> None:
    place.draw(10)
    place.index()
    before = (place.library_path / BACKUP_NAME).read_bytes()
    with closing(sqlite3.connect(place.library_path / CATALOG_NAME)) as connection, connection:
        connection.execute("UPDATE images SET width = width + 1 WHERE id = 3")  # behind dar's back: no seal
    draw(place.photos / "late.png", 500)
    with pytest.raises(LibraryDamaged, match="1 row of images"):
        place.index()
    assert (place.library_path / BACKUP_NAME).read_bytes() == before


def test_without_a_sound_copy_a_damaged_catalog_is_refused_with_what_to_do(sound: Workplace, copy: Path) -> None:
    (copy / CATALOG_NAME).write_bytes(b"nothing")
    (copy / BACKUP_NAME).write_bytes(b"nothing")
    with pytest.raises(LibraryDamaged, match="damaged too") as raised:
        repair(copy)
    assert "Delete the library folder" in raised.value.hint
    (copy / BACKUP_NAME).unlink()
    with pytest.raises(LibraryDamaged, match="no copy"):
        repair(copy)


def test_a_library_of_a_newer_dar_is_not_taken_for_damaged(sound: Workplace, copy: Path) -> None:
    for name in (CATALOG_NAME, BACKUP_NAME):
        with closing(sqlite3.connect(copy / name)) as connection:
            connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LibraryTooNew):
        repair(copy)


def test_repairing_a_sound_library_does_nothing_and_no_library_is_an_error(sound: Workplace, copy: Path) -> None:
    before = told(copy)
    repairs = repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert (repairs.done, repairs.left) == ([], []) and told(copy) == before
    with pytest.raises(LibraryNotFound):
        repair(copy / "nothing")


def test_what_killed_writers_left_behind_is_removed(sound: Workplace, copy: Path) -> None:
    leftovers = [copy / "catalog.sqlite3.tmp", next((copy / "thumbs").iterdir()) / "ab.jpg.1-2.tmp"]
    for path in leftovers:
        path.write_bytes(b"x")
    repair(copy, graph_threshold=GRAPH_THRESHOLD)
    assert not any(path.exists() for path in leftovers)
