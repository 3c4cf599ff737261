"""`dar eval`: from files to figures, interrupted and resumed, and one run against another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dar_tui.evaluation.pictures import files_in
from tests.evaluation.conftest import Bench, Evaluate, Models
from tests.session.world import painted


def chatir(bench: Bench, *more: object) -> tuple[object, ...]:
    files = ("--dialogs", bench.dialogs, "--corpus", bench.corpus, "--images", bench.images)
    return ("chatir", *files, *more)


def captions(bench: Bench, *more: object) -> tuple[object, ...]:
    return ("captions", "--images", bench.images, "--captions", bench.captions, *more)


@pytest.mark.slow
def test_chatir_measures_baselines_and_their_dar_versions_in_one_run(
    bench: Bench, evaluate: Evaluate, tmp_path: Path
) -> None:
    options = ("--encoder", "first", "--encoder", "second", "--query", "joined", "--query", "rewrite")
    more = ("--rewrites", bench.rewrites, "--imagine", "--fusion", "released", "--out", tmp_path / "out", "--json")
    done = evaluate(*chatir(bench, *options, *more))
    assert done.code == 0, done.err
    names = [run["name"] for run in done.json["runs"]]
    assert names == [
        f"{encoder}/{query}/{fusion}"
        for encoder in ("first", "second")
        for query in ("joined", "rewrite")
        for fusion in ("text-only", "released")
    ]
    by_name = {run["name"]: run for run in done.json["runs"]}
    rewritten = by_name["first/rewrite/text-only"]
    assert len(rewritten["ranks"]) == 20 and {len(row) for row in rewritten["ranks"]} == {11}
    # D0 names one colour, the rewrites both.
    assert rewritten["recall"]["10"][0]["mean"] <= rewritten["recall"]["10"][1]["mean"] == 100
    assert by_name["first/rewrite/released"]["effect"] is not None
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == done.json


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(
    bench: Bench, evaluate: Evaluate, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = captions(bench, "--imagine", "-K", "2", "--seed", "4", "--json")
    whole = evaluate(*command, "--out", tmp_path / "whole")
    pictures = len(models.drawn)
    assert whole.code == 0 and pictures == 30 * 3 * 2

    monkeypatch.setenv("DAR_CACHE", str(tmp_path / "fresh"))
    models.drawn.clear()
    models.dies_after = 133
    assert evaluate(*command, "--out", tmp_path / "cut").code == 130
    models.dies_after = None
    resumed = evaluate(*command, "--out", tmp_path / "cut")
    assert resumed.code == 0 and len(models.drawn) == pictures
    without_seconds = [
        [{key: value for key, value in run.items() if key != "seconds_per_turn"} for run in done.json["runs"]]
        for done in (whole, resumed)
    ]
    assert without_seconds[0] == without_seconds[1]


def test_a_journal_truncated_by_a_crash_is_resumed(bench: Bench, evaluate: Evaluate, tmp_path: Path) -> None:
    command = captions(bench, "--json", "--out", tmp_path / "out")
    whole = evaluate(*command)
    (journal,) = (tmp_path / "out").glob("journal-*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:9]) + lines[9][:20])
    resumed = evaluate(*command)
    assert resumed.code == 0 and resumed.json["runs"][0]["ranks"] == whole.json["runs"][0]["ranks"]
    assert evaluate(*command, "--seed", "8").code == 2
    refused = evaluate(*command, "--seed", "8")
    assert "another seed" in refused.err and "--out" in refused.err


def test_pictures_given_in_a_folder_count_as_those_drawn_do(bench: Bench, evaluate: Evaluate, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    for number, entry in enumerate(json.loads(bench.dialogs.read_text())):
        left, right = entry["img"].removesuffix(".jpg").split("-")
        for turn in range(11):
            if turn % 2:
                painted(left, right).save(folder / f"{number}_{turn}.jpg")
            else:
                for k in range(2):
                    painted(left, right).save(folder / f"{number}_{turn}_{k}.png")
    assert len(files_in(folder)[0, 0]) == 2 and len(files_in(folder)[0, 1]) == 1
    command = chatir(bench, "--generated", folder, "--fusion", "z-score", "--fusion", "rrf", "--weight", "3", "--json")
    done = evaluate(*command)
    assert done.code == 0, done.err
    runs = {run["name"]: run for run in done.json["runs"]}
    assert set(runs) == {f"bundled/joined/{way}" for way in ("text-only", "z-score", "z-score@3", "rrf", "rrf@3")}
    # These show the very photo.
    assert runs["bundled/joined/z-score@3"]["recall"]["1"][0]["mean"] == 100
    assert runs["bundled/joined/text-only"]["recall"]["1"][0]["mean"] < 100

    (folder / "7_4_0.png").unlink()
    (folder / "7_4_1.png").unlink()
    refused = evaluate(*command)
    assert refused.code == 1 and "entry 7: turn 4 has no picture" in refused.err


@pytest.mark.slow
def test_a_table_and_a_figure_are_shown_and_kept(bench: Bench, evaluate: Evaluate, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `eval` is not installed")
    done = evaluate(*captions(bench, "--imagine", "--figure", "--out", tmp_path / "out"))
    assert done.code == 0, done.err
    assert "Hits@10" in done.text and "orthogonal" in done.text and "Ties" in done.text
    kept = {"report.json", "table.csv", "figure.png", "figure.svg"}
    assert kept <= {path.name for path in (tmp_path / "out").iterdir()}


def test_two_runs_are_compared_query_by_query(bench: Bench, evaluate: Evaluate, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert evaluate(*captions(bench, "--query", "joined", "--query", "statements", "--out", out)).code == 0
    named = [f"{out}#bundled/{way}/text-only" for way in ("statements", "joined")]
    same = evaluate("compare", named[0], named[0], "--json").json["gains"]
    assert {gain["mean"] for gain in same.values()} == {0.0}
    assert "Recall@10" in evaluate("compare", *named).text
    # The encoder may be left out where there is one.
    short = evaluate("compare", f"{out}#statements/text-only", f"{out}#joined/text-only", "--json")
    assert short.json == evaluate("compare", *named, "--json").json
    chosen = evaluate("best", out, "--json").json
    assert chosen["winner"] in {name.partition("#")[2] for name in named} and chosen["runs"] == 2
    assert "Best of 2 runs" in evaluate("best", out).text
    unnamed = evaluate("compare", out, out)
    assert unnamed.code == 2 and "bundled/joined/text-only" in unnamed.err
    other = tmp_path / "other"
    assert evaluate(*captions(bench, "--photos", "20", "--out", other)).code == 0
    refused = evaluate("compare", other, named[0])
    assert refused.code == 2 and "different photos" in refused.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--query", "rhyme"), "no query strategy"),
        (("--imagine", "--fusion", "magic"), "no fusion strategy"),
        (("--fusion", "paper"), "Without pictures"),
        (("--imagine", "--generated", "."), "exclude one another"),
        (("--photos", "40"), "30 photos with captions"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    bench: Bench, evaluate: Evaluate, options: tuple[str, ...], reason: str
) -> None:
    refused = evaluate(*captions(bench, *options))
    assert refused.code == 2 and reason in refused.err and refused.text == ""
