"""The generated images of one turn: drawn, encoded, saved in the session's album and yielded as events.

Knows the generator, the encoder and files. How images change the ranking is `fusion`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dar_tui.fusion.evidence import Asking, Drawn, Reader
from dar_tui.imagine import Cancelled, Imagined
from dar_tui.imagine.cache import Album
from dar_tui.imagine.worker import Imagination, Ready, Step
from dar_tui.session.events import Event, Imagining, Loaded, Loading, Part, Picture, TurnFailed
from dar_tui.session.saving import Log, not_saved
from dar_tui.session.stopwatch import Stopwatch
from dar_tui.session.transcript import Pictured
from indexer.errors import DarError

# Takes a picture into the session; False where the turn is over and it comes too late.
Accept = Callable[[tuple[int, int], Drawn], bool]


@dataclass(frozen=True, eq=False)
class Artist:
    """Draws for one session."""

    imagination: Imagination
    reader: Reader
    album: Album
    log: Log

    def draw(
        self,
        asking: Asking,
        prompts: Sequence[str],
        seeds: Sequence[int],
        accept: Accept,
        cancelled: Cancelled,
        watch: Stopwatch,
        first: int = 0,
    ) -> Iterator[Event]:
        """Yields Loading (the first time), steps and pictures; TurnFailed on an error, which keeps the pictures so far.

        Pictures are numbered from `first` on.
        """
        was_ready = self.imagination.is_ready
        if not was_ready:
            yield Loading(asking.turn)
        waiting = dict(enumerate(zip(prompts, seeds, strict=True), first))
        ready: Ready | None = None
        try:
            with watch.part("imagine"):
                for progress in self.imagination.draw(
                    prompts, seeds, lambda: self.reader.conditions(asking.need.wants), cancelled
                ):
                    if isinstance(progress, Ready):
                        ready = progress
                        watch.took("load", progress.seconds)
                        if not was_ready:
                            yield Loaded(asking.turn)
                    elif isinstance(progress, Step):
                        yield Imagining(asking.turn, first + progress.k, progress.step, progress.steps)
                    elif ready is not None:
                        # Pictures come in any order and are known by what they were drawn from.
                        k = next(k for k, origin in waiting.items() if origin == (progress.prompt, progress.seed))
                        del waiting[k]
                        drawn = Drawn(progress.seed, self.reader.picture(progress))
                        watch.mark("first_picture")
                        if accept((asking.turn, k), drawn):
                            yield from self._keep(asking.turn, k, progress, drawn, ready)
        except DarError as error:
            yield TurnFailed(Part.IMAGINE, error.message, error.hint)

    def _keep(self, turn: int, k: int, imagined: Imagined, drawn: Drawn, ready: Ready) -> Iterator[Event]:
        path: Path | None = None
        try:
            path = self.album.keep(turn, k, imagined, drawn.vector, ready.model, ready.recipe)
            failed = self.log.write(Pictured(turn, k, path.name))
        except OSError as error:
            failed = not_saved(error)
        yield Picture(turn, k, imagined, path)
        if failed:
            yield failed
