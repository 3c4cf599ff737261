"""What imagined pictures add to text, turn by turn: every query strategy with every fusion strategy.

    python -m benchmarks.fusion --images DIR --captions TSV [--set test|dev] [--weights 0.1,0.2,0.3] [--json FILE]

The caption benchmark: D0 is a photo's first caption, each further caption an answer to "tell me more", so there are
five turns. A thousand photos that nothing was trained on, K pictures a turn from the bundled generator, ranks by the
number
of strictly better scores. Everything is seeded. "hurt" and "helped" are the shares of (query, turn) whose rank got
worse or better than with the same text alone; the interval is a paired bootstrap over queries of the mean difference
in Recall@10 (Recall@1) over all turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.intervals import Gain, paired_gain
from benchmarks.libraries import library_of
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.fusion.agreement import fits
from dar_tui.fusion.strategies import STRATEGIES, Evidence, Fit
from dar_tui.imagine.bundled import GUIDANCE, STEPS, load_pipeline
from dar_tui.reformulate import QueryStrategy, query_text
from indexer.encoders import JOINT, VISUAL
from indexer.encoders.bundled import BundledEncoder
from indexer.encoders.bundled.training.data import read_captions, split
from indexer.library import Library
from indexer.search.ranking import Query, merged, scores
from indexer.search.strength import spread_of

if TYPE_CHECKING:
    from indexer.encoders import Vectors

TURNS = 5
ROWS_AT_ONCE = 192
# Any day: captions hold no dates, but a message has a time.
NOW = datetime(2026, 1, 1)


@dataclass(frozen=True, eq=False)
class Photos:
    """The benchmark's photos in both spaces, row for row."""

    joint: Vectors
    visual: Vectors


@dataclass(frozen=True, eq=False)
class Asked:
    """The queries of one query strategy: `texts[query][turn]` (n, dim), `pictures` (queries, turns, K, visual_dim)."""

    texts: list[list[Vectors]]
    pictures: Vectors
    fits: list[list[tuple[Fit, ...]]]


@dataclass(frozen=True, eq=False)
class Run:
    """The ranks (queries, turns) of one combination, and those of the same text alone."""

    query: str
    fusion: str
    weight: float | None
    ranks: NDArray[np.int64]
    baseline: NDArray[np.int64]

    def on(self, queries: slice) -> Run:
        """The same for some of the queries; all photos stay in the ranking."""
        return replace(self, ranks=self.ranks[queries], baseline=self.baseline[queries])

    def text_alone(self) -> Run:
        """Its baseline as a run."""
        return replace(self, fusion="text-only", weight=None, ranks=self.baseline)


@dataclass(frozen=True)
class Row:
    """One line of the table, in percent."""

    query: str
    fusion: str
    weight: float | None
    recall10: tuple[float, ...]
    recall1: tuple[float, ...]
    hits10: tuple[float, ...]
    hurt: float
    helped: float
    gain10: Gain
    gain1: Gain


def main(
    images: Annotated[Path, typer.Option(help="Folder of the captioned photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")],
    which: Annotated[str, typer.Option("--set", help="test or dev.")] = "test",
    weights: Annotated[str, typer.Option(help="Picture weights to try beside each strategy's own.")] = "",
    fusions: Annotated[str, typer.Option(help="Strategies to try, separated by commas.")] = ",".join(STRATEGIES),
    queries: Annotated[str, typer.Option(help="Query strategies, separated by commas.")] = "joined,rewrite,statements",
    k: Annotated[int, typer.Option(help="Pictures a turn.")] = 3,
    guidance: float = GUIDANCE,
    seed: int = 0,
    heads: Annotated[Path | None, typer.Option(help="Other heads than the shipped ones.")] = None,
    generator: Annotated[Path | None, typer.Option(help="Another pipeline than the shipped one.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the table."""
    from dar_tui.imagine.bundled import FOLDER
    from dar_tui.settings import load_settings
    from indexer.encoders.bundled.graphs import HEADS_FILE

    encoder = BundledEncoder(load_settings().cache, heads=heads or HEADS_FILE)
    pipeline = load_pipeline(generator or FOLDER)
    captioned = read_captions(captions)
    rows = getattr(split(captioned.names), which)
    tried = [None, *(float(weight) for weight in weights.split(",") if weight)]
    runs: list[Run] = []
    with library_of(encoder, [images / captioned.names[i] for i in rows]) as library:
        photos = _vectors(library, [captioned.names[i] for i in rows])
        for name in queries.split(","):
            strategy = QueryStrategy(name)
            asked = _asked([captioned.captions[i] for i in rows], strategy, encoder, pipeline, k, guidance, seed)
            if "adaptive" in fusions:
                asked = Asked(asked.texts, asked.pictures, _fits(library, asked))
            baseline = _ranks(asked, photos, "text-only", None)
            for fusion in fusions.split(","):
                for weight in tried if fusion != "text-only" else [None]:
                    ranks = baseline if fusion == "text-only" else _ranks(asked, photos, fusion, weight)
                    runs.append(Run(name, fusion, weight, ranks, baseline))
    results = [_row(run) for run in runs]
    title = f"{len(rows)} photos ({which}), K={k}, guidance {guidance}, {STEPS} steps, seed {seed}"
    _print(results, title)
    half = len(rows) // 2
    for chosen_on, told_of in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
        best = max(runs, key=lambda run: _merit(run.on(chosen_on)))
        # The text alone with the same query strategy stands beside it.
        _print([_row(best.on(told_of)), _row(best.text_alone().on(told_of))], "Chosen on one half, told of the other")
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in results], indent=1) + "\n")


