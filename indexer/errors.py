"""Every error a user can meet, raised where its cause is known and printed once, at the edge.

Knows nothing of how errors are printed.
"""


class DarError(Exception):
    """What went wrong and what to do about it.

    `message` is one line: what, and why. `hint` is one line: the command or action that fixes it ("" if there is none).
    `exit_code` is the process's exit status when the error ends a command.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DarError):
    """The command was asked for something it cannot mean."""

    exit_code = 2


class LibraryNotFound(DarError):
    """There is no library where one was looked for."""

    exit_code = 3


class NothingFound(DarError):
    """The library has no photo to show for this."""

    exit_code = 3


class LibraryBusy(DarError):
    """Another process is writing to the library."""


class LibraryDamaged(DarError):
    """A library file is missing or does not hold what the catalog says."""


class LibraryTooNew(DarError):
    """The library was written by a newer version of dar."""


class EncoderMismatch(DarError):
    """The library's embeddings were made by another encoder."""


class ModelUnavailable(DarError):
    """A model's files are missing, altered or cannot be used on this machine."""


class UnreadablePhoto(DarError):
    """One file cannot be read as a photo; `message` is the reason, short enough for a list."""


class PhotoOutOfReach(UnreadablePhoto):
    """The system does not give the file out just now (an I/O error, a permission, a network drive that is away), which
    says nothing of what is in it."""
