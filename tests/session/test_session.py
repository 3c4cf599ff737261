"""Turns as a user plays them: what comes in which order, from which words and with which pictures."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from dar_tui.fusion.strategies import STRATEGIES
from dar_tui.session.events import (
    ImageGenerated,
    Imagining,
    Loading,
    Part,
    Prompts,
    Reformulated,
    Results,
    SessionNote,
    Stage,
    TurnDone,
    TurnFailed,
)
from dar_tui.session.session import Session, SessionOptions
from dar_tui.session.state import BELIEF
from dar_tui.session.transcript import Log, Started, session_path
from indexer.errors import UsageError
from tests.session.event_lists import kinds, of, page
from tests.session.world import NOON, ConditionedPainter, PaintEncoder, PaintGenerator, World, fixed


def test_a_turn_yields_everything_in_order(world: World) -> None:
    events = list(world.session(PaintGenerator(), asks=True).turn("something red and blue"))
    yielded = list(dict.fromkeys(kinds(events)))
    drawing = ["Loading", "Loaded", "Imagining", "ImageGenerated"]
    assert yielded == ["Reformulated", "Results", "Certainty", "Prompts", *drawing, "Question", "TurnDone"]
    assert [event.stage for event in of(events, Results)] == [Stage.TEXT, Stage.FUSED]
    assert [event.k for event in of(events, ImageGenerated)] == [0, 1, 2]
    assert isinstance(events[-1], TurnDone) and not events[-1].cancelled


def test_the_page_follows_the_dialogue(world: World) -> None:
    session = world.session(PaintGenerator())
    assert set(page(list(session.turn("something red and blue")))[:2]) == {"red-blue", "blue-red"}
    assert "green" in page(list(session.turn("actually it was green, not blue")))[0]
    assert [event.turn for event in session.turn("and more yellow") if isinstance(event, Reformulated)] == [2]


def test_pictures_decide_where_text_cannot(world: World) -> None:
    """Text knows which colours; only the visual space knows that red was on the left."""
    session = world.session(PaintGenerator())
    events = list(session.turn("red left of blue"))
    assert page(events)[0] == "red-blue"
    scores = [event.hits for event in of(events, Results)]
    # In nats: of this text both photos are as likely, with a generated image they are not.
    assert scores[0][0].score == pytest.approx(scores[0][1].score, abs=0.1)
    assert scores[1][0].score > scores[1][1].score + 0.2


def test_text_hits_come_before_the_generator_is_even_loaded(world: World) -> None:
    gate = threading.Event()
    generator = PaintGenerator(gate=gate)
    turn = world.session(generator).turn("something red")
    for event in turn:
        if isinstance(event, Results):
            assert event.stage is Stage.TEXT and not generator.started.is_set()
            break
    gate.set()
    assert page(list(turn))[0].count("red")


def test_the_generator_is_loaded_once_and_reported_only_then(world: World) -> None:
    session = world.session(PaintGenerator())
    assert not session.is_ready_to_imagine
    assert len(of(list(session.turn("red")), Loading)) == 1
    assert session.is_ready_to_imagine
    assert not of(list(session.turn("blue")), Loading)


def test_a_generator_prepared_ahead_needs_no_loading(world: World) -> None:
    session = world.session(PaintGenerator())
    session.prepare()
    assert not of(list(session.turn("red")), Loading)


def test_without_a_generator_text_is_all(world: World) -> None:
    events = list(world.session().turn("something red"))
    assert kinds(events) == ["Reformulated", "Results", "Certainty", "TurnDone"]


def test_imagining_can_be_switched(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator)
    session.imagining = False
    assert not of(list(session.turn("red")), Prompts) and not generator.prompts
    session.imagining = True
    assert len(of(list(session.turn("blue")), ImageGenerated)) == 3


def test_prompts_differ_follow_the_dialogue_and_never_name_a_reject(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator, pictures=4)
    list(session.turn("something red and blue"))
    list(session.turn("no blue"))
    assert len(set(generator.prompts)) == 8
    assert all("red" in prompt for prompt in generator.prompts)
    assert not any("blue" in prompt for prompt in generator.prompts[4:])


def test_seeds_are_the_same_for_the_same_session_and_differ_between_pictures(world: World, tmp_path: Path) -> None:
    def seeds(folder: Path) -> tuple[int, ...]:
        session = Session(
            world.engine(PaintGenerator()), Log(session_path(folder, NOON), Started(NOON)), now=fixed(NOON)
        )
        return tuple(seed for event in session.turn("red") if isinstance(event, Prompts) for seed in event.seeds)

    assert seeds(tmp_path / "a") == seeds(tmp_path / "b")
    assert len(set(seeds(tmp_path / "c"))) == 3


def test_a_conditioned_generator_gets_the_means_of_the_statements(world: World) -> None:
    class WithSentences(PaintEncoder):
        def encode_texts_and_sentences(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
            return self.encode_texts(texts), self.encode_texts(texts)[:, :5]

    generator = ConditionedPainter()
    engine = world.engine(generator)
    plain = Session(engine, world.log(), now=fixed(NOON))
    failed = of(list(plain.turn("red")), TurnFailed)
    assert failed and failed[0].part is Part.IMAGINE and "test-paint-1" in failed[0].message
    session = Session(
        type(engine)(engine.library, WithSentences(), engine.reformulator, engine.load_generator), world.log()
    )
    list(session.turn("red"))
    list(session.turn("blue"))
    assert generator.conditions is not None
    np.testing.assert_allclose(np.linalg.norm(generator.conditions.joint), 1, atol=1e-5)
    assert generator.conditions.joint[0] == pytest.approx(generator.conditions.joint[2], abs=0.05)


@pytest.mark.parametrize("fusion", STRATEGIES)
def test_every_strategy_plays(world: World, fusion: str) -> None:
    session = world.session(PaintGenerator(), fusion=fusion)
    assert {page(list(session.turn("something red and blue")))[0]} <= {"red-blue", "blue-red"}


def test_an_unknown_strategy_is_a_usage_error(world: World) -> None:
    with pytest.raises(UsageError, match="no fusion strategy"):
        world.session(fusion="magic")


@pytest.mark.parametrize("message", ["", "   ", "\n\t"])
def test_no_words_are_no_message(world: World, message: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        world.session().turn(message)


@pytest.mark.parametrize("message", ["no people", "in 2020", "red " * 2000])
def test_any_message_that_describes_ends_with_photos(world: World, message: str) -> None:
    events = list(world.session(PaintGenerator(), asks=True).turn(message))
    assert len(of(events, Results)[-1].hits) == 10 and not of(events, TurnFailed)


@pytest.mark.parametrize("message", ["I don't know", "???", "\U0001f436", "赤い車", "thanks", "3", "none of these"])
def test_what_describes_nothing_is_answered_and_not_searched_for(world: World, message: str) -> None:
    session = world.session(PaintGenerator(), asks=True)
    events = list(session.turn(message))
    assert of(events, SessionNote) and not of(events, Results) and not of(events, TurnFailed)
    assert not session.dialogue.turns and isinstance(events[-1], TurnDone)


def test_days_filter_and_a_filter_that_leaves_nothing_is_left_out_with_a_note(world: World) -> None:
    session = world.session()
    events = list(session.turn("something red in 2020"))
    assert {hit.taken_at.year for hit in of(events, Results)[0].hits} == {2020}
    ranks = [hit.rank for hit in of(events, Results)[0].hits]
    assert ranks == list(range(1, len(ranks) + 1))
    events = list(world.session().turn("something red in 1990"))
    assert len(of(events, Results)[0].hits) == 10
    assert any("1990" in note.text for note in of(events, SessionNote))


def test_a_season_of_any_year_filters(world: World) -> None:
    (found,) = of(list(world.session().turn("something red in summer")), Results)
    assert found.hits and {hit.taken_at.month for hit in found.hits} <= {6, 7, 8, 9}


def test_a_reject_lowers_what_shows_it(world: World) -> None:
    session = world.session()
    before = page(list(session.turn("something red")), Stage.TEXT)
    rejected = next(name for name in before if name != "red").replace("red", "").strip("-")
    after = page(list(session.turn(f"no {rejected}")), Stage.TEXT)
    assert sum(rejected in name for name in after) < sum(rejected in name for name in before) or not any(
        rejected in name for name in after
    )


def test_timings_say_what_took_how_long(world: World) -> None:
    events = list(world.session(PaintGenerator(), asks=True).turn("red"))
    timings = of(events, TurnDone)[0].timings
    assert timings.text_hits and timings.first_picture and timings.fused_hits and timings.ask is not None
    assert timings.text_hits < timings.first_picture < timings.fused_hits < timings.total
    assert of(list(world.session().turn("red")), TurnDone)[0].timings.imagine is None


def test_the_default_options_are_the_papers_k_and_the_belief() -> None:
    assert SessionOptions().pictures == 3 and SessionOptions().fusion == BELIEF


def test_steps_are_reported_as_they_come(world: World) -> None:
    events = list(world.session(PaintGenerator(), pictures=2).turn("red"))
    assert [(event.k, event.step, event.steps) for event in of(events, Imagining)] == [
        (0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2),
    ]  # fmt: skip
