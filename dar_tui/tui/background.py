"""Work in threads that never hold up quitting.

Textual's own thread workers run in asyncio's executor, whose threads are waited for when the loop ends: a model that
loads for a minute would keep the terminal for a minute. These are daemons.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, MutableMapping
from queue import SimpleQueue

from indexer.errors import DarError
from indexer.printable import stripped

# One run's log; older ones are of no use to anybody.
LOG_NAME = "dar.log"
SEE_LOG = f"The session is saved. See {LOG_NAME} in dar's cache folder."

logger = logging.getLogger(__name__)


def run(work: Callable[[], None], failed: Callable[[DarError], None], name: str = "dar-work") -> threading.Thread:
    """Starts `work` in a thread of its own; whatever it raises reaches `failed`, as an error the user can read."""

    def guarded() -> None:
        try:
            work()
        # Model libraries raise whatever they like; none of it may end the app.
        except Exception as error:
            failed(named(error))

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


# Long enough to write the last records and to commit a batch of photos, short enough for quitting within a second.
_GRACE = 0.5


def finish(work: Callable[[], None], grace: float = _GRACE) -> bool:
    """Does the last work, but waits no longer than `grace` seconds; returns whether it came to an end."""
    thread = run(work, lambda error: None, "dar-close")
    thread.join(grace)
    return not thread.is_alive()


def leave_a_core(environment: MutableMapping[str, str], cores: int | None = None) -> None:
    """Keeps one core free for the interface, unless the user chose how many threads torch takes.

    To be called before torch is imported, which reads it then; its threads spin while they wait, and with one on every
    core of a small machine typing would stall for 0.4 s.
    """
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (cores or os.cpu_count() or 1) - 1)))


class WorkQueue:
    """Work done one after the other in one thread, in the order it came."""

    def __init__(self, failed: Callable[[DarError], None], name: str) -> None:
        self._failed = failed
        self._name = name
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, work: Callable[[], None]) -> None:
        """Adds work to the end."""
        self._queue.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            work = self._queue.get()
            try:
                work()
            except Exception as error:
                self._failed(named(error))


def named(error: Exception) -> DarError:
    """The error as one line with something to do."""
    if isinstance(error, DarError):
        return error
    logger.error("A background thread failed.", exc_info=error)
    if isinstance(error, MemoryError):
        return DarError("There is not enough memory.", "Close other programs, or press i to search without imagining.")
    reason = stripped(str(error)) or type(error).__name__
    return DarError(f"Unexpected error: {reason}.", SEE_LOG)
