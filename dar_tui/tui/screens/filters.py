"""Narrowing the search by hand: by date, by folder, by camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.widget import Widget
from textual.widgets import Input, Static

from dar_tui.tui.engine import Narrowing
from dar_tui.tui.screens.page import Page
from indexer.errors import UsageError

# (what is written, what to call it in an error, now) -> the moment it begins; raises UsageError.
ParseDate = Callable[[str, str, datetime], datetime]


class FiltersScreen(Page[Narrowing]):
    """Gives the new narrowing; an empty one lets every photo pass."""

    TITLE_TEXT = "Search only among photos"
    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("Enter", "apply"), ("Tab", "next line"), ("^u", "empty a line"))

    def __init__(self, narrowing: Narrowing, parse_date: ParseDate) -> None:
        super().__init__()
        self._narrowing = narrowing
        self._parse_date = parse_date

    def body(self) -> Sequence[Widget]:
        """A line for each condition."""
        now = self._narrowing
        return [
            Static("taken at or after (2019, June 2021, 2024-12-31, 2 weeks ago)", classes="quiet"),
            Input(f"{now.after:%Y-%m-%d}" if now.after else "", id="after"),
            Static("taken before", classes="quiet"),
            Input(f"{now.before:%Y-%m-%d}" if now.before else "", id="before"),
            Static("in a folder whose name holds", classes="quiet"),
            Input(now.folder, id="folder"),
            Static("by a camera whose name holds", classes="quiet"),
            Input(now.camera, id="camera"),
            Static("", classes="wrong", id="wrong", markup=False),
        ]

    def on_mount(self) -> None:
        """Takes the keyboard."""
        self.query_one("#after", Input).focus()

    @on(Input.Submitted)
    def apply(self) -> None:
        """Takes what is written, or says which date makes no sense."""
        try:
            after, before = self._date("after"), self._date("before")
        except UsageError as error:
            self.query_one("#wrong", Static).update(f"{error.message} {error.hint}")
            return
        if after and before and after >= before:
            self.query_one("#wrong", Static).update("These dates leave no day between them.")
            return
        self.dismiss(Narrowing(after, before, self._text("folder"), self._text("camera")))

    def _date(self, name: str) -> datetime | None:
        text = self._text(name)
        return self._parse_date(text, "The date", datetime.now()) if text else None

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()
