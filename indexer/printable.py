"""Text from strangers (file names, EXIF strings, decoder messages) made safe to show in a terminal.

Knows nothing of where the text comes from or where it goes.
"""

from __future__ import annotations

import os
import unicodedata

# Cc: control characters (escape sequences, newlines); Cf: invisible ones that reorder text; Cs: halves of characters,
# which is how Python holds invalid UTF-8; Zl and Zp: line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Format characters that emoji and several scripts are built with; they move nothing.
_JOINERS = frozenset("\u200c\u200d")


def stripped(text: str, limit: int = 200) -> str:
    """`text` without unprintable characters, runs of space made one, cut to `limit` characters."""
    kept = "".join(character if _is_printable(character) else " " for character in text)
    return " ".join(kept.split())[:limit].rstrip()


def visible(path: str | bytes | os.PathLike[str]) -> str:
    """A path for human eyes: each unprintable character is shown as its escape, such as \\n, \\x1b or \\xff."""
    return "".join(c if _is_printable(c) else _escaped(c) for c in os.fsdecode(path))


def _is_printable(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _UNPRINTABLE


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # one byte of invalid UTF-8, as os.fsdecode holds it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii") if code < 0xD800 or code > 0xDFFF else f"\\u{code:04x}"
