"""The results of a benchmark: the journal of a run, reports as JSON, comparisons, and the choice between runs.

The journal has one line for each dialogue measured, so that an interrupted run resumes; a line counts once it ends, and
one truncated by a crash is dropped. Reports keep ranks, and figures are made from them each time, so that runs can be
compared later, query by query. The best of many runs is partly luck, so each half of the queries chooses too, and its
choice is measured on the other half. Knows no models.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dar_tui.evaluation.metrics import (
    CUTOFFS,
    Effect,
    Gain,
    Metrics,
    Ranks,
    Values,
    bri,
    effect,
    hits,
    measure,
    paired_gain,
    recall,
    reciprocal,
)
from indexer.errors import UsageError
from indexer.files import make_private_folder, write_atomically
from indexer.printable import visible
from indexer.store.disk import disk_errors_named

Settings = Mapping[str, str | int | float | None]

FILE = "report.json"
VERSION = 1

# Shown; the others lie further behind.
_RUNNERS_UP = 5
_SUMMARISED = ("Hits@10, last turn", "Recall@10", "Recall@1", "MRR")


@dataclass(frozen=True)
class Entry:
    """One dialogue: by arm its (ranks, ties) turn by turn, and the seconds its parts took.

    `sure`: by arm, for each page shown how likely the photo was said to be on it, and whether it was.
    """

    number: int
    places: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    seconds: Mapping[str, float]
    sure: Mapping[str, tuple[tuple[float, bool], ...]] = field(default_factory=dict)


class Journal:
    """A file of entries, headed by the settings that decide them."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Opens or begins the file. Raises UsageError where it was begun with other settings."""
        self._path = path
        self._settings = dict(settings)
        with disk_errors_named(path, "file"):
            make_private_folder(path.parent)
            whole = _whole_lines(path)
            if whole:
                self._check(json.loads(whole[0]))
            self.entries = {entry.number: entry for entry in map(_entry, whole[1:])}
            with path.open("wb") if not whole else path.open("r+b") as file:
                if whole:
                    file.truncate(sum(len(line) + 1 for line in whole))
                else:
                    file.write(_line({"settings": self._settings}))

    def add(self, entries: Sequence[Entry]) -> None:
        """Appends entries; they are on disk when this returns."""
        with disk_errors_named(self._path, "file"), self._path.open("ab") as file:
            for entry in entries:
                file.write(_line(asdict(entry)))
            file.flush()
            os.fsync(file.fileno())
        self.entries |= {entry.number: entry for entry in entries}

    def _check(self, head: object) -> None:
        before = head.get("settings") if isinstance(head, dict) else None
        if before == json.loads(json.dumps(self._settings)):
            return
        changed = sorted(
            key
            for key in {*(before or {}), *self._settings}
            if not isinstance(before, dict) or before.get(key) != self._settings.get(key)
        )
        raise UsageError(
            f"{visible(self._path)} holds a run with another {', '.join(changed)}.",
            "Choose another folder with --out, or delete this one.",
        )


