"""The generator's worker thread: loads the generator on first use and draws in a thread of its own.

So a caller gets every step as it is made, and control back the moment a turn is cancelled, though a model may take
another step before it stops. Knows nothing of fusion, dialogues or files.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dar_tui.cancellation import Cancelled
from dar_tui.imagine import ConditionedGenerator, Conditions, Generator, Imagined, Recipe
from indexer.errors import DarError, ModelUnavailable

logger = logging.getLogger(__name__)

AnyGenerator = Generator | ConditionedGenerator
LoadGenerator = Callable[[], AnyGenerator]
# Gives the query's vectors; raises ModelUnavailable where the encoder has none that a generator can start from.
MakeConditions = Callable[[], Conditions]

# How often a caller that waits for a picture looks whether it was cancelled: below what a person notices.
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Ready:
    """The generator is loaded, which took `seconds`; 0 if it was there already."""

    model: str
    recipe: Recipe
    seconds: float


@dataclass(frozen=True)
class Step:
    """Picture `k` (from 0) has taken `step` of `steps` (from 1)."""

    k: int
    step: int
    steps: int


@dataclass(frozen=True)
class _Failed:
    error: Exception


@dataclass(frozen=True)
class _Ended:
    pass


Progress = Ready | Step | Imagined
_Message = Progress | _Failed | _Ended


class Imagination:
    """One generator for any number of turns; usable from many threads, though only one draws at a time."""

    def __init__(self, load: LoadGenerator) -> None:
        self._load = load
        self._generator: AnyGenerator | None = None
        # Model pipelines are not made for two threads at once; a turn that was cancelled may still be in its last step.
        self._at_work = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether the generator is loaded."""
        return self._generator is not None

    def prepare(self) -> AnyGenerator:
        """Loads the generator if that is still to do. A load that failed is tried again. Raises DarError."""
        with self._at_work:
            if self._generator is None:
                self._generator = self._load()
            return self._generator

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], conditions: MakeConditions, cancelled: Cancelled
    ) -> Iterator[Progress]:
        """Ready, then steps and pictures as they come; ends early, without waiting, once `cancelled()`.

        Raises DarError where the generator cannot be loaded or fails; pictures given before that stand.
        """
        messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        abandoned = threading.Event()

        def stopped() -> bool:
            return abandoned.is_set() or cancelled()

        def work() -> None:
            try:
                self._work(prompts, seeds, conditions, stopped, messages.put)
                messages.put(_Ended())
            # Model libraries raise whatever they like; none of it may end the session.
            except Exception as error:
                messages.put(_Failed(error))

        threading.Thread(target=work, name="dar-imagine", daemon=True).start()
        try:
            while not cancelled():
                try:
                    message = messages.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if isinstance(message, _Ended):
                    return
                if isinstance(message, _Failed):
                    raise _named(message.error) from message.error
                yield message
        finally:
            abandoned.set()

    def _work(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        conditions: MakeConditions,
        stopped: Cancelled,
        put: Callable[[_Message], None],
    ) -> None:
        began, was_ready = time.perf_counter(), self.is_ready
        generator = self.prepare()
        put(Ready(generator.id, generator.recipe, 0.0 if was_ready else time.perf_counter() - began))

        def on_step(k: int, step: int, steps: int) -> None:
            put(Step(k, step, steps))

        with self._at_work:
            if stopped():
                return
            if isinstance(generator, ConditionedGenerator):
                pictures = generator.generate_from([conditions()] * len(prompts), prompts, seeds, on_step, stopped)
            else:
                pictures = generator.generate(prompts, seeds, on_step, stopped)
            for imagined in pictures:
                if stopped():
                    return
                put(imagined)


def _named(error: Exception) -> DarError:
    if isinstance(error, DarError):
        return error
    logger.error("The generator failed.", exc_info=error)
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return ModelUnavailable(f"The picture could not be drawn: {reason}", "The text's hits stand; see the log.")
