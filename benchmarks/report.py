"""What a benchmark found: named figures with their spread and, where there is one, the target beside them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 140


@dataclass(frozen=True)
class Figure:
    """One measured value: its median, the ends of its spread (equal to it if measured once), and what was wanted.

    `at_most` and `at_least` are targets; `what` names the quantile where the target is for another than the median.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None


def once(name: str, value: float, unit: str, **target: float | str | None) -> Figure:
    """A figure measured a single time."""
    return Figure(name, float(value), unit, float(value), float(value), **target)  # type: ignore[arg-type]


def median_of(name: str, values: Sequence[float], unit: str, **target: float | str | None) -> Figure:
    """The median of several measurements, with the least and the greatest."""
    found = np.asarray(values, np.float64)
    return Figure(name, float(np.median(found)), unit, float(found.min()), float(found.max()), **target)  # type: ignore[arg-type]


def quantile_of(name: str, values: Sequence[float], share: float, unit: str, **target: float | str | None) -> Figure:
    """A quantile of several measurements, with the least and the greatest."""
    found = np.asarray(values, np.float64)
    value = float(np.quantile(found, share))
    return Figure(name, value, unit, float(found.min()), float(found.max()), **target)  # type: ignore[arg-type]


def show(title: str, figures: Sequence[Figure], json_file: Path | None = None) -> None:
    """Prints the table and writes the JSON, both with the machine they were measured on."""
    table = Table("what", "figure", "spread", "target", "", title=title, caption=machine())
    for figure in figures:
        spread = "" if figure.low == figure.high else f"{_number(figure.low)}-{_number(figure.high)}"
        target = f"<= {figure.at_most:g}" if figure.at_most is not None else ""
        target = f">= {figure.at_least:g}" if figure.at_least is not None else target
        verdict = {None: figure.note, True: f"met {figure.note}", False: f"missed {figure.note}"}[figure.met]
        table.add_row(figure.name, f"{_number(figure.value)} {figure.unit}", spread, target, verdict)
    output().print(table)
    if json_file is not None:
        content = {"title": title, "machine": machine(), "figures": [asdict(figure) for figure in figures]}
        json_file.write_text(json.dumps(content, indent=1) + "\n")


def output() -> Console:
    """Where tables go. Into a file or a pipe, where nobody said how wide it is, a row stays a line."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def read(json_file: Path) -> list[Figure]:
    """The figures `show` wrote; none of a file that holds something else."""
    return [Figure(**figure) for figure in json.loads(json_file.read_text()).get("figures", ())]


def machine() -> str:
    """The processor, how many cores this process may use, and the load of the last minute."""
    names = [line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    load = f", load {os.getloadavg()[0]:.1f} when it ended" if hasattr(os, "getloadavg") else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores{load}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
