"""The two sets of pictures: the photos found, and the pictures that were imagined for them.

Photos have their rank and how well they match, ordered by match or by date, near-duplicates folded or not. Imagined
pictures are always called imagined, fill in step by step, and are picked or vetoed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.strip import Strip

from dar_tui.tui import wording
from dar_tui.tui.conversation import Drawing
from dar_tui.tui.graphics.picture import FileKind, PictureFile
from dar_tui.tui.keymap import Place, bindings
from dar_tui.tui.widgets.tiles import Tile, TileLayout, Tiles, Tone
from indexer.printable import stripped

if TYPE_CHECKING:
    from indexer.search.hits import Hit

# Wider than this a sketch of a few dozen pixels shows nothing more.
_MAX_WIDTH = 30
# A photo this wide shows what is in it; a step of size has so many times fewer or more of them.
_WIDTH, _STEP = 24, 1.7
_SMALLEST, _LARGEST = -2, 4
# A narrower one shows nothing, and a page of fewer photos is no page.
_NARROWEST, _FEWEST = 8, 4
# Lines of a tile beside its picture, and cells beside it.
_WORDS, _GUTTERS = 3, 2
# Cells of width for a line of height: three to two, in cells that are twice as high as wide.
_LINE_CELLS = 3
# Cells of a progress bar, which has an eighth of a cell for its smallest step.
_BAR = 10


@dataclass(frozen=True)
class GridPage:
    """What is to be seen: hits, best first, and what the user thinks of them.

    `rise`: places a photo was lifted; `asked`: the image ids of photos that the open question speaks of; `seen`: these
    were seen earlier, and were not ranked.
    """

    hits: tuple[Hit, ...] = ()
    rise: Callable[[Hit], int] = lambda hit: 0
    liked: frozenset[int] = frozenset()
    unliked: frozenset[int] = frozenset()
    by_date: bool = False
    unfolded: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()
    asked: frozenset[int] = frozenset()
    seen: bool = False
    empty: str = ""


class PhotoGrid(Tiles):
    """The grid of photos."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.PHOTO), *bindings(Place.ANSWER)]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.page = GridPage()
        self._shown: tuple[Hit, ...] = ()
        self._scale = 0

    @property
    def shown(self) -> tuple[Hit, ...]:
        """The hits in the order of their tiles, unfolded ones among them."""
        return self._shown

    @property
    def hit(self) -> Hit | None:
        """The selected photo."""
        return self._shown[self.cursor] if self._shown else None

    # Pages

    def arrangement(self, size: Size) -> TileLayout:
        """Whole rows only, in the columns and rows that show the largest pictures of at least as many photos as there
        would be of the usual size; four at the least."""
        if self._gallery is None:
            columns = max(1, size.width // _WIDTH)
            return TileLayout(columns, max(4, size.width // columns - _GUTTERS), 0)
        room = size.height + 1  # the last row needs no line between it and a next one
        usual = (_WIDTH + _GUTTERS) * (_WIDTH // _LINE_CELLS + _WORDS)
        wanted = max(_FEWEST, round(size.width * room / usual / _STEP**self._scale))
        best = (0, 0, TileLayout(1, max(4, size.width - _GUTTERS), max(2, room - _WORDS)))
        for columns in range(1, max(1, size.width // (_NARROWEST + _GUTTERS)) + 1):
            width = size.width // columns - _GUTTERS
            for rows in range(1, room // (_WORDS + 2) + 1):
                lines = room // rows - _WORDS
                if columns * rows >= wanted:
                    shown = min(width, _LINE_CELLS * lines)
                    # As high as wide for the eye is enough for any photo.
                    layout = TileLayout(columns, width, min(lines, max(2, width // 2)))
                    best = max(best, (shown, -columns * rows, layout), key=lambda each: each[:2])
        return best[2]

    def rows(self) -> int:
        """How many rows a page has."""
        return max(1, (self.scrollable_content_region.height + 1) // self._layout.tile_lines)

    def reveal(self) -> None:
        """Turns to the page of the selected photo."""
        row = self.cursor // self._layout.columns
        self.scroll_to(y=row // self.rows() * self.rows() * self._layout.tile_lines, animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        """One line of the screen; a row that would be cut at its end stays away."""
        is_beyond = bool(self.tiles) and y >= self.rows() * self._layout.tile_lines
        return Strip.blank(self.size.width, self.rich_style) if is_beyond else super().render_line(y)

    def action_resize(self, step: int) -> None:
        """Larger or smaller pictures."""
        size = max(_SMALLEST, min(self._scale + step, _LARGEST))
        if size != self._scale:
            self._scale = size
            self._arrange()
            self.reveal()

    def _arrange(self) -> None:
        super()._arrange()
        # The last page is whole, too: its rows do not move up to fill what is left of the screen.
        rows = -(-len(self.tiles) // self._layout.columns)
        pages = -(-rows // self.rows())
        lines = max(self.virtual_size.height, (pages - 1) * self.rows() * self._layout.tile_lines + self.size.height)
        self.virtual_size = Size(self.virtual_size.width, lines if pages > 1 else self.virtual_size.height)

    # Hits

    def show_page(self, page: GridPage, *, keep: bool = True) -> None:
        """Shows a page. `keep`: the selected photo stays so if it is still there and was not the first."""
        selected = self.hit
        self.page = page
        self._shown = _ordered(page)
        cursor = 0
        if keep and selected is not None and self.cursor > 0:
            ids = [hit.image_id for hit in self._shown]
            cursor = ids.index(selected.image_id) if selected.image_id in ids else min(self.cursor, len(ids) - 1)
        members = _members(page)
        self.show((_photo_tile(hit, page, members) for hit in self._shown), max(cursor, 0))

    def empty_words(self) -> str:
        """What to say while there are no photos."""
        return self.page.empty

    def unfold(self) -> bool:
        """Shows the near-duplicates of the selected photo, or folds them again; False where it has none."""
        hit = self.hit
        leader = next((each for each in self.page.hits if hit in (each, *each.similar)), None)
        if leader is None:
            return False
        unfolded = self.page.unfolded
        if leader.image_id in unfolded:
            self.cursor = self._shown.index(leader)
            self.change(unfolded=unfolded - {leader.image_id})
        elif leader.similar:
            self.change(unfolded=unfolded | {leader.image_id})
        else:
            return False
        return True

    def change(
        self,
        *,
        liked: frozenset[int] | None = None,
        unliked: frozenset[int] | None = None,
        by_date: bool | None = None,
        unfolded: frozenset[int] | None = None,
        marked: frozenset[int] | None = None,
        asked: frozenset[int] | None = None,
    ) -> None:
        """Shows the same hits otherwise; the selected one stays so."""
        page = self.page
        selected = self.hit
        page = replace(
            page,
            liked=page.liked if liked is None else liked,
            unliked=page.unliked if unliked is None else unliked,
            by_date=page.by_date if by_date is None else by_date,
            unfolded=page.unfolded if unfolded is None else unfolded,
            marked=page.marked if marked is None else marked,
            asked=page.asked if asked is None else asked,
        )
        self.show_page(page, keep=False)
        if selected is not None:
            ids = [hit.image_id for hit in self._shown]
            self.cursor = ids.index(selected.image_id) if selected.image_id in ids else 0


def _ordered(page: GridPage) -> tuple[Hit, ...]:
    shown: list[Hit] = []
    for hit in page.hits:
        shown.append(hit)
        if hit.image_id in page.unfolded:
            shown += hit.similar
    if page.by_date:
        # Latest first, as one looks through photos; those without a date last, by rank.
        shown.sort(key=lambda hit: (hit.taken_at is None, _age(hit.taken_at), hit.rank))
    return tuple(shown)


def _age(at: datetime | None) -> float:
    return 0.0 if at is None else -(at - datetime(1, 1, 1)).total_seconds()


def _members(page: GridPage) -> Mapping[int, Hit]:
    """Image id of every unfolded near-duplicate -> the hit it belongs to."""
    return {each.image_id: hit for hit in page.hits if hit.image_id in page.unfolded for each in hit.similar}


def _photo_tile(hit: Hit, page: GridPage, members: Mapping[int, Hit]) -> Tile:
    words: list[str] = []
    tone = Tone.PLAIN
    if hit.image_id in members:
        words = [f"like {members[hit.image_id].rank}"]
    elif page.seen:
        words, tone = [str(hit.rank), "seen"], Tone.SEEN
    else:
        words = [str(hit.rank), wording.match(hit)]
        rise = page.rise(hit)
        if rise > 0:
            words.append(f"\u2191{rise}")
            tone = Tone.ROSE
        folded = wording.folded(hit)
        if folded and hit.image_id not in page.unfolded:
            words.append(f"x{folded + 1}")
    if hit.image_id in page.asked and not page.seen:
        words.insert(0, "?")
        tone = Tone.ASKED
    if hit.image_id in page.marked:
        words.insert(0, "\u2611")
    if hit.image_id in page.liked:
        words.append("\u2665 liked")
        tone = Tone.GOOD
    elif hit.image_id in page.unliked:
        words.append("\u2717 unliked")
        tone = Tone.BAD
    source = PictureFile(hit.thumbnail, FileKind.THUMBNAIL, hit.path)
    date = wording.date(hit) if hit.taken_at else ""
    return Tile(source, " ".join(words), date, tone, "\u2026", wording.name(hit))


class ImaginedStrip(Tiles):
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
        self.show(_imagined_tile(k, each, opinions.get(k), drawing) for k, each in enumerate(drawings))

    def empty_words(self) -> str:
        """What to say while nothing is imagined."""
        return self.empty

    def arrangement(self, size: Size) -> TileLayout:
        """All pictures in one row, as large as fits."""
        columns = max(1, len(self.tiles))
        width = max(4, min(size.width // columns - 2, _MAX_WIDTH))
        lines = 0 if self._gallery is None else max(0, min(width // 2, size.height - 2))
        return TileLayout(columns, width, lines)


def _imagined_tile(k: int, drawing: Drawing, opinion: bool | None, running: bool) -> Tile:
    words, tone = f"imagined {k + 1}", Tone.PLAIN
    if opinion is not None:
        words += " \u2665 picked" if opinion else " \u2717 vetoed"
        tone = Tone.GOOD if opinion else Tone.BAD
    elif not drawing.done and running:
        words += f" {_bar(drawing)}"
    picture = None if drawing.path is None else PictureFile(drawing.path, FileKind.IMAGINED)
    instead = "imagined" if drawing.done else _steps(drawing) if running else "not drawn"
    return Tile(picture, words, stripped(drawing.prompt), tone, instead)


def _steps(drawing: Drawing) -> str:
    return f"step {drawing.step}/{drawing.steps}" if drawing.steps else "waiting"


def _bar(drawing: Drawing) -> str:
    filled = round(_BAR * drawing.step / drawing.steps) if drawing.steps else 0
    return "\u2501" * filled + "\u2508" * (_BAR - filled)
