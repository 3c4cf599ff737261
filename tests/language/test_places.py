"""Names of places in messages, and words that are only spelt like one."""

from __future__ import annotations

from datetime import datetime

import pytest

from dar_tui.dialogue.dialogue import Dialogue


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a dog in Paris", ("Paris",)),
        ("we were in Italy", ("Italy",)),
        ("a boat at Lake Como", ("Lake Como",)),
        ("a turkey on a plate", ()),
        ("a turkey in the oven", ()),
        ("china plates", ()),
        ("a photo of Paris Hilton", ()),
        ("a man reading", ()),
        ("a nice beach", ()),
        ("a mobile phone", ()),
        ("someone in a bath", ()),
        ("Jordan playing basketball", ()),
        ("Georgia smiling", ()),
    ],
)
def test_only_a_name_after_a_word_of_place_is_a_place(text: str, where: tuple[str, ...]) -> None:
    assert Dialogue().said(text, datetime(2026, 11, 27)).need().where == where
