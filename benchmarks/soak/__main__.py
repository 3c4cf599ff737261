"""`python -m benchmarks.soak`: a library abused at length. A line for each way, with its seed; the first wrong ends it.

Run it in the repository. `full-disk` mounts a small tmpfs and needs root; `--only` chooses, and may be given often.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.soak import breaking, full_disk, scale
from tests.indexer.endurance import say


def main(
    only: Annotated[list[str] | None, typer.Option(help="full-disk, kills, flips, folder, nested or turns.")] = None,
    seed: Annotated[int, typer.Option(help="Of all chance.")] = 1,
    step: Annotated[int, typer.Option(help="Pages of 4 kB by which the full disk grows from run to run.")] = 1,
    kills: Annotated[int, typer.Option(help="Runs killed.")] = 200,
    flips: Annotated[int, typer.Option(help="Files damaged.")] = 500,
    files: Annotated[int, typer.Option(help="Photos in one folder.")] = 60_000,
    levels: Annotated[int, typer.Option(help="Folders one in the other.")] = 1_000,
    turns: Annotated[int, typer.Option(help="Messages in one dialogue.")] = 10_000,
) -> None:
    """Abuses a library in each way and says what came of it."""
    ways: dict[str, Callable[[Path], None]] = {
        "nested": lambda work: scale.nested(work, levels, seed),
        "kills": lambda work: breaking.kills(work, kills, seed),
        "flips": lambda work: breaking.flips(work, flips, seed),
        "full-disk": lambda work: full_disk.full_disk(work, step),
        "turns": lambda work: scale.turns(work, turns, seed),
        "folder": lambda work: scale.one_folder(work, files, seed),
    }
    for name in only or ways:
        if name not in ways:
            raise typer.BadParameter(f"{name} is none of {', '.join(ways)}.")
        work = Path(tempfile.mkdtemp(prefix="dar-soak-"))
        started = time.perf_counter()
        try:
            ways[name](work)
        finally:
            # Not Python's rmtree, which calls itself for each of a thousand levels.
            subprocess.run(["rm", "-rf", "--one-file-system", str(work)], check=False)
        say(f"{name}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    typer.run(main)
