"""One picture large, with all that is known of it. Left and right go through the pictures it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.tui import background, wording
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import FileKind, NoPicture, PictureFile, Request, fitted, load
from dar_tui.tui.keymap import Hint, Place, Remapping, bindings
from dar_tui.tui.screens.leaving import LeftOnce
from dar_tui.tui.widgets.detail import Canvas
from dar_tui.tui.widgets.lines import Hints
from dar_tui.tui.widgets.pictures import ImaginedStrip, PhotoGrid
from indexer.errors import DarError
from indexer.printable import stripped

if TYPE_CHECKING:
    from PIL import Image

    from indexer.search.hits import Hit

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
        self.query_one(Hints).keys = (
            Hint("\u2190\u2192", "next", "screen.move('right')"),
            *self._remapping.hints(place),
            Hint("Esc", "back", "screen.back"),
        )
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