def _line(value: object) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that end and are JSON, up to the first that is not."""
    try:
        *ended, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    whole = []
    for line in ended:
        try:
            json.loads(line)
        except ValueError:
            break
        whole.append(line)
    return whole


def _entry(line: bytes) -> Entry:
    value = json.loads(line)
    places = {name: (tuple(ranks), tuple(ties)) for name, (ranks, ties) in value["places"].items()}
    sure = {name: tuple((float(said), bool(true)) for said, true in pages) for name, pages in value["sure"].items()}
    return Entry(int(value["number"]), places, dict(value["seconds"]), sure)


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """One way of searching. `ranks` and `ties` (queries, turns), ranks 0-based.

    `baseline`: the run it is to be compared with, "" for none. `depth`: ranks from there on are not known, since the
    user sees pages of so many photos. `seconds`: a turn's, by part. `sure`: for each page how likely the photo was said
    to be on it, and whether it was.
    """

    name: str
    ranks: Ranks
    ties: Ranks
    baseline: str = ""
    depth: int | None = None
    seconds: Mapping[str, float] | None = None
    sure: tuple[tuple[float, bool], ...] = ()

    @cached_property
    def metrics(self) -> Metrics:
        """Its figures."""
        return measure(self.ranks, self.ties, self.depth)


@dataclass(frozen=True, eq=False)
class Report:
    """All runs over the same queries. `settings` say how to repeat it, `targets` name each query's photo."""

    kind: str
    settings: Settings
    targets: tuple[str, ...]
    runs: tuple[MeasuredRun, ...]

    def label(self, run: MeasuredRun) -> str:
        """The run's name without the encoder, where all have the same one."""
        encoders = {each.name.rpartition("/")[0].rpartition("/")[0] for each in self.runs}
        return run.name.removeprefix(f"{min(encoders)}/") if len(encoders) == 1 else run.name

    def run(self, name: str) -> MeasuredRun:
        """By name or label. Raises UsageError, with the names there are, for a run that is not there."""
        for run in self.runs:
            if name in (run.name, self.label(run)):
                return run
        raise UsageError(f"There is no run {name!r}.", f"Runs: {', '.join(run.name for run in self.runs)}.")

    def effect(self, run: MeasuredRun) -> Effect | None:
        """How often it ranks worse and better than its baseline; None where it has none."""
        return effect(run.ranks, self.run(run.baseline).ranks) if run.baseline else None

    def to_json(self) -> dict[str, Any]:
        """JSON values; `from_json` reads the ranks and makes the figures anew."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "settings": dict(self.settings),
            "targets": list(self.targets),
            "runs": [self._run_json(run) for run in self.runs],
        }

    def _run_json(self, run: MeasuredRun) -> dict[str, Any]:
        metrics, changed = run.metrics, self.effect(run)
        gains = compare(run, self.run(run.baseline)) if run.baseline else {}
        return {
            "name": run.name,
            "baseline": run.baseline,
            "depth": run.depth,
            "seconds_per_turn": dict(run.seconds or {}),
            "hits": {str(k): _curve_json(curve) for k, curve in metrics.hits.items()},
            "recall": {str(k): _curve_json(curve) for k, curve in metrics.recall.items()},
            "mrr": _curve_json(metrics.reciprocal),
            "bri": asdict(metrics.bri) if metrics.bri else None,
            "ties": list(metrics.ties),
            "effect": asdict(changed) if changed else None,
            "gains": {measure: asdict(gain) for measure, gain in gains.items()},
            **(self._live_json(run) if run.depth else {}),
            "ranks": run.ranks.tolist(),
            "tied": run.ties.tolist(),
        }

    def _live_json(self, run: MeasuredRun) -> dict[str, Any]:
        return {
            "effort": asdict(effort_of(run)),
            "hits_gain": [asdict(gain) for gain in hits_gains(run, self.run(run.baseline))] if run.baseline else [],
            "calibration": [asdict(each) for each in calibration(run.sure)],
            "sure": [list(each) for each in run.sure],
        }


@dataclass(frozen=True)
class Effort:
    """Photos looked at until the right one was found: the median and the 90th percentile, None where fewer find it.

    `found`: the share, in percent, that found it within `photos`, all that a session shows.
    """

    median: float | None
    most: float | None
    photos: int
    found: float


def effort_of(run: MeasuredRun) -> Effort:
    """Of a run whose ranks are places on pages of `depth` photos, each page new to the user."""
    page = run.depth or 0
    there = run.ranks < page
    first = np.argmax(there, axis=1)
    looked = first * page + np.take_along_axis(run.ranks, first[:, None], axis=1)[:, 0] + 1
    looked_at = np.sort(np.where(there.any(axis=1), looked.astype(np.float64), np.inf))
    median, most = (float(looked_at[math.ceil(share * len(looked_at)) - 1]) for share in (0.5, 0.9))
    return Effort(
        median if math.isfinite(median) else None,
        most if math.isfinite(most) else None,
        page * run.ranks.shape[1],
        100 * float(there.any(axis=1).mean()),
    )


def hits_gains(ours: MeasuredRun, theirs: MeasuredRun) -> list[Gain]:
    """What `ours` has found more often than `theirs` by each turn, in points, by a paired bootstrap over queries."""
    mine, others = (np.asarray(hits(run.ranks, run.depth or 10), np.float64) for run in (ours, theirs))
    return [paired_gain(mine[:, turn], others[:, turn]) for turn in range(mine.shape[1])]


@dataclass(frozen=True)
class Bin:
    """Of the pages said to hold the photo with a chance from `low` to below `high`: the mean of what was `said`, the
    share that had it, both in percent, and how many `pages` there were."""

    low: float
    high: float
    said: float
    observed: float
    pages: int


def calibration(sure: Sequence[tuple[float, bool]]) -> list[Bin]:
    """Ten bins, those without a page left out."""
    found = []
    for tenth in range(10):
        pages = [(said, true) for said, true in sure if min(int(said * 10), 9) == tenth]
        if pages:
            said, true = np.mean(np.array(pages, np.float64), axis=0)
            found.append(Bin(tenth / 10, (tenth + 1) / 10, 100 * float(said), 100 * float(true), len(pages)))
    return found


def report_of(
    kind: str,
    settings: Settings,
    targets: Sequence[str],
    entries: Sequence[Entry],
    baselines: Mapping[str, str],
    depth: int | None = None,
) -> Report:
    """From the journal's entries, in the order of the targets. `baselines`: of each run's name, "" for none.

    Seconds of a part "RUN: PART" are that run's alone, others are shared by all.
    """
    turns = len(next(iter(entries[0].places.values()))[0])
    parts = sorted({part for entry in entries for part in entry.seconds})
    seconds = {part: float(np.mean([entry.seconds.get(part, 0.0) for entry in entries])) / turns for part in parts}
    runs = [
        MeasuredRun(
            name,
            np.array([entry.places[name][0] for entry in entries], np.int64),
            np.array([entry.places[name][1] for entry in entries], np.int64),
            baseline,
            depth,
            {part.removeprefix(f"{name}: "): each for part, each in seconds.items() if _is_of(part, name)},
            tuple(page for entry in entries for page in entry.sure.get(name, ())),
        )
        for name, baseline in baselines.items()
    ]
    return Report(kind, settings, tuple(targets), tuple(runs))


def _is_of(part: str, run: str) -> bool:
    return part.startswith(f"{run}: ") or ": " not in part


def from_json(data: Any) -> Report:
    """The report that `to_json` wrote. Raises ValueError for anything else."""
    try:
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']!r}")
        runs = tuple(
            MeasuredRun(
                str(each["name"]),
                np.array(each["ranks"], np.int64).reshape(len(data["targets"]), -1),
                np.array(each["tied"], np.int64).reshape(len(data["targets"]), -1),
                str(each["baseline"]),
                each["depth"],
                each["seconds_per_turn"],
                tuple((float(said), bool(true)) for said, true in each.get("sure", [])),
            )
            for each in data["runs"]
        )
        return Report(str(data["kind"]), data["settings"], tuple(data["targets"]), runs)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"it is not a report: {error!r}") from error


def save(report: Report, folder: Path) -> Path:
    """Writes the report, and its table as CSV beside it; returns the report's file."""
    with disk_errors_named(folder, "folder"):
        make_private_folder(folder)
        write_atomically(folder / FILE, json.dumps(report.to_json()).encode("ascii"))
        write_atomically(folder / "table.csv", to_csv(report).encode("utf-8"))
    return folder / FILE


