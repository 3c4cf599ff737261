"""How long the parts of a turn take. Knows clocks, not what the parts do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from dar_tui.session.events import Timings

_T = TypeVar("_T")
Span = Literal["reformulate", "load", "imagine", "ask"]
Moment = Literal["text_hits", "first_picture", "fused_hits"]


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._seconds: dict[Span | Moment, float] = {}

    @contextmanager
    def part(self, name: Span) -> Iterator[None]:
        """Counts what happens inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.took(name, time.perf_counter() - began)

    def took(self, name: Span, seconds: float) -> None:
        """Counts what somebody else has measured; a part that runs in pieces takes as long as all of them."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def each(self, name: Span, steps: Iterator[_T]) -> Iterator[_T]:
        """The same steps; counts what happens within them, and not what their user does between two."""
        while True:
            with self.part(name):
                step = next(steps, None)
            if step is None:
                return
            yield step

    def mark(self, name: Moment) -> None:
        """Notes the time since the start, the first time it is called for this moment."""
        self._seconds.setdefault(name, time.perf_counter() - self._began)

    def timings(self) -> Timings:
        """What was measured so far."""
        return Timings(**self._seconds, total=time.perf_counter() - self._began)
