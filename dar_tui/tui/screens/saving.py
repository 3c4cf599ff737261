"""Where to save the session as a page, and as which kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.widget import Widget
from textual.widgets import Input, Static

from dar_tui.tui.screens.page import Page
from indexer.paths import at_home
from indexer.printable import visible

KINDS = (".html", ".md")


class SavingScreen(Page[Path]):
    """Gives a file that is not there yet."""

    TITLE_TEXT = "Save the session as a page with its pictures"
    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("Enter", "save"),)

    def __init__(self, suggestion: Path) -> None:
        super().__init__()
        self._suggestion = suggestion

    def body(self) -> Sequence[Widget]:
        """The file's name."""
        return [
            Static("A name ending in .html makes one page with the pictures in it; .md makes Markdown with a folder"
                   " of pictures beside it.", classes="text"),
            Input(str(self._suggestion), id="file"),
            Static("", classes="wrong", id="wrong", markup=False),
        ]  # fmt: skip

    def on_mount(self) -> None:
        """Takes the keyboard."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def choose(self, event: Input.Submitted) -> None:
        """Takes the name, or says what is wrong with it."""
        path = at_home(Path(event.value.strip())).absolute()
        wrong = self.query_one("#wrong", Static)
        if path.suffix.lower() not in KINDS:
            wrong.update("The name must end in .html or .md.")
        elif path.exists():
            wrong.update(f"{visible(path.name)} is there already. Choose another name.")
        elif not path.parent.is_dir():
            wrong.update(f"There is no folder {visible(path.parent)}.")
        else:
            self.dismiss(path)
