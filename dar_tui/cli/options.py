"""The options that several commands share, described once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer


def named_path(text: str) -> Path:
    """A path the user gave. An empty one, left by a shell's unset variable, would silently mean the current folder."""
    if not text:
        raise typer.BadParameter("the path is empty.")
    return Path(text)


STDIN = Path("-")
"""What `--like -` is read as; a file of that name is given as "./-"."""


def example_path(text: str) -> Path:
    """A photo the user gave, STDIN for "-". Raises BadParameter for an address: dar reaches no network."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        if text.lower().startswith("file://"):
            return Path(unquote(urlsplit(text).path))
        raise typer.BadParameter(
            f"{text} is an address, and dar fetches nothing. Download it, or `curl ... |` it to `--like -`."
        )
    return Path.cwd() / "-" if text != "-" and Path(text) == STDIN else named_path(text)


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
