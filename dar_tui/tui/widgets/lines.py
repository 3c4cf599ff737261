"""The lines around the chat: at the top what is open and what is being done, above the prompt the open question, at the
bottom the keys that count just now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.language.turn import Question
from dar_tui.tui.keymap import Hint
from indexer.printable import stripped, visible


@dataclass(frozen=True)
class StatusFacts:
    """What the top line may say; "" and None are left out.

    `doing`: what is being done, with how to stop it. `filter`: the conditions photos must meet.
    """

    library: str = ""
    photos: int | None = None
    encoder: str = ""
    generator: str = ""
    turn: int = 0
    filter: str = ""
    order: str = ""
    marked: int = 0
    taken: str = ""
    doing: str = ""


class StatusLine(Widget):
    """The top line. What does not fit is left out, the least needed first; what is being done always stays."""

    facts: reactive[StatusFacts] = reactive(StatusFacts())

    def render(self) -> Content:
        """The parts that fit, what is being done at the right."""
        facts, width = self.facts, self.size.width
        doing = facts.doing or facts.taken
        doing = doing[: max(0, width - 6)]
        room = width - cell_len(doing) - 2
        # (importance, text, style), in the order shown.
        parts = [
            (0, "dar", "bold $accent"),
            (2, visible(facts.library), "bold"),
            (3, f"{facts.photos:,} photos" if facts.photos is not None else "", ""),
            (1, f"only {facts.filter}" if facts.filter else "", "bold $warning"),
            (1, f"{facts.marked:,} marked" if facts.marked else "", "bold $success"),
            (4, facts.order, "$warning"),
            (5, f"message {facts.turn}" if facts.turn else "", "$foreground-muted"),
            (6, f"pictures by {visible(facts.generator)}" if facts.generator else "", "$foreground-muted"),
            (7, f"search by {visible(facts.encoder)}" if facts.encoder else "", "$foreground-muted"),
        ]
        kept = [part for part in parts if part[1]]
        while len(kept) > 1 and sum(cell_len(text) + 3 for _, text, _ in kept) > room:
            kept.remove(max(kept, key=lambda part: part[0]))
        left = Content("  ").join(Content.assemble((text, style)) for _, text, style in kept)
        gap = max(1, width - left.cell_length - cell_len(doing))
        return Content.assemble(left, " " * gap, (doing, "$accent" if facts.doing else "$foreground-muted"))


class Hints(Widget):
    """The bottom line: keys and what they do, as many as fit. A click on one does what its key does."""

    keys: reactive[Sequence[Hint]] = reactive(())

    def render(self) -> Content:
        """Key after key until the line is full."""
        parts: list[tuple[str, str]] = []
        for hint in self._fitting():
            parts += [(hint.key, "bold $accent"), (f" {hint.does}  ", "$foreground-muted")]
        return Content.assemble(*parts)

    def _fitting(self) -> Iterator[Hint]:
        room = self.size.width
        for hint in self.keys:
            room -= hint.cells
            if room < 0:
                return
            yield hint

    async def on_click(self, event: events.Click) -> None:
        """Does what the key under the mouse does, where the focus is."""
        offset = event.get_content_offset(self)
        left = offset.x if offset is not None else -1
        for hint in self._fitting():
            # The last two cells are the gap before the next one.
            if 0 <= left < hint.cells - 2 and hint.action:
                await self.app.run_action(hint.action, self.screen.focused or self.screen)
                return
            left -= hint.cells


class QuestionLine(Static):
    """The open question with the keys that answer it, or nothing."""

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
