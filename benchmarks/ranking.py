"""How long the ranks of a whole ChatIR benchmark take, and how much memory: random vectors in its own size.

    python -m benchmarks.ranking [--photos 50000] [--dim 512] [--dialogues 2064] [--lengths 11]

Prints wall and processor seconds of ranking and of the figures made of it, and the process's peak memory, vectors
included.
"""

from __future__ import annotations

import json
import resource
import time
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from dar_tui.evaluation.metrics import measure
from dar_tui.evaluation.ranking import places


def main(
    photos: int = 50_000,
    dim: int = 512,
    dialogues: int = 2_064,
    lengths: int = 11,
    seed: int = 0,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prints the figures."""
    random = np.random.default_rng(seed)
    corpus = _units(random, photos, dim)
    queries = _units(random, dialogues * lengths, dim)
    targets = np.repeat(random.choice(photos, dialogues, replace=False), lengths)
    began, worked = time.perf_counter(), time.process_time()
    found = places(corpus, queries, targets)
    measured = measure(found.ranks.reshape(dialogues, lengths), found.ties.reshape(dialogues, lengths))
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    hits = [round(each.mean, 2) for each in measured.hits[10]]
    if json_output:
        told = {"seconds": seconds, "processor_seconds": processor, "megabytes": megabytes, "hits10": hits}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{dialogues:,} x {lengths} queries, {photos:,} photos, {dim} numbers each")
    typer.echo(f"{seconds:.1f} s ({processor:.1f} s of processor), {megabytes:.0f} MB at most; Hits@10 {hits}")


def _units(random: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    vectors = random.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    typer.run(main)
