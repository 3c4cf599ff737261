"""An index run beside the chat: one at a time, in a thread, reporting how far it is.

Knows the engine and where to post to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from dar_tui.tui import background, wording
from dar_tui.tui.engine import ChatEngine
from dar_tui.tui.messages import Indexed, IndexEnded
from indexer.errors import DarError
from indexer.indexing.events import Event, Finished, Planned, Progress, Scanning
from indexer.printable import visible


class Indexing:
    """Runs the engine's indexing and posts its events."""

    def __init__(self, engine: ChatEngine, post: Callable[[Message], object]) -> None:
        self._engine = engine
        self._post = post
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, folder: Path | None) -> None:
        """Starts a run over a folder, or over all that the library has (None)."""
        self._stopped.clear()

        def work() -> None:
            for event in self._engine.index(folder, self._stopped.is_set):
                self._post(Indexed(event))
            self._post(IndexEnded(self._engine.facts(), None))

        def failed(error: DarError) -> None:
            self._post(IndexEnded(None, error))

        self._thread = background.run(work, failed, "dar-index")

    def stop(self) -> None:
        """Asks the run to commit what it has and end."""
        self._stopped.set()


class Meter:
    """A run's events as a line: how far, how fast, how long still."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: float | None = None

    def line(self, event: Event) -> str | None:
        """The line after this event; None where it changes nothing."""
        if isinstance(event, Scanning):
            return f"looking through {visible(event.folder)}"
        if isinstance(event, Planned):
            self._began = self._now()
            return f"indexing {wording.count(event.total, 'file')}"
        if isinstance(event, Progress) and self._began is not None:
            passed = self._now() - self._began
            rate = event.done / passed if passed > 0.5 else 0.0
            bar = _bar(event.done / event.total if event.total else 1.0)
            left = f", {wording.seconds((event.total - event.done) / rate)} left" if rate >= 1 else ""
            return f"indexing {bar} {event.done:,}/{event.total:,}{f', {rate:.0f}/s' if rate >= 1 else ''}{left}"
        return "" if isinstance(event, Finished) else None


_BAR_CELLS = 8


def _bar(share: float) -> str:
    filled = round(_BAR_CELLS * min(share, 1.0))
    return "\u2501" * filled + "\u2508" * (_BAR_CELLS - filled)
