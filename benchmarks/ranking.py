"""How long the ranks of a whole ChatIR benchmark take, and how much memory: random vectors in its own size.

    python -m benchmarks.ranking [--photos 50000] [--dim 512] [--dialogues 2064] [--lengths 11]

Prints wall and processor seconds of ranking and of the figures made of it, and the process's peak memory, vectors
included.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import once, show
from dar_tui.evaluation.metrics import measure, places


def main(
    photos: int = 50_000,
    dim: int = 512,
    dialogues: int = 2_064,
    lengths: int = 11,
    seed: int = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the table."""
    random = np.random.default_rng(seed)
    corpus = _units(random, photos, dim)
    queries = _units(random, dialogues * lengths, dim)
    targets = np.repeat(random.choice(photos, dialogues, replace=False), lengths)
    began, worked = time.perf_counter(), time.process_time()
    found = places(corpus, queries, targets)
    measured = measure(found.ranks.reshape(dialogues, lengths), found.ties.reshape(dialogues, lengths))
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    hits = round(float(measured.hits[10][-1].mean), 1)
    figures = [
        once("ranking and figures", seconds, "s", note=f"cumulative Hits@10 at the end, of random vectors: {hits}"),
        once("ranking and figures, cpu", processor, "s"),
        once("memory, vectors included", megabytes, "MB"),
    ]
    show(f"{dialogues:,} x {lengths} queries, {photos:,} photos, {dim} numbers each", figures, json_file)


def _units(random: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    vectors = random.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    typer.run(main)
