"""Sessions written as people hold them: what each message is for, and what is understood at the end, as chips."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.hearing import Heard, Reader, hear
from dar_tui.dialogue.need import ChipKind
from dar_tui.language.rules.intents import Act
from dar_tui.language.rules.spelling import Speller
from dar_tui.language.turn import ANYTHING_ELSE, Expects, Question
from dar_tui.language.understanding import is_readable
from indexer.encoders import Encoder, TakesWordsApart, load_encoder

DATA = tomllib.loads((Path(__file__).parent / "natural_sessions.toml").read_text(encoding="utf-8"))
SESSIONS = DATA["session"]
# Twelve photos a page, never one twice.
PAGE = 12


@pytest.fixture(scope="module")
def reader() -> Reader:
    encoder = load_encoder("bundled")
    return Reader(lambda text: is_readable(text, encoder), Speller.of((), is_word_of(encoder)).corrected)


def is_word_of(encoder: Encoder) -> Callable[[str], bool]:
    assert isinstance(encoder, TakesWordsApart)
    pieces = encoder.pieces
    return lambda word: pieces(word) == 1


def played(case: dict[str, Any], reader: Reader) -> tuple[Dialogue, Heard]:
    """The dialogue that the session becomes, and what became of its last message."""
    dialogue, heard = Dialogue(), Heard(Act.UNCLEAR)
    page = [str(number) for number in range(101, 101 + PAGE)]
    for message in case["messages"]:
        if message.startswith("Q: "):
            dialogue = dialogue.asked(Question(message.removeprefix("Q: ")))
            continue
        heard = hear(dialogue, message, DATA["now"], page, reader=reader)
        dialogue = dialogue if heard.event is None else dialogue.after(heard.event)
    return dialogue, heard


def test_there_are_eighty_or_more_and_few_are_missed() -> None:
    assert len(SESSIONS) >= 80 and len({each["name"] for each in SESSIONS}) == len(SESSIONS)
    assert sum("known_miss" in each for each in SESSIONS) <= 4 * len(SESSIONS) // 80


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            each,
            id=each["name"],
            marks=[pytest.mark.xfail(reason=each["known_miss"], strict=True)] if "known_miss" in each else [],
        )
        for each in SESSIONS
    ],
)
def test_a_session_is_understood(case: dict[str, Any], reader: Reader) -> None:
    dialogue, heard = played(case, reader)
    found = {kind: [chip.text for chip in dialogue.chips if chip.kind is kind] for kind in ChipKind}
    assert found == {kind: case.get(str(kind), []) for kind in ChipKind}
    assert [int(photo) - 100 for photo in dialogue.liked] == case.get("liked", [])
    assert [int(photo) - 100 for photo in dialogue.unliked] == case.get("unliked", [])
    assert heard.act == case.get("act", heard.act)
    assert isinstance(DATA["now"], datetime) and Dialogue.from_json(dialogue.to_json()).chips == dialogue.chips


@pytest.mark.parametrize("case", [each for each in SESSIONS if each.get("act", "describe") != "describe"])
def test_talk_about_the_search_never_becomes_a_description(case: dict[str, Any], reader: Reader) -> None:
    dialogue, heard = played(case, reader)
    assert not heard.describes
    assert not any(turn.answer == case["messages"][-1] for turn in dialogue.turns)


def test_a_month_joined_to_a_month_of_a_year_is_of_that_year() -> None:
    dialogue = Dialogue().said("a concert in May 2019", DATA["now"]).said("or June", DATA["now"])
    (when,) = dialogue.need().when
    assert when.holds(date(2019, 6, 15)) and when.holds(date(2019, 5, 1)) and not when.holds(date(2020, 6, 15))


def test_a_date_replaced_and_a_season_two_years_back_are_the_days_they_name() -> None:
    dialogue = Dialogue().said("a hike last summer", DATA["now"]).said("no, two months ago", DATA["now"])
    (when,) = dialogue.need().when
    assert when.holds(date(2024, 8, 15)) and not when.holds(date(2024, 6, 15))
    (summer,) = Dialogue().said("camping two summers ago", DATA["now"]).need().when
    assert summer.holds(date(2023, 7, 1)) and not summer.holds(date(2024, 7, 1))


def test_what_is_said_where_anything_may_be_said_is_read_as_if_nothing_had_been_asked() -> None:
    """The app asks "What else do you remember?" most of the time: corrections and references are none the rarer."""
    shown = ["101", "102", "103"]
    question = Question("What else do you remember? A beach?", ANYTHING_ELSE, Expects.OPEN, examples=("a beach",))
    for message, wants, rejects in (
        ("no, a girl", ("a girl on a beach",), ("boy",)),
        ("no people", ("a boy on a beach",), ("people",)),
        ("no", ("a boy on a beach",), ()),
        ("nothing", ("a boy on a beach",), ()),
        ("in the snow", ("a boy on a beach", "in the snow"), ()),
        ("any year", ("a boy on a beach",), ()),
    ):
        dialogue = Dialogue().said("a boy on a beach", DATA["now"]).asked(question)
        heard = hear(dialogue, message, DATA["now"], shown)
        need = (dialogue.after(heard.event) if heard.event else dialogue).need()
        assert (need.wants, need.rejects) == (wants, rejects), message
    for message, act in (
        ("2", Act.LIKE),
        ("none of these", Act.NONE),
        ("skip", Act.SKIP),
        ("the second one", Act.LIKE),
    ):
        assert hear(Dialogue().said("a boy", DATA["now"]).asked(question), message, DATA["now"], shown).act is act