def load(path: Path) -> Report:
    """Reads a report's file, or that of a run's folder. Raises UsageError for what is none."""
    file = path / FILE if path.is_dir() else path
    try:
        return from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{visible(file)} is not a report of `dar eval`: {error}.", "Give the folder that a run was written to."
        ) from error


def compare(ours: MeasuredRun, theirs: MeasuredRun) -> dict[str, Gain]:
    """What `ours` gains, by measure, with 95 % intervals by a paired bootstrap over queries.

    In points, but BRI, of which less is better. Raises UsageError where the runs have other queries or turns.
    """
    if ours.ranks.shape != theirs.ranks.shape:
        raise UsageError(
            f"{ours.name} has {_size(ours)}, {theirs.name} {_size(theirs)}.", "Compare runs over the same dialogues."
        )
    gains: dict[str, Gain] = {}
    for name, of in _MEASURES.items():
        gains[name] = paired_gain(of(ours), of(theirs))
    if ours.depth is None and theirs.depth is None and ours.ranks.shape[1] > 1:
        gains["BRI"] = paired_gain(bri(ours.ranks), bri(theirs.ranks), scale=1.0)
    return gains


def to_csv(report: Report) -> str:
    """One line for each run and turn; percent, standard errors in `_se`."""
    text = io.StringIO()
    names = [f"{kind}@{k}" for kind in ("hits", "recall") for k in CUTOFFS]
    writer = csv.writer(text, lineterminator="\n")
    heading = ["run", "turn", *(f"{name}{end}" for name in names for end in ("", "_se")), "mrr", "mrr_se", "ties"]
    writer.writerow([*heading, "bri", "hurt", "helped"])
    for run in report.runs:
        metrics, changed = run.metrics, report.effect(run)
        curves = [*metrics.hits.values(), *metrics.recall.values()]
        for turn, mrr in enumerate(metrics.reciprocal):
            row = [value for curve in curves for value in (curve[turn].mean, curve[turn].error)]
            whole = [
                metrics.bri.mean if metrics.bri else "",
                *((changed.hurt, changed.helped) if changed else ("", "")),
            ]
            writer.writerow([run.name, turn, *row, mrr.mean, mrr.error, metrics.ties[turn], *whole])
    return text.getvalue()


