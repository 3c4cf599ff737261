"""The families of torch models by name; each is imported, and its libraries with it, when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.encoders.family import Family


def load_family(name: str, spec: str) -> Family:
    """The model `spec` of one of `indexer.encoders.FAMILIES`; raises what the family raises."""
    if name == "open_clip":
        from indexer.encoders.open_clip import OpenClipFamily, find_source

        return OpenClipFamily(find_source(spec))
    if name == "blip":
        from indexer.encoders.blip import find_blip

        return find_blip(spec)
    from indexer.encoders.beit3 import find_beit3

    return find_beit3(spec)
