"""One action after the other, each in a thread, the last one counting: what the screen is told of anything before it
is of no more interest.

Knows the engine and where to post to; nothing of what is shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

from textual.message import Message

from dar_tui.tui import background
from dar_tui.tui.engine import Action, Engine, Feedback
from dar_tui.tui.messages import Noted, Played, PlayEnded, Trouble
from indexer.errors import DarError


class Player:
    """Plays actions on an engine and posts what happens. Called from the interface's thread."""

    def __init__(self, engine: Engine, post: Callable[[Message], object]) -> None:
        self._engine = engine
        self._post = post
        self._number = 0
        self._running = False
        # The engine plays one action at a time; the one before needs a moment to notice that it was cancelled.
        self._at_work = threading.Lock()
        self._feedback = background.Line(self._trouble, "dar-feedback")

    @property
    def running(self) -> bool:
        """Whether something is being played."""
        return self._running

    def play(self, action: Action) -> int:
        """Ends what is played and plays this; returns the number its messages carry."""
        self._engine.cancel()
        self._number += 1
        self._running = True
        number = self._number

        def work() -> None:
            with self._at_work:
                if number != self._number:
                    return
                with closing(self._engine.play(action)) as events:
                    for event in events:
                        if number != self._number:
                            return
                        self._post(Played(number, event))
            self._post(PlayEnded(number, None))

        background.run(work, lambda error: self._fail(number, error), "dar-turn")
        return number

    def note(self, feedback: Feedback) -> None:
        """Records feedback, in order; never waits for what is played. `Noted` is posted once it is recorded."""

        def work() -> None:
            self._engine.note(feedback)
            self._post(Noted())

        self._feedback.put(work)

    def stop(self) -> None:
        """Makes what is played end with what there is; it still says how it ended."""
        self._engine.cancel()

    def forget(self) -> None:
        """What is played is of no more interest, not even how it ends."""
        self._engine.cancel()
        self._number += 1
        self._running = False

    def is_current(self, number: int) -> bool:
        """Whether messages of this number still count."""
        return number == self._number

    def ended(self, number: int) -> None:
        """The screen has seen the end of this."""
        if number == self._number:
            self._running = False

    def _fail(self, number: int, error: DarError) -> None:
        self._post(PlayEnded(number, error))

    def _trouble(self, error: DarError) -> None:
        self._post(Trouble(f"{error.message} {error.hint}".rstrip()))
