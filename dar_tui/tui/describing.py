"""Libraries in the words the app has for them. Knows libraries as they are opened; opens some only to describe them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.tui.engine import LibraryFacts
from indexer.errors import DarError
from indexer.printable import visible

if TYPE_CHECKING:
    from indexer.library import Library


def facts_of(library: Library) -> LibraryFacts:
    """What is in an open library."""
    info = library.info()
    return LibraryFacts(
        path=info.path,
        photos=info.photos,
        unreadable=info.problems,
        encoder=info.encoder.spec if info.encoder else "",
        folders=tuple(root.path for root in info.roots),
        away=tuple(root.path for root in info.roots if not root.present),
    )


def describe_all(paths: Iterable[Path]) -> list[LibraryFacts]:
    """Every library, one that cannot be opened with its reason."""
    # Not at the top: numpy comes with it, and the first paint does not wait for those.
    from indexer.library import Library

    found: list[LibraryFacts] = []
    for path in paths:
        try:
            with Library.open(path) as library:
                found.append(facts_of(library))
        except DarError as error:
            found.append(LibraryFacts(path, 0, problem=f"{error.message} {error.hint}".rstrip()))
    return found


def notes_on(facts: LibraryFacts) -> tuple[str, ...]:
    """What the user should know before searching."""
    return tuple(
        f"{visible(folder)} is not there now: its photos are found, but cannot be opened. Is its drive mounted?"
        for folder in facts.away
    )
