"""What can be asked: a few hundred things that photos show, each with its question and its texts for an encoder, and
questions answered in words.

Both are data (bank.json, slots.json). Knows no photos and no dialogue.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dar_tui.language.rules.words import content
from dar_tui.language.turn import Expects, Question
from indexer.encoders import Encoder, SentenceEncoder
from indexer.files import write_atomically

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """One answer of two that a question offers, and what an encoder reads for it."""

    answer: str
    text: str


@dataclass(frozen=True)
class Attribute:
    """Something a photo shows or not; `statement` is its identity, and what a plain yes states.

    `share`: of everyday photos that show it, a rough guess that the
    library's own photos correct. `answered_by`: wants that mention one of these leave nothing to ask. `needs`: asked
    only of what is wanted ("is the dog black?" needs a dog). `choices`: two, or none; then `share` is the first one's.
    `answerable`: how likely it is that someone who remembers the photo can say. `one_of`: a photo shows one of its
    topic's attributes, so that one yes answers all.
    """

    statement: str
    question: str
    topic: str
    share: float
    answered_by: tuple[str, ...]
    needs: str = ""
    choices: tuple[Choice, ...] = ()
    answerable: float = 1.0
    one_of: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """What an encoder reads for it: the statement, or both choices.

        A statement is compared with no opposite. Over the library's own photos it separated those whose captions name
        the thing from the others with an area under the curve of 0.82 (154 attributes, 1,000 photos); less an opposing
        text such as "a person" for "a person wearing red", with 0.71.
        """
        return tuple(choice.text for choice in self.choices) or (self.statement,)

    @cached_property
    def facts(self) -> frozenset[str]:
        """The statement's."""
        return frozenset(content(self.statement))

    @cached_property
    def answering(self) -> tuple[frozenset[str], ...]:
        """The facts of each phrase that answers it; a turn of the dialogue compares all of the bank's."""
        return tuple(facts for facts in (frozenset(content(phrase)) for phrase in self.answered_by) if facts)

    def put(self, text: str = "") -> Question:
        """The question, in these words or the bank's."""
        choices = tuple(choice.answer for choice in self.choices)
        expects = Expects.CHOICE if choices else Expects.YES_NO
        return Question(text or self.question, self.statement, expects, choices)


@dataclass(frozen=True)
class Slot:
    """A question answered in words about all the attributes of some topics at once: "What are they wearing?"

    A yes or no says little, and most of what could be asked so is not known; of its place, doings and things people
    remember something.

    `needs`: the attribute that must be wanted, or "". `repeats`: while it is answered it is asked again, with other
    examples; who has nothing to add may still know when asked for one kind of thing."""

    name: str
    question: str
    topics: frozenset[str]
    needs: str = ""
    repeats: bool = False

    def put(self, examples: Sequence[str] = ()) -> Question:
        """The question, with things that may be named."""
        hint = f" {', '.join(examples).capitalize()}?" if examples else ""
        return Question(f"{self.question}{hint}", self.name, Expects.OPEN, examples=tuple(examples))


@dataclass(frozen=True, eq=False)
class BankVectors:
    """`directions` (n, dim) float32: along these, photos that show attribute n lie higher than those that do not.
    `meanings` (n, m) unit rows: two that are near mean the same."""

    directions: Vectors
    meanings: Vectors


def load_bank() -> tuple[Attribute, ...]:
    """The bank that ships with dar."""
    topics = json.loads(files(__package__).joinpath("bank.json").read_text(encoding="utf-8"))
    return tuple(_attribute(topic, each) for topic in topics for each in topic["attributes"])


def load_slots() -> tuple[Slot, ...]:
    """The slots that ship with dar."""
    entries = json.loads(files(__package__).joinpath("slots.json").read_text(encoding="utf-8"))
    return tuple(
        Slot(each["name"], each["question"], frozenset(each["topics"]), each["needs"], bool(each.get("repeats", False)))
        for each in entries
    )


def bank_vectors(bank: Sequence[Attribute], encoder: Encoder, cache: Path) -> BankVectors:
    """The bank as this encoder sees it, kept in the folder `cache`: encoding it takes a second or more."""
    texts = [text for attribute in bank for text in attribute.texts]
    statements = [attribute.statement for attribute in bank]
    key = hashlib.sha256(json.dumps([encoder.id, encoder.dim, texts, statements]).encode()).hexdigest()[:24]
    path = cache / f"{key}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = BankVectors(arrays["directions"], arrays["meanings"])
        if found.directions.shape == (len(bank), encoder.dim) and len(found.meanings) == len(bank):
            return found
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("Question cache: %s", error)
    made = _encode(bank, encoder)
    _keep(path, made)
    return made


def _encode(bank: Sequence[Attribute], encoder: Encoder) -> BankVectors:
    texts = list(dict.fromkeys(text for attribute in bank for text in attribute.texts))
    encoded = dict(zip(texts, encoder.encode_texts(texts), strict=True))
    directions = np.stack([_direction([encoded[text] for text in attribute.texts]) for attribute in bank])
    statements = [attribute.statement for attribute in bank]
    if isinstance(encoder, SentenceEncoder):
        return BankVectors(directions, encoder.encode_texts_and_sentences(statements)[1])
    # Texts of a joint space all share a direction; without it, nearness says something about meaning.
    joint = encoder.encode_texts(statements)
    centred = joint - joint.mean(axis=0, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return BankVectors(directions, (centred / np.maximum(lengths, 1e-9)).astype(np.float32))


def _direction(vectors: Sequence[Vectors]) -> Vectors:
    return vectors[0] if len(vectors) == 1 else vectors[0] - vectors[1]


def _keep(path: Path, vectors: BankVectors) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, directions=vectors.directions, meanings=vectors.meanings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:  # A disk that refuses costs a second next time, never the question.
        logger.warning("Question cache: %s", error)


def _attribute(topic: dict[str, Any], entry: dict[str, Any]) -> Attribute:
    return Attribute(
        statement=entry["statement"],
        question=entry["question"],
        topic=topic["topic"],
        share=float(entry["share"]),
        answered_by=tuple(entry["answered_by"]),
        needs=entry.get("needs", ""),
        choices=tuple(Choice(each["answer"], each["text"]) for each in entry.get("choices", ())),
        answerable=float(entry.get("answerable", 1.0)),
        one_of=bool(topic["one_of"]),
    )
