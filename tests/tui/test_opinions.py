"""Answers, likes, picks and vetoes by key: seen at once, and ranked again."""

from __future__ import annotations

import pytest

from dar_tui.language.turn import Expects, Question
from dar_tui.tui.engine import ImagineAgain, PhotoFeedback, PictureFeedback, Rerank, SendMessage, SkipQuestion
from tests.tui.conftest import MakeApp, idle, say, say_and_imagine, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.reading import screen_text

WIDE = (140, 45)


@pytest.mark.parametrize(("key", "message"), [("y", "yes"), ("n", "no")])
async def test_questions_are_answered_from_the_grid_at_once(
    engine: FakeEngine, make_app: MakeApp, key: str, message: str
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", key)
        await idle(pilot, app)
        assert engine.played[-1] == SendMessage(message)


async def test_a_question_is_skipped(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "s")
        await until(pilot, lambda: engine.played[-1] == Rerank())
        await idle(pilot, app)
        assert engine.feedback == [SkipQuestion()]
        assert app.chat.controller.question is None


async def test_a_question_of_choices_is_answered_in_words(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.question = Question("Which season?", "", Expects.CHOICE, ("summer", "winter"))
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "y")
        assert len(engine.played) == 1
        assert app.chat.focused is app.chat.prompt
        await pilot.press(*"summer", "enter")
        await idle(pilot, app)
        # "This one" would be the photo that was gone to.
        assert engine.played[-1] == SendMessage("summer", app.chat.photos.shown[0].image_id)


async def test_liking_and_unliking_is_seen_at_once_and_ranks_again(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        await pilot.press("tab", "plus")
        assert chat.photos.tiles[0].title.endswith("♥ liked")
        await idle(pilot, app)
        liked = next(iter(chat.controller.liked))
        await pilot.press("right", "minus")
        await until(pilot, lambda: len(engine.feedback) == 2)
        await idle(pilot, app)
        unliked = next(iter(chat.controller.unliked))
        assert engine.feedback == [PhotoFeedback(liked, True), PhotoFeedback(unliked, False)]
        assert unliked not in [hit.image_id for hit in chat.photos.shown]
        assert engine.played.count(Rerank()) == 2


async def test_the_same_opinion_again_takes_it_back(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "plus")
        await until(pilot, lambda: Rerank() in engine.played)
        await idle(pilot, app)
        await pilot.press("plus")
        await until(pilot, lambda: len(engine.feedback) == 2)
        assert engine.feedback[-1].good is None  # type: ignore[union-attr]
        assert app.chat.controller.liked == frozenset()


async def test_feedback_while_it_imagines_does_not_stop_it(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.gate.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        chat = app.chat
        await say_and_imagine(pilot, app, "red")
        await pilot.press("tab", "plus")
        await until(pilot, lambda: engine.feedback)
        engine.script.gate.set()
        await idle(pilot, app)
        assert Rerank() not in engine.played
        assert chat.controller.exchange is not None and chat.controller.exchange.pictures == 3


async def test_imagined_pictures_are_picked_and_vetoed(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "tab", "p", "right", "x")
        await until(pilot, lambda: len(engine.feedback) == 2)
        await idle(pilot, app)
        assert engine.feedback == [PictureFeedback(0, 0, True), PictureFeedback(0, 1, False)]
        titles = [tile.title for tile in app.chat.imagined.tiles]
        assert titles == ["imagined 1 ♥ picked", "imagined 2 ✗ vetoed", "imagined 3"]


async def test_imagining_again_adds_pictures(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "r")
        await until(pilot, lambda: ImagineAgain() in engine.played)
        await idle(pilot, app)
        assert [tile.title for tile in app.chat.imagined.tiles][-1] == "imagined 6"


async def test_imagining_is_switched_off_and_on(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "i")
        assert not engine.imagining
        await say(pilot, app, "blue")
        assert app.chat.imagined_away
        await pilot.press("tab", "i")
        assert engine.imagining


async def test_undo_takes_back_opinions_one_by_one(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        controller = app.chat.controller
        await pilot.press("tab", "minus")
        await until(pilot, lambda: Rerank() in engine.played and not controller.player.running)
        unliked = next(iter(controller.unliked))
        assert unliked not in [hit.image_id for hit in app.chat.photos.shown]
        await pilot.press("tab", "x", "shift+tab", "u")
        await until(pilot, lambda: engine.feedback[-1] == PictureFeedback(0, 0, None))
        await pilot.press("u")
        await until(pilot, lambda: engine.feedback[-1] == PhotoFeedback(unliked, None))
        await idle(pilot, app)
        assert unliked in [hit.image_id for hit in app.chat.photos.shown]
        assert (controller.unliked, controller.of_pictures) == (frozenset(), {})


async def test_undo_brings_back_the_opinion_before(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "plus")
        await until(pilot, lambda: Rerank() in engine.played)
        await idle(pilot, app)
        image_id = next(iter(app.chat.controller.liked))
        await pilot.press("minus", "u")
        await until(pilot, lambda: len(engine.feedback) == 3)
        assert engine.feedback[-1] == PhotoFeedback(image_id, True)
        assert app.chat.controller.liked == {image_id}


async def test_undo_in_the_zoom_shows_at_once(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "enter", "plus")
        await until(pilot, lambda: "liked" in screen_text(app))
        await pilot.press("u")
        await until(pilot, lambda: "liked" not in screen_text(app))


async def test_with_nothing_to_undo_it_says_so(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "u")
        await until(pilot, lambda: any("nothing to undo" in each.message for each in app._notifications))


@pytest.mark.parametrize("moment", ["drawing", "after the last page"])
async def test_a_like_while_it_imagines_keeps_the_question_and_counts(
    engine: FakeEngine, make_app: MakeApp, moment: str
) -> None:
    engine.script.gate.clear()
    engine.script.before_question.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        controller = app.chat.controller
        await say_and_imagine(pilot, app, "red")
        await pilot.press("tab")
        if moment == "drawing":
            await pilot.press("plus")
            await until(pilot, lambda: engine.feedback)
        engine.script.gate.set()
        await until(pilot, lambda: controller.exchange is not None and controller.exchange.stage == "fused")
        if moment != "drawing":
            await pilot.press("plus")
            await until(pilot, lambda: engine.feedback)
        engine.script.before_question.set()
        await idle(pilot, app)
        assert controller.question is not None and app.chat.query_one("#question").display
        # What came too late for the turn's last page is ranked by one of its own.
        assert (Rerank() in engine.played) is (moment != "drawing")
