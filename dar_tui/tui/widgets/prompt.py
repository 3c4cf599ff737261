"""The prompt: where messages are written. Knows typing, pasting and what was written before; not what becomes of it.

A question's keys (y, n, s) also answer from an empty prompt: the letter is typed as any other, and answers if nothing
follows it for a moment, so that "yellow car" can be written while a question is open. Where words are asked for, a
letter is most likely the first of them: it answers by Enter alone, however long its writer thinks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, TextArea

from dar_tui.tui.keymap import Place, bindings
from dar_tui.tui.wording import clean

# Slow typists leave 0.4 s between letters; a person who waits for the answer to be taken notices above 0.7 s.
ANSWER_SECONDS = 0.6
# Six pages of text. What rules and encoders read of it is far less, and wrapping more would make typing slow.
MAX_CHARACTERS = 20_000

_INVITATION = "What do you remember of it?"
_INVITATION_TO_ANSWER = "Answer, or say anything else you remember"


async def run_own_binding(field: Widget, event: events.Key) -> None:
    """Does at once what a key is bound to in a field that takes text, so that keys of one burst keep their order.

    Textual looks for bindings once a key has passed through the queues of everything around the field: four backspaces
    between "dogs" and "cat" would be done after "cat".
    """
    if event.is_printable:
        return
    active = field.screen.active_bindings.get(event.key)
    if active is None or active.node is not field or not active.enabled:
        return
    # An action may refuse: Ctrl+C with nothing selected is the app's.
    if await field.app.run_action(active.binding.action, field):
        event.stop()
        event.prevent_default()


class FormInput(Input):
    """A line of a form, whose keys keep their order."""

    async def _on_key(self, event: events.Key) -> None:
        await run_own_binding(self, event)


class Prompt(TextArea):
    """A few lines of text that Enter sends."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.TALK)]

    @dataclass
    class Sent(Message):
        """The user sends this."""

        text: str

    @dataclass
    class Answered(Message):
        """The user answers the question by a key: yes, no or skip."""

        answer: str

    @dataclass
    class TooLong(Message):
        """What was pasted was cut."""

        dropped: int

    def __init__(self, send: Collection[str] = ("enter",), *, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, compact=True, highlight_cursor_line=False, placeholder=_INVITATION)
        self._send = send
        self._answers: Mapping[str, str] = {}
        self._in_words = False
        self._instead = ""
        self._waiting: Timer | None = None
        self._history: list[str] = []
        self._at = 0
        self._draft = ""

    def expect(self, answers: Mapping[str, str], *, in_words: bool = False) -> None:
        """The keys that answer the open question: character -> answer. Empty: no question is open.

        `in_words`: it is answered by a sentence.
        """
        self._stop_waiting()
        self._answers, self._in_words = answers, in_words
        self._invite()

    def invite(self, instead: str = "") -> None:
        """Says what may be written here; or, while letters go elsewhere, `instead`."""
        self._instead = instead
        self._invite()

    def _invite(self) -> None:
        self.placeholder = self._instead or (_INVITATION_TO_ANSWER if self._answers else _INVITATION)

    def restore(self, text: str) -> None:
        """Puts back a message that came to nothing, unless something else is being written."""
        if not self.text.strip():
            self.text = text
            self.move_cursor(self.document.end)

    def remember(self, text: str) -> None:
        """Adds a message to those that Up brings back."""
        if text and (not self._history or self._history[-1] != text):
            self._history.append(text)
        self._at = len(self._history)

    def type(self, text: str) -> None:
        """Takes what was typed before there was a prompt, as if it were typed now: "\r" sends, "\x7f" deletes."""
        for character in text:
            if character == "\r":
                self.action_send()
            elif character == "\x7f":
                self.action_delete_left()
            elif character.isprintable():
                self.insert(character)

    # Keys

    async def _on_key(self, event: events.Key) -> None:
        self._stop_waiting()
        if event.key in self._send:
            # Here and not by the binding, which comes after the letters of whoever types on fast.
            event.prevent_default()
            event.stop()
            self.action_send()
        elif event.key == "enter":
            event.prevent_default()
        elif not self._in_words and not self.text and event.character and event.character in self._answers:
            self._waiting = self.set_timer(ANSWER_SECONDS, lambda typed=event.character: self._take_answer(typed))
        else:
            await run_own_binding(self, event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self._stop_waiting()
        text = clean(event.text)
        room = MAX_CHARACTERS - len(self.text)
        if len(text) > room:
            self.post_message(self.TooLong(len(text) - room))
            text = text[:room]
        if result := self._replace_via_keyboard(text, *self.selection):
            self.move_cursor(result.end_location)

    def action_send(self) -> None:
        """Sends what is written; a question's key alone answers the question."""
        text = self.text.strip()
        if text in self._answers:
            self._take_answer(text)
        elif text:
            self.remember(text)
            self._draft = ""
            self.clear()
            self.post_message(self.Sent(text))

    def action_newline(self) -> None:
        """Begins a new line."""
        self.insert("\n")

    def action_earlier(self) -> None:
        """From the first line, the message sent before; elsewhere a line up."""
        if self.cursor_location[0] > 0 or self._at == 0:
            self.action_cursor_up()
            return
        if self._at == len(self._history):
            self._draft = self.text
        self._at -= 1
        self._recall(self._history[self._at])

    def action_later(self) -> None:
        """From the last line, the message sent after, at last what was being written; elsewhere a line down."""
        if self.cursor_location[0] < self.document.line_count - 1 or self._at >= len(self._history):
            self.action_cursor_down()
            return
        self._at += 1
        self._recall(self._history[self._at] if self._at < len(self._history) else self._draft)

    def _recall(self, text: str) -> None:
        self.text = text
        self.move_cursor(self.document.end)

    def _take_answer(self, typed: str) -> None:
        self._stop_waiting()
        answer = self._answers.get(typed)
        if answer is not None and self.text.strip() == typed:
            self.clear()
            self.post_message(self.Answered(answer))

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
