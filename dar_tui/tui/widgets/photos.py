"""The photos found: thumbnails with rank and strength, ordered by match or by date, near-duplicates folded or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dar_tui.tui import wording
from dar_tui.tui.graphics.picture import Kind, Source
from dar_tui.tui.keymap import Place, bindings
from dar_tui.tui.widgets.tile import Tile, Tone
from dar_tui.tui.widgets.tiles import Tiles

if TYPE_CHECKING:
    from indexer.search.hits import Hit


@dataclass(frozen=True)
class Page:
    """What is to be seen: hits, best first, and what the user thinks of them. `rise`: places a photo was lifted."""

    hits: tuple[Hit, ...] = ()
    rise: Callable[[Hit], int] = lambda hit: 0
    liked: frozenset[int] = frozenset()
    unliked: frozenset[int] = frozenset()
    by_date: bool = False
    unfolded: frozenset[int] = frozenset()
    empty: str = ""


class Photos(Tiles):
    """The grid of photos."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.PHOTO), *bindings(Place.ANSWER)]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.page = Page()
        self._shown: tuple[Hit, ...] = ()

    @property
    def shown(self) -> tuple[Hit, ...]:
        """The hits in the order of their tiles, unfolded ones among them."""
        return self._shown

    @property
    def hit(self) -> Hit | None:
        """The photo in hand."""
        return self._shown[self.cursor] if self._shown else None

    def show_page(self, page: Page, *, keep: bool = True) -> None:
        """Shows a page. `keep`: the photo in hand stays in hand if it is still there and was not the first."""
        in_hand = self.hit
        self.page = page
        self._shown = _ordered(page)
        cursor = 0
        if keep and in_hand is not None and self.cursor > 0:
            ids = [hit.image_id for hit in self._shown]
            cursor = ids.index(in_hand.image_id) if in_hand.image_id in ids else min(self.cursor, len(ids) - 1)
        members = _members(page)
        self.show((_tile(hit, page, members) for hit in self._shown), max(cursor, 0))

    def empty_words(self) -> str:
        """What to say while there are no photos."""
        return self.page.empty

    def change(
        self,
        *,
        liked: frozenset[int] | None = None,
        unliked: frozenset[int] | None = None,
        by_date: bool | None = None,
        unfolded: frozenset[int] | None = None,
    ) -> None:
        """Shows the same hits otherwise, the one in hand staying in hand."""
        page = self.page
        in_hand = self.hit
        page = replace(
            page,
            liked=page.liked if liked is None else liked,
            unliked=page.unliked if unliked is None else unliked,
            by_date=page.by_date if by_date is None else by_date,
            unfolded=page.unfolded if unfolded is None else unfolded,
        )
        self.show_page(page, keep=False)
        if in_hand is not None:
            ids = [hit.image_id for hit in self._shown]
            self.cursor = ids.index(in_hand.image_id) if in_hand.image_id in ids else 0


def _ordered(page: Page) -> tuple[Hit, ...]:
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


def _members(page: Page) -> Mapping[int, Hit]:
    """Image id of every unfolded near-duplicate -> the hit it belongs to."""
    return {each.image_id: hit for hit in page.hits if hit.image_id in page.unfolded for each in hit.similar}


def _tile(hit: Hit, page: Page, members: Mapping[int, Hit]) -> Tile:
    words: list[str] = []
    tone = Tone.PLAIN
    if hit.image_id in members:
        words = [f"like {members[hit.image_id].rank}"]
    else:
        words = [str(hit.rank), wording.match(hit)]
        rise = page.rise(hit)
        if rise > 0:
            words.append(f"\u2191{rise}")
            tone = Tone.ROSE
        folded = wording.folded(hit)
        if folded and hit.image_id not in page.unfolded:
            words.append(f"+{folded}")
    if hit.image_id in page.liked:
        words.append("\u2665 liked")
        tone = Tone.GOOD
    elif hit.image_id in page.unliked:
        words.append("\u2717 unliked")
        tone = Tone.BAD
    source = Source(hit.thumbnail, Kind.THUMBNAIL, hit.path)
    return Tile(source, " ".join(words), f"{wording.date(hit)} {wording.name(hit)}", tone, "\u2026")
