"""What one does with the picture in hand, the same in the grid and when it is looked at large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.screen import Screen

from dar_tui.tui import background, desktop
from dar_tui.tui.messages import Trouble
from dar_tui.tui.widgets.imagined import Imagined
from dar_tui.tui.widgets.photos import Photos
from indexer.errors import DarError
from indexer.printable import visible

if TYPE_CHECKING:
    from indexer.search.hits import Hit


class Deeds(Protocol):
    """Whoever keeps what the user thinks of pictures, and searches."""

    def judge(self, tiles: Photos | Imagined, good: bool) -> None:
        """Takes an opinion of the picture in hand; the same one again takes it back."""
        ...

    def more_like(self, hit: Hit) -> None:
        """Shows the photos most like this one."""
        ...

    def tell(self, trouble: Trouble) -> None:
        """Says what went wrong; from any thread."""
        ...


class PictureActions(Screen[None]):
    """Base of the chat and of the zoom."""

    def __init__(self, deeds: Deeds | None = None) -> None:
        super().__init__()
        self._deeds = deeds

    @property
    def deeds(self) -> Deeds:
        """Where opinions go."""
        assert self._deeds is not None
        return self._deeds

    def in_hand(self) -> Photos | Imagined | None:
        """Where the picture in hand is; None while the focus is elsewhere."""
        raise NotImplementedError

    @property
    def _hit(self) -> Hit | None:
        tiles = self.in_hand()
        return tiles.hit if isinstance(tiles, Photos) else None

    def action_judge(self, good: bool) -> None:
        """Likes or unlikes the photo, picks or vetoes the imagined picture in hand."""
        tiles = self.in_hand()
        if tiles is not None and tiles.tiles:
            self.deeds.judge(tiles, good)

    def action_more_like(self) -> None:
        """Shows the photos most like the one in hand."""
        if hit := self._hit:
            self.deeds.more_like(hit)

    def action_open_photo(self) -> None:
        """Opens it in the system's viewer."""
        self._outside(desktop.open_photo)

    def action_reveal_photo(self) -> None:
        """Shows it in its folder."""
        self._outside(desktop.reveal_photo)

    def action_copy_path(self) -> None:
        """Copies its path, by the terminal's own clipboard."""
        if hit := self._hit:
            # What is no Unicode cannot be in a clipboard; it is copied as it is shown.
            path = str(hit.path)
            self.app.copy_to_clipboard(path if path.isprintable() else visible(path))
            self.notify(f"Copied {visible(hit.path)}", markup=False, timeout=3)

    def action_unfold(self) -> None:
        """Shows the near-duplicates of the photo in hand as photos of their own, or folds them again."""
        tiles, hit = self.in_hand(), self._hit
        if not isinstance(tiles, Photos) or hit is None:
            return
        unfolded = tiles.page.unfolded
        leader = next((each for each in tiles.page.hits if hit in (each, *each.similar)), hit)
        if leader.image_id in unfolded:
            tiles.cursor = tiles.shown.index(leader)
            tiles.change(unfolded=unfolded - {leader.image_id})
        elif leader.similar:
            tiles.change(unfolded=unfolded | {leader.image_id})
        else:
            self.notify("There are no near-duplicates of this one.", timeout=3)

    def _outside(self, act: Callable[[Path], None]) -> None:
        if hit := self._hit:
            path, deeds = hit.path, self.deeds

            def failed(error: DarError) -> None:
                deeds.tell(Trouble(f"{error.message} {error.hint}".rstrip()))

            background.run(lambda: act(path), failed, "dar-desktop")
