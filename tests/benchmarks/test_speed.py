"""The benchmarks of speed measure what they say: small runs of each, from made-up photos to figures with targets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.folding import DOCUMENTS, Shown, verdict
from benchmarks.made_photos import make_photos
from benchmarks.measure import run_once
from benchmarks.report import median_of, once, quantile_of, show
from benchmarks.search import NEVER, build, nearest
from benchmarks.vectors import World
from indexer.library import Library
from indexer.search.ranking import Query, Term


def test_made_up_embeddings_are_shaped_like_real_ones() -> None:
    world = World.make()
    photos = world.photos(4000)
    texts, images = (world.queries(kind, photos, 100) for kind in ("text", "image"))
    assert np.allclose(np.linalg.norm(photos, axis=1), 1, atol=1e-5)
    assert 0.4 < float((photos[:500] @ photos[500:1000].T).mean()) < 0.6
    assert 0.1 < float((texts @ photos.T).mean()) < 0.25
    # Texts lie off the cloud: none comes as near to a photo as a picture does.
    assert (texts @ photos.T).max() < (images @ photos.T).max(axis=1).min()


def test_the_exact_order_is_the_exact_order(tmp_path: Path) -> None:
    world = World.make()
    photos = world.photos(3000)
    queries = world.queries("text", photos, 5)
    rows = nearest(photos, queries)
    for query, found in zip(queries, rows, strict=True):
        assert set(found.tolist()) == set(np.argsort(-(photos @ query))[:10].tolist())


def test_a_library_is_made_that_finds_its_vectors(tmp_path: Path) -> None:
    world = World.make()
    figures = build(tmp_path / "made", world, 3000, graph=True)
    assert {"3,000: graph made", "3,000: sketch on disk"} <= {figure.name for figure in figures}
    vector = world.photos(3000)[77]
    for graph_threshold in (0, NEVER):
        with Library.open(tmp_path / "made", graph_threshold=graph_threshold) as library:
            assert library.search(Query((Term(vector),)), 1)[0].path.name == "00000077.jpg"


def test_made_photos_have_exif_and_are_all_different(tmp_path: Path) -> None:
    paths = make_photos(tmp_path / "photos", 6, (320, 240), processes=1)
    assert len({path.read_bytes() for path in paths}) == 6
    with Image.open(paths[0]) as image:
        assert image.size == (320, 240)
        assert image.getexif()[0x0112] == 6
        assert image.getexif().get_ifd(0x8769)[0x9003].startswith("2020:01:01")


def test_figures_know_their_targets_and_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = [
        once("a", 3, "s", at_most=2.0),
        median_of("b", [1, 9, 2], "s", at_most=2.0),
        quantile_of("c", list(range(101)), 0.99, "ms", at_least=99.5),
        once("d", 1, "MB"),
    ]
    assert [figure.met for figure in figures] == [False, True, False, None]
    show("Table", figures, tmp_path / "figures.json")
    assert "missed" in capsys.readouterr().out
    told = json.loads((tmp_path / "figures.json").read_text())
    assert [figure["value"] for figure in told["figures"]] == [3, 2, 99, 1]


def test_a_commands_memory_is_its_own_not_that_of_who_measures() -> None:
    ballast = np.ones(40_000_000)
    seconds, megabytes = run_once(["sleep", "0.1"])
    assert 0.1 <= seconds < 10
    assert megabytes < 50 < ballast.nbytes / 1e6


def test_a_command_that_fails_is_an_error_with_its_words() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        run_once(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_folding_is_judged_by_the_rule_of_searches() -> None:
    vector, other = np.eye(2, dtype=np.float32)
    one = Shown(vector, 0)
    assert verdict("visual", one, one) == (True, True, True)
    assert verdict("visual", one, Shown(vector, 0xFF)) == (True, False, True)
    assert verdict("visual", one, Shown(vector, -1)) == (True, False, False)
    assert verdict("visual", one, Shown(other, 0)) == (False, False, False)
    chance = np.random.default_rng(0)
    for draw in DOCUMENTS.values():
        first, second = (draw(np.random.default_rng(1), chance) for _ in range(2))
        assert first.size == second.size and first.tobytes() != second.tobytes()
