"""What the user thinks of photos and pictures: likes, picks, vetoes, more pictures, narrowing by hand."""

from __future__ import annotations

import gc
import weakref
from datetime import datetime

import pytest
from PIL import Image

from dar_tui.dialogue.dialogue import Opinion
from dar_tui.fusion.finding import Narrowing
from dar_tui.session.events import (
    ImageGenerated,
    Prompts,
    Results,
    TurnFailed,
)
from dar_tui.session.session import Session
from dar_tui.session.transcript import Log
from indexer.errors import UsageError
from tests.session.event_lists import kinds, of, page
from tests.session.world import NAMES, PaintGenerator, World


def test_a_photo_liked_pulls_and_one_unliked_is_gone(world: World) -> None:
    session = world.session(PaintGenerator())
    first = of(list(session.turn("something red")), Results)[-1].hits
    session.unlike(first[0].image_id)
    again = of(list(session.rerank()), Results)[-1].hits
    assert first[0].image_id not in {hit.image_id for hit in again}
    liked = again[5]
    session.like(liked.image_id)
    assert of(list(session.rerank()), Results)[-1].hits[0].image_id == liked.image_id
    session.like(liked.image_id, Opinion.NONE)
    assert [hit.image_id for hit in of(list(session.rerank()), Results)[-1].hits] == [hit.image_id for hit in again]


def test_a_picture_picked_pulls_and_one_vetoed_no_longer_counts(world: World) -> None:
    session = world.session(PaintGenerator())
    before = of(list(session.turn("something red and blue")), Results)[-1].hits
    session.pick(0, 0)
    after = of(list(session.rerank()), Results)[-1].hits
    assert after[0].path == before[0].path and after[0].score > before[0].score
    for k in range(3):
        session.veto(0, k)
    assert of(list(session.rerank()), Results)[-1].hits[0].path.stem == "blue-red"


def test_feedback_on_what_was_not_shown_is_refused(world: World) -> None:
    session = world.session(PaintGenerator())
    with pytest.raises(UsageError, match="no picture 1"):
        session.pick(0, 0)
    with pytest.raises(UsageError, match="no question"):
        session.skip()


def test_rerank_draws_nothing(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator)
    list(session.turn("red"))
    drawn = len(generator.prompts)
    assert kinds(list(session.rerank())) == ["Results", "Certainty", "TurnDone"] and len(generator.prompts) == drawn


def test_rerank_before_the_first_message_shows_nothing(world: World) -> None:
    assert kinds(list(world.session().rerank())) == ["TurnDone"]


def test_imagining_again_adds_pictures_from_other_seeds_which_a_resumed_session_has_too(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator)
    first = of(list(session.turn("something red and blue")), Prompts)[0]
    events = list(session.imagine_again())
    second = of(events, Prompts)[0]
    assert [event.k for event in of(events, ImageGenerated)] == [3, 4, 5]
    assert not set(first.seeds) & set(second.seeds) and page(events)[0] == "red-blue"
    session.close()
    again = Session.resume(world.engine(generator), Log(session.log.path, session.log.started))
    assert sorted(again.gallery) == [(0, k) for k in range(6)]
    assert again.gallery[0, 4].seed == second.seeds[1]
    assert [event.k for event in again.imagine_again() if isinstance(event, ImageGenerated)] == [6, 7, 8]


def test_a_long_session_keeps_no_pixels(world: World) -> None:
    session = world.session(PaintGenerator())
    drawn: list[weakref.ref[Image.Image]] = []
    for turn in range(20):
        for event in session.turn(f"something {NAMES[turn % len(NAMES)]}"):
            if isinstance(event, ImageGenerated):
                drawn.append(weakref.ref(event.imagined.image))
                del event
    gc.collect()
    assert len(drawn) == len(session.gallery) == 60
    assert sum(picture() is not None for picture in drawn) == 0


def test_before_the_first_message_there_is_nothing_to_imagine_again(world: World) -> None:
    assert kinds(list(world.session(PaintGenerator()).imagine_again())) == ["TurnDone"]


@pytest.mark.parametrize(
    ("narrowing", "left"),
    [
        (Narrowing(after=datetime(2020, 1, 1), before=datetime(2021, 1, 1)), 12),
        (Narrowing(folder="PHOTOS"), 20),
        (Narrowing(folder="nowhere"), 0),
        (Narrowing(camera="nikon"), 0),
    ],
)
def test_a_narrowing_by_hand_is_always_kept_to(world: World, narrowing: Narrowing, left: int) -> None:
    session = world.session(PaintGenerator(), page=20)
    list(session.turn("something red in 1990"))
    session.narrowing = narrowing
    assert len(of(list(session.rerank()), Results)[0].hits) == left
    assert not of(list(session.turn("and blue")), TurnFailed)
