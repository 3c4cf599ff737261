"""Prepared photos through the encoder, so that one bad photo costs neither its batch nor the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from indexer.encoders import ImageEmbeddings
from indexer.errors import DarError
from indexer.printable import stripped

if TYPE_CHECKING:
    from indexer.encoders import Encoder, Pixels


def encode_each(encoder: Encoder, batch: Sequence[Pixels]) -> list[ImageEmbeddings | str]:
    """For each photo its embeddings, of one row, or the reason why it has none.

    A batch that fails is tried again one by one. Raises what the encoder raised if it then takes none of them: the
    encoder is at fault, not the photos.
    """
    try:
        return _rows(encoder, encoder.encode_prepared(batch), len(batch))
    except (DarError, MemoryError):
        raise
    except Exception as error:  # a model runtime may raise anything; which photo was at fault is found below
        if len(batch) == 1:
            raise
        results: list[ImageEmbeddings | str] = []
        for pixels in batch:
            try:
                results += _rows(encoder, encoder.encode_prepared([pixels]), 1)
            except Exception as reason:  # as above
                results.append(f"cannot be encoded: {stripped(str(reason), limit=100)}")
        if all(isinstance(result, str) for result in results):
            raise error
        return results


def _rows(encoder: Encoder, embeddings: ImageEmbeddings, count: int) -> list[ImageEmbeddings | str]:
    joint, visual = embeddings.joint, embeddings.visual
    if joint.shape != (count, encoder.dim) or (visual is not None and visual.shape != (count, encoder.visual_dim)):
        raise ValueError(f"{encoder.id} gave vectors of shape {joint.shape} for {count} photos")
    together = joint if visual is None else np.hstack([joint, visual])
    finite = [bool(np.isfinite(vector).all()) for vector in together]
    return [
        ImageEmbeddings(joint[row : row + 1], None if visual is None else visual[row : row + 1])
        if finite[row]
        else "cannot be encoded: its vector is not finite"
        for row in range(count)
    ]
