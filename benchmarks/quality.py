"""How well an encoder finds photos by their captions, and objects by their names.

    python -m benchmarks.quality --images DIR --captions TSV [--objects DIR] [--everyday DIR] [--all] [--encoder SPEC]

Captioned photos: the thousand that were kept out of training (lowest SHA-256 of the file name). Recall@k of every
caption alone, and of the mean of a photo's five captions, among those thousand. Objects: files named
`<id>_<class>.<suffix>`; "a photo of a CLASS" must have a photo of that class among its first 10, in that folder alone
and with the thousand
photos added. `--all`: a test photo's captions among all captioned photos, those trained on too. Everyday photos (COCO
train2014): each of 100 queries, written by somebody who looked at the photo, among all photos of the folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from indexer.encoders import Encoder, load_encoder
from indexer.photos.photo import open_photo
from training.encoder.data import EVERYDAY_QUERIES, read_captions, split

if TYPE_CHECKING:
    from indexer.encoders import Vectors

CUTOFFS = (1, 5, 10)


def main(
    images: Annotated[Path, typer.Option(help="Folder of the captioned photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")],
    objects: Annotated[Path | None, typer.Option(help="Folder of photos named by their class.")] = None,
    everyday: Annotated[Path | None, typer.Option(help="Folder of COCO train2014 photos.")] = None,
    among_all: Annotated[bool, typer.Option("--all", help="Search among all captioned photos too.")] = False,
    encoder: str = "bundled",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints a table of Recall@k."""
    loaded = load_encoder(encoder, notify=lambda line: typer.echo(line, err=True))
    captioned = read_captions(captions)
    kept_out = split(captioned.names).test
    library = photo_vectors(loaded, [images / captioned.names[i] for i in kept_out])
    texts = np.stack([loaded.encode_texts(captioned.captions[i]) for i in kept_out])

    figures = {
        "one caption": recall(np.concatenate([ranks(texts[:, c] @ library.T) for c in range(texts.shape[1])])),
        "first caption": recall(ranks(texts[:, 0] @ library.T)),
        "mean of five captions": recall(ranks(unit(texts.mean(1)) @ library.T)),
    }
    if objects is not None:
        files = sorted(path for path in objects.iterdir() if path.is_file())
        classes = [path.stem.split("_", 1)[1].replace("_", " ") for path in files]
        shown = photo_vectors(loaded, files)
        names = loaded.encode_texts([f"a photo of a {name}" for name in classes])
        figures[f"{len(files)} objects by name"] = recall(class_ranks(names @ shown.T, classes))
        beside = np.concatenate([shown, library])
        figures["the same among the captioned photos too"] = recall(class_ranks(names @ beside.T, classes))
    if among_all:
        learnt = [i for i in range(len(captioned.names)) if i not in set(kept_out.tolist())]
        whole = np.concatenate([library, photo_vectors(loaded, [images / captioned.names[i] for i in learnt])])
        among = [ranks(texts[:, c] @ whole.T) for c in range(texts.shape[1])]
        figures[f"one caption among all {len(whole)}"] = recall(np.concatenate(among))
    if everyday is not None:
        lines = EVERYDAY_QUERIES.read_text(encoding="utf-8").splitlines()
        wanted = dict(line.split("\t") for line in lines)
        others = sorted(path.name for path in everyday.iterdir() if path.is_file() and path.name not in wanted)
        seen = photo_vectors(loaded, [everyday / name for name in (*wanted, *others)])
        asked = loaded.encode_texts(list(wanted.values()))
        figures[f"{len(wanted)} queries among {len(seen)} everyday photos"] = recall(ranks(asked @ seen.T))
    _print(loaded.id, figures)
    if json_file is not None:
        json_file.write_text(json.dumps({"encoder": loaded.id, "recall": figures}, indent=2) + "\n")


def photo_vectors(encoder: Encoder, paths: Sequence[Path]) -> Vectors:
    """(n, dim), through the same door as `dar index`."""
    rows = []
    for start in range(0, len(paths), 16):
        batch = [encoder.prepare(open_photo(path, encoder.image_size).image) for path in paths[start : start + 16]]
        rows.append(encoder.encode_prepared(batch).joint)
    return np.concatenate(rows)


def ranks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """0-based rank of the diagonal in each row: how many scores are strictly better."""
    right = np.diagonal(scores)[:, None]
    return np.asarray((scores > right).sum(1))


def class_ranks(scores: NDArray[np.float32], classes: Sequence[str]) -> NDArray[np.int64]:
    """The best rank among the photos of the row's own class, which are the first `len(classes)` columns."""
    names = np.array(classes)
    same = np.zeros(scores.shape, dtype=bool)
    same[:, : len(classes)] = names[:, None] == names[None, :]
    best = np.where(same, scores, -np.inf).max(1, keepdims=True)
    return np.asarray((scores > best).sum(1))


def recall(places: NDArray[np.int64]) -> dict[str, float]:
    """Percent of `places` below each cutoff."""
    return {f"R@{k}": round(100 * float((places < k).mean()), 1) for k in CUTOFFS}


def unit(vectors: Vectors) -> Vectors:
    """Each row at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _print(title: str, figures: dict[str, dict[str, float]]) -> None:
    table = Table("query", *(f"R@{k}" for k in CUTOFFS), title=title)
    for name, row in figures.items():
        table.add_row(name, *(f"{row[f'R@{k}']:.1f}" for k in CUTOFFS))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
