"""What a message asks of the words about photos: fields, ratings, quotes; how a dialogue keeps and drops them."""

from __future__ import annotations

from datetime import datetime

import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Chip, ChipEdit, ChipKind, Need
from dar_tui.language.rules.fields import Fields, take_fields

NOON = datetime(2026, 1, 1, 12)


def need(*messages: str) -> Need:
    return said(*messages).need()


def said(*messages: str) -> Dialogue:
    dialogue = Dialogue()
    for message in messages:
        dialogue = dialogue.said(message, NOON)
    return dialogue


@pytest.mark.parametrize(
    ("typed", "rest", "written"),
    [
        ("person:Anna at the beach", "at the beach", [("people", "Anna")]),
        ('people:"Anna Smith"', "", [("people", "Anna Smith")]),
        ("text:invoice keyword:office", "", [("text", "invoice"), ("keywords", "office")]),
        ("a dog Tag:\u201csea side\u201d, running", "a dog  , running", [("keywords", "sea side")]),
        ("title:pier description:old caption:wood words:x", "", None),
        ("see http://example.com/text: it", "see http://example.com/text: it", None),
        ("12:30 in the evening", "12:30 in the evening", []),
        ("the subtext:x of it", "the subtext:x of it", []),
    ],
)
def test_fields_are_taken_out_of_a_message(typed: str, rest: str, written: list[tuple[str, str]] | None) -> None:
    left, fields = take_fields(typed)
    if written is not None:
        assert (left, list(fields.written)) == (rest, written)
    elif rest:
        assert left.startswith("see http://example.com/")
    else:
        assert [field for field, _ in fields.written] == ["title", "description", "caption", ""]


@pytest.mark.parametrize(
    ("typed", "rating"),
    [
        *[("rating:4", (4, 4)), ("rating:>=4", (4, 5)), ("rating:4+", (4, 5)), ("stars:>3", (4, 5))],
        *[("rating:<=2", (1, 2)), ("rating:<2", (1, 1)), ("rating:2-4", (2, 4)), ("rating:9", None), ("rating:", None)],
    ],
)
def test_ratings(typed: str, rating: tuple[int, int] | None) -> None:
    assert take_fields(typed)[1].rating == rating


def test_quotes_mean_words_as_they_stand_and_still_describe() -> None:
    assert need('a receipt with "total due"').quoted == ("total due",)
    assert need('a receipt with "total due"').wants == ("a receipt with total due",)
    assert need('a 5" photo of a 6" nail').quoted == ()
    assert need('a sign that says "no parking"') == Need(subject=("a sign that says",), quoted=("no parking",))


def test_a_negation_in_quotes_alone_is_looked_for_in_words() -> None:
    assert need('"no parking"').written == (("", "no parking"),)
    assert take_fields('"total due"') == ("total due", Fields(quoted=("total due",)))


def test_fields_add_up_and_are_withdrawn() -> None:
    assert need("a dog", "person:Anna", "rating:3", "rating:>=4").written == (("people", "Anna"),)
    assert need("a dog", "person:Anna", "rating:3", "rating:>=4").rating == (4, 5)
    assert need("a dog", "person:Anna", "forget person:Anna") == need("a dog")
    assert need("a dog", "rating:3", "drop rating:3").rating is None
    assert need("a dog", 'text:"x y"', 'without text:"x y"') == need("a dog")


def test_chips_stand_for_fields_and_take_them_away() -> None:
    dialogue = said('a dog person:"Anna Smith" rating:>=4 "not a cat" keyword:sea')
    texts = [chip.text for chip in dialogue.chips]
    assert texts == ["a dog", 'person:"Anna Smith"', "keyword:sea", "rating:>=4", '"not a cat"']
    for text in texts[1:]:
        dialogue = dialogue.changed(Chip(ChipKind.FILTER, text), ChipEdit.REMOVED)
    assert dialogue.need() == need("a dog")
