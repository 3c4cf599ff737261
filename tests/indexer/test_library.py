"""Searching, filtering, verifying, moving and forgetting, through the library's own door."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.encoders import JOINT, VISUAL
from indexer.errors import DarError, EncoderMismatch, LibraryBusy, LibraryDamaged, LibraryNotFound
from indexer.indexing.batch import Batch, FileEntry, NewImage
from indexer.indexing.writer import LibraryWriter
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.search.strength import Strength
from indexer.search.where import Where
from indexer.store.catalog_writer import ImageFields
from indexer.store.thumbnails import write_thumbnail
from tests.indexer.colours import Workplace, counts, draw, unit, vector_of

# A server heeds the width it is asked to search with; the one in this process looks at everything.
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")
DIM, VISUAL_DIM = 16, 8


def fill(
    library: Library, count: int, *, start: int = 0, folder: bytes = b"/photos", fields: list[ImageFields] | None = None
) -> np.ndarray:
    """Commits `count` made-up images straight through the writer; returns their joint vectors."""
    numbers = np.random.default_rng(start)
    joint, visual = unit(numbers.normal(size=(count, DIM))), unit(numbers.normal(size=(count, VISUAL_DIM)))
    batch = Batch()
    for place in range(count):
        content_hash = (start + place).to_bytes(16, "big")
        made = fields[place] if fields else ImageFields(10, 4, 3, "JPEG")
        batch.images.append(NewImage(content_hash, made, joint[place], visual[place]))
        batch.files.append(FileEntry(b"%s/%06d.jpg" % (folder, start + place), 10, 1, content_hash))
        write_thumbnail(library.path, content_hash, b"\xff\xd8\xff\xd9")
    with library.writer() as writer:
        use(writer)
        writer.claim([folder])
        writer.commit(batch)
    return joint


def use(writer: LibraryWriter) -> None:
    writer.use_encoder("made-up", "made-up-1", DIM, VISUAL_DIM)


@pytest.fixture
def library(tmp_path: Path, vectors: str) -> Library:
    return Library.create(tmp_path / "library", graph_threshold=500, vectors=vectors)


@pytest.fixture
def library_in_files(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "library", graph_threshold=500)


def names(library: Library, vector: np.ndarray, where: Where | None = None, k: int = 10) -> list[int]:
    return [int(hit.path.stem) for hit in library.search(Query((Term(vector),)), k, where, fold=False)]


# Searching


def test_search_is_the_exact_order_of_cosines(library: Library) -> None:
    joint = fill(library, 300)
    query = unit(np.random.default_rng(9).normal(size=DIM))
    hits = library.search(Query((Term(query * 3),)), k=20, fold=False)
    expected = np.argsort(-(joint @ query))[:20]
    assert [int(hit.path.stem) for hit in hits] == expected.tolist()
    assert [hit.score for hit in hits] == pytest.approx((joint @ query)[expected].tolist(), abs=1e-5)
    assert [hit.rank for hit in hits] == list(range(1, 21))


def test_a_sample_is_of_live_photos_each_once_and_the_same_for_the_same_seed(library: Library) -> None:
    assert library.sample(5) == []
    fill(library, 200, folder=b"/gone")
    fill(library, 300, start=200)
    library.forget(Path("/gone"))
    live = {hit.image_id for hit in library.search(Query((Term(np.ones(DIM, np.float32)),)), 500, fold=False)}
    picked = library.sample(50, seed=1)
    assert len(live) == 300 and len(set(picked)) == 50 and set(picked) <= live
    assert picked == library.sample(50, seed=1) != library.sample(50, seed=2)
    # Not the oldest, nor the newest: from all of them alike.
    assert abs(np.mean(library.sample(150)) - np.mean(list(live))) < 25
    assert sorted(library.sample(1000)) == sorted(live) and library.sample(0) == library.sample(-1) == []


def test_an_empty_library_finds_nothing(library: Library) -> None:
    query = Query((Term(np.ones(DIM, np.float32)),))
    assert library.search(query) == []
    assert library.encoder is None
    fill(library, 3)
    assert len(library.search(query)) == 3
    library.forget(Path("/photos"))
    assert library.search(query) == []


def test_a_commit_is_seen_by_a_library_opened_before_it(library: Library) -> None:
    fill(library, 5)
    reader = Library.open(library.path)
    assert len(names(reader, np.ones(DIM, np.float32))) == 5
    fill(library, 2, start=100)
    assert len(names(reader, np.ones(DIM, np.float32))) == 7
    reader.close()


def test_a_query_of_another_size_names_the_encoder(library: Library) -> None:
    fill(library, 3)
    with pytest.raises(EncoderMismatch, match="made-up-1"):
        library.search(Query((Term(np.ones(DIM + 1, np.float32)),)))
    with pytest.raises(EncoderMismatch, match="no other space"):
        library.search(Query((Term(np.ones(DIM, np.float32), "other"),)))


def test_two_spaces_are_added_by_z(library: Library) -> None:
    joint = fill(library, 200)
    visual = library.vectors(list(range(1, 201)), VISUAL)
    text, picture = unit(np.ones(DIM)), unit(np.arange(VISUAL_DIM) + 0.5)
    hits = library.search(Query((Term(text), Term(picture, VISUAL, 0.3)), "z"), k=5, fold=False)
    scores = [
        (cosines - cosines.mean()) / cosines.std() * weight
        for cosines, weight in ((joint @ text, 1.0), (visual @ picture, 0.3))
    ]
    assert [int(hit.path.stem) for hit in hits] == np.argsort(-sum(scores))[:5].tolist()
    assert hits[0].score == pytest.approx(float(sum(scores).max()), abs=1e-4)


@pytest.mark.parametrize("combine", ["cosine", "z", "rrf"])
def test_pushing_away_lowers_what_is_like_it(library: Library, combine: str) -> None:
    joint = fill(library, 100)
    plain = names(library, joint[3])
    assert plain[0] == 3
    pushed = library.search(Query((Term(joint[5]), Term(joint[3], JOINT, -0.9)), combine), k=100, fold=False)
    order = [int(hit.path.stem) for hit in pushed]
    assert order.index(3) > order.index(5)
    assert all(np.isfinite(hit.score) for hit in pushed)


def test_near_duplicates_fold_and_leave_a_full_page(place: Workplace) -> None:
    for burst in range(6):
        for frame in range(5):
            path = place.photos / f"{burst}-{frame}.png"
            draw(path, burst)
            with Image.open(path) as image:
                image.putpixel((0, 0), (frame * 50, 0, 0))
                image.save(path)
    place.index()
    with place.open() as library:
        query = Query((Term(vector_of(place.photos / "2-0.png")),))
        folded, flat = library.search(query, k=4), library.search(query, k=4, fold=False)
    assert [hit.path.stem[0] for hit in flat] == ["2"] * 4
    assert len({hit.path.stem[0] for hit in folded}) == 4
    assert folded[0].path.stem[0] == "2"
    assert len(folded[0].similar) == 4
    assert all(hit.rank == 1 and hit.score <= folded[0].score for hit in folded[0].similar)


def test_a_true_match_is_strong_and_noise_is_not(place: Workplace) -> None:
    place.draw(120)
    place.index()
    with place.open() as library:
        match = library.search(Query((Term(vector_of(place.photos / "0007.png")),)))[0]
        noise = [
            library.search(Query((Term(place.encoder.encode_texts([f"noise {number}"])[0]),)))[0].strength
            for number in range(40)
        ]
        alone = library.search(Query((Term(library.vectors([8], VISUAL)[0], VISUAL),)))
    assert match.strength is Strength.STRONG
    assert noise.count(Strength.STRONG) <= 8
    assert Strength.NONE in noise
    assert alone[0].strength is Strength.STRONG
    assert alone[-1].strength is not Strength.STRONG


def test_vectors_and_photos_by_id(library: Library) -> None:
    joint = fill(library, 10)
    ids = [4, 2, 9]
    assert library.vectors(ids) == pytest.approx(joint[[3, 1, 8]])
    assert [int(hit.path.stem) for hit in library.photos([4, 999, 2])] == [3, 1]
    with pytest.raises(DarError, match="not in the library"):
        library.vectors([4, 999])


def test_many_threads_may_search_one_library_while_another_commits(library: Library) -> None:
    joint = fill(library, 100)
    wrong: list[object] = []

    def ask(seed: int) -> None:
        asked = np.random.default_rng(seed).integers(0, 100, 30)
        wrong.extend(number for number in asked if names(library, joint[number], k=1) != [number])

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for start in range(200, 260, 10):
        fill(Library.open(library.path), 10, start=start)
    for thread in threads:
        thread.join()
    assert wrong == []


# Filtering


@pytest.fixture
def travelled(library: Library) -> Library:
    """0: Berlin 2019, 1: Potsdam 2020, 2: Sydney 2020, 3: nothing known; 100 and 101 in another folder."""
    known = [
        ImageFields(1, 4, 3, "JPEG", datetime(2019, 5, 1, 12), "exif", 52.52, 13.40, "Canon EOS 5D"),
        ImageFields(1, 4, 3, "JPEG", datetime(2020, 1, 1), "exif", 52.39, 13.06, "Apple iPhone 8"),
        ImageFields(1, 4, 3, "JPEG", datetime(2020, 6, 1, 8), "exif", -33.87, 151.21, "apple iphone XR"),
        ImageFields(1, 4, 3, "JPEG"),
    ]
    fill(library, 4, fields=known)
    fill(library, 2, start=100, folder=b"/other")
    return library


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Where(), {0, 1, 2, 3, 100, 101}),
        (Where(after=datetime(2020, 1, 1)), {1, 2}),
        (Where(before=datetime(2020, 1, 1)), {0}),
        (Where(after=datetime(2020, 1, 1), before=datetime(2020, 6, 1, 8)), {1}),
        (Where(camera="IPHONE"), {1, 2}),
        (Where(near=(52.5, 13.4, 10.0)), {0}),
        (Where(near=(52.5, 13.4, 40.0)), {0, 1}),
        (Where(near=(-33.9, -208.8, 50.0)), {2}),
        (Where(under=(Path("/other"),)), {100, 101}),
        (Where(under=(Path("/other"), Path("/photos/000003.jpg"))), {3, 100, 101}),
        (Where(under=(Path("/oth"),)), set()),
        (Where(only=frozenset({1, 2})), {0, 1}),
        (Where(only=frozenset()), set()),
        (Where(without=frozenset({1, 2})), {2, 3, 100, 101}),
        (Where(camera="iphone", near=(52.5, 13.4, 40.0)), {1}),
    ],
)
def test_only_what_passes_is_found(travelled: Library, where: Where, expected: set[int]) -> None:
    assert set(names(travelled, np.ones(DIM, np.float32), where)) == expected


# Large libraries


@pytest.fixture
def large(library: Library) -> tuple[Library, np.ndarray]:
    return library, fill_large(library)


def fill_large(library: Library) -> np.ndarray:
    joint = fill(library, 1500)
    with library.writer() as writer:
        writer.finish(threads=1, graph_threshold=500)
    return joint


def test_above_the_threshold_the_graph_gives_the_exact_scores(large: tuple[Library, np.ndarray]) -> None:
    library, joint = large
    agree = 0
    with Library.open(library.path, graph_threshold=10**9) as exact:
        for query in unit(np.random.default_rng(1).normal(size=(30, DIM))):
            slow = exact.search(Query((Term(query),)), fold=False)
            fast = library.search(Query((Term(query),)), fold=False)
            agree += len({hit.image_id for hit in slow} & {hit.image_id for hit in fast})
            assert all(hit.score == pytest.approx(float(joint[hit.image_id - 1] @ query), abs=1e-5) for hit in fast)
            assert fast[0].strength == slow[0].strength
    assert agree >= 0.99 * 300


def test_photos_younger_than_the_graph_are_found(large: tuple[Library, np.ndarray]) -> None:
    library, _ = large
    young = fill(library, 20, start=5000)
    assert names(library, young[7], k=1) == [5007]


def test_photos_gone_since_the_graph_and_younger_ones_are_told_apart(large: tuple[Library, np.ndarray]) -> None:
    library, old = large
    joint = np.concatenate([old, fill(library, 200, start=1500)])
    gone = set(range(0, 1500, 3))
    with library.writer() as writer:
        writer.commit(Batch(gone=[b"/photos/%06d.jpg" % number for number in gone]))
    agree = 0
    with Library.open(library.path, graph_threshold=10**9) as exact:
        for query in unit(np.random.default_rng(3).normal(size=(20, DIM))):
            hits = library.search(Query((Term(query),)), fold=False)
            found = [int(hit.path.stem) for hit in hits]
            assert gone.isdisjoint(found)
            assert [hit.score for hit in hits] == pytest.approx((joint[found] @ query).tolist(), abs=1e-5)
            agree += len(set(found) & set(names(exact, query)))
    assert agree >= 0.99 * 200


def test_filters_work_above_the_threshold(large: tuple[Library, np.ndarray]) -> None:
    library, joint = large
    query = joint[3]
    for allowed in (frozenset(range(1, 51)), frozenset(range(1, 1200))):
        expected = [image for image in np.argsort(-(joint @ query)) + 1 if image in allowed][:10]
        assert [number + 1 for number in names(library, query, Where(only=allowed))] == expected


def test_fused_queries_agree_with_the_exact_ones_above_the_threshold(large: tuple[Library, np.ndarray]) -> None:
    library, joint = large
    query = Query((Term(joint[3]), Term(library.vectors([9], VISUAL)[0], VISUAL, 0.3)), "z")
    with Library.open(library.path, graph_threshold=10**9) as exact:
        slow, fast = exact.search(query, 5, fold=False), library.search(query, 5, fold=False)
    assert [hit.image_id for hit in fast] == [hit.image_id for hit in slow]
    assert [hit.score for hit in fast] == pytest.approx([hit.score for hit in slow], abs=0.02)


@pytest.mark.parametrize("suffix", [".hnsw", ".json", ".npy"])
def test_without_its_graph_a_large_library_is_searched_exactly(library_in_files: Library, suffix: str) -> None:
    library = library_in_files
    joint = fill_large(library)
    assert len(list(library.path.glob(f"graph-*{suffix}"))) == 2
    for path in library.path.glob(f"graph-*{suffix}"):
        path.write_bytes(path.read_bytes()[:-20])
    assert names(library, joint[11], k=1) == [11]
    with library.writer() as writer:
        writer.finish(threads=1, graph_threshold=500)
    assert library.verify() == []


# Verifying, repairing, compacting


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


# Moving, forgetting, opening


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
