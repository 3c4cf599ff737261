"""How long the commands take from process start, and what they hold in memory.

    python -m benchmarks.commands --photos DIR [--json FILE]

Indexes the photos of DIR into a library in a temporary folder (a thousand of them first, to see whether memory grows
with the folder), indexes them again without a change, and searches them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Runs, run_often, run_once

DAR = [sys.executable, "-c", "import sys; from dar_tui.cli import main; sys.exit(main())"]
SOME = 1000


def main(
    photos: Annotated[Path, typer.Option(help="A folder of photos.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints a table of seconds and megabytes."""
    files = sorted(path for path in photos.iterdir() if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder)
        environment = {"DAR_HOME": str(temporary / "home"), "DAR_CACHE": _cache()}
        few = temporary / "few"
        few.mkdir()
        for path in files[:SOME]:
            (few / path.name).symlink_to(path)
        whole = str(temporary / "library")
        # Prepared once on a machine, so not a part of any run.
        run_once([*DAR, "index", "--follow-links", "--library", str(temporary / "warm"), str(few)], environment)

        figures: dict[str, Runs] = {"dar --help": run_often([*DAR, "--help"], 10, environment=environment)}
        for name, command in (
            (
                f"dar index, {min(SOME, len(files))} photos",
                ["index", "--follow-links", "--library", str(temporary / "small"), str(few)],
            ),
            (f"dar index, {len(files)} photos", ["index", "--library", whole, str(photos)]),
            (f"dar index again, {len(files)} photos", ["index", "--library", whole, str(photos)]),
        ):
            seconds, megabytes = run_once([*DAR, *command], environment)
            figures[name] = Runs((seconds,), megabytes)
        search = [*DAR, "search", "--library", whole, "--json", "a dog running on the beach"]
        figures[f"dar search, {len(files)} photos"] = run_often(search, 10, environment=environment)
    _print(figures, len(files))
    if json_file is not None:
        rows = {name: {"seconds": runs.seconds, "megabytes": runs.megabytes} for name, runs in figures.items()}
        json_file.write_text(json.dumps(rows, indent=2) + "\n")


def _cache() -> str:
    from dar_tui.settings import load_settings

    return os.environ.get("DAR_CACHE") or str(load_settings().cache)


def _print(figures: dict[str, Runs], photos: int) -> None:
    table = Table("command", "median s", "min-max", "peak MB", "photos/s", title="From process start to exit")
    for name, runs in figures.items():
        rate = f"{photos / runs.median:.1f}" if name == f"dar index, {photos} photos" else ""
        span = f"{min(runs.seconds):.2f}-{max(runs.seconds):.2f}"
        table.add_row(name, f"{runs.median:.2f}", span, f"{runs.megabytes:.0f}", rate)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
