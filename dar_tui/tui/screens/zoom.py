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
from dar_tui.tui.graphics.loading import NoPicture, load
from dar_tui.tui.graphics.picture import Kind, Request, Source, fitted
from dar_tui.tui.keymap import Place, Remapping, bindings
from dar_tui.tui.screens.picture_actions import Deeds, PictureActions
from dar_tui.tui.widgets.canvas import Canvas
from dar_tui.tui.widgets.imagined import Imagined
from dar_tui.tui.widgets.photos import Photos
from dar_tui.tui.widgets.status import Hints
from indexer.errors import DarError
from indexer.printable import stripped

if TYPE_CHECKING:
    from PIL import Image

# xterm drops Sixel pictures of more than 1000 pixels on a side (its resource maxGraphicSize), without a word.
_SIXEL_SIDE = 1000


class ZoomScreen(PictureActions):
    """Looks at the tile in hand of `tiles`; what one does with a picture there is done here as well."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(each for each in bindings(Place.PARTS) if each.id == "back"),
        *(each for each in bindings(Place.GRID) if (each.id or "").startswith(("grid.", "zoom", "help"))),
    ]
    PLACE: ClassVar[Place] = Place.PHOTO

    @dataclass
    class Loaded(Message):
        """Pixels for a Sixel picture are there, or why not."""

        source: Source
        image: Image.Image | None
        reason: str

    def __init__(
        self, tiles: Photos | Imagined, deeds: Deeds, remapping: Remapping, gallery: Gallery | None, *, sixel: bool
    ) -> None:
        super().__init__(deeds)
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
        """Shows the picture in hand."""
        self.show_in_hand()

    # What is shown

    @property
    def source(self) -> Source | None:
        """The file shown: the photo itself, or the imagined picture."""
        if isinstance(self.tiles, Photos):
            hit = self.tiles.hit
            return Source(hit.path, Kind.PHOTO) if hit else None
        return self.tiles.tiles[self.tiles.cursor].picture if self.tiles.tiles else None

    @property
    def words(self) -> list[str]:
        """The lines of facts as shown."""
        return self._photo_lines() if isinstance(self.tiles, Photos) else self._imagined_lines()

    def show_in_hand(self) -> None:
        """Shows the picture and the facts of the tile in hand."""
        first, *rest = self.words or [""]
        self.query_one("#facts", Static).update(
            Content("\n").join([Content.assemble((first, "bold")), *(Content(line) for line in rest)])
        )
        self.query_one(Hints).keys = (("\u2190\u2192", "next"), *self._remapping.hints(self.PLACE), ("Esc", "back"))
        source = self.source
        if not self._sixel:
            self.query_one(Canvas).show(source)
        elif source is not None:
            background.run(lambda: self._load(source), self._failed, "dar-zoom")

    def repaint(self, request: Request) -> None:
        """The gallery has painted a picture."""
        if not self._sixel and self.is_mounted:
            self.query_one(Canvas).repaint(request)

    def in_hand(self) -> Photos | Imagined:
        """Where the picture in hand is."""
        return self.tiles

    def _photo_lines(self) -> list[str]:
        assert isinstance(self.tiles, Photos)
        hit = self.tiles.hit
        if hit is None:
            return []
        facts = [f"{what} {value}" for what, value in wording.facts(hit)]
        head = f"{self.tiles.tiles[self.tiles.cursor].title}   photo {self.tiles.cursor + 1} of {len(self.tiles.tiles)}"
        return [head, facts[0], "   ".join(facts[1:])]

    def _imagined_lines(self) -> list[str]:
        assert isinstance(self.tiles, Imagined)
        if not self.tiles.drawings:
            return []
        drawing = self.tiles.drawings[self.tiles.cursor]
        head = f"{self.tiles.tiles[self.tiles.cursor].title}   imagined by dar, not a photo"
        return [head, stripped(drawing.prompt, 500), f"seed {drawing.seed}"]

    # Sixel

    def _load(self, source: Source) -> None:
        try:
            image, _ = load(source, _SIXEL_SIDE)
            self.post_message(self.Loaded(source, image, ""))
        except NoPicture as error:
            self.post_message(self.Loaded(source, None, str(error)))

    def _failed(self, error: DarError) -> None:
        source = self.source
        if source is not None:
            self.post_message(self.Loaded(source, None, error.message))

    async def on_zoom_screen_loaded(self, message: Loaded) -> None:
        """Puts the pixels on the screen, unless another picture is in hand by now."""
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
        self.show_in_hand()

    def action_zoom(self, number: int | None = None) -> None:
        """Enter steps back; a number goes to that picture."""
        if number is None:
            self.action_back()
        elif number <= len(self.tiles.tiles):
            self.tiles.cursor = number - 1
            self.show_in_hand()

    def action_judge(self, good: bool) -> None:
        """Shows the opinion at once."""
        super().action_judge(good)
        self.show_in_hand()

    def action_more_like(self) -> None:
        """Back to the grid, which shows them."""
        self.dismiss(None)
        super().action_more_like()

    def action_back(self) -> None:
        """Back to the grid."""
        self.dismiss(None)


class PhotoZoom(ZoomScreen):
    """Looks at a photo."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.PHOTO)]


class ImaginedZoom(ZoomScreen):
    """Looks at an imagined picture."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.IMAGINED)]
    PLACE: ClassVar[Place] = Place.IMAGINED
