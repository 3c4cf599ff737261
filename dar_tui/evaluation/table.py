"""A report for people: a table with curves as sparklines, and a figure like Figure 3 of the DAR paper.

The figure (cumulative Hits@10 over the length of the dialogue, one curve for each run) needs matplotlib, which dar does
not install by itself. Measures nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dar_tui.evaluation.metrics import Gain
from dar_tui.evaluation.report import ChosenRun, MeasuredRun, Report, compare
from indexer.errors import ModelUnavailable
from indexer.store.disk import disk_errors_named

_BARS = "▁▂▃▄▅▆▇█"
# Without a terminal a table goes into a file or a log, which scroll sideways.
WIDE = 170

_FORMATS = ("png", "svg")


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """One bar for each value between `low` and `high`."""
    span = max(high - low, 1e-9)
    return "".join(_BARS[min(int((value - low) / span * len(_BARS)), len(_BARS) - 1)] for value in values)


def shown(report: Report, width: int | None = None) -> list[str]:
    """The table's lines, and one for each thing that needs more room."""
    turns = report.runs[0].ranks.shape[1]
    marks = sorted({0, turns // 2, turns - 1})
    table = Table(title=_title(report), title_justify="left")
    table.add_column("run", overflow="fold", min_width=20)
    for heading in ("Hits@10", *(f"turn {turn}" for turn in marks), "Recall@10", "Recall@1", "MRR", "BRI"):
        table.add_column(heading, justify="right", no_wrap=heading == "Hits@10")
    for heading in ("hurt / helped", "Recall@10 gain [95 %]", "Recall@1 gain [95 %]"):
        table.add_column(heading, justify="right")
    curves = [[each.mean for each in run.metrics.hits[10]] for run in report.runs]
    low, high = min(map(min, curves)), max(map(max, curves))
    for run, curve in zip(report.runs, curves, strict=True):
        points = (f"{curve[turn]:.1f}" for turn in marks)
        table.add_row(report.label(run), sparkline(curve, low, high), *points, *_rest(report, run))
    lines = _lines(table, width)
    return [*lines, *_notes(report)]


def compared(gains: Mapping[str, Gain], ours: str, theirs: str, width: int | None = None) -> list[str]:
    """What one run gains over another, by measure."""
    table = Table("measure", "gain", "95 %", "", title=f"{ours}\nagainst {theirs}", title_justify="left")
    for measure, gain in gains.items():
        sure = "sure" if gain.is_sure else "within chance"
        table.add_row(measure, f"{gain.mean:+.2f}", f"{gain.low:+.2f} to {gain.high:+.2f}", sure)
    return _lines(table, width)


def chosen(choice: ChosenRun, width: int | None = None) -> list[str]:
    """The winner, its margins, and what each half of the queries chooses."""
    title = (
        f"Best of {choice.runs} runs: {choice.winner} (Recall@10 + Recall@1, averaged over turns: {choice.merit:.1f})"
    )
    measures = list(choice.margins[0].gains) if choice.margins else []
    table = Table("it gains over", *measures, title=title, title_justify="left")
    for margin in choice.margins:
        table.add_row(margin.over, *map(str, margin.gains.values()))
    lines = _lines(table, width)
    for name, half in zip(("first", "second"), choice.halves, strict=True):
        reported = "which has no baseline"
        if half.margin is not None:
            gains = (f"{measure} {gain}" for measure, gain in half.margin.gains.items())
            reported = f"which gains over {half.margin.over} with the other half: {', '.join(gains)}"
        lines.append(f"The {name} half of the queries chooses {half.winner}, {reported}.")
    return lines


def _rest(report: Report, run: MeasuredRun) -> list[str]:
    metrics, changed = run.metrics, report.effect(run)
    last = metrics.recall[10][-1]
    gains = compare(run, report.run(run.baseline)) if run.baseline else {}
    return [
        f"{last.mean:.1f} ±{last.error:.1f}",
        f"{metrics.recall[1][-1].mean:.1f}",
        f"{metrics.reciprocal[-1].mean:.3f}",
        f"{metrics.bri.mean:.3f}" if metrics.bri else "-",
        f"{changed.hurt:.1f} / {changed.helped:.1f}" if changed else "",
        *(str(gains[name]) if gains else "" for name in ("Recall@10", "Recall@1")),
    ]


def _notes(report: Report) -> list[str]:
    tied = max(share for run in report.runs for share in run.metrics.ties)
    notes = [
        "Recall, MRR at the last turn; gains over the baseline, averaged over turns; percent of queries.",
        f"Ties: the target shares its score with another photo in at most {tied:.1f} % of a turn's queries.",
    ]
    reported = {_parts(run): report.label(run) for run in reversed(report.runs) if run.seconds}
    if len(reported) == 1:
        notes.append(f"Seconds a turn: {min(reported)} (search: all runs together).")
    else:
        notes += [f"Seconds a turn, {label}: {parts}." for parts, label in reversed(reported.items())]
    return notes


def _parts(run: MeasuredRun) -> str:
    return ", ".join(f"{part} {value:.4f}" for part, value in (run.seconds or {}).items())


def _title(report: Report) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in report.settings.items() if "digest" not in key)
    return f"{report.kind}: {len(report.targets):,} queries; {settings}"


def _lines(table: Table, width: int | None) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width or WIDE).print(table, markup=False)
    return text.getvalue().rstrip("\n").split("\n")


def draw(report: Report, base: Path, k: int = 10) -> Sequence[Path]:
    """Writes `base`.png and `base`.svg and returns them. Raises ModelUnavailable where matplotlib is missing.

    Runs without a baseline (the text alone) are dashed, the others drawn through; bands are one standard error.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ModelUnavailable("Figures need the package matplotlib.", "pip install matplotlib") from error
    figure = Figure(figsize=(7.0, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for run in report.runs:
        curve = run.metrics.hits[k]
        turns = range(len(curve))
        means = [each.mean for each in curve]
        (line,) = axes.plot(
            turns, means, marker="o", markersize=3.5, label=report.label(run), ls="-" if run.baseline else "--"
        )
        low, high = ([each.mean + sign * each.error for each in curve] for sign in (-1, 1))
        axes.fill_between(turns, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xlabel("dialogue length")
    axes.set_ylabel(f"Hits@{k} (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    files = [base.with_name(f"{base.name}.{suffix}") for suffix in _FORMATS]
    # No date and ids that are not drawn by chance: the same report draws the same file.
    with disk_errors_named(base.parent, "folder"), rc_context({"svg.hashsalt": "dar"}):
        for file in files:
            figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files
