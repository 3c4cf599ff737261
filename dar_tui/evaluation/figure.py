"""A figure like Figure 3 of the DAR paper: cumulative Hits@10 over the length of the dialogue, one curve for each run.

Needs matplotlib, which dar does not install by itself. Knows reports, not how they come about.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dar_tui.evaluation.report import Report
from indexer.errors import ModelUnavailable
from indexer.store.disk import disk_errors_named

_FORMATS = ("png", "svg")


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
