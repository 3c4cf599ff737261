"""A saved session as exchanges for the screen. Knows a transcript's records and where a session's pictures lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dar_tui.dialogue.dialogue import QuestionAsked, UserMessage
from dar_tui.session.events import Stage
from dar_tui.session.transcript import Pictured, Prompted, Record, Shown, resume
from dar_tui.tui.conversation import KEPT_HITS, Drawing, Exchange, State
from indexer.library import Library
from indexer.search.hits import Hit


def exchanges_of(session: Path, library: Library) -> tuple[Exchange, ...]:
    """What was said and shown, oldest first; photos deleted since are left out. Raises DialogueUnreadable."""
    exchanges: list[Exchange] = []
    for record in resume(session).records:
        if isinstance(record, UserMessage):
            exchanges.append(Exchange(record.text, turn=len(exchanges), state=State.DONE))
        elif exchanges:
            exchanges[-1] = _after(exchanges[-1], record, session.with_suffix(""), library)
    return tuple(exchanges)


def _after(exchange: Exchange, record: Record, album: Path, library: Library) -> Exchange:
    match record:
        case Prompted(turn, query, prompts, seeds) if turn == exchange.turn:
            drawings = tuple(Drawing(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True))
            return replace(exchange, query=" ".join(query), drawings=drawings)
        case Pictured(turn, index, path) if turn == exchange.turn and index < len(exchange.drawings):
            drawn = replace(exchange.drawings[index], path=album / Path(path).name, done=True)
            drawings = (*exchange.drawings[:index], drawn, *exchange.drawings[index + 1 :])
            return replace(exchange, drawings=drawings)
        case Shown(turn, stage, photos) if turn == exchange.turn:
            return replace(exchange, hits=_hits(photos, library), stage=Stage(stage))
        case QuestionAsked(question):
            return replace(exchange, question=question)
        case _:
            return exchange


def _hits(names: Iterable[str], library: Library) -> tuple[Hit, ...]:
    ids = [int(name) for name in names if name.isdecimal()][:KEPT_HITS]
    return tuple(library.photos(ids))
