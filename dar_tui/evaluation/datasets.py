"""The data of a benchmark: ChatIR's dialogues and rewrites, captioned photos, and the query texts of every turn.

ChatIR's dialogues, PlugIR's rewrites and DAR's have one form: `[{"img": name, "dialog": [text, ...]}, ...]`. The texts
of a dialogue are a caption and then "question? answer"; the t-th rewrite is the query for the dialogue so far. Captions
come as tab-separated files (name, caption), Flickr8k's and Flickr30k's token files (name#number, caption) and COCO's
captions JSON. A file is accepted whole or refused with the reason. Query texts are made by the app's own R1 and R2;
only ChatIR's way of joining is raw. Reads no pixels: of photos only whether their files exist.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.language.turn import Question
from dar_tui.reformulate import QueryStrategy, Reformulator, RuleReformulator, prompts, query_text
from indexer.errors import DarError, UsageError
from indexer.printable import visible

# D0 and ten answers.
LENGTHS = 11

# Any moment: benchmarks hold no dates, but a message has a time.
AT = datetime(2026, 1, 1)


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


def _bad(path: Path, entry: str, reason: str, hint: str = "Fix the file, or get it again.") -> BadBenchmark:
    return BadBenchmark(f"{visible(path)}: {entry}: {reason}.", hint)


@dataclass(frozen=True)
class Captioned:
    """Photos and their captions, in the order of `names`. `digest` is the SHA-256 of what is in them."""

    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.names, self.captions]).encode()).hexdigest()

    @property
    def fewest(self) -> int:
        """The captions that every photo has."""
        return min(map(len, self.captions))

    def of(self, names: Sequence[str]) -> Captioned:
        """Some of the photos."""
        known = dict(zip(self.names, self.captions, strict=True))
        return Captioned(tuple(names), tuple(known[name] for name in names))


def read_captions(path: Path) -> Captioned:
    """Reads any of the formats, recognised by the content. Photos come sorted by name. Raises BadBenchmark.

    A trailing full stop is dropped, as nobody types one into a search box.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{visible(path)}: the file: it cannot be read: {error}.", "Check the path.") from None
    pairs = _coco(path, text) if text.lstrip()[:1] in ("{", "[") else _lines(path, text)
    found: dict[str, list[str]] = {}
    for name, caption in pairs:
        found.setdefault(name, []).append(caption.strip().removesuffix(".").strip())
    if not found:
        raise BadBenchmark(f"{visible(path)}: the file: it has no captions.", "Check the path.")
    names = sorted(found)
    return Captioned(tuple(names), tuple(tuple(found[name]) for name in names))


