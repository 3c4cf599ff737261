"""The question that stands, with the keys that answer it, just above the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from dar_tui.language.turn import Expects, Question
from indexer.printable import stripped

# Kinds of question that y and n answer.
_BY_KEY = (Expects.YES_NO, Expects.UNTOLD)


def takes_yes(question: Question) -> bool:
    """Whether yes and no answer it."""
    return question.expects in _BY_KEY and not question.choices


class QuestionLine(Static):
    """One line, or nothing."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self.question: Question | None = None
        self.display = False

    def ask(self, question: Question | None, keys: Sequence[tuple[str, str]]) -> None:
        """Shows a question, or none. `keys`: (key, what it says)."""
        self.question = question
        self.display = question is not None
        if question is None:
            self.update("")
            return
        parts: list[tuple[str, str]] = [("? ", "bold $accent"), (stripped(question.text, 500), "bold")]
        if question.choices:
            parts.append((f"  {' or '.join(stripped(choice) for choice in question.choices)}", "$foreground-muted"))
        for key, says in keys:
            parts += [(f"   {key}", "bold $accent"), (f" {says}", "$foreground-muted")]
        self.update(Content.assemble(*parts))
