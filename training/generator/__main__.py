"""Trains the bundled generator on captioned photos, over the bundled encoder's trained heads, and exports it.

    python -m training.generator --photos DIR --captions TSV --work DIR [--final]

`--work` is the encoder's training folder: its cached features are used again. Without `--final` the development set is
kept out as well as the test set.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dar_tui.imagine.bundled import FOLDER, load_tokenizer
from dar_tui.imagine.bundled.model import FeatureDenoiser, SketchDecoder, WordBag
from dar_tui.imagine.bundled.sampler import TIMES, signal_shares
from indexer.encoders.bundled.graphs import HEADS_FILE, read_heads
from indexer.encoders.bundled.towers import PICTURE_STRENGTH, SENTENCE_DIM, SPREAD, load_heads
from training.encoder.data import CAPTIONS, cache_photos, cache_texts, read_captions, split, view
from training.encoder.loop import embed_captions
from training.generator.export import export_generator
from training.generator.material import space_digest

SKETCH_DIM = 128
SIDE = 32
BATCH = 256
CONDITION_NOISE = 0.25
CONDITION_DROPPED = 0.1
# Words are left out at random, or rare ones would give each photo away.
WORDS_DROPPED = 0.25
# A word seen less often tells photos apart only by heart.
LEAST_SEEN = 4
AVERAGE = 0.997


def main(
    photos: Annotated[Path, typer.Option(help="Folder of the photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption; five lines a photo.")],
    work: Annotated[Path, typer.Option(help="The encoder's training folder, with its features.")],
    heads: Path = HEADS_FILE,
    views: int = 8,
    steps: int = 1300,
    width: int = 1024,
    seed: int = 0,
    rate: float = 1e-3,
    final: bool = False,
    threads: int = 2,
    out: Path = FOLDER,
) -> None:
    """Trains the generator and saves it to `out`."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    started = time.monotonic()
    captioned = read_captions(captions)
    parts = split(captioned.names)
    learn = np.concatenate([parts.train, parts.dev]) if final else parts.train
    encoder = load_heads(heads)
    caches = cache_photos(work, photos, captioned.names, views, encoder.backbones)
    captioning = [text for five in captioned.captions for text in five]
    texts = cache_texts(work, "captions", captioning, encoder.tuned_layers)
    sentences = texts.sentences.view(-1, CAPTIONS, SENTENCE_DIM)
    joint = embed_captions(encoder, texts, np.arange(len(captioned.names)))
    with torch.inference_mode():
        visual = [encoder.visual.whitened(torch.from_numpy(c.tokens[:, 0].astype(np.float32))) for c in caches]
    sketches = [_cache_sketches(work, photos, captioned.names, number) for number in range(views)]

    decoder = SketchDecoder(
        visual_dim=visual[0].shape[1],
        sketch_dim=SKETCH_DIM,
        side=SIDE,
        hub_coordinate=PICTURE_STRENGTH / SPREAD,
    )
    decoder.fit(visual[0][learn], _as_float(sketches[0][learn]))
    with torch.inference_mode():
        samples = torch.stack([decoder.encode(v, _as_float(s)) for v, s in zip(visual, sketches, strict=True)])

    words, bags = _words(captioned.captions, learn)
    condition_dim = joint.shape[2] + SENTENCE_DIM + bags.shape[2]
    denoiser = FeatureDenoiser(sample_dim=decoder.sample_dim, condition_dim=condition_dim, width=width)
    average = copy.deepcopy(denoiser)
    shares = torch.from_numpy(signal_shares())
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    running = 0.0
    for step in range(1, steps + 1):
        rows = torch.from_numpy(chance.choice(learn, BATCH))
        clean = samples[torch.from_numpy(chance.integers(views, size=BATCH)), rows]
        condition = _conditions(joint[rows], sentences[rows], bags[rows], words.weights, chance)
        condition = condition * (torch.rand(BATCH, 1) > CONDITION_DROPPED)
        times = torch.randint(TIMES, (BATCH,))
        share = shares[times][:, None]
        noisy = share.sqrt() * clean + (1 - share).sqrt() * torch.randn_like(clean)
        denoiser.train()
        with torch.autocast("cpu", torch.bfloat16):
            # The model says what the clean sample is, which holds better than its noise where data are few.
            guess = denoiser(noisy, times, condition)
        loss = F.mse_loss(guess.float(), clean)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            keep = min(AVERAGE, (1 + step) / (10 + step))
            for mine, theirs in zip(average.parameters(), denoiser.parameters(), strict=True):
                mine.lerp_(theirs, 1 - keep)
        running += loss.item()
        if step % 200 == 0:
            typer.echo(f"{time.monotonic() - started:6.0f} s  step {step}  loss {running / 200:.4f}")
            running = 0.0
    digest = read_heads(heads)[1]
    export_generator(out, average, decoder, words, heads=digest, space=space_digest(encoder.visual))


