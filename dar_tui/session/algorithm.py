"""Algorithm 1 of the DAR paper: one turn as a generator of typed events, and its parts run again.

The text's photos come first and wait for no model but the encoder; whatever else fails, they stay. Knows no terminal,
and not how turns are started and cancelled (`dar_tui.session.session`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from dar_tui.dialogue.dialogue import QuestionAsked, QuestionSkipped
from dar_tui.dialogue.hearing import Heard
from dar_tui.dialogue.need import Need
from dar_tui.fusion.evidence import SearchRequest
from dar_tui.fusion.finding import Narrowing
from dar_tui.language.rules.intents import Act
from dar_tui.reformulate import QueryStrategy, Reformulation
from dar_tui.reformulate.query import weighted
from dar_tui.session.drawing import draw_images
from dar_tui.session.events import Certainty, Event, Part, Reformulated, Results, SessionNote, Stage, TurnFailed
from dar_tui.session.page import Page, TurnContext
from dar_tui.session.state import CancelToken, SessionState, Stopwatch
from dar_tui.session.transcript import Prompted, Shown
from indexer.errors import DarError

Steps = Generator[Event, None, None]


@dataclass(frozen=True, eq=False)
class Algorithm:
    """One run over a session's state, which changes nothing more once `token` is set.

    `narrowing` and `imagining` are as the user had them when the run began.
    """

    state: SessionState
    token: CancelToken
    watch: Stopwatch
    narrowing: Narrowing
    imagining: bool

    def turn(self, number: int) -> Steps:
        """Algorithm 1, from C_t on: the message has joined the dialogue."""
        # 1. S_t = R1(C_t) and P_tk = R2(S_t, k).  2. E_t(S_t), and the photos nearest to it.
        # By rules at once; where a language model is at work, again with what it has written.
        request, reformulation = yield from self._search_by_text(number)
        # 3. I_tk, drawn one by one; E_v(I_tk) comes with each.
        imagination, prompts = self.state.imagination, reformulation.prompts
        if imagination is not None and self.imagining and prompts:
            seeds = self._seeds(number, prompts)
            yield from draw_images(self.state, imagination, request, prompts, seeds, self.token, self.watch)
            # 4. F_t = a * E_t(S_t) + b * mean_k E_v(I_tk), or as the strategy has it, and the photos nearest to it.
            if self._context(request).stage is Stage.FUSED and not self.token.is_set():
                yield from self._show_page(request, Stage.FUSED)
        # 5. Q_{t+1}, from the candidates.
        yield from self._ask(request)

    def heard(self, heard: Heard, number: int, request: SearchRequest | None) -> Steps:
        """What a message brings about: a turn, where it describes; else an answer, and the page as it is then."""
        yield from map(SessionNote, heard.notes)
        if heard.describes:
            yield from self.turn(number)
            return
        if heard.act in (Act.UNDO, Act.START_OVER):
            yield from self.changed()
            return
        if heard.act is Act.WHY and request is not None:
            try:
                yield from (SessionNote(self._context(request).why(int(photo))) for photo in heard.photos)
            except DarError as error:
                yield TurnFailed(Part.SEARCH, error.message, error.hint)
        yield from self.rerank(request)

    def changed(self) -> Steps:
        """The page after messages were taken back: that of the last one that counts, with its images."""
        dialogue = self.state.dialogue
        if dialogue.number < 0:
            self.state.set_request(None, self.token)
            self.state.set_page(Page(), self.token)
            yield Reformulated(dialogue.messages - 1, weighted(QueryStrategy.STATEMENTS, ()), Need())
            yield Results(dialogue.messages - 1, Stage.TEXT, ())
            return
        request, _ = yield from self._search_by_text(dialogue.number)
        if self._context(request).stage is Stage.FUSED and not self.token.is_set():
            yield from self._show_page(request, Stage.FUSED)
        if dialogue.pending is not None:
            yield dialogue.pending
        else:
            yield from self._ask(request)

    def rerank(self, request: SearchRequest | None) -> Steps:
        """The page as it is now, and a question if none is open."""
        if request is None:
            return
        yield from self._show_page(request, self._context(request).stage)
        pending = self.state.dialogue.pending
        if pending is not None and pending.photos:
            # Its photos have other numbers now, or none.
            yield from _failure(self.state.record(QuestionSkipped(), self.token))
        if self.state.dialogue.pending is None:
            yield from self._ask(request)

    def imagine_again(self, request: SearchRequest | None) -> Steps:
        """More images of this turn, and the page with all of them."""
        imagination, before = self.state.imagination, self.state.prompted
        if request is None or imagination is None or before is None or before.turn != request.turn:
            return
        first = len(before.prompts)
        drafts = list(self.watch.each("reformulate", self._drafts(request.turn, -1 - first)))
        prompts = drafts[-1].prompts
        seeds = self._seeds(request.turn, prompts, first)
        # One record for all of the turn's images, since they are numbered through.
        texts, strategy = request.query.texts, request.query.strategy
        prompted = Prompted(request.turn, texts, (*before.prompts, *prompts), (*before.seeds, *seeds), strategy)
        yield from _failure(self.state.record_prompts(prompted, self.token))
        yield from draw_images(self.state, imagination, request, prompts, seeds, self.token, self.watch, first)
        if not self.token.is_set():
            yield from self._show_page(request, self._context(request).stage)

    def _search_by_text(self, turn: int) -> Generator[Event, None, tuple[SearchRequest, Reformulation]]:
        """Steps 1 and 2 for every draft; returns the last one. A draft with the query of the one before shows nothing
        new, so its page is not shown again."""
        request: SearchRequest | None = None
        before = self.state.request.need if self.state.request else Need()
        for draft in self.watch.each("reformulate", self._drafts(turn, -1)):
            is_first, changed = request is None, request is None or draft.query != request.query
            request = SearchRequest(turn, draft.query, draft.need)
            self.state.set_request(request, self.token)
            if changed:
                yield Reformulated(turn, draft.query, draft.need)
            yield from map(SessionNote, draft.notes)
            prompted = Prompted(
                turn, draft.query.texts, draft.prompts, self._seeds(turn, draft.prompts), draft.query.strategy
            )
            yield from _failure(self.state.record_prompts(prompted, self.token))
            if changed:
                yield from self._show_page(request, Stage.TEXT, before=before if is_first else None)
        if request is None:
            raise RuntimeError("A reformulator gives at least one draft.")
        return request, draft

    def _show_page(self, request: SearchRequest, stage: Stage, *, before: Need | None = None) -> Iterator[Event]:
        """Searches, and yields and saves the photos found; with notes on what is new since the need was `before`."""
        context = self._context(request)
        try:
            found = context.page(stage)
            notes = () if before is None else context.notes(found, before)
        except DarError as error:
            yield TurnFailed(Part.SEARCH, error.message, error.hint)
            return
        self.watch.mark("text_hits" if stage is Stage.TEXT else "fused_hits")
        yield from map(SessionNote, notes)
        self.state.set_page(found, self.token)
        yield Results(request.turn, stage, found.hits)
        if found.chance is not None and found.hits:
            yield Certainty(request.turn, len(found.hits), found.chance)
        shown = tuple(str(hit.image_id) for hit in found.hits)
        yield from _failure(self.state.log.write(Shown(request.turn, str(stage), shown)))

    def _ask(self, request: SearchRequest) -> Iterator[Event]:
        """The question that spares most photos to look at; nothing where the next page does as well."""
        questioner = self.state.parts.questioner
        if questioner is None or self.token.is_set():
            return
        context = self._context(request)
        try:
            with self.watch.part("ask"):
                query, filters = context.query(context.stage), context.filters()
                shown = [hit.image_id for hit in self.state.page.hits]
                proposals = questioner.propose(
                    *(context.dialogue, request.need, query, filters, self.token.is_set),
                    page=context.search.page,
                    shown=shown,
                )
        except DarError as error:
            yield TurnFailed(Part.ASK, error.message, error.hint)
            return
        if not proposals:
            if len(shown) == context.search.page:
                yield SessionNote("No question would help more than the next page.")
            return
        question = proposals[0].question
        yield from _failure(self.state.record(QuestionAsked(question), self.token))
        yield question

    def _context(self, request: SearchRequest) -> TurnContext:
        return self.state.context(request, self.narrowing)

    def _drafts(self, turn: int, k: int) -> Iterator[Reformulation]:
        """R1 and R2; prompts only where images will be generated."""
        pictures = self.state.options.pictures if self.state.imagination is not None and self.imagining else 0
        seed = self._seed(turn, k)
        return self.state.parts.reformulator.drafts(self.state.dialogue, pictures, seed, self.token.is_set)

    def _seeds(self, turn: int, prompts: tuple[str, ...], first: int = 0) -> tuple[int, ...]:
        return tuple(self._seed(turn, first + k) for k in range(len(prompts)))

    def _seed(self, turn: int, k: int) -> int:
        """The same for the same session, turn and image, so that a resumed session draws what it would have drawn."""
        return int.from_bytes(hashlib.sha256(f"{self.state.id}:{turn}:{k}".encode()).digest()[:4], "big")


def _failure(failed: TurnFailed | None) -> Iterator[Event]:
    if failed:
        yield failed