def _vectors(library: Library, names: Sequence[str]) -> Photos:
    root = library.info().roots[0].path
    ids = [image_id for name in names if (image_id := library.image_for(root / name)) is not None]
    return Photos(library.vectors(ids, JOINT), library.vectors(ids, VISUAL))


def _asked(
    captions: Sequence[Sequence[str]],
    strategy: QueryStrategy,
    encoder: BundledEncoder,
    pipeline: object,
    k: int,
    guidance: float,
    seed: int,
) -> Asked:
    texts: list[list[Vectors]] = []
    conditions = []
    for five in captions:
        dialogue = Dialogue()
        turns = []
        for caption in five[:TURNS]:
            dialogue = dialogue.said(caption, NOW)
            joint, sentences = encoder.encode_texts_and_sentences(query_text(dialogue, strategy).texts)
            turns.append(joint)
            conditions.append(np.concatenate([_unit(joint.mean(0)), _unit(sentences.mean(0))]))
        texts.append(turns)
    rows = np.repeat(np.stack(conditions), k, axis=0)
    pictures = np.concatenate(list(_imagine(pipeline, rows, guidance, seed)))
    return Asked(texts, pictures.reshape(len(captions), TURNS, k, -1), [])


def _imagine(pipeline: object, conditions: Vectors, guidance: float, seed: int) -> Iterator[Vectors]:
    import torch

    for start in range(0, len(conditions), ROWS_AT_ONCE):
        batch = torch.from_numpy(conditions[start : start + ROWS_AT_ONCE])
        seeds = [torch.Generator().manual_seed(seed * 10_000_019 + start + row) for row in range(len(batch))]
        yield pipeline(batch, seeds, STEPS, guidance).vectors.numpy()  # type: ignore[operator]


def _fits(library: Library, asked: Asked) -> list[list[tuple[Fit, ...]]]:
    return [
        [
            fits(library, _unit(text.mean(0)), list(pictures), VISUAL)
            for text, pictures in zip(turns, drawn, strict=True)
        ]
        for turns, drawn in zip(asked.texts, asked.pictures, strict=True)
    ]


def _ranks(asked: Asked, photos: Photos, fusion: str, weight: float | None) -> NDArray[np.int64]:
    """(queries, turns): how many photos score strictly better than the target, which is photo number `query`."""
    ranks = np.zeros((len(asked.texts), TURNS), dtype=np.int64)
    for query, turns in enumerate(asked.texts):
        for turn, texts in enumerate(turns):
            gates = asked.fits[query][turn] if asked.fits else ()
            evidence = Evidence(turn, list(texts), None, list(asked.pictures[query, turn]), VISUAL, fits=gates)
            values = _scores(STRATEGIES[fusion](evidence, weight), photos)
            ranks[query, turn] = (values > values[query]).sum()
    return ranks


def _scores(query: Query, photos: Photos) -> NDArray[np.float32]:
    """What a library computes by exact search, for every photo."""
    terms = merged(query)
    spaces = {JOINT: photos.joint, VISUAL: photos.visual}
    cosines = [spaces[term.space] @ term.vector for term in terms]
    return scores(query.combine, terms, cosines, [spread_of(values) for values in cosines])


def _merit(run: Run) -> float:
    """What a combination is chosen by: Recall@10 and Recall@1, averaged over turns, together."""
    return float((run.ranks < 10).mean() + (run.ranks < 1).mean())


def _row(run: Run) -> Row:
    ranks, baseline = run.ranks, run.baseline
    best = np.minimum.accumulate(ranks, axis=1)
    return Row(
        run.query,
        run.fusion,
        run.weight,
        recall10=_percent((ranks < 10).mean(0)),
        recall1=_percent((ranks < 1).mean(0)),
        hits10=_percent((best < 10).mean(0)),
        hurt=round(100 * float((ranks > baseline).mean()), 1),
        helped=round(100 * float((ranks < baseline).mean()), 1),
        gain10=paired_gain((ranks < 10).mean(1), (baseline < 10).mean(1)),
        gain1=paired_gain((ranks < 1).mean(1), (baseline < 1).mean(1)),
    )


def _percent(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(100 * float(value), 1) for value in values)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def _print(results: Sequence[Row], title: str) -> None:
    table = Table("query", "fusion", "weight", "Recall@10 by turn", "Recall@1 by turn", "Hits@10", title=title)
    for heading in ("hurt", "helped", "R@10 gain [95 %]", "R@1 gain [95 %]"):
        table.add_column(heading)
    for row in results:
        weight = "own" if row.weight is None else f"{row.weight:g}"
        turns = [" ".join(f"{value:.1f}" for value in values) for values in (row.recall10, row.recall1, row.hits10)]
        gains = [f"{g.mean:+.2f} [{g.low:+.2f}, {g.high:+.2f}]" for g in (row.gain10, row.gain1)]
        table.add_row(row.query, row.fusion, weight, *turns, f"{row.hurt:.1f}", f"{row.helped:.1f}", *gains)
    Console(width=220).print(table)


if __name__ == "__main__":
    typer.run(main)
