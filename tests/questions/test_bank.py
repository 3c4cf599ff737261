"""The bank: what its data must keep to, and that answers to it always reach the need."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.language.rules.words import core, words
from dar_tui.questions.bank import Attribute, bank_vectors, load_bank
from tests.session.world import PaintEncoder

AT = datetime(2024, 6, 1)
BANK = load_bank()


def asked(attribute: Attribute, answer: str) -> Dialogue:
    return Dialogue().said("zebra crossing", AT).asked(attribute.put()).said(answer, AT)


def test_the_bank_is_large_and_without_repeats() -> None:
    assert 150 <= len(BANK) <= 250
    assert len({each.statement for each in BANK}) == len({each.question for each in BANK}) == len(BANK)


@pytest.mark.parametrize("attribute", BANK, ids=lambda each: each.statement)
def test_every_answer_reaches_the_need(attribute: Attribute) -> None:
    """A yes states the attribute, a no rejects it, can't tell leaves it unknown: surely, for every question."""
    if attribute.choices:
        for choice in attribute.choices:
            need = asked(attribute, choice.answer).need()
            assert need.wants == ("zebra crossing", choice.answer) and not need.rejects
        return
    yes, no = asked(attribute, "y").need(), asked(attribute, "n").need()
    assert yes.wants == ("zebra crossing", attribute.statement) and not yes.rejects
    assert no.wants == ("zebra crossing",) and no.rejects == (core(attribute.statement),)
    assert asked(attribute, "can't tell").need().unknown == (attribute.statement,)


def test_questions_are_short_and_answerable_with_a_key() -> None:
    for attribute in BANK:
        assert attribute.question.endswith("?") and len(words(attribute.question)) <= 8
        assert 0 < attribute.share < 1 and attribute.answered_by
        assert all(attribute.texts) and len(set(attribute.texts)) == (2 if attribute.choices else 1)


def test_the_encoded_bank_is_kept_for_its_encoder(tmp_path: Path) -> None:
    encoder = PaintEncoder()
    made = bank_vectors(BANK, encoder, tmp_path)
    assert made.directions.shape == (len(BANK), encoder.dim)
    assert len(list(tmp_path.glob("*.npz"))) == 1

    class Deaf(PaintEncoder):
        def encode_texts(self, texts: object) -> np.ndarray:
            raise AssertionError("what is kept is not encoded again")

    kept = bank_vectors(BANK, Deaf(), tmp_path)
    np.testing.assert_array_equal(kept.directions, made.directions)
    other = Deaf()
    other.id = "test-paint-2"
    with pytest.raises(AssertionError):
        bank_vectors(BANK, other, tmp_path)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", b"\0" * 5000])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: bytes) -> None:
    made = bank_vectors(BANK, PaintEncoder(), tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    kept.write_bytes(damage)
    again = bank_vectors(BANK, PaintEncoder(), tmp_path)
    np.testing.assert_array_equal(again.directions, made.directions)


def test_a_cache_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert len(bank_vectors(BANK, PaintEncoder(), blocked / "cache").directions) == len(BANK)
