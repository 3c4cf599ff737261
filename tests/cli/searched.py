"""The default library of a test, and what searches find in it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.conftest import Dar


def default_library() -> Path:
    return Path(os.environ["DAR_HOME"]) / "libraries" / "default"


def found(dar: Dar) -> set[str]:
    """The names of all photos that searches find."""
    hits = dar("search", "red", "-k", 9999, "--json").json["hits"]
    return {Path(photo["path"]).name for hit in hits for photo in (hit, *hit["similar"])}
