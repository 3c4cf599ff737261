"""What is looked for, above the prompt: a chip for each piece that was understood, and how sure the page is.

A chip is removed or flipped (wanted or not) by a key, while the line has the focus, or by a click: on its cross to
remove it, on its words to flip it. Posts what the user did; what comes of it arrives as new chips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from dar_tui.tui.engine import ChipKinds, ShownChip
from dar_tui.tui.keymap import Place, bindings
from indexer.printable import stripped

_LEAD = "Looking for "
_CROSS = " \u00d7 "
# What is looked for must not push the photos off the screen; a chip that is cut off is still in the session.
_MOST_LINES = 3
_LONGEST = 40
_STYLES = {ChipKinds.WANTS: "$foreground on $panel", ChipKinds.REJECTS: "$text-error on $panel"}
_OTHER = "$text-warning on $panel"


class ChipLine(Widget, can_focus=True):
    """One to three lines of chips; none where nothing was understood yet."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.CHIPS)]

    cursor: reactive[int] = reactive(0)

    @dataclass
    class Changed(Message):
        """The user removes a chip, or flips it."""

        chip: ShownChip
        flip: bool

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chips: tuple[ShownChip, ...] = ()
        self.certainty = ""
        self._lines = 1
        self.display = False

    def show(self, chips: Sequence[ShownChip], certainty: str = "") -> None:
        """Shows these chips; `certainty`: how sure the page is, in words."""
        self.chips, self.certainty = tuple(chips), certainty
        self.cursor = max(0, min(self.cursor, len(self.chips) - 1))
        self.display = bool(self.chips or certainty)
        self._fit()

    @property
    def text(self) -> str:
        """The chips as they are read."""
        return "  ".join(_label(chip) for chip in self.chips)

    def on_resize(self) -> None:
        """Lays chips out anew."""
        self._fit()

    def watch_has_focus(self, has_focus: bool) -> None:
        """The selected chip is marked while the line has the focus."""
        super().watch_has_focus(has_focus)
        self.refresh()

    def render(self) -> Content:
        """Chip after chip, line after line; the certainty at the end of the last line if it fits."""
        lines = [Content("")] * self._lines
        lines[0] = Content.assemble((_LEAD if self.chips else "", "$foreground-muted"))
        for at, (chip, place) in enumerate(zip(self.chips, self._places(), strict=False)):
            if place.y >= len(lines):
                break
            style = _STYLES.get(chip.kind, _OTHER)
            if at == self.cursor and self.has_focus:
                style = "reverse bold"
            gap = " " * max(0, place.x - lines[place.y].cell_length)
            lines[place.y] = Content.assemble(lines[place.y], gap, (f" {_label(chip)}{_CROSS}", style))
        room = self.content_size.width - lines[-1].cell_length - cell_len(self.certainty)
        if self.certainty and room > 0:
            lines[-1] = Content.assemble(lines[-1], " " * room, (self.certainty, "$foreground-muted"))
        return Content("\n").join(lines)

    # Keys and clicks

    def action_move(self, step: int) -> None:
        """Selects the next chip, or the one before."""
        self.cursor = max(0, min(self.cursor + step, len(self.chips) - 1))

    def action_remove(self) -> None:
        """Takes the selected chip out of what is looked for."""
        self._change(self.cursor, flip=False)

    def action_flip(self) -> None:
        """What was wanted is not wanted, and the other way round."""
        self._change(self.cursor, flip=True)

    def on_click(self, event: events.Click) -> None:
        """The cross removes, the words flip."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        for at, place in enumerate(self._places()):
            if place.contains(offset.x, offset.y):
                self.cursor = at
                self._change(at, flip=offset.x < place.right - cell_len(_CROSS))

    def _change(self, at: int, *, flip: bool) -> None:
        if at < len(self.chips) and (self.chips[at].can_flip or not flip):
            self.post_message(self.Changed(self.chips[at], flip))

    # Layout

    def _places(self) -> list[Region]:
        """Where each chip lies; a chip that does not fit begins a new line."""
        places: list[Region] = []
        x, y, width = cell_len(_LEAD), 0, max(self.content_size.width, 1)
        for chip in self.chips:
            cells = cell_len(_label(chip)) + 1 + cell_len(_CROSS)
            if x + cells > width and x > 0:
                x, y = 0, y + 1
            places.append(Region(x, y, cells, 1))
            x += cells + 1
        return places

    def _fit(self) -> None:
        places = self._places()
        self._lines = min(_MOST_LINES, places[-1].y + 1 if places else 1)
        self.styles.height = self._lines
        self.refresh(layout=True)


def _label(chip: ShownChip) -> str:
    text = stripped(chip.text, 500)
    text = text if cell_len(text) <= _LONGEST else f"{set_cell_size(text, _LONGEST - 1)}\u2026"
    return f"not: {text}" if chip.kind is ChipKinds.REJECTS else text
