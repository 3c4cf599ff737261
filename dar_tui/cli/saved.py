"""Which saved session a user means by `--resume`, for the app and for scripts alike."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import NothingFound, UsageError

# What `--resume` without a name stands for.
LATEST = "latest"


def saved_session(folder: Path, name: str) -> Path:
    """The file of the session called `name`, or of the latest. Raises NothingFound or UsageError if there is none."""
    from dar_tui.session.transcript import sessions

    listed = sessions(folder)
    if not listed:
        raise NothingFound("This library has no saved session.", "Start one with `dar chat`.")
    if name == LATEST:
        return listed[0].path
    for each in listed:
        if each.path.stem == name:
            return each.path
    names = ", ".join(each.path.stem for each in listed[:3])
    raise UsageError(f"There is no session {name!r}.", f"The latest are {names}.")