def chosen(captioned: Captioned, photos: int | None, skip: int = 0) -> Captioned:
    """`photos` of them (None: all that are left), by the SHA-256 of their names, from the lowest, after `skip`.

    The bundled models' test set, on which nothing was trained, is the first thousand, their development set the next.
    Raises UsageError where there are not so many.
    """
    order = sorted(captioned.names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    picked = order[skip:] if photos is None else order[skip : skip + photos]
    if not picked or (photos is not None and len(picked) < photos):
        raise UsageError(f"There are {len(order)} photos with captions.", "Ask for fewer with --photos and --skip.")
    return captioned.of(picked)


def check_photos(captioned: Captioned, images: Path, turns: int) -> list[Path]:
    """The photos' paths. Raises BadBenchmark for one that is not there or has fewer captions than `turns`."""
    for name, captions in zip(captioned.names, captioned.captions, strict=True):
        if not (images / name).is_file():
            raise BadBenchmark(f"{visible(images / name)}: there is no such photo.", "Check --images.")
        if len(captions) < turns:
            raise BadBenchmark(f"{name}: it has {len(captions)} captions, {turns} are needed.", "Use fewer --turns.")
    return [images / name for name in captioned.names]


_PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def distractors_of(folder: Path, known: Captioned) -> dict[str, Path]:
    """The photos below a folder that are not among the known ones, by names of their own. Raises BadBenchmark."""
    names = frozenset(known.names)
    found = {
        str(Path("distractors") / path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _PHOTOS and str(path.relative_to(folder)) not in names
    }
    if not found:
        raise BadBenchmark(f"{visible(folder)}: there are no other photos.", "Check --distractors.")
    return found


def read_attributes(path: Path) -> Mapping[str, frozenset[str]]:
    """Reads lines of name, tab, one thing that is true of the photo ("a hat"). Raises BadBenchmark."""
    found: dict[str, set[str]] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{visible(path)}: the file: it cannot be read: {error}.", "Check the path.") from None
    for name, attribute in _lines(path, text):
        found.setdefault(name, set()).add(attribute.strip())
    return {name: frozenset(attributes) for name, attributes in found.items()}


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        if not tab or not name or not caption.strip():
            reason = "a name, a tab and a caption are wanted"
            raise BadBenchmark(f"{visible(path)}: line {number}: {reason}.", "Fix the line, or take it out.")
        stem, _, order = name.rpartition("#")
        # Flickr's token files number the captions of a photo; a name may hold a "#" of its own.
        yield (stem if stem and order.isdigit() else name), caption


def _coco(path: Path, text: str) -> Iterator[tuple[str, str]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadBenchmark(f"{visible(path)}: the file: it is not JSON: {error}.", "Get it again.") from None
    images, annotations = (data.get(key) if isinstance(data, dict) else None for key in ("images", "annotations"))
    if not isinstance(images, list) or not isinstance(annotations, list):
        reason = 'COCO captions have "images" and "annotations"'
        raise BadBenchmark(f"{visible(path)}: the file: {reason}.", "Give COCO's captions, or a tab-separated file.")
    names: dict[object, str] = {}
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str) or "id" not in image:
            raise BadBenchmark(f'{visible(path)}: images {number}: "id" and "file_name" are wanted.', "Get it again.")
        names[image["id"]] = image["file_name"]
    for number, each in enumerate(annotations):
        if not isinstance(each, dict) or not isinstance(each.get("caption"), str):
            raise BadBenchmark(f'{visible(path)}: annotations {number}: a "caption" is wanted.', "Get it again.")
        if each.get("image_id") not in names:
            reason = f"image_id {each.get('image_id')!r} is not among the images"
            raise BadBenchmark(f"{visible(path)}: annotations {number}: {reason}.", "Get it again.")
        yield names[each["image_id"]], each["caption"]


@dataclass(frozen=True)
class Wording:
    """What is encoded for one turn: texts whose vectors are averaged, and what the photo does not show."""

    texts: tuple[str, ...]
    rejects: tuple[str, ...] = ()


@dataclass(frozen=True)
class TurnWords:
    """One turn: its wording under each query strategy, and what pictures are drawn from."""

    wordings: Mapping[QueryStrategy, Wording]
    wants: tuple[str, ...]
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One dialogue. `number` is its place in the file, `row` its photo's place in the corpus.

    `joined`: ChatIR's texts, joined raw; else statements of one user, who was asked nothing. `rewrites`: another's
    queries, one for each turn, used for `rewrite` and to imagine from.
    """

    number: int
    target: str
    row: int
    texts: tuple[str, ...]
    is_chat: bool = False
    rewrites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Puts cases into words. `reformulator` writes `rewrite` where a file does not; `pictures` prompts a turn (K)."""

    strategies: tuple[QueryStrategy, ...]
    pictures: int = 0
    seed: int = 0
    reformulator: Reformulator = field(default_factory=lambda: RuleReformulator(QueryStrategy.REWRITE))

    def words(self, case: Case) -> list[TurnWords]:
        """Every turn of the case."""
        found = []
        dialogue = Dialogue()
        for turn, text in enumerate(case.texts):
            dialogue = _heard(dialogue, text, answers=case.is_chat and turn > 0)
            found.append(self._turn(case, turn, dialogue))
        return found

    def _turn(self, case: Case, turn: int, dialogue: Dialogue) -> TurnWords:
        seed = seed_of(self.seed, case.number, turn)
        rewritten = Dialogue().said(case.rewrites[turn], AT) if case.rewrites else None
        need = (rewritten or dialogue).need()
        asked = tuple(prompts(need, self.pictures, seed)) if self.pictures and need.wants else ()
        wordings: dict[QueryStrategy, Wording] = {}
        for strategy in self.strategies:
            if strategy is QueryStrategy.JOINED and case.is_chat:
                wordings[strategy] = Wording((", ".join(case.texts[: turn + 1]),))
            elif strategy is QueryStrategy.REWRITE and case.rewrites:
                wordings[strategy] = Wording((case.rewrites[turn],))
            elif strategy is QueryStrategy.REWRITE:
                *_, said = self.reformulator.drafts(dialogue, self.pictures, seed)
                wordings[strategy] = Wording(said.query.texts, said.need.rejects)
                asked = said.prompts or asked
            else:
                wordings[strategy] = Wording(query_text(dialogue, strategy).texts, dialogue.need().rejects)
        return TurnWords(wordings, need.wants, asked)


def seed_of(seed: int, *place: int) -> int:
    """The same for the same seed and place, unlike that of any other."""
    return int.from_bytes(hashlib.sha256(repr((seed, *place)).encode()).digest()[:4], "big")


def split_answer(text: str) -> tuple[str, str]:
    """ChatIR's "question? answer" as (question, answer); ("", text) where there is no question."""
    question, mark, answer = text.partition("?")
    return (question.strip() + mark, answer.strip()) if mark and answer.strip() else ("", text)


def _heard(dialogue: Dialogue, text: str, *, answers: bool) -> Dialogue:
    question, said = split_answer(text) if answers else ("", text)
    if question:
        dialogue = dialogue.asked(Question(question))
    return dialogue.said(said, AT)
