"""The imagined pictures of a turn, side by side: always called imagined, filling in step by step, picked or vetoed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size

from dar_tui.tui.conversation import Drawing
from dar_tui.tui.graphics.picture import Kind, Source
from dar_tui.tui.keymap import Place, bindings
from dar_tui.tui.widgets.tile import Layout, Tile, Tone
from dar_tui.tui.widgets.tiles import Tiles
from indexer.printable import stripped

# Wider than this a sketch of a few dozen pixels shows nothing more.
_MAX_WIDTH = 30
# Cells of a progress bar, which has an eighth of a cell for its smallest step.
_BAR = 10


class Imagined(Tiles):
    """The strip of imagined pictures."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.IMAGINED), *bindings(Place.ANSWER)]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.turn = 0
        self.drawings: tuple[Drawing, ...] = ()
        self.empty = ""

    def show_drawings(
        self, turn: int, drawings: Sequence[Drawing], opinions: Mapping[int, bool], *, drawing: bool = False
    ) -> None:
        """Shows a turn's pictures; `opinions`: k -> picked (True) or vetoed (False); `drawing`: now."""
        if turn != self.turn:
            self.cursor = 0
        self.turn, self.drawings = turn, tuple(drawings)
        self.show(_tile(k, each, opinions.get(k), drawing) for k, each in enumerate(drawings))

    def empty_words(self) -> str:
        """What to say while nothing is imagined."""
        return self.empty

    def arrangement(self, size: Size) -> Layout:
        """All pictures in one row, as large as fits."""
        columns = max(1, len(self.tiles))
        width = max(4, min(size.width // columns - 2, _MAX_WIDTH))
        lines = 0 if self._gallery is None else max(0, min(width // 2, size.height - 2))
        return Layout(columns, width, lines)


def _tile(k: int, drawing: Drawing, opinion: bool | None, going_on: bool) -> Tile:
    words, tone = f"imagined {k + 1}", Tone.PLAIN
    if opinion is not None:
        words += " \u2665 picked" if opinion else " \u2717 vetoed"
        tone = Tone.GOOD if opinion else Tone.BAD
    elif not drawing.done and going_on:
        words += f" {_bar(drawing)}"
    picture = None if drawing.path is None else Source(drawing.path, Kind.IMAGINED)
    instead = "imagined" if drawing.done else _steps(drawing) if going_on else "not drawn"
    return Tile(picture, words, stripped(drawing.prompt), tone, instead)


def _steps(drawing: Drawing) -> str:
    return f"step {drawing.step}/{drawing.steps}" if drawing.steps else "waiting"


def _bar(drawing: Drawing) -> str:
    filled = round(_BAR * drawing.step / drawing.steps) if drawing.steps else 0
    return "\u2501" * filled + "\u2508" * (_BAR - filled)
