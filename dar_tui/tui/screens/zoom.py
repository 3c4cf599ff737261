"""One picture large, with all that is known of it. Left and right go through the pictures it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.tui import background, wording
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import FileKind, NoPicture, Painted, PictureFile, Request, Unpaintable, fitted, load
from dar_tui.tui.keymap import Place, Remapping, bindings
from dar_tui.tui.screens.leaving import LeftOnce
from dar_tui.tui.widgets.lines import Hints
from dar_tui.tui.widgets.pictures import ImaginedStrip, PhotoGrid
from indexer.errors import DarError
from indexer.printable import stripped

if TYPE_CHECKING:
    from PIL import Image

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


# xterm drops Sixel pictures of more than 1000 pixels on a side (its resource maxGraphicSize), without a word.
_SIXEL_SIDE = 1000


class ZoomScreen(LeftOnce[None]):
    """Looks at the selected tile of `tiles`; the keys of a photo or an imagined picture do here what they do there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(each for each in bindings(Place.PARTS) if each.id == "back"),
        *(each for each in bindings(Place.GRID) if (each.id or "").startswith(("grid.", "zoom", "help", "undo"))),
        *bindings(Place.PHOTO, Place.IMAGINED),
    ]

    @dataclass
    class LookedAt(Message):
        """A photo is shown large."""

        hit: Hit

    @dataclass
    class PixelsReady(Message):
        """Pixels for a Sixel picture are there, or why not."""

        source: PictureFile
        image: Image.Image | None
        reason: str

    def __init__(
        self, tiles: PhotoGrid | ImaginedStrip, remapping: Remapping, gallery: Gallery | None, *, sixel: bool
    ) -> None:
        super().__init__()
        self.tiles = tiles
        self._remapping = remapping
        self._gallery = gallery
        self._sixel = sixel

    def compose(self) -> ComposeResult:
        """The picture, the facts, the keys."""
        with Container(id="picture"):
            if not self._sixel:
                yield Canvas(self._gallery, id="canvas")
        with Vertical(id="bottom"):
            yield Static("", id="facts", markup=False)
            yield Hints(id="hints")

    def on_mount(self) -> None:
        """Shows the selected picture."""
        self.show_selected()

    # What is shown

    @property
    def source(self) -> PictureFile | None:
        """The file shown: the photo itself, or the imagined picture."""
        if isinstance(self.tiles, PhotoGrid):
            hit = self.tiles.hit
            return PictureFile(hit.path, FileKind.PHOTO) if hit else None
        return self.tiles.tiles[self.tiles.cursor].picture if self.tiles.tiles else None

    @property
    def words(self) -> list[str]:
        """The lines of facts as shown."""
        return self._photo_lines() if isinstance(self.tiles, PhotoGrid) else self._imagined_lines()

    def show_selected(self) -> None:
        """Shows the picture and the facts of the selected tile."""
        first, *rest = self.words or [""]
        self.query_one("#facts", Static).update(
            Content("\n").join([Content.assemble((first, "bold")), *(Content(line) for line in rest)])
        )
        place = Place.PHOTO if isinstance(self.tiles, PhotoGrid) else Place.IMAGINED
        self.query_one(Hints).keys = (("\u2190\u2192", "next"), *self._remapping.hints(place), ("Esc", "back"))
        if isinstance(self.tiles, PhotoGrid) and self.tiles.hit is not None:
            self.post_message(self.LookedAt(self.tiles.hit))
        source = self.source
        if not self._sixel:
            self.query_one(Canvas).show(source)
        elif source is not None:
            background.run(lambda: self._load(source), self._failed, "dar-zoom")

    def repaint(self, request: Request) -> None:
        """The gallery has painted a picture."""
        if not self._sixel and self.is_mounted:
            self.query_one(Canvas).repaint(request)

    @property
    def selected_tiles(self) -> PhotoGrid | ImaginedStrip:
        """Where the selected picture is."""
        return self.tiles

    def _photo_lines(self) -> list[str]:
        assert isinstance(self.tiles, PhotoGrid)
        hit = self.tiles.hit
        if hit is None:
            return []
        facts = [f"{what} {value}" for what, value in wording.facts(hit)]
        head = f"{self.tiles.tiles[self.tiles.cursor].title}   photo {self.tiles.cursor + 1} of {len(self.tiles.tiles)}"
        return [head, facts[0], "   ".join(facts[1:])]

    def _imagined_lines(self) -> list[str]:
        assert isinstance(self.tiles, ImaginedStrip)
        if not self.tiles.drawings:
            return []
        drawing = self.tiles.drawings[self.tiles.cursor]
        head = f"{self.tiles.tiles[self.tiles.cursor].title}   imagined by dar, not a photo"
        return [head, stripped(drawing.prompt, 500), f"seed {drawing.seed}"]

    # Sixel

    def _load(self, source: PictureFile) -> None:
        try:
            image, _ = load(source, _SIXEL_SIDE)
            self.post_message(self.PixelsReady(source, image, ""))
        except NoPicture as error:
            self.post_message(self.PixelsReady(source, None, str(error)))

    def _failed(self, error: DarError) -> None:
        source = self.source
        if source is not None:
            self.post_message(self.PixelsReady(source, None, error.message))

    async def on_zoom_screen_pixels_ready(self, message: PixelsReady) -> None:
        """Puts the pixels on the screen, unless another picture is selected by now."""
        if message.source != self.source:
            return
        holder = self.query_one("#picture", Container)
        await holder.remove_children()
        widget: Widget
        if message.image is None:
            widget = Static(message.reason, markup=False)
        else:
            from textual_image._terminal import get_cell_size
            from textual_image.widget.sixel import Image as SixelImage

            cell = get_cell_size()
            columns = min(holder.size.width, _SIXEL_SIDE // cell.width)
            lines = min(holder.size.height, _SIXEL_SIDE // cell.height)
            widget = SixelImage(message.image, id="sixel")
            widget.styles.width, widget.styles.height = fitted(*message.image.size, columns, lines, cell)
        await holder.mount(widget)

    # Keys

    def action_move(self, how: str) -> None:
        """Goes to another picture. Up and down are left and right here."""
        self.tiles.action_move({"up": "left", "down": "right"}.get(how, how))
        self.show_selected()

    def action_zoom(self, number: int | None = None) -> None:
        """Enter steps back; a number goes to that picture."""
        if number is None:
            self.action_back()
        elif number <= len(self.tiles.tiles):
            self.tiles.cursor = number - 1
            self.show_selected()

    def action_back(self) -> None:
        """Back to the grid."""
        self.dismiss(None)
