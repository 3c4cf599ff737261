"""What a benchmark found: the ranks of every run, kept as JSON, and what they add up to.

The figures are made from the ranks each time, so that runs can be compared later, query by query. Knows no models.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dar_tui.evaluation.intervals import Gain, paired_gain
from dar_tui.evaluation.journal import Entry, Settings
from dar_tui.evaluation.metrics import (
    CUTOFFS,
    Effect,
    Metrics,
    Ranks,
    Values,
    bri,
    effect,
    hits,
    measure,
    recall,
    reciprocal,
)
from indexer.errors import UsageError
from indexer.printable import visible
from indexer.store.disk import disk_errors_named, make_private_folder, replace_file

FILE = "report.json"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Run:
    """One way of searching. `ranks` and `ties` (queries, turns), ranks 0-based.

    `baseline`: the run it is to be compared with, "" for none. `depth`: ranks from there on are not known. `seconds`: a
    turn's, by part.
    """

    name: str
    ranks: Ranks
    ties: Ranks
    baseline: str = ""
    depth: int | None = None
    seconds: Mapping[str, float] | None = None

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
    runs: tuple[Run, ...]

    def label(self, run: Run) -> str:
        """The run's name without the encoder, where all have the same one."""
        encoders = {each.name.rpartition("/")[0].rpartition("/")[0] for each in self.runs}
        return run.name.removeprefix(f"{min(encoders)}/") if len(encoders) == 1 else run.name

    def run(self, name: str) -> Run:
        """By name or label. Raises UsageError, with the names there are, for a run that is not there."""
        for run in self.runs:
            if name in (run.name, self.label(run)):
                return run
        raise UsageError(f"There is no run {name!r}.", f"Runs: {', '.join(run.name for run in self.runs)}.")

    def effect(self, run: Run) -> Effect | None:
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

    def _run_json(self, run: Run) -> dict[str, Any]:
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
            "ranks": run.ranks.tolist(),
            "tied": run.ties.tolist(),
        }


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
        Run(
            name,
            np.array([entry.places[name][0] for entry in entries], np.int64),
            np.array([entry.places[name][1] for entry in entries], np.int64),
            baseline,
            depth,
            {part.removeprefix(f"{name}: "): each for part, each in seconds.items() if _is_of(part, name)},
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
            Run(
                str(each["name"]),
                np.array(each["ranks"], np.int64).reshape(len(data["targets"]), -1),
                np.array(each["tied"], np.int64).reshape(len(data["targets"]), -1),
                str(each["baseline"]),
                each["depth"],
                each["seconds_per_turn"],
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
        replace_file(folder / FILE, json.dumps(report.to_json()).encode("ascii"))
        replace_file(folder / "table.csv", to_csv(report).encode("utf-8"))
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


def compare(ours: Run, theirs: Run) -> dict[str, Gain]:
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


def _last_hits(run: Run) -> Values:
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


def _size(run: Run) -> str:
    return f"{run.ranks.shape[0]} queries of {run.ranks.shape[1]} turns"
