"""One message and the question it answers: what `dar_tui.language.rules` reads. Knows nothing of what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# The topic of the question that asks for nothing in particular.
ANYTHING_ELSE = "anything else"


class Expects(StrEnum):
    """What kind of answer a question wants, where its asker knows."""

    YES_NO = "yes-no"
    CHOICE = "choice"
    OPEN = "open"
    UNTOLD = "untold"


@dataclass(frozen=True)
class Question:
    """A question Q_t. `topic` is the statement that a plain yes makes ("people", "indoors"); "" leaves it to be read
    from the text. `choices` are the answers offered, if any; `examples` are things that an answer in words may name.
    `photos` are the two, by the library's names, that a choice by photos offers; `choices` are then their numbers."""

    text: str
    topic: str = ""
    expects: Expects = Expects.UNTOLD
    choices: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    photos: tuple[str, ...] = ()

    @property
    def is_general(self) -> bool:
        """Whether it asks for whatever else is remembered: what is said then is read as if it was said unasked."""
        return self.expects is Expects.OPEN and self.topic == ANYTHING_ELSE


@dataclass(frozen=True)
class Turn:
    """What the user said at `at`, and the question it answers; None for D0 and for what was said unasked."""

    answer: str
    at: datetime
    question: Question | None = None
