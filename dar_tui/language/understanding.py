"""Whether an encoder can make anything of a text: English words, not other scripts, emoji and random letters.

An encoder gives a vector to everything, and chance brings some photo near it; only the text tells that it means
nothing. Knows letters, and how an encoder takes words apart where it says so. Does not know photos.

Of 102 captions that people wrote and 47 queries of names, rare words, misspellings and loans none is held for
unreadable; of 47 texts in other scripts, other languages, emoji and random letters 36 are. What is missed are one or
two words of another language in Latin letters ("Hund", "koira rannalla"): names look the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dar_tui.language.rules.captions import is_english
from dar_tui.language.rules.words import words
from indexer.encoders import Encoder, TakesWordsApart
from indexer.printable import visible

# Encoders whose texts were of many languages, by their names.
_MANY_LANGUAGES = re.compile(r"xlm|nllb|siglip2|i18n|mt5|multilingual|chinese|m-?bert", re.IGNORECASE)
# Fewer letters than this are taken for an abbreviation: "NYC", "bbq", "pho".
_WORD_LETTERS = 4
# Letters to a piece of a word, on average. Names and misspellings keep 2 and more ("Wojciech", "Llanfair"), random
# letters 1 to 1.7.
_LEAST_LETTERS = 1.9
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop")
# Fewer words of another language may be a name: "el capitan".
_SENTENCE = 3


def is_readable(text: str, encoder: Encoder) -> bool:
    """Whether `encoder` understands the text, as far as its letters tell. An empty text is readable."""
    if not text.strip():
        return True
    found = [word.key for word in words(text)]
    if not any(letter.isalnum() for word in found for letter in word):
        return False
    if not _MANY_LANGUAGES.search(encoder.id):
        letters = [letter for letter in text if letter.isalpha()]
        latin = sum(letter < "\u0250" or "\u1e00" <= letter < "\u1f00" for letter in letters)
        if latin * 2 < len(letters) or (len(found) >= _SENTENCE and not is_english(text)):
            return False
    spelt = [word for word in found if word.isalpha() and word[0] < "\u0250"]
    noise = sum(len(word) for word in spelt if _is_noise(word, encoder))
    return noise == 0 or noise * 2 < sum(map(len, spelt))


def not_understood(texts: Sequence[str]) -> str:
    """What to say of texts that are not readable; "" for none."""
    quoted = ", ".join(f'"{visible(text)}"' for text in texts)
    return f"Not understood by this library's encoder: {quoted}." if quoted else ""


def _is_noise(word: str, encoder: Encoder) -> bool:
    """Whether these letters are no word and no name of any language in Latin letters."""
    if len(word) < _WORD_LETTERS:
        return False
    pieces = encoder.pieces(word) if isinstance(encoder, TakesWordsApart) else 0
    if pieces == 1:
        return False
    if re.search(r"(.)\1{3}", word) or (word.isascii() and not re.search(r"[aeiouy]", word)):
        return True
    if any(word in row or (len(word) > len(row) and row in word) for row in _KEYBOARD if len(word) > _WORD_LETTERS):
        return True
    return pieces > 0 and len(word) < _LEAST_LETTERS * pieces
