"""Messages about the search in a real session: what they change, what they answer, and that a resume gives the same."""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from dar_tui.dialogue.dialogue import Question
from dar_tui.dialogue.need import Chip, ChipEdit, ChipKind
from dar_tui.fusion.evidence import evidence
from dar_tui.language.turn import Expects
from dar_tui.reformulate import QueryStrategy, RuleReformulator
from dar_tui.session.events import Part, Reformulated, Results, SessionNote, TurnDone, TurnFailed
from dar_tui.session.session import Session, SessionParts
from dar_tui.session.transcript import Log, Started, resume
from tests.session.event_lists import of, page
from tests.session.world import NOON, OPTIONS, PaintGenerator, World, fixed


def said(session: Session, *messages: str) -> list[object]:
    events: list[object] = []
    for message in messages:
        events = list(session.turn(message))
    return events


def names(events: list[object]) -> list[str]:
    return [hit.path.stem for hit in of(events, Results)[-1].hits]


def notes(events: list[object]) -> str:
    return " ".join(note.text for note in of(events, SessionNote))


def resumed(world: World, session: Session, parts: SessionParts | None = None) -> Session:
    session.close()
    return Session.resume(parts or world.engine(PaintGenerator()), Log(session.log.path, Started(NOON)), OPTIONS)


def test_the_second_one_is_close_likes_it_and_keeps_the_query(world: World) -> None:
    session = world.session()
    shown = of(said(session, "something red"), Results)[-1].hits
    events = said(session, "the second one is close")
    assert session.dialogue.liked == (str(shown[1].image_id),)
    assert session.request is not None and session.request.query.texts == ("something red",)
    assert of(events, Results) and not of(events, Reformulated)


def test_none_of_these_shows_others_and_undo_brings_them_back(world: World) -> None:
    session = world.session()
    first = names(said(session, "something red"))
    second = names(said(session, "none of these"))
    assert not set(first) & set(second) and len(second) == 10
    assert names(said(session, "undo")) == first


def test_show_me_more_turns_the_page(world: World) -> None:
    session = world.session()
    pages = [names(said(session, message)) for message in ("something red", "show me more", "next")]
    assert len({name for each in pages for name in each}) == 30


def test_start_over_leaves_nothing_behind_and_go_back_everything(world: World) -> None:
    session = world.session()
    before = names(said(session, "something red and blue", "no green"))
    events = said(session, "start over")
    assert of(events, Results)[-1].hits == () and session.request is None and session.chips == ()
    assert names(said(session, "something yellow"))[0].split("-")[0] in ("yellow", *names(events))
    assert session.request is not None and session.request.query.texts == ("something yellow",)
    assert names(said(session, "undo", "undo")) == before
    assert names(list(resumed(world, session).rerank())) == before


def test_undo_brings_back_the_images_of_the_turn_before(world: World) -> None:
    session = world.session(PaintGenerator())
    before = page(said(session, "something red and blue"))
    said(session, "and something yellow")
    events = said(session, "undo")
    assert names(events) == before and session.request is not None and session.request.turn == 0
    assert names(list(resumed(world, session).rerank())) == before


def test_like_number_three_but_is_a_like_and_a_description(world: World) -> None:
    session = world.session()
    shown = of(said(session, "something red"), Results)[-1].hits
    said(session, "like number 3 but with something blue")
    assert session.dialogue.liked == (str(shown[2].image_id),)
    assert [chip.text for chip in session.chips] == ["something red", "something blue"]


def test_sort_by_date_orders_the_page(world: World) -> None:
    session = world.session()
    said(session, "something red")
    hits = of(said(session, "sort by date"), Results)[-1].hits
    dates = [hit.taken_at for hit in hits if isinstance(hit.taken_at, datetime)]
    assert len(dates) == 10 and dates == sorted(dates, reverse=True)
    hits = of(said(session, "sort by match"), Results)[-1].hits
    assert [hit.rank for hit in hits] == list(range(1, 11))


def test_questions_to_the_app_are_answered_in_words(world: World) -> None:
    session = world.session()
    said(session, "something red, no green, in 2020")
    assert notes(said(session, "what are you looking for?")) == "Looking for: something red, not: green, when: 2020."
    first = of(list(session.rerank()), Results)[-1].hits[0]
    why = notes(said(session, "why is number 1 there?"))
    assert first.path.name in why and "something red" in why and "%" in why and "2020" in why
    assert "undo" in notes(said(session, "help"))
    assert "no photo 40" in notes(said(session, "photo 40")).lower()


def test_a_pasted_path_finds_photos_like_it(world: World) -> None:
    session = world.session()
    said(session, "something red")
    said(session, str(world.library.photos(world.library.sample(1))[0].path))
    assert len(session.dialogue.liked) == 1
    assert "not in this library" in notes(said(session, "/nowhere/else.jpg"))


def test_a_typing_error_is_read_as_what_was_meant_and_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(world.encoder), "pieces", lambda self, word: 3, raising=False)
    session = world.session()
    events = said(session, "a red umbrela")
    assert 'Read "umbrela" as "umbrella".' in notes(events)
    assert [chip.text for chip in session.chips] == ["a red umbrella"]
    assert [chip.text for chip in resumed(world, session).chips] == ["a red umbrella"]


