"""`dar search --rerank`: the best photos looked at once more, each together with the text.

Knows hits and their files. What decides the new order is `indexer.encoders.matching`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from dar_tui.cli.state import State
from indexer.errors import UnreadablePhoto
from indexer.search.hits import Hit

# Each costs a pass through the whole model, so not all that match can be looked at.
DEPTH = 50


class Reranking:
    """Loads nothing before it is called. Raises ModelUnavailable, saying how to pull it, for a missing model."""

    depth = DEPTH

    def __init__(self, state: State, spec: str = "") -> None:
        from dar_tui.models.hub_files import check_here
        from indexer.encoders.matching import DEFAULT_MATCHER

        self._state = state
        self._spec = spec or state.settings.reranker or DEFAULT_MATCHER
        check_here(self._spec)

    def __call__(self, text: str, hits: Sequence[Hit]) -> tuple[list[Hit], dict[int, float]]:
        """The hits in their new order, and the chance that each one looked at matches, by image id."""
        if not hits:
            return [], {}
        from indexer.encoders.matching import Matcher
        from indexer.photos.photo import open_photo

        matcher = Matcher(self._spec, self._state.settings.device)
        looked, pictures = [], []
        for hit in hits[:DEPTH]:
            try:
                # No larger than the model wants: fifty whole photos would fill gigabytes.
                pictures.append(open_photo(os.fsencode(hit.path), matcher.image_size).image)
            except UnreadablePhoto:
                continue
            looked.append(hit.image_id)
        chances = dict(zip(looked, matcher.chances(text, pictures), strict=True))
        unread = min(len(hits), DEPTH) - len(looked)
        left = f"; {unread} could not be opened and kept their places" if unread else ""
        self._state.output.note(f"The best {len(looked)} were ranked again by {self._spec}{left}.")
        return reranked(hits, chances), chances


def reranked(hits: Sequence[Hit], chances: dict[int, float]) -> list[Hit]:
    """Hits with a chance change places among themselves, the likeliest first; the others keep theirs."""
    movable = [hit for hit in hits if hit.image_id in chances]
    ordered = iter(sorted(movable, key=lambda hit: -chances[hit.image_id]))
    placed = [next(ordered) if hit.image_id in chances else hit for hit in hits]
    return [
        replace(hit, rank=rank, similar=tuple(replace(each, rank=rank) for each in hit.similar))
        for rank, hit in enumerate(placed, 1)
    ]
