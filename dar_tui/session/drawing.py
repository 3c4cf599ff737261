"""Step 3 of Algorithm 1: the generated images of one turn, encoded, saved in the session's album and yielded as events.

How images change the ranking is `fusion`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dar_tui.fusion.evidence import GeneratedImage, SearchRequest
from dar_tui.imagine import Imagined
from dar_tui.imagine.worker import Imagination, Ready, Step
from dar_tui.session.events import (
    Event,
    ImageGenerated,
    Imagining,
    Loaded,
    Loading,
    Part,
    Prompts,
    TurnFailed,
)
from dar_tui.session.state import CancelToken, SessionState, Stopwatch
from dar_tui.session.transcript import Pictured, not_saved
from indexer.errors import DarError


def draw_images(
    state: SessionState,
    imagination: Imagination,
    request: SearchRequest,
    prompts: Sequence[str],
    seeds: Sequence[int],
    token: CancelToken,
    watch: Stopwatch,
    first: int = 0,
) -> Iterator[Event]:
    """Yields Prompts, Loading (the first time), steps and images; TurnFailed on an error, which keeps the images so
    far. Images are numbered from `first` on."""
    yield Prompts(request.turn, tuple(prompts), tuple(seeds))
    was_ready = imagination.is_ready
    if not was_ready:
        yield Loading(request.turn)
    waiting = dict(enumerate(zip(prompts, seeds, strict=True), first))
    encoder = state.search.encoder
    ready: Ready | None = None
    try:
        drawn = imagination.draw(prompts, seeds, lambda: encoder.conditions(request.need.wants), token.is_set)
        for progress in watch.each("imagine", drawn):
            if isinstance(progress, Ready):
                ready = progress
                # It was waited for inside the step, and is a part of its own.
                watch.took("load", progress.seconds)
                watch.took("imagine", -progress.seconds)
                if not was_ready:
                    yield Loaded(request.turn)
            elif isinstance(progress, Step):
                yield Imagining(request.turn, first + progress.k, progress.step, progress.steps)
            elif ready is not None:
                # Images come in any order and are known by what they were generated from.
                k = next(k for k, origin in waiting.items() if origin == (progress.prompt, progress.seed))
                del waiting[k]
                with watch.part("imagine"):
                    image = GeneratedImage(progress.seed, encoder.picture(progress))
                watch.mark("first_picture")
                if state.add_image((request.turn, k), image, token):
                    yield from _keep(state, request.turn, k, progress, image, ready)
    except DarError as error:
        yield TurnFailed(Part.IMAGINE, error.message, error.hint)


def _keep(
    state: SessionState, turn: int, k: int, imagined: Imagined, image: GeneratedImage, ready: Ready
) -> Iterator[Event]:
    path = None
    try:
        path = state.album.keep(turn, k, imagined, image.vector, ready.model, ready.recipe)
        failed = state.log.write(Pictured(turn, k, path.name))
    except OSError as error:
        failed = not_saved(error)
    yield ImageGenerated(turn, k, imagined, path)
    if failed:
        yield failed
