"""The options that several commands share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def named_path(text: str) -> Path:
    """A path the user gave. An empty one, left by a shell's unset variable, would silently mean the current folder."""
    if not text:
        raise typer.BadParameter("the path is empty.")
    return Path(text)


LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        parser=named_path,
        metavar="DIR",
        help="The library's folder, instead of the default one.",
        show_default=False,
    ),
]
SearchEncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="SPEC",
        help="Search the vectors of this encoder of the library, for once.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON (documented in docs/json.md).")]
