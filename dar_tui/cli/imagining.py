"""`dar search --imagine`: the pictures of a text, as vectors to search by. Loads a model when it first draws."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.cli.state import State, generator_loader, picture_cache

if TYPE_CHECKING:
    from dar_tui.cli.query import QueryBuilder
    from dar_tui.fusion.strategies import Vector

# K of the paper: one picture gave +6.43 Hits@10 there, three +7.61, more hardly any.
PICTURES = 3


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

    from dar_tui.dialogue.dialogue import Dialogue
    from dar_tui.imagine import Imagined
    from dar_tui.imagine.cache import Origin
    from dar_tui.imagine.worker import Imagination, Ready
    from dar_tui.language.stopping import never
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