def test_a_day_that_is_none_is_refused_in_words(world: World) -> None:
    session = world.session()
    events = said(session, "something red on 31.02.2019")
    assert "31.02.2019" in notes(events) and [chip.text for chip in session.chips] == ["something red"]


def test_a_camera_filters_and_one_that_took_nothing_is_left_out(world: World) -> None:
    session = world.session()
    events = said(session, "something red, taken with my Canon")
    assert "camera Canon" in notes(events) and len(of(events, Results)[-1].hits) == 10
    assert Chip(ChipKind.FILTER, "camera: Canon") in session.chips


def test_photos_without_a_date_are_shown_on_wish(world: World) -> None:
    session = world.session()
    said(session, "something red in 2020")
    said(session, "include photos without a date")
    assert session.request is not None and session.request.need.undated
    said(session, "forget the date")
    assert session.request.need.when == ()


def test_chips_are_removed_and_flipped_and_a_resume_knows(world: World) -> None:
    session = world.session(PaintGenerator())
    said(session, "something red in 2020, no green")
    red, green, year = session.chips
    list(session.edit(year, ChipEdit.REMOVED))
    assert session.chips == (red, green)
    events = list(session.edit(green, ChipEdit.FLIPPED))
    assert [chip.text for chip in session.chips] == ["something red", "green"] and session.request is not None
    assert session.request.query.texts == ("something red", "green") and len(session.gallery) == 9
    again = resumed(world, session)
    assert again.chips == session.chips and names(list(again.rerank())) == names(list(events))
    assert names(said(again, "undo", "undo")) and again.chips == (red, green, year)


def test_what_the_user_narrows_to_by_hand_is_a_chip_too(world: World) -> None:
    session = world.session()
    said(session, "something red")
    session.narrowing = type(session.narrowing)(after=datetime(2020, 1, 1))
    assert session.chips[-1] == Chip(ChipKind.FILTER, "after 2020-01-01")
    list(session.edit(session.chips[-1], ChipEdit.REMOVED))
    assert session.narrowing.after is None and [chip.kind for chip in session.chips] == [ChipKind.WANT]


# Faults found on the way


def test_a_resumed_session_keeps_its_query_strategy(world: World) -> None:
    parts = world.engine()
    joined = type(parts)(parts.library, parts.encoder, RuleReformulator(QueryStrategy.JOINED))
    session = Session(joined, world.log(), OPTIONS, now=fixed(NOON))
    said(session, "something red", "and blue")
    again = resumed(world, session, joined)
    assert again.request == session.request and again.request is not None
    assert again.request.query.strategy is QueryStrategy.JOINED


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS])
def test_a_session_in_a_folder_that_cannot_be_written_opens_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    session = world.session()
    said(session, "something red")
    session.close()
    real = os.open

    def refusing(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY) and "sessions" in str(path):
            raise OSError(error, os.strerror(error), str(path))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)
    again = Session.resume(world.engine(), Log(session.log.path, Started(NOON)), OPTIONS)
    assert again.dialogue == session.dialogue and names(list(again.rerank()))
    (failed,) = {(event.part, event.hint) for event in of(said(again, "and blue"), TurnFailed)}
    assert failed[0] is Part.SAVE and "writable" in failed[1]


def test_a_record_the_disk_refused_is_written_before_what_follows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.session()
    said(session, "something red")
    real, full = os.write, [True]

    def write(descriptor: int, data: bytes) -> int:
        if full[0] and b"and blue" in data:
            full[0] = False
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    assert of(said(session, "and blue"), TurnFailed)
    said(session, "no green")
    session.close()
    assert resume(session.log.path).dialogue == session.dialogue
    assert resumed(world, session).request == session.request


@pytest.mark.parametrize("answer", ["outside", "inside"])
def test_an_answer_of_a_preposition_weighs_something(world: World, answer: str) -> None:
    session = world.session()
    said(session, "something red")
    dialogue = session.dialogue.asked(Question("Where was it?", "place", Expects.OPEN)).said(answer, NOON)
    request = session.request
    assert request is not None
    need = dialogue.need()
    query = RuleReformulator().reformulate(dialogue, 0).query
    found = evidence(type(request)(1, query, need), dialogue, {}, session._state.search.encoder, world.library)
    assert need.wants[-1] == answer and all(weight > 0 for weight in found.weights)


def test_the_time_of_imagining_leaves_out_that_of_loading(world: World) -> None:
    def load() -> PaintGenerator:
        time.sleep(0.3)
        return PaintGenerator()

    parts = replace(world.engine(), load_generator=load)  # type: ignore[arg-type]
    session = Session(parts, world.log(), OPTIONS, now=fixed(NOON))
    timings = of(said(session, "something red"), TurnDone)[0].timings
    assert timings.load is not None and timings.imagine is not None
    assert timings.load + timings.imagine <= timings.total


def test_cancel_waits_for_no_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session()
    cancelled_during: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        cancelling = threading.Thread(target=session.cancel)
        cancelling.start()
        cancelling.join(60)
        cancelled_during.append(not cancelling.is_alive())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    said(session, "something red")
    assert cancelled_during and all(cancelled_during)
