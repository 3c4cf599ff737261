"""What `dar search` does with large models: `--imagine` searches by generated images too, `--rerank` ranks hits again.

Loads a model when it is first used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.cli.state import State, generator_loader, picture_cache
from indexer.errors import UnreadablePhoto
from indexer.search.hits import Hit

if TYPE_CHECKING:
    from dar_tui.cli.query import QueryBuilder
    from dar_tui.fusion.strategies import Vector

# K of the paper: one picture gave +6.43 Hits@10 there, three +7.61, more hardly any.
PICTURES = 3
# Each costs a pass through the whole model, so not all that match can be looked at.
DEPTH = 50


@dataclass(frozen=True, eq=False)
class SearchPictures:
    """What `dar search --imagine` searches by: prompts, the pictures' files and their vectors; `note` says why there
    are none."""

    prompts: tuple[str, ...]
    paths: tuple[Path, ...]
    vectors: tuple[Vector, ...] = ()
    note: str = ""


def imagine(state: State, builder: QueryBuilder, text: str, generator: str = "") -> SearchPictures:
    """The pictures of a text; without any, for whatever reason, a note says why."""
    from datetime import datetime

    from dar_tui.cancellation import never
    from dar_tui.dialogue.dialogue import Dialogue
    from dar_tui.imagine import Imagined
    from dar_tui.imagine.cache import Origin
    from dar_tui.imagine.worker import Imagination, Ready
    from dar_tui.reformulate import RuleReformulator
    from indexer.errors import DarError

    read = RuleReformulator().reformulate(Dialogue().said(text, datetime.now()), PICTURES)
    if not read.prompts:
        return SearchPictures((), (), note="The text names nothing to imagine.")
    reader = builder.reader
    # The same text draws the same pictures, so that a search can be repeated.
    first = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:3], "big")
    seeds = range(first, first + len(read.prompts))
    vectors, paths = [], []
    ready: Ready | None = None
    imagination = Imagination(generator_loader(state, generator))
    try:
        for progress in imagination.draw(read.prompts, tuple(seeds), lambda: reader.conditions(read.need.wants), never):
            if isinstance(progress, Ready):
                ready = progress
            elif isinstance(progress, Imagined) and ready is not None:
                vectors.append(reader.picture(progress))
                origin = Origin(ready.model, progress.prompt, progress.seed, ready.recipe)
                kept = progress if progress.path else picture_cache(state).put(origin, progress)
                paths += [kept.path] if kept.path else []
    except DarError as error:
        if not vectors:
            return SearchPictures(read.prompts, (), note=f"Nothing was imagined: {error.message} {error.hint}".strip())
    return SearchPictures(read.prompts, tuple(paths), tuple(vectors))


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
