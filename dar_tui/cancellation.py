"""How a caller stops a model in the middle of its work."""

from __future__ import annotations

from collections.abc import Callable

from indexer.errors import DarError

# Asked again and again while a model works; True once its result is not wanted any more.
Cancelled = Callable[[], bool]


class Stopped(DarError):
    """The caller does not want the answer any more; half an answer is worth nothing."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Stopped.")


def never() -> bool:
    """The `cancelled` of a caller that always waits."""
    return False
