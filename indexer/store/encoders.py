"""The encoders of a library by the names people give them, and what is said when none has the name, or several have."""

from __future__ import annotations

from indexer.errors import EncoderMismatch
from indexer.store.catalog import Catalog
from indexer.store.records import EncoderRecord


def spare_encoder(catalog: Catalog, name: str) -> EncoderRecord:
    """The encoder of this spec or id, which searches do not use. Raises EncoderMismatch: see `Library.spare`."""
    encoders = catalog.encoders()
    named = [each for each in encoders if name in (each.spec, each.encoder_id)]
    if not named:
        raise no_vectors_of(catalog, name)
    if len(named) > 1:
        raise EncoderMismatch(
            f"The library has {len(named)} encoders called {name}.",
            f"Name it by its id: {' or '.join(each.encoder_id for each in named)}.",
        )
    if named[0].active:
        others = " or ".join(f"`dar library use {each.spec}`" for each in encoders if not each.active)
        raise EncoderMismatch(
            f"Searches use the encoder {name}.",
            f"Make them use another first: {others}." if others else "The library has vectors of no other.",
        )
    return named[0]


def no_vectors_of(catalog: Catalog, encoder: str) -> EncoderMismatch:
    """The error for a library that has no vectors of this encoder: names those it has."""
    there = [each.spec for each in catalog.encoders()]
    return EncoderMismatch(
        f"The library has no vectors of the encoder {encoder}, only of {', '.join(there) or 'none'}.",
        f"Make them with `dar index --encoder {encoder}`.",
    )