def _last_hits(run: MeasuredRun) -> Values:
    return np.asarray(hits(run.ranks, 10)[:, -1], np.float64)


def _mean_recall(k: int) -> Any:
    return lambda run: recall(run.ranks, k).mean(axis=1)


_MEASURES: Mapping[str, Any] = {
    "Hits@10, last turn": _last_hits,
    "Hits@10": lambda run: hits(run.ranks, 10).mean(axis=1),
    "Recall@10": _mean_recall(10),
    "Recall@5": _mean_recall(5),
    "Recall@1": _mean_recall(1),
    "MRR": lambda run: reciprocal(run.ranks, run.depth).mean(axis=1),
}


def _curve_json(curve: Sequence[Any]) -> list[dict[str, float]]:
    return [asdict(each) for each in curve]


def _size(run: MeasuredRun) -> str:
    return f"{run.ranks.shape[0]} queries of {run.ranks.shape[1]} turns"


@dataclass(frozen=True)
class Margin:
    """What the winner gains over another run, by measure."""

    over: str
    gains: dict[str, Gain]


@dataclass(frozen=True)
class Half:
    """What one half of the queries chooses, and what it gains over its baseline with the other half."""

    winner: str
    margin: Margin | None


@dataclass(frozen=True)
class ChosenRun:
    """The winner by `merit`; its margins over baseline, best run without pictures and next best."""

    winner: str
    merit: float
    runs: int
    margins: tuple[Margin, ...]
    halves: tuple[Half, Half]


def merit(run: MeasuredRun) -> float:
    """Recall@10 and Recall@1, averaged over turns, together, in points: being on the page counts, and being first."""
    return 100 * float(recall(run.ranks, 10).mean() + recall(run.ranks, 1).mean())


def choose(report: Report) -> ChosenRun:
    """Of all runs of the report."""
    ranked = sorted(report.runs, key=lambda run: (-merit(run), run.name))
    winner = ranked[0]
    plain = [run for run in ranked if not run.baseline]
    others = dict.fromkeys(
        [*([winner.baseline] if winner.baseline else []), *(run.name for run in (*plain[:1], *ranked[1:]))]
    )
    names = [name for name in others if name != winner.name][:_RUNNERS_UP]
    half = len(report.targets) // 2
    first, second = slice(None, half), slice(half, None)
    return ChosenRun(
        winner.name,
        merit(winner),
        len(report.runs),
        tuple(_margin(winner, report.run(name)) for name in names),
        (_half(report, first, second), _half(report, second, first)),
    )


def _half(report: Report, choosing: slice, telling: slice) -> Half:
    winner = max(report.runs, key=lambda run: (merit(_on(run, choosing)), run.name))
    if not winner.baseline:
        return Half(winner.name, None)
    return Half(winner.name, _margin(_on(winner, telling), _on(report.run(winner.baseline), telling)))


def _on(run: MeasuredRun, queries: slice) -> MeasuredRun:
    return replace(run, ranks=run.ranks[queries], ties=run.ties[queries])


def _margin(ours: MeasuredRun, theirs: MeasuredRun) -> Margin:
    gains = compare(ours, theirs)
    return Margin(theirs.name, {name: gains[name] for name in _reported(gains)})


def _reported(gains: dict[str, Gain]) -> Sequence[str]:
    return [name for name in _SUMMARISED if name in gains]
