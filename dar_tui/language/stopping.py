"""How a caller stops a language model in the middle of an answer."""

from __future__ import annotations

from collections.abc import Callable

from indexer.errors import DarError

# Asked again and again while a model works; True once its answer is wanted no more.
Cancelled = Callable[[], bool]


class Stopped(DarError):
    """The caller wanted the answer no more; half an answer is worth nothing."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Stopped.")


def never() -> bool:
    """The `cancelled` of a caller that always waits."""
    return False
