"""The default library of a test, what searches find in it, and what is left in it after a run that was cut short."""

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


def goes_on(dar: Dar, folder: Path, total: int) -> None:
    """Some of the `total` photos are kept, sound and found; the next run encodes the others and no more."""
    kept = dar("library", "info", "--json").json["photos"]
    assert 0 < kept < total
    assert dar("library", "verify", "--deep").code == 0
    assert len(found(dar)) == kept
    resumed = dar("index", folder, "--json").json
    assert resumed["photos"] == total and resumed["encoded"] == total - kept
