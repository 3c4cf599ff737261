"""How a caller stops a language model in the middle of an answer."""

from __future__ import annotations

from indexer.errors import DarError


class Stopped(DarError):
    """The caller wanted the answer no more; half an answer is worth nothing."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Stopped.")


def never() -> bool:
    """The `cancelled` of a caller that always waits."""
    return False
