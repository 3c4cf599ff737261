"""Sessions saved as they go and resumed, cut anywhere, and those that earlier versions wrote."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.imagine.cache import read_png
from dar_tui.session.events import (
    Reformulated,
    Results,
)
from dar_tui.session.session import Session
from dar_tui.session.transcript import Log, Pictured, Prompted, Shown, Started, resume
from indexer.errors import DarError
from tests.session.event_lists import of, page
from tests.session.world import NOON, OPTIONS, PaintGenerator, World, fixed


def test_sessions_begun_in_the_same_second_have_files_of_their_own(world: World, tmp_path: Path) -> None:
    both = [Session(world.engine(), Log.begin(tmp_path, NOON)) for _ in range(2)]
    for session, text in zip(both, ("something red", "something blue"), strict=True):
        list(session.turn(text))
        session.close()
    assert [resume(session.log.path).dialogue.turns[0].answer for session in both] == [
        "something red",
        "something blue",
    ]


def test_everything_is_in_the_transcript_with_pictures_of_its_own(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    list(session.turn("something red and blue"))
    records = resume(session.log.path).records
    (prompted,) = [record for record in records if isinstance(record, Prompted)]
    assert len(prompted.prompts) == len(prompted.seeds) == 3 and prompted.query
    assert [record.stage for record in records if isinstance(record, Shown)] == ["text", "fused"]
    for record in (record for record in records if isinstance(record, Pictured)):
        path = session.log.path.with_suffix("") / record.path
        assert read_png(path).image.size == (32, 32)
        assert f'"seed": {prompted.seeds[record.index]}' in read_png(path).origin


def test_a_session_nobody_spoke_in_leaves_no_file(world: World) -> None:
    session = world.session(PaintGenerator())
    list(session.rerank())
    session.close()
    assert not (world.folder / "sessions").exists()


def test_a_resumed_session_has_its_state_and_continues(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    events = list(session.turn("something red and blue"))
    session.like(of(events, Results)[-1].hits[3].image_id)
    session.pick(0, 1)
    before = of(list(session.rerank()), Results)[-1]
    session.close()
    engine = world.engine(PaintGenerator(), asks=True)
    again = Session.resume(engine, Log(session.log.path, session.log.started), OPTIONS, now=fixed(NOON))
    assert again.id == session.id and again.dialogue == session.dialogue
    assert sorted(again.gallery) == [(0, 0), (0, 1), (0, 2)]
    after = of(list(again.rerank()), Results)[-1]
    assert [hit.image_id for hit in after.hits] == [hit.image_id for hit in before.hits]
    np.testing.assert_allclose([hit.score for hit in after.hits], [hit.score for hit in before.hits], atol=1e-5)
    assert [event.turn for event in again.turn("no") if isinstance(event, Reformulated)] == [1]


def test_a_session_cut_at_any_byte_resumes_to_what_was_whole(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    list(session.turn("something red and blue"))
    list(session.turn("no"))
    session.close()
    whole = session.log.path.read_bytes()
    first = whole.index(b"\n") + 1
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    cuts = sorted({*ends, *(end - 1 for end in ends[1:]), *range(first, len(whole), 97)})
    dialogues: list[Dialogue] = []
    for cut in cuts:
        session.log.path.write_bytes(whole[:cut])
        again = Session.resume(world.engine(PaintGenerator()), Log(session.log.path, session.log.started))
        assert again.dialogue.events == session.dialogue.events[: len(again.dialogue.events)]
        dialogues.append(again.dialogue)
        if again.dialogue.turns:
            assert len(of(list(again.rerank()), Results)[0].hits) == 10
        again.close()
    assert [len(each.events) for each in dialogues] == sorted(len(each.events) for each in dialogues)
    assert dialogues[-1] == session.dialogue


def test_a_picture_that_was_deleted_is_missed_by_nobody(world: World) -> None:
    session = world.session(PaintGenerator())
    list(session.turn("something red and blue"))
    session.close()
    for path in session.log.path.with_suffix("").glob("*-0.png"):
        path.write_bytes(b"no picture")
    again = Session.resume(world.engine(), Log(session.log.path, session.log.started))
    assert sorted(again.gallery) == [(0, 1), (0, 2)] and page(list(again.rerank()))


def test_a_session_open_elsewhere_is_not_resumed(world: World) -> None:
    session = world.session()
    list(session.turn("red"))
    with pytest.raises(DarError, match="open in another"):
        Session.resume(world.engine(), Log(session.log.path, session.log.started))


# Written with the session package of commit 04148e3 on this world's library: two messages and an answer, a like and an
# unlike, an image picked and one vetoed, a question skipped, images generated again; then the page it ended with.
OLD = Path(__file__).parents[1] / "data" / "old_session" / "2024-06-15-120000.jsonl"
OLD_PAGE = (
    *("yellow-red", "yellow-green", "blue-red", "blue-green", "blue-yellow"),
    *("green-orange", "blue-orange", "green-pink", "blue-black", "blue-pink"),
)


def test_a_session_of_an_earlier_version_opens_and_continues(world: World, tmp_path: Path) -> None:
    path = tmp_path / "sessions" / OLD.name
    shutil.copytree(OLD.parent, path.parent)
    before = resume(path)
    assert len(before.records) == len(OLD.read_text(encoding="utf-8").splitlines()) == 36
    # By the strategy of its time, so that its page is that which it ended with.
    options = replace(OPTIONS, fusion="orthogonal")
    session = Session.resume(world.engine(PaintGenerator(), asks=True), Log(path, Started(NOON)), options)
    dialogue, need = session.dialogue, session.dialogue.need()
    assert [turn.answer for turn in dialogue.turns] == [
        *("something red and blue in 2020", "green", "no, actually yellow, not blue"),
    ]
    assert (need.subject, need.details, need.rejects) == (("something red and yellow",), ("green",), ("blue",))
    assert need.unknown == ("the place",) and [when.phrase for when in need.when] == ["in 2020"]
    assert (dialogue.liked, dialogue.unliked) == (("12",), ("51",))
    assert (dialogue.picked, dialogue.vetoed) == (((1, 0),), ((1, 2),))
    assert sorted(session.gallery) == [(turn, k) for turn in (0, 1, 2) for k in range(6 if turn == 2 else 3)]
    assert session.request is not None and session.request.query.texts == need.wants
    assert tuple(page(list(session.rerank()))) == OLD_PAGE
    assert [event.turn for event in session.turn("pink") if isinstance(event, Reformulated)] == [3]
    session.close()
    assert resume(path).records[:36] == before.records
    assert path.read_bytes().startswith(OLD.read_bytes())
