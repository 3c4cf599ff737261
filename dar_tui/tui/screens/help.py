"""Every key, as the user has set them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.tui.keymap import KEYS, Place, Remapping, shown
from dar_tui.tui.screens.page import Page
from indexer.printable import visible

_NOTES = {
    Place.GRID: "while photos or imagined pictures have the focus: Tab goes there, Esc back to the prompt",
    Place.PHOTO: "the photo in hand, in the grid and when looked at large",
    Place.IMAGINED: "pictures dar imagined, which are not photos of yours",
    Place.ANSWER: "y, n and s answer from the photos at once, from an empty prompt after a moment or by Enter",
}


class HelpScreen(Page[None]):
    """A list to scroll through."""

    TITLE_TEXT = "Keys"
    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("\u2191\u2193", "scroll"),)

    def __init__(self, remapping: Remapping, keys_file: Path) -> None:
        super().__init__()
        self._remapping = remapping
        self._keys_file = keys_file

    def body(self) -> Sequence[Widget]:
        """One block of lines for each place."""
        blocks = [self._block(place) for place in Place]
        last = Content(f'Other keys: write lines such as  "photo.like" = "+,a"  into {visible(self._keys_file)}')
        return [VerticalScroll(*(Static(block, classes="text", markup=False) for block in [*blocks, last]))]

    def on_mount(self) -> None:
        """Arrows scroll at once."""
        self.query_one(VerticalScroll).focus()

    def _block(self, place: Place) -> Content:
        note = f"  {_NOTES[place]}" if place in _NOTES else ""
        lines = [Content.assemble((place.value, "bold $accent"), (note, "$foreground-muted"))]
        for key in KEYS:
            if key.place is place:
                keys = shown(self._remapping.keys_of(key))
                lines.append(
                    Content.assemble((f"  {keys:<24} ", "bold"), f"{key.help}  ", (key.id, "$foreground-disabled"))
                )
        return Content("\n").join(lines)
