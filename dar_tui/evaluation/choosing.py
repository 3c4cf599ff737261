"""Which of many ways of searching to take: the best, how sure that is, and what choosing on other queries gives.

The best of many is partly luck; so each half of the queries chooses, too, and its choice is told of the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dar_tui.evaluation.intervals import Gain
from dar_tui.evaluation.metrics import recall
from dar_tui.evaluation.report import Report, Run, compare

# Shown; the others lie further behind.
_RUNNERS_UP = 5
_TOLD = ("Hits@10, last turn", "Recall@10", "Recall@1", "MRR")


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
class Choice:
    """The winner by `merit`; its margins over baseline, best run without pictures and next best."""

    winner: str
    merit: float
    runs: int
    margins: tuple[Margin, ...]
    halves: tuple[Half, Half]


def merit(run: Run) -> float:
    """Recall@10 and Recall@1, averaged over turns, together, in points: being on the page counts, and being first."""
    return 100 * float(recall(run.ranks, 10).mean() + recall(run.ranks, 1).mean())


def choose(report: Report) -> Choice:
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
    return Choice(
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


def _on(run: Run, queries: slice) -> Run:
    return replace(run, ranks=run.ranks[queries], ties=run.ties[queries])


def _margin(ours: Run, theirs: Run) -> Margin:
    gains = compare(ours, theirs)
    return Margin(theirs.name, {name: gains[name] for name in _told(gains)})


def _told(gains: dict[str, Gain]) -> Sequence[str]:
    return [name for name in _TOLD if name in gains]
