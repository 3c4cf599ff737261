"""How long a turn takes: from the message to text hits, to the first picture, to fused hits, to the question.

    python -m benchmarks.turn --library DIR | --images DIR [--encoder bundled] [--generator bundled] [--repeats 5]

Plays a dialogue of five messages in a session; the first turn of all, which loads the models, is reported by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.libraries import library_of
from benchmarks.report import Figure, median_of, show
from dar_tui.imagine import load_generator
from dar_tui.questions.questioner import GroundedQuestioner
from dar_tui.reformulate import RuleReformulator
from dar_tui.session.events import Timings, TurnDone, TurnFailed
from dar_tui.session.session import Session, SessionOptions, SessionParts
from dar_tui.session.state import BELIEF
from dar_tui.session.transcript import Log
from indexer.encoders import Encoder, default_cache, load_encoder
from indexer.errors import UsageError
from indexer.library import Library

MESSAGES = (
    "a dog running on a beach",
    "it is a brown dog",
    "there is no people, but there is a ball",
    "the sea is in the background",
    "it was a sunny day",
)


def main(
    library: Annotated[Path | None, typer.Option(help="A library that is there.")] = None,
    images: Annotated[Path | None, typer.Option(help="A folder of photos to make one of.")] = None,
    encoder: str = "bundled",
    generator: Annotated[str, typer.Option(help="What imagines; empty: text only.")] = "bundled",
    fusion: str = BELIEF,
    repeats: int = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the median and the spread of each part's seconds."""
    loaded = load_encoder(encoder, notify=lambda line: typer.echo(line, err=True))
    warm: list[Timings] = []
    with opened(library, images, loaded) as photos, TemporaryDirectory() as folder:
        engine = SessionParts(
            photos,
            loaded,
            RuleReformulator(),
            (lambda: load_generator(generator)) if generator else None,
            GroundedQuestioner(photos, loaded, default_cache() / "questions"),
        )
        session = new_session(engine, Path(folder), fusion, 0)
        first = play(session, MESSAGES[0])
        warm += [play(session, message) for message in MESSAGES[1:]]
        for repeat in range(1, repeats):
            # A new session loads its generator anew; only what comes after that is warm.
            session = new_session(engine, Path(folder), fusion, repeat)
            play(session, "anything")
            warm += [play(session, message) for message in MESSAGES]
        count = photos.info().images
    title = f"A turn, {count} photos, {loaded.id}, {generator or 'text only'}, {fusion}: {len(warm)} warm turns"
    show(title, figures(first, warm), json_file)


@contextmanager
def opened(library: Path | None, images: Path | None, encoder: Encoder) -> Iterator[Library]:
    """The library that was named, or one of the folder's photos."""
    if (library is None) == (images is None):
        raise UsageError("Give --library or --images.", "One of them.")
    if library is not None:
        with Library.open(library) as there:
            yield there
    elif images is not None:
        with library_of(encoder, sorted(path for path in images.iterdir() if path.is_file())) as made:
            yield made


def new_session(engine: SessionParts, folder: Path, fusion: str, number: int) -> Session:
    """A session with a folder of its own."""
    return Session(engine, Log.begin(folder / str(number), datetime.now()), SessionOptions(fusion=fusion))


def play(session: Session, message: str) -> Timings:
    """Plays a turn and gives its timings; says what failed."""
    timings = Timings()
    for event in session.turn(message):
        if isinstance(event, TurnFailed):
            typer.echo(f"{event.part}: {event.message} {event.hint}", err=True)
        elif isinstance(event, TurnDone):
            timings = event.timings
    return timings


def by_part(timings: Sequence[Timings]) -> dict[str, list[float]]:
    """The seconds of each part, of the turns that had it."""
    found = {field.name: [getattr(each, field.name) for each in timings] for field in fields(Timings)}
    return {name: [seconds for seconds in values if seconds is not None] for name, values in found.items()}


def figures(first: Timings, warm: Sequence[Timings]) -> list[Figure]:
    """The median of each part, and beside it what the first turn of all took."""
    cold = by_part([first])
    return [
        median_of(name, values, "s", note=f"the first turn: {cold[name][0]:.3f} s" if cold[name] else "")
        for name, values in by_part(warm).items()
        if values
    ]


if __name__ == "__main__":
    typer.run(main)
