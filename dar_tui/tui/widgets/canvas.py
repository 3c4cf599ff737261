"""One picture as large as there is space, painted by the gallery; words where it cannot be."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import Painted, Request, Source, Unpaintable

# Pixels on the shorter side that are worth decoding for one cell's height of real pixels.
_PIXELS_PER_LINE = 24


class Canvas(Widget):
    """Shows a source from a gallery."""

    def __init__(self, gallery: Gallery | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._gallery = gallery
        self._source: Source | None = None
        self._instead = ""

    def show(self, source: Source | None, instead: str = "") -> None:
        """Shows another picture; `instead` is said where there is none."""
        self._source, self._instead = source, instead
        self._ask()
        self.refresh()

    def repaint(self, request: Request) -> None:
        """A picture is ready."""
        if request == self._request():
            self.refresh()

    def on_resize(self) -> None:
        """Asks for the picture in its new size."""
        self._ask()

    def on_unmount(self) -> None:
        """Wants no more pictures."""
        if self._gallery is not None:
            self._gallery.leave(self)

    def render_line(self, y: int) -> Strip:
        """One line, the picture in the middle."""
        width, height = self.size
        request = self._request()
        result = self._gallery.get(request) if self._gallery is not None and request is not None else None
        if isinstance(result, Painted):
            top, left = (height - result.lines) // 2, (width - result.columns) // 2
            if not top <= y < top + result.lines:
                return Strip.blank(width, self.rich_style)
            rest = width - left - result.columns
            style = self.rich_style
            return Strip.join([Strip.blank(left, style), result.strips[y - top], Strip.blank(rest, style)])
        if y != height // 2:
            return Strip.blank(width, self.rich_style)
        words = result.reason if isinstance(result, Unpaintable) else self._instead or "\u2026"
        line = " " * max(0, (width - cell_len(words)) // 2) + words
        return Strip([Segment(set_cell_size(line, width), self.rich_style)], width)

    def _ask(self) -> None:
        request = self._request()
        if self._gallery is not None:
            self._gallery.want(self, [request] if request is not None else [])

    def _request(self) -> Request | None:
        width, height = self.size
        if self._source is None or width <= 0 or height <= 0:
            return None
        return Request(self._source, width, height, height * _PIXELS_PER_LINE)
