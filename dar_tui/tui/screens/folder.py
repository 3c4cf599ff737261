"""Which folder of photos to index: what a first run begins with, and how a library grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from dar_tui.tui.screens.page import Page
from indexer.paths import at_home
from indexer.printable import visible

# Looking through a folder of a hundred thousand names for a suggestion would be felt while typing.
_MOST_NAMES = 2000


class FolderScreen(Page[Path]):
    """Gives a folder that is there."""

    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("Enter", "index it"), ("\u2192", "take the suggestion"))

    def __init__(self, title: str, text: str, suggestion: str = "") -> None:
        super().__init__()
        self._title, self._text, self._suggestion = title, text, suggestion

    def body(self) -> Sequence[Widget]:
        """What it is for, and a line to write the folder on."""
        return [
            Static(self._text, classes="text", markup=False),
            Input(self._suggestion, placeholder="a folder, such as ~/Pictures", suggester=_Folders(), id="folder"),
            Static("", classes="wrong", id="wrong", markup=False),
            Static("Photos are only read, never changed, and never leave this machine.", classes="quiet"),
        ]

    def on_mount(self) -> None:
        """Names the page and takes the keyboard."""
        self.query_one(".title", Static).update(self._title)
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def choose(self, event: Input.Submitted) -> None:
        """Takes the folder, or says what is wrong with it."""
        text = event.value.strip()
        wrong = self.query_one("#wrong", Static)
        if not text:
            wrong.update("Write the folder's path first.")
            return
        folder = at_home(Path(text)).absolute()
        if folder.is_dir():
            self.dismiss(folder)
        else:
            what = "is a file, not a folder" if folder.exists() else "is not there"
            wrong.update(f"{visible(folder)} {what}. Write another, or check the spelling.")


class _Folders(Suggester):
    """Completes the name of a folder."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first folder, by name, that begins as what is written."""
        if not value:
            return None
        typed = at_home(Path(value))
        parent, begins = (typed, "") if value.endswith("/") else (typed.parent, typed.name)
        try:
            names = [
                entry.name
                for _, entry in zip(range(_MOST_NAMES), parent.iterdir(), strict=False)
                if entry.name.startswith(begins) and (begins or not entry.name.startswith(".")) and entry.is_dir()
            ]
        except OSError:
            return None
        return value + min(names)[len(begins) :] if names else None
