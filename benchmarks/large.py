"""The commands over a library of 100,000 photos that nobody has to have: from process start to exit, and their memory.

    python -m benchmarks.large [--files 100000] [--json FILE]

The files are there, a few bytes each, in a hundred folders; the catalog says of each what the file system says, and the
vectors are made up in the bundled encoder's sizes and under its name. So `dar index` finds nothing to do, and
`dar search` does all it does for real photos.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands import CHAT_MB, DAR, SEARCH_MB, SEARCH_SECONDS, cache_folder, chat_megabytes
from benchmarks.measure import run_often, run_once
from benchmarks.report import Figure, median_of, once, show
from benchmarks.vectors import World
from indexer.encoders import load_encoder
from indexer.indexing.writer import Batch, FileEntry, NewImage, open_writer
from indexer.library import Library
from indexer.search.strength import NULL_TEXTS
from indexer.store.catalog_writer import ImageFields

_FOLDERS = 100
_BATCH = 5_000
# A hundred thousand photos, one every hour, fill eleven years.
_FIRST_DAY, _APART = datetime(2005, 1, 1), timedelta(hours=1)
# What the issue of speed asks for.
_REINDEX_SECONDS = 10.0


def main(
    files: Annotated[int, typer.Option(help="How many photos.")] = 100_000,
    repeats: Annotated[int, typer.Option(help="How often each command runs, after once to warm up.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="dar-large-") as folder:
        photos, library = Path(folder).resolve() / "photos", Path(folder).resolve() / "library"
        make(photos, library, files)
        environment = {"DAR_HOME": str(Path(folder) / "home"), "DAR_CACHE": cache_folder()}
        show(f"Commands, {files:,} photos", measure(library, files, repeats, environment), json_file)


def measure(library: Path, files: int, repeats: int, environment: dict[str, str]) -> list[Figure]:
    """Runs each command; the first `dar index` brings up to date what is derived from the vectors."""
    first, peak = run_once([*DAR, "index", "--library", str(library)], environment)
    again = run_often([*DAR, "index", "--library", str(library)], repeats, environment=environment)
    search = [*DAR, "search", "--library", str(library), "--json", "a dog running on the beach"]
    found = run_often(search, repeats, environment=environment)
    half = (_FIRST_DAY + files // 2 * _APART).date().isoformat()
    dated = run_often([*search, "--after", half], repeats, environment=environment)
    # The first of them is on the path of a hundredth of the photos, the second on none, and left out after a look.
    folders = [
        run_often([*search[:-1], f"a dog in the folder {name}"], repeats, environment=environment)
        for name in ("07", "nowhere")
    ]
    return [
        once(f"dar index, what is derived from {files:,} vectors", first, "s", note=f"{peak:.0f} MB"),
        median_of("dar index, nothing changed", again.seconds, "s", at_most=_REINDEX_SECONDS),
        once("dar index, nothing changed: memory", again.megabytes, "MB"),
        median_of("dar search", found.seconds, "s", at_most=SEARCH_SECONDS),
        once("dar search: memory", found.megabytes, "MB", at_most=SEARCH_MB),
        median_of("dar search --after, half of the photos", dated.seconds, "s", at_most=SEARCH_SECONDS),
        median_of("dar search, in a folder", folders[0].seconds, "s", at_most=SEARCH_SECONDS),
        median_of("dar search, in a folder there is not", folders[1].seconds, "s", at_most=SEARCH_SECONDS),
        once("dar chat without a generator: memory", chat_megabytes(library, environment), "MB", at_most=CHAT_MB),
    ]


def make(photos: Path, library: Path, files: int) -> None:
    """Files, catalog and vectors that agree with one another."""
    encoder = load_encoder("bundled")
    joint, visual = World.make(encoder.dim).photos(files), World.make(encoder.visual_dim, seed=1).photos(files)
    for number in range(_FOLDERS):
        (photos / f"{number:02}").mkdir(parents=True)
    Library.create(library).close()
    with open_writer(library) as writer:
        writer.use_encoder("bundled", encoder.id, encoder.dim, encoder.visual_dim)
        writer.keep_null_vectors(NULL_TEXTS, encoder.encode_texts(list(NULL_TEXTS)))
        writer.claim([os.fsencode(photos)])
        for start in range(0, files, _BATCH):
            batch = Batch()
            for number in range(start, min(start + _BATCH, files)):
                path = photos / f"{number % _FOLDERS:02}" / f"IMG_{number:07}.jpg"
                path.write_bytes(b"%d" % number)
                status, name = path.stat(), number.to_bytes(16, "big")
                fields = ImageFields(status.st_size, 4000, 3000, "JPEG", _FIRST_DAY + number * _APART, "exif")
                batch.images.append(NewImage(name, fields, joint[number], visual[number]))
                batch.files.append(FileEntry(os.fsencode(path), status.st_size, status.st_mtime_ns, name))
            writer.commit(batch)


if __name__ == "__main__":
    typer.run(main)
