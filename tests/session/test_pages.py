"""Pages: what was seen gives way, comes back where it is likely after all, and is known to a resumed session."""

from __future__ import annotations

from dar_tui.dialogue.dialogue import QuestionAsked
from dar_tui.language.turn import Expects, Question
from dar_tui.session.events import Certainty, Event, Results
from dar_tui.session.session import Session
from tests.session.event_lists import of
from tests.session.world import World


def ids(events: list[Event]) -> list[int]:
    return [hit.image_id for hit in of(events, Results)[-1].hits]


def test_the_next_page_shows_photos_not_seen_yet_until_all_were(world: World) -> None:
    session = world.session(page=8)
    shown = [ids(list(session.turn("something red")))]
    for _ in range(6):
        session.shown(shown[-1])
        shown.append(ids(list(session.next_page())))
    assert sorted(photo for page in shown for photo in page) == sorted(world.library.sample(100))
    # All were seen once, so the likeliest come again.
    session.shown(shown[-1])
    assert set(ids(list(session.next_page()))) == set(shown[0])
    assert session.seen[:8] == tuple(reversed(shown[-1])) and len(session.seen) == 56


def test_only_what_was_on_screen_gives_way(world: World) -> None:
    session = world.session(page=8)
    page = ids(list(session.turn("something red")))
    session.shown(page[:3])
    after = ids(list(session.next_page()))
    assert not set(page[:3]) & set(after) and set(page[3:]) <= set(after)


def test_a_message_passes_over_and_what_it_makes_likelier_comes_back(world: World) -> None:
    session = world.session(page=14)
    page = ids(list(session.turn("something red")))
    session.shown(page)
    again = set(page) & set(ids(events := list(session.turn("something red and green"))))
    assert session.dialogue.passed == {str(photo): 1 for photo in page}
    names = {hit.image_id: set(hit.path.stem.split("-")) for hit in of(events, Results)[-1].hits}
    assert again and all(names[photo] == {"red", "green"} for photo in again)


def test_liking_or_opening_a_photo_takes_back_that_it_was_passed_over(world: World) -> None:
    session = world.session(page=8)
    page = ids(list(session.turn("something red")))
    session.shown(page)
    list(session.next_page())
    session.opened(page[0])
    session.like(page[1])
    assert set(session.dialogue.passed) == {str(photo) for photo in page[2:]}
    assert {page[0], page[1]} & set(ids(list(session.rerank())))


def test_how_sure_a_page_is_falls_as_pages_are_passed_over(world: World) -> None:
    session = world.session(page=8)
    (first,) = of(events := list(session.turn("something red and green")), Certainty)
    assert first.photos == 8 and 0 < first.chance < 1
    session.shown(ids(events))
    (second,) = of(list(session.next_page()), Certainty)
    assert second.chance < first.chance
    whole = world.session(page=1000)
    (everything,) = of(list(whole.turn("red")), Certainty)
    assert abs(everything.chance - 1) < 1e-6


def test_a_resumed_session_knows_what_was_seen(world: World) -> None:
    log = world.log()
    session = Session(world.engine(), log)
    page = ids(list(session.turn("something red")))
    session.shown(page)
    after = ids(list(session.next_page()))
    session.close()
    again = Session.resume(world.engine(), log)
    assert again.seen == tuple(reversed(page)) and ids(list(again.rerank())) == after


def test_a_page_reported_twice_is_recorded_once(world: World) -> None:
    session = world.session(page=8)
    page = ids(list(session.turn("something red")))
    session.shown(page)
    session.shown(page)
    assert len(session.dialogue.events) == 2


def test_a_choice_between_two_photos_moves_the_page_and_ends_with_it(world: World) -> None:
    session = world.session(page=8)
    page = ids(list(session.turn("something red")))
    ask = Question("Is it closer to 1 or to 8?", "x", Expects.CHOICE, ("1", "8"), (), (str(page[0]), str(page[7])))
    before = {hit.image_id: hit.score for hit in of(list(session.rerank()), Results)[-1].hits}
    session._state.record(QuestionAsked(ask))
    after = {hit.image_id: hit.score for hit in of(list(session.turn("the second")), Results)[-1].hits}
    both = before.keys() & after.keys()
    gained = {photo: after[photo] - before[photo] for photo in both}
    assert max(gained.values()) - min(gained.values()) > 0.05 and session.dialogue.need().details == ()
    session._state.record(QuestionAsked(ask))
    list(session.next_page())
    assert session.dialogue.pending is None and session.dialogue.need().unknown == ()


def test_more_asked_for_in_words_is_the_next_page_and_undo_brings_the_last_one_back(world: World) -> None:
    session = world.session(page=8)
    page = ids(list(session.turn("something red")))
    session.shown(page)
    after = ids(list(session.turn("show me more")))
    assert not set(page) & set(after) and session.dialogue.need().wants == ("something red",)
    session.shown(after)
    assert ids(list(session.turn("undo"))) == page and not session.dialogue.passed


def test_the_number_of_a_photo_answers_a_choice_between_two_in_words_too(world: World) -> None:
    for answer in ("8", "the second", "number 8"):
        session = world.session(page=8)
        page = ids(list(session.turn("something red")))
        ask = Question("Is it closer to 1 or to 8?", "x", Expects.CHOICE, ("1", "8"), (), (str(page[0]), str(page[7])))
        session._state.record(QuestionAsked(ask))
        list(session.turn(answer))
        assert session.dialogue.turns[-1].answer == answer and not session.dialogue.liked, answer


def test_starting_over_forgets_what_was_passed_over(world: World) -> None:
    session = world.session(page=8)
    session.shown(ids(list(session.turn("something red"))))
    list(session.next_page())
    list(session.turn("start over"))
    assert not session.dialogue.passed and not session.dialogue.on_screen


def test_a_strategy_leaves_out_the_pages_before(world: World) -> None:
    session = world.session(page=8, fusion="orthogonal")
    page = ids(list(session.turn("something red")))
    session.shown(page)
    assert not set(page) & set(ids(list(session.next_page())))
    assert session.dialogue.paged == {str(photo) for photo in page}
