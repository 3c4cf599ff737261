"""`make bench`: how fast dar is on this machine, with what it should reach beside what it does.

    python -m benchmarks [PHOTOS] [--quick | --full] [--only NAMES] [--out DIR]

Runs every benchmark one after the other, each in a process of its own: encoders, indexing beside a peer's work, search
over made-up libraries, the commands over 100,000 made-up photos and over PHOTOS (or generated ones), a turn of a
dialogue by part, the app, ranking for `dar eval`, and how well photos are found by their captions. Each prints its
table and writes JSON into `--out`; at the end stand all targets once more. One that fails does not stop the others, but
the whole then ends with 1. Nothing is downloaded. What is missing on a machine is left out, with the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands import DAR, cache_folder
from benchmarks.made_photos import make_photos
from benchmarks.report import read, show

# Small enough that a photo costs the encoder more than the decoder, as the README's set does.
GENERATED_SIZE = (224, 224)
ROOT = Path(__file__).parents[1]
# Photos with captions that people wrote: too large to come with dar.
CAPTIONED = ROOT.parent / "shared" / "photos" / "people"


@dataclass(frozen=True)
class Amounts:
    """How much of everything is measured."""

    generated: int
    indexing: tuple[str, ...]
    search: tuple[str, ...]
    large: tuple[str, ...]
    turns: int
    repeats: int
    encoders: str


# Measured on two idle cores: 3 min 48 s and 15 min. The last are reckoned at 2 hours: a graph over a million, hundreds
# of large photos.
QUICK = Amounts(
    generated=100,
    indexing=("--large=12", "--small=60", "--repeats=1"),
    search=("--sizes=10000,30000", "--graphs=10000"),
    large=("--files=10000", "--repeats=2"),
    turns=12,
    repeats=1,
    encoders="bundled",
)
USUAL = Amounts(
    generated=2000,
    indexing=("--large=60", "--small=400", "--repeats=3"),
    search=("--sizes=10000,100000", "--graphs=100000"),
    large=("--files=100000", "--repeats=5"),
    turns=100,
    repeats=3,
    encoders="ViT-B-32-256,bundled",
)
FULL = Amounts(
    generated=2000,
    indexing=("--large=300", "--small=2000", "--repeats=3"),
    search=("--sizes=10000,100000,1000000", "--graphs=100000,1000000"),
    large=("--files=100000", "--repeats=5"),
    turns=100,
    repeats=5,
    encoders="ViT-B-32-256,ViT-B-32,blip-base,beit3-base,bundled",
)


def main(
    photos: Annotated[Path | None, typer.Argument(help="A folder of photos.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A little of everything.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Hundreds of large photos, a million made-up ones.")] = False,
    only: Annotated[str, typer.Option(help="Names of benchmarks, separated by commas.")] = "",
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path("benchmarks/out"),
) -> None:
    """Prints the tables."""
    amounts = FULL if full else QUICK if quick else USUAL
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    written: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="dar-bench-") as name:
        folder = Path(name)
        environment = {**os.environ, "DAR_HOME": str(folder / "home"), "DAR_CACHE": cache_folder(), "DAR_OFFLINE": "1"}
        if photos is not None:
            photos = photos.resolve()
        else:
            photos = folder / "photos"
            make_photos(photos, amounts.generated, GENERATED_SIZE)
        library = folder / "library"
        wanted = {each for each in only.split(",") if each}
        for benchmark, arguments in commands(amounts, photos, library).items():
            if wanted and benchmark not in wanted:
                continue
            if benchmark == "tui":
                indexed = [*DAR, "index", "--library", str(library), str(photos)]
                subprocess.run(indexed, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            json_file = out / f"{benchmark}.json"
            json_file.unlink(missing_ok=True)
            written.append(json_file)
            typer.echo(f"\nbenchmarks.{benchmark} {' '.join(arguments)}", err=True)
            started = time.perf_counter()
            command = [sys.executable, "-m", f"benchmarks.{benchmark}", *arguments, "--json", str(json_file)]
            if subprocess.run(command, env=environment, cwd=ROOT).returncode:
                failed.append(benchmark)
            typer.echo(f"benchmarks.{benchmark}: {time.perf_counter() - started:.0f} s", err=True)
        if not CAPTIONED.is_dir():
            typer.echo(f"benchmarks.quality left out: there are no captioned photos in {CAPTIONED}.", err=True)
    _targets(written)
    if failed:
        typer.echo(f"Failed: {', '.join(failed)}.", err=True)
        raise typer.Exit(1)


def commands(amounts: Amounts, photos: Path, library: Path) -> dict[str, Sequence[str]]:
    """The arguments of each benchmark, in the order they run."""
    repeats, turns = f"--repeats={amounts.repeats}", f"--turns={amounts.turns}"
    found: dict[str, Sequence[str]] = {
        "encode": ("--models", amounts.encoders, "--cores=1", "--batches=1,8"),
        "indexing": amounts.indexing,
        "search": amounts.search,
        "large": amounts.large,
        "commands": ("--photos", str(photos)),
        "turn": ("--images", str(photos), repeats),
        "tui": (str(library), turns, repeats),
        "ranking": () if amounts is not QUICK else ("--photos=5000", "--dialogues=200"),
    }
    if CAPTIONED.is_dir():
        captions = CAPTIONED.with_name("people.captions.tsv")
        found["quality"] = ("--images", str(CAPTIONED), "--captions", str(captions))
    return found


def _targets(written: Sequence[Path]) -> None:
    """Every figure that has a target, of all tables of this run."""
    tables = [(path.stem, read(path)) for path in written if path.exists()]
    figures = [
        replace(figure, name=f"{benchmark}: {figure.name}")
        for benchmark, table in tables
        for figure in table
        if figure.met is not None
    ]
    show("Targets", figures)


if __name__ == "__main__":
    typer.run(main)
