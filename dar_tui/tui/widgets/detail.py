"""One picture as large as its place allows, and the selected photo beside the grid with what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.tui import wording
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import FileKind, Painted, PictureFile, Request, Unpaintable

if TYPE_CHECKING:
    from indexer.search.hits import Hit

# Pixels on the shorter side that are worth decoding for one cell's height of real pixels.
_PIXELS_PER_LINE = 24


class Canvas(Widget):
    """Shows a source from a gallery."""

    def __init__(self, gallery: Gallery | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._gallery = gallery
        self._source: PictureFile | None = None
        self._instead = ""

    def show(self, source: PictureFile | None, instead: str = "") -> None:
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

    def use(self, gallery: Gallery | None) -> None:
        """Where pictures come from; None: words only."""
        self._gallery = gallery
        self._ask()


class PhotoDetail(Vertical):
    """The selected photo, larger than in the grid, and what is known of it; away while there is none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hit: Hit | None = None
        self.words: list[str] = []

    def compose(self) -> ComposeResult:
        """The picture above, the facts below."""
        yield Canvas(None)
        yield Static("", markup=False, classes="facts")

    def use(self, gallery: Gallery | None) -> None:
        """Where pictures come from; None: words only."""
        self.set_class(gallery is None, "-words")
        self.query_one(Canvas).use(gallery)

    def show(self, hit: Hit | None, title: str = "") -> None:
        """Shows a photo; `title`: how it stands in the grid."""
        self.hit = hit
        self.set_class(hit is None, "-away")
        self.words = [] if hit is None else _words(hit, title)
        first, *rest = self.words or [""]
        lines = [Content.assemble((first, "bold")), *(Content.assemble((line, "$foreground-muted")) for line in rest)]
        self.query_one(Static).update(Content("\n").join(lines))
        # The thumbnail has more pixels than so many cells show, and is there where the photo's drive is not.
        source = None if hit is None else PictureFile(hit.thumbnail, FileKind.THUMBNAIL, hit.path)
        self.query_one(Canvas).show(source)

    def repaint(self, request: Request) -> None:
        """A picture is ready."""
        self.query_one(Canvas).repaint(request)


def _words(hit: Hit, title: str) -> list[str]:
    """The file's name, then how it stands in the grid, then its facts: a line each, the folder last."""
    facts = dict(wording.facts(hit))
    when = [facts["taken"]] if hit.taken_at else []
    where = [hit.place] if hit.place else [facts["place"]] if "place" in facts else []
    made = [facts[what] for what in ("camera", "size") if what in facts]
    lines = [wording.name(hit), title, *([facts["caption"]] if "caption" in facts else []), "  ".join(when + where)]
    return [line for line in (*lines, "  ".join(made), wording.folder(hit)) if line]
