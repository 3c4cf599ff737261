"""How long the commands take from process start, and what they hold in memory.

    python -m benchmarks.commands --photos DIR [--json FILE]

Indexes the photos of DIR into a library in a temporary folder (a thousand of them first, to see whether memory grows
with the folder), indexes them again without a change, searches them, and holds a dialogue of five messages about them,
by text alone: the memory of a chat without a generator.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.measure import run_often, run_once
from benchmarks.report import Figure, median_of, once, show
from benchmarks.turn import MESSAGES

DAR = [sys.executable, "-c", "import sys; from dar_tui.cli import main; sys.exit(main())"]
SOME = 1000
# What the issue of speed asks for.
SEARCH_SECONDS, SEARCH_MB, CHAT_MB = 0.8, 300.0, 500.0
# "Flat": the second thousand of photos may cost a tenth, for the catalog's and the library's own tables.
_FLAT = 1.1


def main(
    photos: Annotated[Path, typer.Option(help="A folder of photos.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the table."""
    files = sorted(path for path in photos.iterdir() if path.is_file())
    with tempfile.TemporaryDirectory(prefix="dar-commands-") as folder:
        show(f"Commands, {len(files):,} photos", measure(Path(folder), photos, files), json_file)


def measure(temporary: Path, photos: Path, files: list[Path]) -> list[Figure]:
    """Runs each command, from process start to exit."""
    environment = {"DAR_HOME": str(temporary / "home"), "DAR_CACHE": cache_folder()}
    few = temporary / "few"
    few.mkdir()
    for path in files[:SOME]:
        (few / path.name).symlink_to(path)
    whole = str(temporary / "library")
    # Prepared once on a machine, so not a part of any run.
    run_once([*DAR, "index", "--follow-links", "--library", str(temporary / "warm"), str(few)], environment)
    help_runs = run_often([*DAR, "--help"], 10, environment=environment)
    _, few_mb = run_once(
        [*DAR, "index", "--follow-links", "--library", str(temporary / "small"), str(few)], environment
    )
    index = [*DAR, "index", "--library", whole, str(photos)]
    taken, megabytes = run_once(index, environment)
    again, _ = run_once(index, environment)
    search = [*DAR, "search", "--library", whole, "--json", "a dog running on the beach"]
    found = run_often(search, 10, environment=environment)
    figures = [
        median_of("dar --help", help_runs.seconds, "s", note=f"{help_runs.megabytes:.0f} MB"),
        once("dar index", len(files) / taken, "photos/s"),
        once("dar index: memory", megabytes, "MB"),
        once("dar index, nothing changed", again, "s"),
        median_of("dar search", found.seconds, "s", at_most=SEARCH_SECONDS),
        once("dar search: memory", found.megabytes, "MB", at_most=SEARCH_MB),
        once("dar chat without a generator: memory", chat_megabytes(Path(whole), environment), "MB", at_most=CHAT_MB),
    ]
    if len(files) > SOME:
        figures.insert(3, once(f"dar index: memory beside that of {SOME:,}", megabytes / few_mb, "", at_most=_FLAT))
    return figures


def chat_megabytes(library: Path, environment: dict[str, str]) -> float:
    """The most memory of a dialogue of five messages without pictures, played from a script."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as script:
        script.write("\n".join(MESSAGES))
        script.flush()
        chat = [*DAR, "chat", "--library", str(library), "--no-imagine", "--script", script.name]
        return run_once(chat, environment)[1]


def cache_folder() -> str:
    """Where the prepared encoder is kept on this machine: preparing it is no part of what is measured."""
    from dar_tui.settings import load_settings

    return os.environ.get("DAR_CACHE") or str(load_settings().cache)


if __name__ == "__main__":
    typer.run(main)
