"""What the screens that are one list or one form have in common: a title, a body, a line of keys, and Esc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.tui.keymap import Place, bindings
from dar_tui.tui.widgets.status import Hints

T = TypeVar("T")


class Page(Screen[T], Generic[T]):
    """A screen that is left by Esc, with nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(each for each in bindings(Place.PARTS) if each.id == "back"),
        # By priority, as in the chat: what is typed next is for the next line.
        Binding("tab", "app.focus_next", show=False, priority=True),
    ]
    TITLE_TEXT: ClassVar[str] = ""
    KEYS: ClassVar[Sequence[tuple[str, str]]] = ()

    def compose(self) -> ComposeResult:
        """Title, body, keys."""
        with Vertical(classes="page"):
            yield Static(self.TITLE_TEXT, classes="title", markup=False)
            yield from self.body()
        hints = Hints(id="hints")
        hints.keys = (*self.KEYS, ("Esc", "back"))
        with Vertical(id="bottom"):
            yield hints

    def body(self) -> Sequence[Widget]:
        """The widgets below the title."""
        raise NotImplementedError

    def action_back(self) -> None:
        """Leaves the screen as if it had not been opened."""
        self.dismiss(None)
