"""`make bench`: how fast dar is on this machine, with what it should reach beside what it does.

    python -m benchmarks [PHOTOS] [--quick] [--out DIR]

Indexing beside a peer's work, search over made-up libraries, the commands over 100,000 photos and over your photos
(PHOTOS, or generated ones), and a turn of a dialogue by part. Every table is written as JSON into `--out` too. The
modules that need photos with captions are commands of their own; each says in its docstring how to run it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import commands, indexing, large, search, turn
from benchmarks.made_photos import make_photos

GENERATED = 2000
# Small enough that a photo costs the encoder more than the decoder, as the README's set does.
GENERATED_SIZE = (224, 224)


def main(
    photos: Annotated[Path | None, typer.Argument(help="A folder of photos.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer photos, and no library of a million.")] = False,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path("benchmarks/out"),
) -> None:
    """Prints the tables."""
    out.mkdir(parents=True, exist_ok=True)
    indexing.main(
        large=24 if quick else 300,
        small=100 if quick else 2000,
        repeats=1 if quick else 3,
        json_file=out / "indexing.json",
    )
    sizes = "10000,100000" if quick else "10000,100000,1000000"
    search.main(sizes=sizes, graphs="10000" if quick else "100000,1000000", json_file=out / "search.json")
    large.main(files=10_000 if quick else 100_000, repeats=5, json_file=out / "large.json")
    with tempfile.TemporaryDirectory(prefix="dar-bench-") as folder:
        if photos is None:
            photos = Path(folder) / "photos"
            make_photos(photos, 100 if quick else GENERATED, GENERATED_SIZE)
        commands.main(photos, json_file=out / "commands.json")
        turn.main(images=photos, json_file=out / "turn.json")


if __name__ == "__main__":
    typer.run(main)
