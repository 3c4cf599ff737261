"""A talk as the screen shows it: exchanges that events are added to, one value after the other.

Pure; knows events and what they mean for the eye. Pictures are kept as files, never as pixels, and of an exchange that
is over only the first page of hits: a hundred turns must not weigh more than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.language.turn import Question
from dar_tui.session.events import (
    Certainty,
    Event,
    ImageGenerated,
    Imagining,
    Loaded,
    Loading,
    Part,
    Prompts,
    Reformulated,
    Results,
    SessionNote,
    Stage,
    Timings,
    TurnDone,
    TurnFailed,
)

if TYPE_CHECKING:
    from indexer.search.hits import Hit

# What an exchange that is over keeps of its hits: what a saved page shows of it.
KEPT_HITS = 12


class ExchangeState(StrEnum):
    """How far an exchange has come."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Drawing:
    """An imagined picture: its prompt, how far it is, and its file once it is there."""

    prompt: str
    seed: int
    step: int = 0
    steps: int = 0
    path: Path | None = None
    done: bool = False


@dataclass(frozen=True)
class Failure:
    """A part that failed, and what to do."""

    part: Part
    message: str
    hint: str

    @property
    def line(self) -> str:
        """Both on one line."""
        return f"{self.message} {self.hint}".rstrip()


@dataclass(frozen=True)
class Tally:
    """A page of photos in numbers. `risen`: how many stand higher than by the text alone; `scored`: False where it is
    not known how well they match."""

    photos: int
    strong: int
    weak: int
    risen: int
    scored: bool


@dataclass(frozen=True)
class Exchange:
    """One message and all that came of it. `text_ranks`: the rank of each image id when only the text had counted.

    `first`: the first of the pictures that are being drawn now; those before it are from an earlier try. `kept`: what
    the page came to, once it is archived.
    """

    message: str
    turn: int = 0
    state: ExchangeState = ExchangeState.RUNNING
    query: str = ""
    hits: tuple[Hit, ...] = ()
    stage: Stage | None = None
    text_ranks: Mapping[int, int] = field(default_factory=dict)
    kept: Tally | None = None
    drawings: tuple[Drawing, ...] = ()
    first: int = 0
    loading: bool = False
    certainty: Certainty | None = None
    question: Question | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    timings: Timings = field(default_factory=Timings)

    def after(self, event: Event) -> Exchange:
        """The exchange with one more event."""
        match event:
            case Reformulated(turn, query):
                return replace(self, turn=turn, query=" ".join(query.texts))
            case Results(turn, stage, hits):
                # The first page is the text's own; what comes later is compared with it.
                ranks = self.text_ranks or {hit.image_id: hit.rank for hit in hits}
                return replace(self, turn=turn, hits=hits, stage=stage, text_ranks=ranks, kept=None)
            case Certainty():
                return replace(self, certainty=event)
            case Prompts(turn, prompts, seeds):
                drawings = tuple(Drawing(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True))
                # Pictures of a turn are numbered through when it is imagined again.
                return replace(self, turn=turn, drawings=(*self.drawings, *drawings), first=len(self.drawings))
            case Loading():
                return replace(self, loading=True)
            case Loaded():
                return replace(self, loading=False)
            case Imagining(_, k, step, steps):
                return replace(self, loading=False, drawings=self._drawn(k, step=step, steps=steps))
            case ImageGenerated(_, k, _, path):
                return replace(self, loading=False, drawings=self._drawn(k, path=path, done=True))
            case Question():
                return replace(self, question=event)
            case SessionNote(text):
                return replace(self, notes=(*self.notes, text))
            case TurnFailed(part, message, hint):
                return replace(self, loading=False, failures=(*self.failures, Failure(part, message, hint)))
            case TurnDone(_, timings, cancelled):
                state = ExchangeState.STOPPED if cancelled else ExchangeState.DONE
                return replace(self, state=state, loading=False, timings=_joined(self.timings, timings))

    def ended(self) -> Exchange:
        """The exchange when no more events will come, whether its end was reported or not."""
        return (
            self
            if self.state is not ExchangeState.RUNNING
            else replace(self, state=ExchangeState.STOPPED, loading=False)
        )

    def archived(self) -> Exchange:
        """What is kept once the next message came: numbers of everything, and the best photos without those they hide.

        One burst may have folded a whole library under a hit.
        """
        kept = tuple(replace(hit, similar=(), copies=()) for hit in self.hits[:KEPT_HITS])
        return replace(self.ended(), hits=kept, text_ranks={}, kept=self.tally)

    def rise(self, hit: Hit) -> int:
        """By how many places pictures and feedback lifted a photo; 0 on the page that only the text had made."""
        return self.text_ranks.get(hit.image_id, len(self.text_ranks) + 1) - hit.rank if self.text_ranks else 0

    @property
    def tally(self) -> Tally:
        """The page in numbers, which stay those of the whole page when it is archived."""
        if self.kept is not None:
            return self.kept
        return Tally(
            photos=len(self.hits),
            strong=sum(str(hit.strength) == "strong" for hit in self.hits),
            weak=sum(str(hit.strength) == "weak" for hit in self.hits),
            risen=sum(self.rise(hit) > 0 for hit in self.hits),
            # A resumed session knows which photos it had found, not how well they matched.
            scored=any(hit.score for hit in self.hits),
        )

    @property
    def pictures(self) -> int:
        """How many pictures are there."""
        return sum(drawing.done for drawing in self.drawings)

    @property
    def doing(self) -> str:
        """What is being done just now, in a few words; "" if nothing is."""
        if self.state is not ExchangeState.RUNNING:
            return ""
        if self.stage is None:
            return "looking"
        if self.loading:
            return "loading the generator"
        now = self.drawings[self.first :]
        open_ = [(k, drawing) for k, drawing in enumerate(now, 1) if not drawing.done]
        if open_:
            k, drawing = max(open_, key=lambda pair: pair[1].step)
            step = f", step {drawing.step}/{drawing.steps}" if drawing.steps else ""
            return f"imagining {k}/{len(now)}{step}"
        return "thinking of a question" if self.question is None else ""

    def _drawn(self, k: int, **changes: object) -> tuple[Drawing, ...]:
        if not 0 <= k < len(self.drawings):
            return self.drawings
        changed = replace(self.drawings[k], **changes)  # type: ignore[arg-type]
        return (*self.drawings[:k], changed, *self.drawings[k + 1 :])


def _joined(before: Timings, now: Timings) -> Timings:
    """A page shown again takes time of its own; parts that did not run again keep theirs."""
    kept = {each.name: getattr(before, each.name) for each in fields(Timings) if getattr(now, each.name) is None}
    return replace(now, **kept)
