"""Turns with a language model that takes its time: the rules' hits do not wait for it, and cancelling reaches it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from dar_tui.cancellation import Cancelled, Stopped, never
from dar_tui.language.turn import Question
from dar_tui.questions.questioner import GroundedQuestioner, Policy
from dar_tui.reformulate import QueryStrategy
from dar_tui.reformulate.language_model import LanguageReformulator
from dar_tui.session.events import (
    Event,
    ImageGenerated,
    Prompts,
    Reformulated,
    Results,
    SessionNote,
    Stage,
    TurnDone,
    TurnFailed,
)
from dar_tui.session.session import Session
from dar_tui.session.transcript import Log
from indexer.errors import ModelUnavailable
from tests.session.event_lists import of
from tests.session.world import NOON, PaintGenerator, World, fixed

PROMPTS = (
    "Candid photo of red and blue stripes.",
    "Plain photo of blue and red stripes.",
    "Wide view of stripes, red and blue.",
)


class SlowModel:
    """Writes once `gate` is open, and looks meanwhile whether it should stop, as real models do."""

    def __init__(self, query: str = "New Query: stripes of blue and red", *, fails: Exception | None = None) -> None:
        self.query = query
        self.fails = fails
        self.gate = threading.Event()
        self.asked = threading.Event()
        self.stopped = 0

    def complete(self, system: str, user: str, max_tokens: int, *, cancelled: Cancelled = never) -> str:
        self.asked.set()
        while not self.gate.wait(0.01):
            if cancelled():
                self.stopped += 1
                raise Stopped
        if self.fails is not None:
            raise self.fails
        if "Ask only" in system:
            return "Could it be anything?"
        return self.query if "New Query" in system else "\n".join(f"{at}. {text}" for at, text in enumerate(PROMPTS, 1))


def session_of(
    world: World,
    model: SlowModel,
    generator: PaintGenerator | None = None,
    strategy: QueryStrategy = QueryStrategy.REWRITE,
) -> Session:
    engine = replace(world.engine(generator), reformulator=LanguageReformulator(model, strategy))
    return Session(engine, world.log(), now=fixed(NOON))


def until_asked(session: Session, message: str, model: SlowModel, seen: list[Event]) -> threading.Thread:
    """Plays a message in a thread, and returns once the model has been asked."""
    worker = threading.Thread(target=lambda: seen.extend(session.turn(message)))
    worker.start()
    assert model.asked.wait(5)
    return worker


def test_the_rules_hits_come_while_the_model_has_not_written_a_word(world: World) -> None:
    model = SlowModel()
    turn = session_of(world, model, PaintGenerator()).turn("red and blue stripes")
    first = []
    for event in turn:
        first.append(event)
        if isinstance(event, Results):
            break
    assert not model.asked.is_set()
    assert of(first, Reformulated)[0].query.texts == ("red and blue stripes",)
    assert {hit.path.stem for hit in first[-1].hits[:2]} == {"red-blue", "blue-red"}
    model.gate.set()
    rest = list(turn)
    assert [event.query.texts for event in of(rest, Reformulated)] == [("stripes of blue and red",)]
    assert [event.stage for event in of(rest, Results)] == [Stage.TEXT, Stage.FUSED]
    assert of(rest, Prompts)[0].prompts == PROMPTS and len(of(rest, ImageGenerated)) == 3
    assert not of(rest, SessionNote) and not of(rest, TurnFailed)


def test_timings_tell_the_first_hits_from_the_models_time(world: World) -> None:
    model = SlowModel()
    seen: list[Event] = []
    worker = until_asked(session_of(world, model), "red and blue stripes", model, seen)
    time.sleep(0.3)
    model.gate.set()
    worker.join(5)
    timings = of(seen, TurnDone)[0].timings
    assert timings.text_hits + 0.25 < timings.reformulate < timings.total


@pytest.mark.parametrize("fails", [None, ModelUnavailable("It is gone.")])
def test_a_model_that_writes_nothing_of_use_shows_nothing_twice(world: World, fails: Exception | None) -> None:
    model = SlowModel("New Query: a green dragon", fails=fails)
    model.gate.set()
    events = list(session_of(world, model).turn("red and blue stripes"))
    assert len(of(events, Reformulated)) == len(of(events, Results)) == len(of(events, SessionNote)) == 1
    assert "rules" in of(events, SessionNote)[0].text


def test_the_users_own_words_are_searched_once_and_the_model_draws(world: World) -> None:
    model = SlowModel()
    model.gate.set()
    session = session_of(world, model, PaintGenerator(), QueryStrategy.STATEMENTS)
    events = list(session.turn("red and blue stripes"))
    assert [event.stage for event in of(events, Results)] == [Stage.TEXT, Stage.FUSED]
    assert of(events, Prompts)[0].prompts == PROMPTS


def test_a_filter_left_out_is_reported_once(world: World) -> None:
    model = SlowModel()
    model.gate.set()
    events = list(session_of(world, model).turn("red and blue stripes in 1990"))
    assert len(of(events, Results)) == 2 and len(of(events, SessionNote)) == 1


def test_cancelling_reaches_the_model_and_the_rules_hits_stay(world: World) -> None:
    model = SlowModel()
    generator = PaintGenerator()
    session = session_of(world, model, generator)
    seen: list[Event] = []
    worker = until_asked(session, "red and blue stripes", model, seen)
    session.cancel()
    worker.join(30)
    # The model was never let go on: whoever waited for it would be waiting still.
    assert not worker.is_alive() and not model.gate.is_set() and model.stopped == 1
    assert isinstance(seen[-1], TurnDone) and seen[-1].cancelled
    assert len(of(seen, Results)) == 1 and not of(seen, SessionNote) and not generator.prompts
    (again,) = of(list(session.rerank()), Results)
    assert [hit.image_id for hit in again.hits] == [hit.image_id for hit in of(seen, Results)[0].hits]
    # What was cut off can be had after all.
    model.gate.set()
    assert [event.k for event in of(list(session.imagine_again()), ImageGenerated)] == [0, 1, 2]


def test_a_new_message_stops_the_model_at_the_old_one(world: World) -> None:
    model = SlowModel("New Query: stripes of blue and red, green")
    session = session_of(world, model)
    seen: list[Event] = []
    worker = until_asked(session, "red and blue stripes", model, seen)
    second = session.turn("and green")
    worker.join(5)
    model.gate.set()
    events = list(second)
    assert model.stopped == 1 and of(seen, TurnDone)[0].cancelled
    assert of(events, Reformulated)[-1].query.texts == ("stripes of blue and red, green",)


def test_a_session_cut_while_the_model_wrote_resumes_with_the_rules_query(world: World) -> None:
    model = SlowModel()
    session = session_of(world, model)
    seen: list[Event] = []
    worker = until_asked(session, "red and blue stripes", model, seen)
    session.close()
    worker.join(5)
    again = Session.resume(world.engine(), Log(session.log.path, session.log.started), now=fixed(NOON))
    (shown,) = of(list(again.rerank()), Results)
    assert [hit.image_id for hit in shown.hits] == [hit.image_id for hit in of(seen, Results)[0].hits]


def test_cancelling_reaches_the_model_while_it_words_a_question(world: World) -> None:
    model = SlowModel()
    questioner = GroundedQuestioner(world.library, world.encoder, world.folder / "cache", model, Policy.YES_NO)
    session = Session(replace(world.engine(), questioner=questioner), world.log(), now=fixed(NOON))
    seen: list[Event] = []
    worker = until_asked(session, "something red, indoors, by day", model, seen)
    session.cancel()
    worker.join(5)
    assert model.stopped == 1 and isinstance(seen[-1], TurnDone) and seen[-1].cancelled
    assert not of(seen, Question) and session.dialogue.pending is None
