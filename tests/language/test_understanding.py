"""Which texts an encoder can make something of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dar_tui.language.understanding import is_readable
from indexer.encoders import Encoder, load_encoder
from indexer.search.strength import NULL_TEXTS
from tests.indexer.colours import ColourEncoder

READABLE = """red|NYC|bbq|5 dogs|2019|Kowalczyk|Siobhan and Wojciech|Grandma Gertrude|skatebord|a dgo on teh beach
umbrela|my frend Jürgen in Zürich|saxaphone player|Machu Picchu|Llanfair|a schnauzer|a quokka|golden retreiver
labradoodle|Kraków|jalapeño|Popocatépetl volcano|Eilidh|el capitan|la tour eiffel|pho|tikka masala|Szczecin|gnocchi
rhythm|my Fiat 500"""
UNREADABLE = """一只狗在沙滩上|海边的日落|犬|собака на пляже|كلب على الشاطئ|כלב בחוף|강아지|บนชายหาด
कुत्ता|🐶🏖️
😀|???|asdkjhqwe|xzqvw kjhgf|qwrtzp|lkjhlkjh sdfsdf|fghjkl|zzzzxxxx|aaaaaaaa|zxcvbnm|qwertyuiop|jfkdls ajfkdl
un perro en la playa
ein Hund am Strand|un chien sur la plage|um cachorro na praia|een hond op het strand|en hund på stranden|pies na plaży
một con chó trên bãi biển|Schmetterling auf der Blume"""


def listed(text: str) -> list[str]:
    return text.replace("\n", "|").split("|")


@pytest.fixture(scope="module")
def bundled() -> Encoder:
    return load_encoder("bundled")


def test_names_misspellings_and_sentences_are_readable(bundled: Encoder) -> None:
    texts: Sequence[str] = [*listed(READABLE), *NULL_TEXTS, ""]
    assert [text for text in texts if not is_readable(text, bundled)] == []


def test_other_scripts_other_languages_emoji_and_random_letters_are_not(bundled: Encoder) -> None:
    assert [text for text in listed(UNREADABLE) if is_readable(text, bundled)] == []


def test_an_encoder_of_many_languages_reads_them() -> None:
    encoder = ColourEncoder()
    assert not is_readable("海边的日落", encoder)
    encoder.id = "open_clip:xlm-roberta-base-ViT-B-32"
    assert is_readable("海边的日落", encoder) and is_readable("un perro en la playa", encoder)
    assert not is_readable("😀", encoder) and not is_readable("zzzzzz", encoder)
