"""Algorithm 1 of the DAR paper: one turn as a generator of typed events, and its parts played again.

Text-only hits come first and wait for no model but the encoder. Whatever else fails, they stand. Knows no terminal,
and not how turns are begun and cancelled (`dar_tui.session.session`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial

from dar_tui.dialogue.dialogue import Asked
from dar_tui.dialogue.need import Need
from dar_tui.fusion.evidence import Asking
from dar_tui.fusion.finding import Narrowing
from dar_tui.fusion.page import Pager, Situation
from dar_tui.questions.asking import Questioner
from dar_tui.reformulate import Reformulation, Reformulator
from dar_tui.session.events import Event, Note, Part, Prompts, Reformulated, Results, Stage, TurnFailed
from dar_tui.session.imagining import Artist
from dar_tui.session.saving import Log
from dar_tui.session.standing import Standing, Token
from dar_tui.session.stopwatch import Stopwatch
from dar_tui.session.transcript import Prompted, Shown
from indexer.errors import DarError

Steps = Generator[Event, None, None]


@dataclass(frozen=True, eq=False)
class Workshop:
    """What all turns of a session share. `pictures`: K."""

    session: str
    standing: Standing
    log: Log
    reformulator: Reformulator
    pager: Pager
    artist: Artist | None
    questioner: Questioner | None
    pictures: int


@dataclass(frozen=True, eq=False)
class Loop:
    """One run of the loop, which changes nothing more once `token` is set."""

    shop: Workshop
    token: Token
    watch: Stopwatch
    narrowing: Narrowing
    imagining: bool

    def turn(self, number: int) -> Steps:
        """Algorithm 1, from C_t on: the message has joined the dialogue."""
        # 1. S_t = R1(C_t) and P_tk = R2(S_t, k).  2. E_t(S_t), and the photos nearest to it.
        # By rules at once; where a language model is at work, again with what it has written.
        asking, said = yield from self._text(number)
        # 3. I_tk, drawn one by one; E_v(I_tk) comes with each.
        artist = self.shop.artist
        if artist is not None and self.imagining and said.prompts:
            yield from self._draw(artist, asking, said.prompts, self._seeds(number, said.prompts))
            # 4. F_t = a * E_t(S_t) + b * mean_k E_v(I_tk), or as the strategy has it, and the photos nearest to it.
            if self._situation(asking).stage is Stage.FUSED and not self.token.is_set():
                yield from self._results(asking, Stage.FUSED)
        # 5. Q_{t+1}, from the candidates.
        yield from self._ask(asking)

    def rerank(self, asking: Asking | None) -> Steps:
        """The page as it is now, and a question if none stands."""
        if asking is None:
            return
        yield from self._results(asking, self._situation(asking).stage)
        if self.shop.standing.dialogue.pending is None:
            yield from self._ask(asking)

    def imagine_again(self, asking: Asking | None) -> Steps:
        """More pictures of this turn, and the page with all of them."""
        artist, before = self.shop.artist, self.shop.standing.prompted
        if asking is None or artist is None or before is None or before.turn != asking.turn:
            return
        first = len(before.prompts)
        drafts = list(self.watch.each("reformulate", self._drafts(asking.turn, -1 - first)))
        prompts = drafts[-1].prompts
        seeds = self._seeds(asking.turn, prompts, first)
        # One record for all of the turn's pictures, since they are numbered through.
        drawn_from = Prompted(asking.turn, asking.query.texts, (*before.prompts, *prompts), (*before.seeds, *seeds))
        yield from told(self.shop.standing.prompt(self.token, drawn_from))
        yield from self._draw(artist, asking, prompts, seeds, first)
        if not self.token.is_set():
            yield from self._results(asking, self._situation(asking).stage)

    def _text(self, turn: int) -> Generator[Event, None, tuple[Asking, Reformulation]]:
        """Steps 1 and 2 for every draft; returns the last one. A draft with the query of the one before shows nothing
        new, so its page is not shown again."""
        standing = self.shop.standing
        asking: Asking | None = None
        before = standing.asking.need if standing.asking else Need()
        for said in self.watch.each("reformulate", self._drafts(turn, -1)):
            is_first, changed = asking is None, asking is None or said.query != asking.query
            asking = standing.settle(self.token, Asking(turn, said.query, said.need))
            if changed:
                yield Reformulated(turn, said.query, said.need)
            yield from map(Note, said.notes)
            seeds = self._seeds(turn, said.prompts)
            yield from told(standing.prompt(self.token, Prompted(turn, said.query.texts, said.prompts, seeds)))
            if changed:
                yield from self._results(asking, Stage.TEXT, is_second=not is_first, before=before)
        if asking is None:
            raise RuntimeError("A reformulator gives at least one draft.")
        return asking, said

    def _draw(
        self, artist: Artist, asking: Asking, prompts: tuple[str, ...], seeds: tuple[int, ...], first: int = 0
    ) -> Iterator[Event]:
        yield Prompts(asking.turn, prompts, seeds)
        accept = partial(self.shop.standing.accept, self.token)
        yield from artist.draw(asking, prompts, seeds, accept, self.token.is_set, self.watch, first)

    def _results(
        self, asking: Asking, stage: Stage, *, is_second: bool = False, before: Need | None = None
    ) -> Iterator[Event]:
        """The page, with notes on what is new since the need was `before`."""
        situation = self._situation(asking)
        try:
            found = self.shop.pager.find(situation, stage)
            is_told = stage is not Stage.TEXT or is_second
            notes = () if is_told else self.shop.pager.notes(situation, found, before or asking.need)
        except DarError as error:
            yield TurnFailed(Part.SEARCH, error.message, error.hint)
            return
        self.watch.mark("text_hits" if stage is Stage.TEXT else "fused_hits")
        yield from map(Note, notes)
        yield Results(asking.turn, stage, found.hits)
        shown = tuple(str(hit.image_id) for hit in found.hits)
        yield from told(self.shop.log.write(Shown(asking.turn, str(stage), shown)))

    def _ask(self, asking: Asking) -> Iterator[Event]:
        """The most telling question whose answer would change the page; nothing where none would."""
        questioner, pager = self.shop.questioner, self.shop.pager
        if questioner is None or self.token.is_set():
            return
        situation = self._situation(asking)
        try:
            with self.watch.part("ask"):
                query = pager.query(situation, situation.stage)
                proposals = questioner.propose(
                    situation.dialogue, asking.need, query, pager.filters(situation), self.token.is_set
                )
                question = pager.worthwhile(situation, proposals)
        except DarError as error:
            yield TurnFailed(Part.ASK, error.message, error.hint)
            return
        if question is None:
            return
        yield from told(self.shop.standing.happened(Asked(question), self.token))
        yield question

    def _situation(self, asking: Asking) -> Situation:
        standing = self.shop.standing
        with standing.lock:
            return Situation(asking, standing.dialogue, standing.gallery, self.narrowing)

    def _drafts(self, turn: int, k: int) -> Iterator[Reformulation]:
        pictures = self.shop.pictures if self.shop.artist is not None and self.imagining else 0
        dialogue = self.shop.standing.dialogue
        return self.shop.reformulator.drafts(dialogue, pictures, self._seed(turn, k), self.token.is_set)

    def _seeds(self, turn: int, prompts: tuple[str, ...], first: int = 0) -> tuple[int, ...]:
        return tuple(self._seed(turn, first + k) for k in range(len(prompts)))

    def _seed(self, turn: int, k: int) -> int:
        """The same for the same session, turn and picture, so that a resumed session draws what it would have drawn."""
        return int.from_bytes(hashlib.sha256(f"{self.shop.session}:{turn}:{k}".encode()).digest()[:4], "big")


def told(failed: TurnFailed | None) -> Iterator[Event]:
    """The failure as an event, if there is one."""
    if failed:
        yield failed
