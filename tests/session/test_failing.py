"""What fails, is cancelled or is left half-way, and what stays after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from dar_tui.language.turn import Question
from dar_tui.session.events import (
    Event,
    ImageGenerated,
    Part,
    Results,
    Stage,
    TurnDone,
    TurnFailed,
)
from dar_tui.session.session import Session
from dar_tui.session.transcript import resume
from indexer.errors import ModelUnavailable
from tests.session.event_lists import kinds, of, page
from tests.session.world import PaintEncoder, PaintGenerator, World


@pytest.mark.parametrize(
    "error", [ModelUnavailable("It is not here.", "Run pull."), KeyError("weights"), RuntimeError()]
)
def test_a_generator_that_does_not_load_leaves_the_texts_photos(world: World, error: Exception) -> None:
    events = list(world.session(error, asks=True).turn("something red"))
    (failed,) = of(events, TurnFailed)
    assert failed.part is Part.IMAGINE and failed.message
    assert len(page(events, Stage.TEXT)) == 10 and of(events, Question)
    assert not of(events, ImageGenerated) and isinstance(events[-1], TurnDone) and not events[-1].cancelled


def test_a_generator_that_fails_midway_leaves_its_first_picture(world: World) -> None:
    session = world.session(PaintGenerator(fails=RuntimeError("CUDA went away\nat line 3")))
    events = list(session.turn("red and blue"))
    assert len(of(events, ImageGenerated)) == 1 and page(events)
    (failed,) = of(events, TurnFailed)
    assert "CUDA went away at line 3" in failed.message
    assert len(of(list(session.turn("green")), Results)) == 2


def test_a_vector_of_another_encoder_is_refused(world: World) -> None:
    class Foreign(PaintGenerator):
        def generate(self, *arguments: object) -> Iterator[object]:  # type: ignore[override]
            from dataclasses import replace

            for imagined in super().generate(*arguments):  # type: ignore[arg-type]
                yield replace(imagined, vector=np.full(3, np.nan, np.float32))

    (failed,) = of(list(world.session(Foreign()).turn("red")), TurnFailed)
    assert "3 numbers" in failed.message


def test_a_library_of_another_encoder_is_a_failed_search(world: World) -> None:
    class Longer(PaintEncoder):
        def encode_texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
            return np.ones((len(texts), 99), np.float32)

    engine = world.engine()
    session = Session(type(engine)(engine.library, Longer(), engine.reformulator), world.log())
    (failed,) = of(list(session.turn("red")), TurnFailed)
    assert failed.part is Part.SEARCH and "99" in failed.message


def test_a_disk_that_refuses_costs_the_record_and_not_the_turn(world: World) -> None:
    (world.folder / "sessions").write_text("a file is in the way")
    events = list(world.session(PaintGenerator()).turn("red"))
    assert {event.part for event in of(events, TurnFailed)} == {Part.SAVE}
    assert len(of(events, Results)) == 2


def test_cancel_ends_a_turn_while_a_picture_is_drawn(world: World) -> None:
    generator = PaintGenerator(gate=threading.Event())
    session = world.session(generator, asks=True)
    seen: list[Event] = []
    worker = threading.Thread(target=lambda: seen.extend(session.turn("red")))
    worker.start()
    assert generator.started.wait(30)
    session.cancel()
    worker.join(30)
    # The picture was never finished: whoever waited for it would be waiting still.
    assert not worker.is_alive() and generator.gate is not None and not generator.gate.is_set()
    assert isinstance(seen[-1], TurnDone) and seen[-1].cancelled
    assert len(of(seen, Results)) == 1 and not of(seen, Question)


def test_a_new_turn_cancels_the_old_one_and_both_messages_count(world: World) -> None:
    gate = threading.Event()
    generator = PaintGenerator(gate=gate)
    session = world.session(generator)
    seen: list[Event] = []
    worker = threading.Thread(target=lambda: seen.extend(session.turn("something red")))
    worker.start()
    assert generator.started.wait(5)
    second = session.turn("and blue")
    worker.join(5)
    gate.set()
    events = list(second)
    assert of(seen, TurnDone)[0].cancelled and not of(events, TurnDone)[0].cancelled
    assert set(page(events)[:2]) == {"red-blue", "blue-red"}
    assert [turn for turn, _ in session.gallery] == [1, 1, 1]


def test_a_turn_abandoned_midway_holds_nothing_up(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    turn = session.turn("something red")
    next(turn)
    assert len(of(list(session.turn("and blue")), Results)) == 2
    rest = list(turn)
    assert kinds(rest) == ["TurnDone"] and rest[0].cancelled


@pytest.mark.parametrize("after", range(1, 14))
def test_cancelling_after_any_event_keeps_the_session_whole(world: World, after: int) -> None:
    session = world.session(PaintGenerator(), asks=True)
    seen = []
    for event in session.turn("something red and blue"):
        seen.append(event)
        if len(seen) == after:
            session.cancel()
    assert isinstance(seen[-1], TurnDone) and len(seen) <= after + 1
    assert set(page(list(session.turn("it was red and blue")))[:2]) == {"red-blue", "blue-red"}
    saved = resume(session.log.path)
    assert saved.dialogue == session.dialogue
