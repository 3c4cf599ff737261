"""Pictures side by side with words under them, one of them selected: what photos and imagined pictures are shown with.

One widget however many pictures, drawn line by line: a thousand hits cost what fits on the screen. Pictures come from
a gallery, when they are painted; until then, and where they cannot be, words stand in their place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import Painted, PictureFile, Request, Unpaintable
from dar_tui.tui.keymap import Place, bindings


class Tone(StrEnum):
    """What the words under a picture mean; each has a style in dar.tcss, and says it in words too."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    ROSE = "rose"
    ASKED = "asked"
    SEEN = "seen"


@dataclass(frozen=True)
class Tile:
    """One picture. `title` and `detail`: the two lines under it; `name` stands after the detail, shown by its end,
    where names differ. `instead`: what to say while there is no picture."""

    picture: PictureFile | None
    title: str
    detail: str = ""
    tone: Tone = Tone.PLAIN
    instead: str = ""
    name: str = ""


@dataclass(frozen=True)
class TileLayout:
    """Where tiles lie: `columns` of tiles, each with a picture of `width` x `lines` cells between two gutters."""

    columns: int
    width: int
    lines: int

    @property
    def tile_width(self) -> int:
        """Cells from one tile to the next."""
        return self.width + 2

    @property
    def tile_lines(self) -> int:
        """Lines from one row of tiles to the next: the picture, two lines of words, one between."""
        return self.lines + 3

    def region(self, index: int) -> Region:
        """The cells of a tile, in a list that begins at (0, 0)."""
        row, column = divmod(index, self.columns)
        return Region(column * self.tile_width, row * self.tile_lines, self.tile_width, self.tile_lines)

    def size(self, tiles: int) -> Size:
        """The cells that so many tiles take."""
        return Size(min(self.columns, max(1, tiles)) * self.tile_width, -(-tiles // self.columns) * self.tile_lines)

    def seen(self, tiles: int, top: int, height: int) -> range:
        """The indices of the tiles, of so many, that have cells in `height` lines from `top` on."""
        first = top // self.tile_lines * self.columns
        last = -(-(top + height) // self.tile_lines) * self.columns
        return range(min(first, tiles), min(last, tiles))


class Tiles(ScrollView, can_focus=True):
    """Base of `PhotoGrid` and `ImaginedStrip`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "tiles--title",
        "tiles--detail",
        "tiles--good",
        "tiles--bad",
        "tiles--rose",
        "tiles--asked",
        "tiles--seen",
        "tiles--empty",
        "tiles--cursor",
        "tiles--cursor-away",
    }
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.GRID)]

    cursor: reactive[int] = reactive(0)

    @dataclass
    class Moved(Message):
        """Another tile is selected."""

        tiles: Tiles
        index: int

        @property
        def control(self) -> Tiles:
            """The widget the tile is in."""
            return self.tiles

    @dataclass
    class PastEnd(Message):
        """A page further was asked for, from the last tiles."""

        tiles: Tiles

    @dataclass
    class Chosen(Message):
        """A tile was clicked a second time."""

        tiles: Tiles
        index: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tiles: tuple[Tile, ...] = ()
        self._gallery: Gallery | None = None
        self._layout = TileLayout(1, 4, 2)

    # What is shown

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles shown."""
        return self._tiles

    def use(self, gallery: Gallery | None) -> None:
        """Where pictures come from; None: words only."""
        self._gallery = gallery
        self._arrange()

    def show(self, tiles: Iterable[Tile], cursor: int | None = None) -> None:
        """Shows these tiles; `cursor` is the selected one, None keeps its place."""
        self._tiles = tuple(tiles)
        self.cursor = self.validate_cursor(self.cursor if cursor is None else cursor)
        self._arrange()

    def repaint(self, request: Request) -> None:
        """A picture is ready: draws the tiles on screen that show it."""
        for index in self._visible():
            if self._request(self._tiles[index]) == request:
                self._refresh_tile(index)

    def arrangement(self, size: Size) -> TileLayout:
        """How tiles are laid out in this much space."""
        raise NotImplementedError

    # Moving about

    def validate_cursor(self, cursor: int) -> int:
        """Keeps the cursor on a tile."""
        return max(0, min(cursor, len(self._tiles) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        """Draws both tiles and scrolls to the new one."""
        self._refresh_tile(before)
        self._refresh_tile(now)
        self.reveal()
        self.post_message(self.Moved(self, now))

    def reveal(self) -> None:
        """Scrolls until the selected tile is seen whole."""
        self.scroll_to_region(self._layout.region(self.cursor), animate=False, force=True)

    def action_resize(self, step: int) -> None:
        """Larger or smaller pictures, where they have no size of their own."""

    def action_move(self, how: str) -> None:
        """Moves the cursor: left, right, up, down, page_up, page_down, first, last."""
        columns = self._layout.columns
        page = max(1, (self.scrollable_content_region.height + 1) // self._layout.tile_lines) * columns
        steps = {"left": -1, "right": 1, "up": -columns, "down": columns, "page_up": -page, "page_down": page}
        last = len(self._tiles) - 1
        if how in ("first", "last"):
            self.cursor = 0 if how == "first" else last
        elif how == "page_down" and self.cursor == last:
            self.post_message(self.PastEnd(self))
        elif how in ("up", "down") and not 0 <= self.cursor + steps[how] <= last:
            # Down from above a short last row goes to its end; at the edges nothing moves.
            if how == "down" and self.cursor // columns < last // columns:
                self.cursor = last
        else:
            self.cursor += steps[how]

    def on_click(self, event: events.Click) -> None:
        """A click selects a tile; a second one chooses it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        column, row = (
            int(offset.x + self.scroll_offset.x) // self._layout.tile_width,
            int(offset.y + self.scroll_offset.y) // self._layout.tile_lines,
        )
        index = row * self._layout.columns + column
        if column < self._layout.columns and index < len(self._tiles):
            self.cursor = index
            if event.chain == 2:
                self.post_message(self.Chosen(self, index))

    # Drawing

    def on_resize(self) -> None:
        """Lays tiles out anew, the selected one staying in sight."""
        self._arrange()
        self.reveal()

    def on_unmount(self) -> None:
        """Wants no more pictures."""
        if self._gallery is not None:
            self._gallery.leave(self)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Asks for the pictures that came into sight."""
        super().watch_scroll_y(old_value, new_value)
        self._ask()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """Asks for the pictures that came into sight."""
        super().watch_scroll_x(old_value, new_value)
        self._ask()

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor is drawn differently without the focus."""
        super().watch_has_focus(has_focus)
        self._refresh_tile(self.cursor)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        layout, width = self._layout, self.size.width
        row, inner = divmod(y + self.scroll_offset.y, layout.tile_lines)
        first = row * layout.columns
        tiles = self._tiles[first : first + layout.columns]
        if not self._tiles and y == self.size.height // 2:
            return self._words(self.empty_words(), width, "tiles--empty")
        strips = [self._tile_line(first + at, tile, inner) for at, tile in enumerate(tiles)]
        # No style is laid over the line: a picture's cells have their own, thousands of them on a full screen.
        line = Strip.join(strips).crop(self.scroll_offset.x, self.scroll_offset.x + width)
        return line.extend_cell_length(width, self.rich_style)

    def empty_words(self) -> str:
        """What to say while there are no tiles."""
        return ""

    def _tile_line(self, index: int, tile: Tile, inner: int) -> Strip:
        layout = self._layout
        if inner < layout.lines:
            content = self._picture_line(tile, inner)
        elif inner == layout.lines:
            content = self._title(tile)
        elif inner == layout.lines + 1:
            detail = named(tile.detail, tile.name, layout.width)
            content = self._fitted(detail, self.get_component_rich_style("tiles--detail"))
        else:
            return self._blank(layout.tile_width)
        left, right = self._gutters(index)
        return Strip.join([left, content, right])

    def _gutters(self, index: int) -> tuple[Strip, Strip]:
        """The selected tile is drawn between two bars; a border is never drawn over a picture, which may be pixels."""
        if index != self.cursor:
            return self._blank(1), self._blank(1)
        style = self.get_component_rich_style("tiles--cursor" if self.has_focus else "tiles--cursor-away")
        return Strip([Segment("\u258c", style)], 1), Strip([Segment("\u2590", style)], 1)

    def _picture_line(self, tile: Tile, inner: int) -> Strip:
        layout, request = self._layout, self._request(tile)
        result = self._gallery.get(request) if self._gallery is not None and request is not None else None
        if isinstance(result, Painted):
            top = (layout.lines - result.lines) // 2
            if not top <= inner < top + result.lines:
                return self._blank(layout.width)
            left = (layout.width - result.columns) // 2
            right = layout.width - left - result.columns
            return Strip.join([self._blank(left), result.strips[inner - top], self._blank(right)])
        if inner != layout.lines // 2:
            return self._blank(layout.width)
        words = result.reason if isinstance(result, Unpaintable) else tile.instead
        return self._words(words, layout.width, "tiles--empty")

    def _blank(self, cells: int) -> Strip:
        return Strip.blank(cells, self.rich_style)

    def _title(self, tile: Tile) -> Strip:
        name = "title" if tile.tone is Tone.PLAIN else tile.tone.value
        return self._fitted(tile.title, self.get_component_rich_style(f"tiles--{name}"))

    def _fitted(self, text: str, style: Style) -> Strip:
        width = self._layout.width
        if cell_len(text) > width:
            text = set_cell_size(text, width - 1) + "\u2026"
        return Strip([Segment(set_cell_size(text, width), style)], width)

    def _words(self, text: str, width: int, name: str) -> Strip:
        """Text in the middle of `width` cells."""
        text = set_cell_size(text, width) if cell_len(text) > width else text
        left = (width - cell_len(text)) // 2
        line = " " * left + text
        return Strip([Segment(set_cell_size(line, width), self.get_component_rich_style(name))], width)

    # Space and pictures

    def _arrange(self) -> None:
        size = self.scrollable_content_region.size
        self._layout = self.arrangement(size)
        self.virtual_size = self._layout.size(len(self._tiles))
        self._ask()
        self.refresh()

    def _visible(self) -> range:
        """The indices of the tiles on screen."""
        height = self.scrollable_content_region.height
        return self._layout.seen(len(self._tiles), self.scroll_offset.y, height)

    def seen(self) -> range:
        """The indices of the tiles whose pictures are on screen from top to bottom; none while it is hidden."""
        height = self.scrollable_content_region.height
        top, columns = self.scroll_offset.y, self._layout.columns
        first = -(-top // self._layout.tile_lines)
        last = (top + height - self._layout.lines) // self._layout.tile_lines
        return range(min(first * columns, len(self._tiles)), min((last + 1) * columns, len(self._tiles)))

    def _ask(self) -> None:
        if self._gallery is not None and self.is_attached:
            requests = [self._request(self._tiles[index]) for index in self._visible()]
            self._gallery.want(self, [request for request in requests if request is not None])

    def _request(self, tile: Tile) -> Request | None:
        if tile.picture is None or self._layout.lines == 0:
            return None
        return Request(tile.picture, self._layout.width, self._layout.lines)

    def _refresh_tile(self, index: int) -> None:
        self.refresh(self._layout.region(index).translate(-self.scroll_offset))


def named(detail: str, name: str, width: int) -> str:
    """The detail, and of the name as much as fits, from its end."""
    before = f"{detail} " if detail and name else detail
    room = width - cell_len(before)
    if cell_len(name) > room:
        while name and cell_len(name) > room - 1:
            name = name[1:]
        name = f"\u2026{name}"
    return before + name
