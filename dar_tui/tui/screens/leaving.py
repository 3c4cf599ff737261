"""A screen above the chat that is left once: what every such screen is a kind of."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

ResultT = TypeVar("ResultT")


class LeftOnce(Screen[ResultT], Generic[ResultT]):
    """Gives one result. Enter and Esc in one burst would leave it twice, which in Textual ends the app."""

    def dismiss(self, result: ResultT | None = None) -> AwaitComplete:
        """Leaves the screen, unless it was left already or another covers it."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()
