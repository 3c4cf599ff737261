"""An index run's events, shown as they come: a bar in a terminal, a few plain lines elsewhere.

Knows nothing of what the events cost or why they come.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from indexer.indexing.events import (
    Counts,
    Event,
    Finished,
    IndexSummary,
    Planned,
    ProblemFound,
    Progress,
    RunNote,
    Scanning,
)
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.cli.output import Output

# Without a terminal the lines end up in a log, where one every half minute shows that work goes on.
_LOG_SECONDS = 30.0


class _View(Protocol):
    def say(self, line: str) -> None: ...

    def advance(self, done: int, total: int, counts: Counts) -> None: ...


def show(events: Iterable[Event], output: Output) -> IndexSummary:
    """Shows events on stderr until the run is finished, and returns its summary."""
    view: _Bar | _Log = _Bar() if output.stderr_is_terminal else _Log(output)
    with view:
        for event in events:
            if isinstance(event, Finished):
                return event.summary
            _show_one(event, view)
    raise RuntimeError("the run ended without a summary")


def _show_one(event: Event, view: _View) -> None:
    if isinstance(event, Scanning):
        view.say(f"Looking through {visible(event.folder)}")
    elif isinstance(event, ProblemFound):
        taken = "" if event.refused else "; indexed all the same"
        view.say(f"{visible(event.path)}: {event.reason}{taken}")
    elif isinstance(event, RunNote):
        view.say(event.text)
    elif isinstance(event, Planned):
        view.advance(0, event.total, event.counts)
    elif isinstance(event, Progress):
        view.advance(event.done, event.total, event.counts)


def _short(counts: Counts) -> str:
    """The counts that are not zero, short enough for a bar in 80 columns: "+120 ~3 >20 -5 !2"."""
    marks = (
        *(("+", counts.added), ("~", counts.changed), (">", counts.moved)),
        *(("-", counts.removed), ("!", counts.problems)),
    )
    return " ".join(f"{mark}{count}" for mark, count in marks if count)


class _Log(AbstractContextManager["_Log"]):
    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = time.monotonic()

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, line: str) -> None:
        self._output.note(line)

    def advance(self, done: int, total: int, counts: Counts) -> None:
        if time.monotonic() - self._last >= _LOG_SECONDS and total:
            self._last = time.monotonic()
            self._output.note(f"{done:,} of {total:,} read {_short(counts)}".rstrip())


class _Bar(AbstractContextManager["_Bar"]):
    """One line at the bottom; notes scroll above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._console = Console(stderr=True, highlight=False)
        self._bars = Bars(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[counts]}", markup=False),
            console=self._console,
            # The summary line says it all once the run is over.
            transient=True,
        )
        self._task = self._bars.add_task("", total=None, visible=False, rate="", counts="")
        self._started: float | None = None

    def __enter__(self) -> _Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        # Names of files are no markup and no emoji codes.
        self._console.print(line, markup=False, emoji=False, soft_wrap=True)

    def advance(self, done: int, total: int, counts: Counts) -> None:
        now = time.monotonic()
        if done == 0 or self._started is None:
            self._started = now
        elapsed = now - self._started
        rate = f"{done / elapsed:.0f}/s" if elapsed > 1 and done else ""
        self._bars.update(self._task, completed=done, total=total, visible=total > 0, rate=rate, counts=_short(counts))
