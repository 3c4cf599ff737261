"""Opens a library together with the encoder that made its vectors, or with another one it has vectors of.

Knows nothing of sessions or screens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import EncoderMismatch, ModelUnavailable

if TYPE_CHECKING:
    from indexer.encoders import Encoder
    from indexer.library import Library

_FALLBACK = "bundled"


def open_with_encoder(
    path: Path, name: str, load: Callable[[Library], Encoder]
) -> tuple[Library, Encoder, tuple[str, ...]]:
    """The library at `path`, searched with the encoder called `name` ("": the active one), that encoder, and notes.

    Where the encoder's weights are not on this machine, and the library has vectors of the bundled one, that is used
    and a note says so; else ModelUnavailable says how to get them. Raises what `Library.open` and `load` do.
    """
    from indexer.library import Library

    library = Library.open(path, name)
    try:
        return library, load(library), ()
    except ModelUnavailable as error:
        library.close()
        if name:
            raise
        try:
            library = Library.open(path, _FALLBACK)
        except EncoderMismatch:
            raise error from None
        try:
            note = f"{error.message} {error.hint} Going on with `{_FALLBACK}`."
            return library, load(library), (note,)
        except BaseException:
            library.close()
            raise
    except BaseException:
        library.close()
        raise
