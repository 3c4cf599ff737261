"""How many photos a second are indexed, beside the work of a peer on the same photos and the same model.

    python -m benchmarks.indexing [--large 300] [--small 2000] [--repeats 3] [--folder DIR] [--json FILE]

The model is ViT-B-32-256 with random weights, in both: speed does not depend on what weights say. The peer's work, as
rclip 3.3 does it: 16 threads decode each JPEG in full, EXIF orientation ignored, resize to 256 pixels, ONNX Runtime in
fp32, batches of 8, vectors as blobs in SQLite. Ours is `dar`'s pipeline with the backend it chooses by itself. Both run
in turn in this process over the same files, so that a machine that slows down slows both; the ratio is of each pair.
Stages are measured alone, on one thread but for the encoder. "cpu" is processor seconds, of all threads: what a busy
machine disturbs least.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from PIL import Image

from benchmarks.made_photos import LARGE, SMALL, make_photos
from benchmarks.random_models import write_model
from benchmarks.report import Figure, median_of, once, show
from indexer.encoders import Encoder, load_encoder
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.indexing.writer import Batch, FileEntry, NewImage, open_writer
from indexer.library import Library
from indexer.photos.photo import content_hash, open_photo
from indexer.photos.scan import scan
from indexer.store.catalog_writer import ImageFields
from indexer.store.disk import write_thumbnail

if TYPE_CHECKING:
    from indexer.encoders import Pixels

MODEL = "ViT-B-32-256"
PEER_THREADS, PEER_BATCH = 16, 8
# Batches the peer's loader may be ahead.
_PEER_AHEAD = 4
# What the issue of speed asks for, of photos of 12 megapixels.
_RATIO = 2.0
_STAGE_PHOTOS = 32


@dataclass(frozen=True)
class Took:
    """Wall and processor seconds of one run over some photos."""

    seconds: float
    cpu: float


def main(
    large: Annotated[int, typer.Option(help="How many photos of 12 megapixels.")] = 300,
    small: Annotated[int, typer.Option(help="How many photos of 640 x 480.")] = 2000,
    repeats: Annotated[int, typer.Option(help="Pairs of runs over the large photos; the small ones have one.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where the photos are kept for the next time.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="dar-indexing-") as name:
        temporary = Path(name)
        place = folder or temporary
        spec = write_model(MODEL, temporary / "models")
        ours = load_encoder(spec, cache=temporary / "cache")
        theirs = load_encoder(spec, cache=temporary / "cache", backend="onnx-fp32")
        figures: list[Figure] = []
        for count, size, title, pairs in (
            (large, LARGE, "12 megapixels", repeats),
            (small, SMALL, "640 x 480", 1),
        ):
            if not count:
                continue
            photos = place / f"{count}-{size[0]}"
            paths = sorted(photos.iterdir()) if photos.exists() else make_photos(photos, count, size)
            # Warm: models loaded, files in the page cache.
            for encoder in (ours, theirs):
                encoder.encode_images([Image.new("RGB", (256, 256))])
            for path in paths:
                path.read_bytes()
            figures += _paired(photos, paths, ours, theirs, temporary, title, pairs)
            figures += _stages(photos, paths[:_STAGE_PHOTOS], ours, theirs, temporary, title)
    show(f"Indexing with {MODEL}, {ours.id}", figures, json_file)


def _paired(
    folder: Path, paths: Sequence[Path], ours: Encoder, theirs: Encoder, temporary: Path, title: str, pairs: int
) -> list[Figure]:
    mine: list[Took] = []
    peer: list[Took] = []
    for pair in range(pairs):
        with tempfile.TemporaryDirectory(dir=temporary) as place:
            mine.append(_timed(lambda place=place: run_ours(Path(place) / "library", folder, ours)))
            peer.append(_timed(lambda place=place: run_peer(Path(place) / "peer.sqlite3", paths, theirs)))
        typer.echo(f"{title}, pair {pair + 1}: ours {mine[-1]}, peer {peer[-1]}", err=True)
    photos = len(paths)
    target = _RATIO if title.startswith("12") else None
    return [
        median_of(f"{title}: dar", [photos / took.seconds for took in mine], "photos/s"),
        median_of(f"{title}: the peer's work", [photos / took.seconds for took in peer], "photos/s"),
        median_of(
            f"{title}: dar beside the peer's work",
            [theirs.seconds / ours.seconds for ours, theirs in zip(mine, peer, strict=True)],
            "times as fast",
            at_least=target,
        ),
        median_of(f"{title}: dar, cpu a photo", [1000 * took.cpu / photos for took in mine], "ms"),
        median_of(f"{title}: the peer's work, cpu a photo", [1000 * took.cpu / photos for took in peer], "ms"),
    ]


def _timed(run: Callable[[], None]) -> Took:
    started, cpu = time.perf_counter(), time.process_time()
    run()
    return Took(time.perf_counter() - started, time.process_time() - cpu)


def run_ours(library: Path, folder: Path, encoder: Encoder) -> None:
    """An index run as `dar index` makes it, but for the texts that strengths are measured by: the peer has none."""
    for _ in index(library, [folder], encoder, IndexOptions(null_texts=())):
        pass


def run_peer(database: Path, paths: Sequence[Path], encoder: Encoder) -> None:
    """The peer's work: see the top of this file."""
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE images (filepath TEXT PRIMARY KEY, modified_at REAL, size INTEGER, vector BLOB)")
    waiting: list[tuple[Path, Pixels]] = []
    with _loader() as load:
        for path, pixels in load(paths, lambda path: peer_pixels(path, encoder)):
            waiting.append((path, pixels))
            if len(waiting) == PEER_BATCH:
                _peer_batch(connection, waiting, encoder)
                waiting = []
        _peer_batch(connection, waiting, encoder)
    connection.close()


