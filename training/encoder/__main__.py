"""Trains the bundled encoder's heads: several members from seeds of their own, put side by side in heads.safetensors.

    python -m training.encoder --photos DIR --captions TSV --work DIR [--everyday DIR] [--final]

Without `--final`, trains on all photos but the test and development sets and reports on the development set; with it,
trains on all but the test set. `--everyday`: photos without captions, to which the visual space is fitted as well, so
that it knows more than the captions' subjects. What is computed is kept in the work folder; a run that was cut
continues from there.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from indexer.encoders.bundled.backbones import IMAGE_BACKBONES, LITE2, ImageBackbone
from indexer.encoders.bundled.graphs import HEADS_FILE
from indexer.encoders.bundled.towers import CLASSES, SENTENCE_DIM, SIDE, Heads, Member, pack
from training.encoder.data import (
    CAPTIONS,
    PhotoCache,
    TextCache,
    cache_photos,
    cache_texts,
    class_names,
    read_captions,
    split,
    uncaptioned,
)
from training.encoder.loop import (
    PICTURE_BANK,
    TEXT_BANK,
    Material,
    Recipe,
    embed_captions,
    fit_expectation,
    fit_hubs,
    train,
    word_places,
)

# With the concepts' 128 and the hub coordinate, 512.
DIM = 383
MEMBER_DIM = 256
CONCEPT_DIM = 128
# With its hub coordinate, 512.
VISUAL_DIM = 511
# A class name alone, and as people write it into a search box.
TEMPLATES = ("{}", "a photo of a {}")
# MiniLM was trained on 128 tokens; a search text is far shorter.
MAX_TEXT_TOKENS = 128
# Members trained alone from this many seeds, side by side: +1 point of Recall@10 over one.
MEMBERS = 3


def main(
    photos: Annotated[Path, typer.Option(help="Folder of the photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption; five lines a photo.")],
    work: Annotated[Path, typer.Option(help="Folder for features and checkpoints (2.5 GB).")],
    everyday: Annotated[Path | None, typer.Option(help="Folder of photos without captions.")] = None,
    views: int = 8,
    seed: int = 0,
    final: bool = False,
    backbones: Annotated[str, typer.Option(help=f"Image backbones, of {', '.join(IMAGE_BACKBONES)}.")] = LITE2.name,
    tuned_layers: Annotated[int, typer.Option(help="How many of MiniLM's last layers each member tunes.")] = 0,
    members: int = MEMBERS,
    epochs: int = Recipe(seed=0).epochs,
    threads: int = 2,
    out: Path = HEADS_FILE,
) -> None:
    """Trains the heads and writes them to `out`."""
    eyes = [IMAGE_BACKBONES[name] for name in backbones.split(",")]
    torch.set_num_threads(threads)
    started = time.monotonic()

    def note(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s  {line}")

    captioned = read_captions(captions)
    parts = split(captioned.names)
    caches = cache_photos(work, photos, captioned.names, views, eyes)
    others = None if everyday is None else cache_photos(work / "everyday", everyday, uncaptioned(everyday), 1, eyes)[0]
    texts = cache_texts(work, "captions", [text for five in captioned.captions for text in five], tuned_layers)
    names = [[template.format(name) for name in same for template in TEMPLATES] for same in class_names()]
    synonyms = cache_texts(work, "classes", [text for same in names for text in same], tuned_layers)
    counts = np.array([len(same) for same in names])
    note("features are ready")

    learn = np.concatenate([parts.train, parts.dev]) if final else parts.train
    material = Material(caches, texts, learn, synonyms, np.repeat(np.arange(CLASSES), counts), others)
    judged = parts.test if final else parts.dev
    fitted = _fitted_heads(material, eyes)

    def report(heads: Heads) -> str:
        return recall(heads, caches[0], texts, judged)

    trained = []
    for number in range(members):
        recipe = Recipe(seed=seed + number, epochs=epochs)
        path = work / f"member{'-final' if final else ''}-{backbones.replace(',', '+')}-{tuned_layers}-{recipe.seed}.pt"
        torch.manual_seed(recipe.seed)
        heads = _with_statistics(fitted, 1, MEMBER_DIM, tuned_layers=tuned_layers, dropout=recipe.dropout)
        if path.exists():
            heads.load_state_dict(torch.load(path, weights_only=True))
        else:
            heads = train(heads, material, recipe, report, note)
            torch.save(heads.state_dict(), path)
        trained.append(heads.eval())
    together = _assemble(fitted, trained, material)
    note(f"together: {report(together)}")
    # Each class as people type it: its first name in the last template.
    typed = np.cumsum(counts) - counts + len(TEMPLATES) - 1
    fit_hubs(together, material, synonyms.rows(typed), seed)
    note(f"without hubs: {report(together)}")
    _write(together, out)


def _fitted_heads(material: Material, backbones: list[ImageBackbone]) -> Heads:
    """Heads whose statistics are set and whose weights are not yet."""
    heads = Heads(1, MEMBER_DIM, MEMBER_DIM, CONCEPT_DIM, VISUAL_DIM, backbones=backbones)
    member = cast(Member, heads.members[0])
    tokens, _ = material.views[0].rows(material.train)
    member.image.whole.fit(tokens[:, 0])
    member.image.grid.fit(tokens[:2000, 1:].flatten(0, 1))
    others = material.others
    heads.visual.fit(tokens[:, 0] if others is None else torch.cat([tokens[:, 0], others.wholes()]))
    member.text.centre.copy_(material.sentences(material.train).mean((0, 1)))
    counts = np.bincount(material.classes).tolist()
    names = torch.stack([part.mean(0) for part in material.names.sentences.split(counts)])
    heads.concepts.fit(F.normalize(names, dim=1))
    return heads


def _with_statistics(
    fitted: Heads,
    members: int,
    dim: int,
    *,
    tuned_layers: int,
    words: int = 0,
    dropout: float = 0.0,
    text_bank: int = 0,
    picture_bank: int = 0,
) -> Heads:
    """Heads with fresh random weights and the statistics of `fitted`."""
    heads = Heads(
        members,
        MEMBER_DIM,
        dim,
        CONCEPT_DIM,
        VISUAL_DIM,
        backbones=fitted.backbones,
        tuned_layers=tuned_layers,
        words=words,
        text_bank=text_bank,
        picture_bank=picture_bank,
        dropout=dropout,
    )
    heads.concepts.load_state_dict(fitted.concepts.state_dict())
    for name, buffer in fitted.visual.named_buffers():
        if not name.startswith("hubs."):
            heads.visual.get_buffer(name).copy_(buffer)
    for member in heads.members:
        for name, buffer in fitted.members[0].named_buffers():
            member.get_buffer(name).copy_(buffer)
    return heads


def _assemble(fitted: Heads, trained: list[Heads], material: Material) -> Heads:
    """The members side by side, in the principal components of what they say about 4,000 training photos."""
    places, rarity = word_places(material)
    heads = _with_statistics(
        fitted,
        len(trained),
        DIM,
        tuned_layers=trained[0].tuned_layers,
        words=len(rarity) - 1,
        text_bank=TEXT_BANK + CLASSES,
        picture_bank=PICTURE_BANK,
    )
    for member, alone in zip(heads.members, trained, strict=True):
        member.load_state_dict(alone.members[0].state_dict())
    fit_expectation(heads, material, places, rarity)
    sample = material.train[:4000]
    with torch.inference_mode():
        tokens, probabilities = material.views[0].rows(sample)
        concepts = heads.concepts.of_photo(probabilities)
        photo_parts = heads.photo_parts(tokens, concepts)
        texts = (sample[:, None] * CAPTIONS + np.arange(CAPTIONS)).ravel()
        parts = np.array_split(texts, len(sample) // 200 + 1)
        text_parts = [heads.text_parts(material.captions.rows(part)) for part in parts]
    heads.fit_basis(torch.cat([photo_parts, *text_parts]))
    return heads.eval()


def _write(heads: Heads, out: Path) -> None:
    from safetensors.torch import save_file

    metadata = {
        "dim": str(DIM + CONCEPT_DIM + 1),
        "visual_dim": str(VISUAL_DIM + 1),
        "sentence_dim": str(SENTENCE_DIM),
        "image_size": str(SIDE),
        "max_text_tokens": str(MAX_TEXT_TOKENS),
        "backbones": ",".join(each.name for each in heads.backbones),
    }
    save_file(pack(heads.state_dict()), out, metadata)


def recall(heads: Heads, whole: PhotoCache, captions: TextCache, photos: NDArray[np.int64]) -> str:
    """Recall@1/5/10 among `photos`, of every caption alone and of the mean of all five, from cached features.

    The figures in MODEL_CARD.md come from `benchmarks/quality.py`, which goes through the encoder itself.
    """
    with torch.inference_mode():
        library = heads.embed_photos(*whole.rows(photos))
        texts = embed_captions(heads, captions, photos)
        single = torch.stack([_ranks(texts[:, i] @ library.T) for i in range(texts.shape[1])])
        five = _ranks(F.normalize(texts.mean(1), dim=1) @ library.T)
    return f"R@1/5/10 one caption {_at(single)}  five {_at(five)}"


def _ranks(scores: Tensor) -> Tensor:
    """0-based rank of the diagonal in each row: how many scores are strictly better."""
    return (scores > scores.diagonal()[:, None]).sum(1)


def _at(places: Tensor) -> str:
    return "/".join(f"{100 * (places < k).float().mean().item():.1f}" for k in (1, 5, 10))


if __name__ == "__main__":
    typer.run(main)
