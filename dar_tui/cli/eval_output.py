"""What `dar eval` shows: how far it is on stderr, and what it found on stdout. Measures nothing."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from indexer.printable import visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dar_tui.cli.output import Output
    from dar_tui.evaluation.report import Report

# Without a terminal the lines end up in a log, where one every half minute shows that work goes on.
_LOG_SECONDS = 30.0


class Progress:
    """A bar for each part of a benchmark in a terminal, a few plain lines elsewhere."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = time.monotonic()
        self._tasks: dict[str, TaskID] = {}
        self._bars = None
        if output.stderr_is_terminal:
            from rich.console import Console
            from rich.progress import Progress as Bars

            self._bars = Bars(console=Console(stderr=True), transient=True)

    def __enter__(self) -> Progress:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def advance(self, part: str, done: int, total: int) -> None:
        """Tells that `done` of `total` are done in this part."""
        if self._bars is not None:
            from rich.markup import escape

            if part not in self._tasks:
                self._tasks[part] = self._bars.add_task(escape(visible(part)), total=total)
            self._bars.update(self._tasks[part], completed=done)
        elif time.monotonic() - self._last >= _LOG_SECONDS:
            self._last = time.monotonic()
            self._output.note(f"{visible(part)}: {done:,} of {total:,}")


def show(output: Output, report: Report, folder: Path, *, figure: bool, json: bool) -> None:
    """The report as JSON or a table, and where it is kept."""
    from dar_tui.evaluation.report import FILE

    files = [folder / FILE, folder / "table.csv"]
    if figure:
        from dar_tui.evaluation.table import draw

        files += draw(report, folder / "figure")
    if json:
        output.json(report.to_json(), compact=True)
    else:
        import shutil

        from dar_tui.evaluation.table import WIDE, shown

        width = shutil.get_terminal_size().columns if output.stdout_is_terminal else WIDE
        for line in shown(report, width):
            output.result(line)
    for file in files:
        output.note(f"Kept in {visible(file)}")
