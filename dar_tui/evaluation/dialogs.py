"""The files of the ChatIR protocol: dialogues, corpus and rewrites; each accepted whole or refused with its reason.

ChatIR's dialogues, PlugIR's rewrites and DAR's have one form: `[{"img": name, "dialog": [text, ...]}, ...]`. The texts
of a dialogue are a caption and then "question? answer"; the t-th rewrite is the query for the dialogue so far. Knows no
pixels: of photos only whether their files are there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.errors import DarError
from indexer.printable import visible

# D0 and ten answers.
LENGTHS = 11


class BadBenchmark(DarError):
    """A file of a benchmark does not hold what it should; `message` names file, entry and reason."""


@dataclass(frozen=True)
class Dialog:
    """One entry: the name of the photo that is looked for, and what is said, turn after turn."""

    target: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Dialogs:
    """All entries of a file. `digest` is the SHA-256 of its bytes: what a run is known by."""

    path: Path
    entries: tuple[Dialog, ...]
    digest: str


@dataclass(frozen=True)
class Names:
    """The photos to search among, by their paths below the folder of photos, in the file's order."""

    path: Path
    names: tuple[str, ...]
    digest: str

    def rows_of(self, dialogs: Dialogs) -> list[int]:
        """Where each dialogue's photo stands in the corpus. Raises BadBenchmark for one that is not in it."""
        place = {name: row for row, name in enumerate(self.names)}
        for number, entry in enumerate(dialogs.entries):
            if entry.target not in place:
                raise _bad(
                    dialogs.path, f"entry {number}", f"its photo {entry.target!r} is not in {visible(self.path)}"
                )
        return [place[entry.target] for entry in dialogs.entries]


def read_dialogs(path: Path, lengths: int = LENGTHS) -> Dialogs:
    """Reads dialogues or rewrites; texts after the first `lengths` are left out. Raises BadBenchmark."""
    entries, digest = _json_list(path)
    found = [_dialog(path, number, entry, lengths) for number, entry in enumerate(entries)]
    return Dialogs(path, tuple(found), digest)


def read_corpus(path: Path) -> Names:
    """Reads the list of photos. Raises BadBenchmark."""
    entries, digest = _json_list(path)
    seen: dict[str, int] = {}
    for number, name in enumerate(entries):
        if not isinstance(name, str) or not name:
            raise _bad(path, f"entry {number}", f"a path is wanted, not {_shown(name)}")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise _bad(path, f"entry {number}", f"{name!r} leads out of the folder of photos")
        if name in seen:
            raise _bad(path, f"entry {number}", f"{name!r} is entry {seen[name]} as well")
        seen[name] = number
    return Names(path, tuple(entries), digest)


def read_rewrites(path: Path, dialogs: Dialogs) -> Dialogs:
    """Reads rewrites of these dialogues, entry for entry. Raises BadBenchmark where they are of others."""
    rewrites = read_dialogs(path, len(dialogs.entries[0].texts))
    if len(rewrites.entries) != len(dialogs.entries):
        counts = f"it has {len(rewrites.entries)} entries, {visible(dialogs.path)} has {len(dialogs.entries)}"
        raise _bad(path, "the list", counts)
    for number, (rewrite, entry) in enumerate(zip(rewrites.entries, dialogs.entries, strict=True)):
        if rewrite.target != entry.target:
            raise _bad(path, f"entry {number}", f"it is of {rewrite.target!r}, the dialogue of {entry.target!r}")
    return rewrites


def check_images(corpus: Names, images: Path) -> list[Path]:
    """The photos' paths, in order. Raises BadBenchmark for the first that is not there."""
    paths = [images / name for name in corpus.names]
    for number, path in enumerate(paths):
        if not path.is_file():
            where = f"{corpus.names[number]!r} is not in {visible(images)}"
            raise _bad(corpus.path, f"entry {number}", where, "Give the folder that holds the photos with --images.")
    return paths


def _json_list(path: Path) -> tuple[list[Any], str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _bad(path, "the file", f"it cannot be read: {error.strerror or error}", "Check the path.") from None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _bad(path, "the file", f"it is not JSON: {error}") from None
    if not isinstance(value, list) or not value:
        raise _bad(path, "the file", f"a list with entries is wanted, not {_shown(value)}")
    return value, hashlib.sha256(raw).hexdigest()


def _dialog(path: Path, number: int, entry: object, lengths: int) -> Dialog:
    where = f"entry {number}"
    if not isinstance(entry, dict):
        raise _bad(path, where, f'an object with "img" and "dialog" is wanted, not {_shown(entry)}')
    target, texts = entry.get("img"), entry.get("dialog")
    if not isinstance(target, str) or not target:
        raise _bad(path, where, f'"img" is to be a path, not {_shown(target)}')
    if not isinstance(texts, list):
        raise _bad(path, where, f'"dialog" is to be a list of texts, not {_shown(texts)}')
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise _bad(path, where, f'"dialog" {at} is to be a text, not {_shown(text)}')
    if len(texts) < lengths:
        raise _bad(path, where, f"its dialogue has {len(texts)} texts, {lengths} are needed")
    return Dialog(target, tuple(texts[:lengths]))


def _shown(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    if isinstance(value, Sequence) and not value:
        return f"an empty {'text' if isinstance(value, str) else 'list'}"
    return kinds.get(type(value), "a number")


def _bad(path: Path, entry: str, reason: str, hint: str = "Mend the file, or get it again.") -> BadBenchmark:
    return BadBenchmark(f"{visible(path)}: {entry}: {reason}.", hint)
