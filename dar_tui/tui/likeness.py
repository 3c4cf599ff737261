"""Photos like a photo: what "more like this" shows. Brings numpy, so it is imported when it is first asked for."""

from __future__ import annotations

from dar_tui.fusion.finding import Filters, Narrowing, find
from indexer.encoders import JOINT, VISUAL
from indexer.library import Library
from indexer.search.hits import Hit
from indexer.search.ranking import Query, Term


def photos_like(library: Library, image_id: int, k: int, narrowing: Narrowing) -> tuple[Hit, ...]:
    """The `k` photos nearest to one, itself left out, in the space where photos are compared best."""
    record = library.encoder
    space = VISUAL if record is not None and record.visual_dim else JOINT
    query = Query((Term(library.vectors([image_id], space)[0], space),), by_example=True)
    return find(library, query, k, Filters(without=frozenset({image_id}), narrowing=narrowing)).hits