def peer_pixels(path: Path, encoder: Encoder) -> Pixels:
    """The whole picture decoded, whichever way up, and resized."""
    with Image.open(path) as image:
        return encoder.prepare(image.convert("RGB"))


def _peer_batch(connection: sqlite3.Connection, batch: list[tuple[Path, Pixels]], encoder: Encoder) -> None:
    if not batch:
        return
    vectors = encoder.encode_prepared([pixels for _, pixels in batch]).joint
    rows = [
        (str(path), path.stat().st_mtime, path.stat().st_size, vector.tobytes())
        for (path, _), vector in zip(batch, vectors, strict=True)
    ]
    with connection:
        connection.executemany("INSERT INTO images VALUES (?, ?, ?, ?)", rows)


Load = Callable[[Sequence[Path], Callable[[Path], "Pixels"]], Iterator[tuple[Path, "Pixels"]]]


@contextmanager
def _loader() -> Iterator[Load]:
    with ThreadPoolExecutor(PEER_THREADS) as pool:

        def load(paths: Sequence[Path], read: Callable[[Path], Pixels]) -> Iterator[tuple[Path, Pixels]]:
            waiting: deque[tuple[Path, Future[Pixels]]] = deque()
            for path in paths:
                if len(waiting) >= _PEER_AHEAD * PEER_BATCH:
                    first, future = waiting.popleft()
                    yield first, future.result()
                waiting.append((path, pool.submit(read, path)))
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()

        yield load


def _stages(
    folder: Path, paths: Sequence[Path], ours: Encoder, theirs: Encoder, temporary: Path, title: str
) -> list[Figure]:
    """Each stage alone, in processor milliseconds a photo."""
    photos = [open_photo(path, ours.image_size) for path in paths]
    prepared = [ours.prepare(photo.image) for photo in photos]
    peers = [peer_pixels(path, theirs) for path in paths[:PEER_BATCH]]
    listed = len(scan(folder).files)
    work: dict[str, tuple[Callable[[], object], int]] = {
        "list": (lambda: scan(folder), listed),
        "hash": (lambda: [content_hash(path) for path in paths], len(paths)),
        "decode": (lambda: [open_photo(path, ours.image_size) for path in paths], len(paths)),
        "prepare": (lambda: [ours.prepare(photo.image) for photo in photos], len(paths)),
        "encode": (lambda: ours.encode_prepared(prepared), len(paths)),
        "write": (lambda: _write(temporary / title, photos, ours), len(paths)),
        "the peer's decode and resize": (
            lambda: [peer_pixels(path, theirs) for path in paths[:PEER_BATCH]],
            len(peers),
        ),
        "the peer's encode": (lambda: theirs.encode_prepared(peers), len(peers)),
    }
    return [once(f"{title}: {name}, cpu a photo", _cpu(run) / count, "ms") for name, (run, count) in work.items()]


def _cpu(work: Callable[[], object], times: int = 3) -> float:
    """Processor milliseconds, the median of a few."""
    found = []
    for _ in range(times):
        started = time.process_time()
        work()
        found.append(1000 * (time.process_time() - started))
    return statistics.median(found)


def _write(library: Path, photos: Sequence[object], encoder: Encoder) -> None:
    """Commits as many photos as there are, and writes as many thumbnails of 15 kB."""
    Library.create(library).close()
    chance = np.random.default_rng(time.perf_counter_ns())
    batch = Batch()
    for number, _ in enumerate(photos):
        name = chance.bytes(16)
        vector = chance.normal(size=encoder.dim).astype(np.float32)
        batch.images.append(NewImage(name, ImageFields(1, 4000, 3000, "JPEG"), vector / np.linalg.norm(vector)))
        batch.files.append(FileEntry(b"/photos/%s%d.jpg" % (name.hex().encode(), number), 1, 1, name))
        write_thumbnail(library, name, chance.bytes(15_000))
    with open_writer(library) as writer:
        writer.use_encoder("made-up", "made-up-1", encoder.dim, 0)
        writer.claim([b"/photos"])
        writer.commit(batch)


if __name__ == "__main__":
    typer.run(main)
