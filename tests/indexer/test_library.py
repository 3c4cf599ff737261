"""Searching and filtering, through the library's own door."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.encoders import JOINT, VISUAL
from indexer.errors import DarError, EncoderMismatch
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.search.strength import Strength
from indexer.search.where import Where
from indexer.store.catalog_writer import ImageFields
from tests.indexer.colours import Workplace, draw, unit, vector_of
from tests.indexer.filled import DIM, VISUAL_DIM, fill, names

# A server heeds the width it is asked to search with; the one in this process looks at everything.
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


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
                red, *others = image.getpixel((0, 0))  # type: ignore[misc]
                image.putpixel((0, 0), (red ^ frame, *others))
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
