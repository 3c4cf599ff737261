"""What a language model is to dar: something that completes a text. `rules` reads dialogues with no model at all.

`turn` and `when` are the rules' input and the days they find. Importing this module loads no model library; the models
themselves load by `dar_tui.language.loading`.
"""

from __future__ import annotations

from typing import Protocol

from dar_tui.cancellation import Cancelled, never


class LanguageModel(Protocol):
    """An instruct model behind one question-and-answer door; it keeps nothing between calls."""

    def complete(self, system: str, user: str, max_tokens: int, *, cancelled: Cancelled = never) -> str:
        """Answers `user` under the instructions in `system`, in at most `max_tokens` tokens.

        Raises ModelUnavailable where the model is missing, refuses or takes too long, and Stopped soon after
        `cancelled()` has become true.
        """
        ...