def _words(captions: Sequence[Sequence[str]], learn: NDArray[np.int64]) -> tuple[WordBag, Tensor]:
    """The vocabulary of the photos to learn from, and which of its words each caption has: (n, 5, vocabulary) bool."""
    tokenizer = load_tokenizer()
    tokens = [[set(encoding.ids) for encoding in tokenizer.encode_batch(list(five))] for five in captions]
    seen = Counter(token for row in learn for said in tokens[row] for token in said)
    vocabulary = sorted(token for token, count in seen.items() if count >= LEAST_SEEN)
    words = WordBag(len(vocabulary))
    documents = torch.tensor([seen[token] for token in vocabulary])
    words.fit(torch.tensor(vocabulary), documents, CAPTIONS * len(learn))
    place = {token: index for index, token in enumerate(vocabulary)}
    bags = torch.zeros(len(captions), CAPTIONS, len(vocabulary), dtype=torch.bool)
    for row, five in enumerate(tokens):
        for number, said in enumerate(five):
            bags[row, number, [place[token] for token in said if token in place]] = True
    return words, bags


def _conditions(joint: Tensor, sentences: Tensor, bags: Tensor, weights: Tensor, chance: np.random.Generator) -> Tensor:
    """What a dialogue of 1 to 5 statements gives: (n, 5, .) captions -> their means, each unit, side by side."""
    count = chance.integers(1, CAPTIONS + 1, len(joint))
    chosen = torch.from_numpy(np.argsort(chance.random((len(joint), CAPTIONS)), 1) < count[:, None]).float()[..., None]
    dense = torch.cat([F.normalize((part * chosen).sum(1), dim=1) for part in (joint, sentences)], 1)
    dense = dense + CONDITION_NOISE * dense.std() * torch.randn_like(dense)
    said = (bags * chosen).sum(1) * weights
    kept = said * (torch.rand(said.shape) > WORDS_DROPPED)
    return torch.cat([dense, F.normalize(kept, dim=1)], 1)


def _cache_sketches(work: Path, photos: Path, names: tuple[str, ...], number: int) -> Tensor:
    """(n, 3 * side * side) uint8 of one view."""
    path = work / f"sketch{SIDE}-{number}.npy"
    if not path.exists():
        rows = np.empty((len(names), 3 * SIDE * SIDE), dtype=np.uint8)
        for row, name in zip(rows, names, strict=True):
            with Image.open(photos / name) as image:
                shown = Image.fromarray(view(image.convert("RGB"), name, number))
            row[:] = np.asarray(shown.resize((SIDE, SIDE), Image.Resampling.BOX)).reshape(-1)
        np.save(path, rows)
    return torch.from_numpy(np.load(path))


def _as_float(sketches: Tensor) -> Tensor:
    return sketches.float() / 127.5 - 1


if __name__ == "__main__":
    typer.run(main)
