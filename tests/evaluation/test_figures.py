"""From ranks to figures: metrics by hand, exact ranks, intervals, reports that come back as they were."""

from __future__ import annotations

import sys
from math import log
from pathlib import Path

import numpy as np
import pytest

from dar_tui.evaluation import report
from dar_tui.evaluation.metrics import paired_gain, places
from dar_tui.evaluation.report import MeasuredRun, Report, choose
from dar_tui.evaluation.table import chosen, draw, shown, sparkline
from indexer.errors import DarError, UsageError


def made(ranks: list[list[int]], name: str = "a", baseline: str = "", depth: int | None = None) -> MeasuredRun:
    return MeasuredRun(name, np.array(ranks), np.zeros((len(ranks), len(ranks[0])), np.int64), baseline, depth)


def test_what_has_hit_stays_hit_but_recall_forgets() -> None:
    found = made([[9, 12, 10], [30, 0, 50]]).metrics
    assert [each.mean for each in found.hits[10]] == [50, 100, 100]
    assert [each.mean for each in found.recall[10]] == [50, 50, 0]
    assert [each.mean for each in found.hits[1]] == [0, 50, 50]
    assert found.hits[10][0].error == pytest.approx(100 * 0.5)
    assert found.reciprocal[1].mean == pytest.approx((1 / 13 + 1) / 2)
    first = (log(10) + log(10)) / 2 * 2 / 2
    second = ((log(31) + 0) / 2 + 0) / 2
    assert found.bri is not None and found.bri.mean == pytest.approx((first + second) / 2)


def test_ranks_beyond_a_page_are_not_made_up() -> None:
    found = made([[3, 10], [10, 10]], depth=10).metrics
    assert found.bri is None
    assert [each.mean for each in found.reciprocal] == [pytest.approx(1 / 8), 0]


def test_hurt_and_helped_are_shares_of_queries_and_turns() -> None:
    both = Report("t", {}, ("x", "y"), (made([[5, 5], [5, 5]]), made([[5, 6], [4, 9]], "b", "a")))
    changed = both.effect(both.run("b"))
    assert changed is not None and (changed.hurt, changed.helped) == (50, 25)
    assert both.effect(both.run("a")) is None


def test_photos_with_one_vector_tie_wherever_they_stand() -> None:
    random = np.random.default_rng(0)
    photos = random.standard_normal((5000, 67)).astype(np.float32)
    photos[[3, 2047, 2048, 4999]] = photos[3]
    queries = random.standard_normal((40, 67)).astype(np.float32)
    found = places(photos, queries, np.full(40, 2048))
    assert found.ties.tolist() == [3] * 40
    exact = photos.astype(np.float64) @ queries.T.astype(np.float64)
    assert found.ranks.tolist() == (exact > exact[2048] + 1e-9).sum(axis=0).tolist()


def test_near_scores_are_ordered_as_exact_arithmetic_orders_them() -> None:
    """Float32 products of these cannot tell the photos apart."""
    photos = np.ones((300, 512), np.float32)
    photos[:, 0] += np.arange(300, dtype=np.float32)[::-1] * np.float32(2**-23) * 4
    queries = np.random.default_rng(1).random((5, 512)).astype(np.float32) + 1
    assert places(photos, queries, np.arange(5)).ranks.tolist() == [0, 1, 2, 3, 4]


def test_an_interval_is_paired_and_as_wide_as_it_should_be() -> None:
    random = np.random.default_rng(3)
    theirs = random.random(400) < 0.5
    # Some tasks are won and none lost, so the interval is that of a share.
    ours = theirs | (np.arange(400) % 10 == 0)
    share = float((ours & ~theirs).mean())
    gain = paired_gain(ours, theirs)
    error = 100 * (share * (1 - share) / 400) ** 0.5
    assert gain.mean == pytest.approx(100 * share)
    assert gain.low == pytest.approx(gain.mean - 1.96 * error, abs=0.4) and gain.is_sure
    assert gain.high == pytest.approx(gain.mean + 1.96 * error, abs=0.4)
    assert paired_gain(ours, ours).low == paired_gain(ours, ours).high == 0
    assert gain == paired_gain(ours, theirs)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    runs = (made([[1, 0], [30, 9]], "plain"), made([[0, 0], [40, 5]], "with pictures", "plain"))
    saved = Report("captions", {"seed": 3}, ("a.jpg", "b.jpg"), runs)
    report.save(saved, tmp_path)
    loaded = report.load(tmp_path)
    assert loaded.to_json() == saved.to_json() and loaded.targets == saved.targets
    table = (tmp_path / "table.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * 2 and table[0].startswith("run,turn,hits@1,hits@1_se")
    assert table[1].split(",")[:3] == ["plain", "0", "0.0"]
    (tmp_path / "other.json").write_text('{"version": 1}')
    with pytest.raises(UsageError, match="not a report"):
        report.load(tmp_path / "other.json")


def test_runs_over_other_queries_are_not_compared() -> None:
    with pytest.raises(UsageError, match="1 queries of 2 turns"):
        report.compare(made([[1, 2], [3, 4]]), made([[1, 2]], "b"))
    gains = report.compare(made([[0, 0], [0, 0]]), made([[0, 20], [20, 0]], "b"))
    assert gains["Recall@10"].mean == 50 and gains["Hits@10"].mean == 25 and gains["BRI"].mean < 0


def test_the_best_of_many_is_named_with_its_margins_and_what_half_would_have_chosen() -> None:
    text, good, lucky = [[12, 12]] * 40, [[0, 12]] * 40, [[0, 0]] * 15 + [[40, 40]] * 25
    runs = (made(text, "text-only"), made(good, "good", "text-only"), made(lucky, "lucky", "text-only"))
    choice = choose(Report("captions", {}, tuple(map(str, range(40))), runs))
    assert choice.winner == "good" and choice.merit == 100
    assert [margin.over for margin in choice.margins] == ["text-only", "lucky"]
    assert choice.margins[0].gains["Recall@10"].mean == 50
    first, second = choice.halves
    # What does best with the first half does worse than the text with the second.
    assert first.winner == "lucky" and first.margin is not None and first.margin.gains["Recall@10"].mean == 0
    assert second.winner == "good" and second.margin is not None and second.margin.gains["Recall@1"].mean == 50
    assert "Best of 3 runs: good" in "\n".join(chosen(choice))


def test_a_table_has_each_run_and_its_curve() -> None:
    runs = (made([[20, 20, 0], [20, 0, 0]], "x/text-only"), made([[0, 0, 0], [0, 0, 0]], "x/paper", "x/text-only"))
    lines = "\n".join(shown(Report("captions", {"seed": 1}, ("a", "b"), runs), 170))
    assert "▁▅█" in lines and "███" in lines and "text-only" in lines and "paper" in lines
    assert sparkline([0, 50, 100], 0, 100) == "▁▅█"


def test_a_figure_is_a_png_and_an_svg_and_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `eval` is not installed")
    known = Report("chatir", {}, ("a", "b"), (made([[3, 0], [30, 9]]), made([[0, 0], [30, 5]], "b", "a")))
    png, svg = draw(known, tmp_path / "figure")
    assert png.read_bytes().startswith(b"\x89PNG") and "Hits@10" not in svg.name
    before = svg.read_bytes()
    draw(known, tmp_path / "figure")
    assert svg.read_bytes() == before and b"<svg" in before


def test_a_figure_without_matplotlib_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DarError, match="matplotlib") as refused:
        draw(Report("chatir", {}, ("a",), (made([[0, 0]]),)), tmp_path / "figure")
    assert "pip install matplotlib" in refused.value.hint
