"""How many photos a second the encoders take, by architecture, backend, cores and batch, and what rounding changes.

    python -m benchmarks.encode [--models ViT-B-32-256,ViT-B-32,blip-base,beit3-base,bundled] [--backends ...]
                                [--cores 1,2] [--batches 1,4,8,16] [--photos DIR] [--captions TSV] [--json FILE]

Models have the true architecture and random weights, written to disk and loaded as a user's are: speed does not depend
on what weights say. Each row is a process of its own, bound to as many cores as it says. "Tower" is prepared pixels to
vectors; "end to end" is an index run over JPEGs of 12 megapixels and of 500 pixels, made here. `cpu` is the tower's
processor seconds for a photo, which a busy machine disturbs less than the rate.

With `--photos` every backend's vectors of those photos are compared with fp32's: the share of each photo's ten nearest
that are the same; below 0.99 the command fails. Random weights are a poor judge of that (their vectors lie close
together, and no training made them robust), so the two trained backbones that come with dar are put through the same
rounding: a convolutional one on the photos and, with `--captions`, a transformer on texts.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from benchmarks.agreement import LEAST_OVERLAP, top_overlap, trained_photos, trained_texts
from benchmarks.random_models import write_model
from benchmarks.report import output

# Enough for the pipeline to run full, few enough for a minute: a photo of 12 megapixels takes 40 ms to decode.
SMALL, LARGE = 96, 24
# A rate is the median of this many batches, after one that warms up.
REPEATS = 7
COMPARED = 300


@dataclass(frozen=True)
class Row:
    """What one process measured: images a second, by batch and end to end; megabytes; processor seconds an image."""

    model: str
    backend: str
    cores: int
    tower: dict[int, float]
    cpu_seconds: float
    small: float
    large: float
    megabytes: float
    vectors: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Task:
    """What one process is to measure."""

    model: str
    spec: str
    backend: str
    cores: int
    batches: tuple[int, ...]
    small: Path
    large: Path
    cache: Path
    compared: tuple[Path, ...]


def main(
    models: str = "ViT-B-32-256,ViT-B-32,blip-base,bundled",
    backends: str = "torch-fp32,torch-bf16,onnx-fp32",
    cores: str = "1,2",
    batches: str = "1,4,8,16",
    photos: Annotated[Path | None, typer.Option(help="Real photos, to compare backends' vectors on.")] = None,
    captions: Annotated[Path | None, typer.Option(help="A TSV of captions, to compare a text model's on.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints a table of images a second."""
    compared = _some(photos, COMPARED) if photos else ()
    rows, overlaps = [], {}
    with TemporaryDirectory(prefix="dar-bench-") as name:
        folder = Path(name)
        small, large = folder / "small", folder / "large"
        make_photos(small, SMALL, (500, 375))
        make_photos(large, LARGE, (4000, 3000))
        for model in models.split(","):
            spec = "bundled" if model == "bundled" else write_model(model, folder / "models")
            exact = None
            for backend in ["auto"] if model == "bundled" else backends.split(","):
                for count in map(int, cores.split(",")):
                    sizes = tuple(map(int, batches.split(",")))
                    task = Task(model, spec, backend, count, sizes, small, large, folder / "cache", compared)
                    row = in_own_process(task)
                    rows.append(row)
                    typer.echo(f"{model} {backend} {count}: {max(row.tower.values()):.1f} images a second", err=True)
                if row.vectors is not None:
                    exact = row.vectors if exact is None else exact
                    overlaps[f"{model} {backend} (random weights)"] = top_overlap(exact, row.vectors)
    if compared:
        overlaps["EfficientNet-Lite2 torch-bf16 (trained, convolutional)"] = trained_photos(compared)
    if captions is not None:
        lines = captions.read_text(encoding="utf-8").splitlines()
        texts = [line.split("\t")[-1] for line in lines[:: max(1, len(lines) // COMPARED)]][:COMPARED]
        overlaps["all-MiniLM-L6-v2 torch-bf16 (trained, texts)"] = trained_texts(texts)
    show(rows, overlaps)
    if json_file is not None:
        figures = [{key: value for key, value in asdict(row).items() if key != "vectors"} for row in rows]
        json_file.write_text(json.dumps({"rows": figures, "top10_overlap": overlaps}, indent=2) + "\n")
    # Convolutional towers are not rounded by default, since this one's neighbours change.
    judged = {name: overlap for name, overlap in overlaps.items() if "convolutional" not in name}
    if any(overlap < LEAST_OVERLAP for overlap in judged.values()):
        typer.echo(f"A backend changes more than {1 - LEAST_OVERLAP:.0%} of the ten nearest.", err=True)
        raise typer.Exit(1)


def in_own_process(task: Task) -> Row:
    """Measured where no other model's threads or memory are."""
    # Read when the libraries load, so it has to stand before the process does.
    os.environ["OMP_NUM_THREADS"] = str(task.cores)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, task).result()


def measure(task: Task) -> Row:
    """Runs in a fresh process, which it binds to the task's cores."""
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, available[: task.cores])
    from indexer.encoders import load_encoder

    encoder = load_encoder(task.spec, cache=task.cache, device="cpu", backend=task.backend)
    prepared = [encoder.prepare(_opened(path)) for path in sorted(task.small.iterdir())[: max(task.batches)]]
    encoder.encode_prepared(prepared[:1])
    tower, cpu = {}, {}
    for size in task.batches:
        # Encoders split a batch at the size they prefer; here it is the one asked for.
        if hasattr(encoder, "batch_size"):
            encoder.batch_size = size
        tower[size], cpu[size] = _rate(encoder, prepared[:size])
    best = max(tower, key=tower.__getitem__)
    if hasattr(encoder, "batch_size"):
        encoder.batch_size = best
    rates = [_end_to_end(encoder, photos, task.cores, best) for photos in (task.small, task.large)]
    vectors = [encoder.encode_images([_opened(path)]).joint for path in task.compared]
    return Row(
        task.model,
        task.backend,
        task.cores,
        tower,
        min(cpu.values()),
        *rates,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        np.concatenate(vectors) if vectors else None,
    )


def _rate(encoder: Any, batch: Sequence[Any]) -> tuple[float, float]:
    """Images a wall-clock second (median), processor seconds an image (least)."""
    encoder.encode_prepared(batch)
    walls, cpus = [], []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        encoder.encode_prepared(batch)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return len(batch) / statistics.median(walls), min(cpus) / len(batch)


def _end_to_end(encoder: Any, photos: Path, cores: int, batch_size: int) -> float:
    from indexer.indexing.events import Finished
    from indexer.indexing.plan import IndexOptions
    from indexer.indexing.run import index

    # No texts to judge strength by: they would load the text tower, once a library.
    options = IndexOptions(workers=cores, batch_size=batch_size, null_texts=())
    with TemporaryDirectory(prefix="dar-bench-") as folder:
        *_, finished = index(Path(folder) / "library", [photos], encoder, options)
    assert isinstance(finished, Finished)
    return finished.summary.images_per_second


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> None:
    """JPEGs with the detail of photos, so that they take as long to decode: blobs of colour under noise."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(size)
        noise = Image.fromarray(chance.integers(0, 256, (size[1] // 2, size[0] // 2, 3), dtype=np.uint8)).resize(size)
        Image.blend(coarse, noise, 0.08).save(folder / f"{number:04}.jpg", quality=88)


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _some(photos: Path, count: int) -> tuple[Path, ...]:
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    return tuple(files[:: max(1, len(files) // count)][:count])


def show(rows: Sequence[Row], overlaps: dict[str, float]) -> None:
    """The table, and how far the backends agree."""
    sizes = list(rows[0].tower)
    columns = ["model", "backend", "cores", *(f"by {size}" for size in sizes), "cpu s", "500 px", "12 MP", "MB"]
    table = Table(title="Images a second: tower by batch, index run by photo size")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        rates = [f"{row.tower[size]:.1f}" for size in sizes]
        ends = [f"{row.cpu_seconds:.3f}", f"{row.small:.1f}", f"{row.large:.1f}", f"{row.megabytes:.0f}"]
        table.add_row(row.model, row.backend, str(row.cores), *rates, *ends)
    console = output()
    console.print(table)
    for name, overlap in overlaps.items():
        console.print(f"top-10 overlap with fp32: {overlap:.4f}  {name}")


if __name__ == "__main__":
    typer.run(main)
