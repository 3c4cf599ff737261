"""Whether an imagined picture agrees with the text and lies among the library's photos: what the `adaptive` gate needs.

Text and picture may live in spaces that cannot be compared, but the library's photos have a place in both: a picture
agrees with the text if the photos most like it match the text better than photos do on average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dar_tui.fusion.strategies import Fit, Vector
from indexer.encoders import JOINT
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.search.strength import Strength
from indexer.search.where import Where

# Enough photos that a chance match does not decide, few enough that in a library of a thousand they are still alike.
NEIGHBOURS = 20


def fits(library: Library, text: Vector, pictures: Sequence[Vector], picture_space: str) -> tuple[Fit, ...]:
    """One Fit for each picture. `text`: (dim,) unit, joint; `pictures`: unit, in `picture_space`."""
    return tuple(_fit(library, text, picture, picture_space) for picture in pictures)


def _fit(library: Library, text: Vector, picture: Vector, space: str) -> Fit:
    like = library.search(Query((Term(picture, space),), by_example=True), NEIGHBOURS, fold=False)
    if not like:
        return Fit(0.0, False)
    among = Where(only=frozenset(hit.image_id for hit in like))
    # Standardised over the whole library, though only these are scored.
    matching = library.search(Query((Term(text, JOINT),), "z"), NEIGHBOURS, among, fold=False)
    agreement = float(np.mean([hit.score for hit in matching])) if matching else 0.0
    return Fit(agreement, like[0].strength is not Strength.NONE)
