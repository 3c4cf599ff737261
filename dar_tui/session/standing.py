"""Where a session stands: what happened, what is asked for, what was drawn; and which turn may still change it.

Every change goes through here, under one lock, and is saved as it is made. A turn that was cancelled changes nothing
more. Knows neither models nor libraries.
"""

from __future__ import annotations

import threading

from dar_tui.dialogue.dialogue import Dialogue, Event
from dar_tui.fusion.evidence import Asking, Drawn
from dar_tui.imagine.cache import Album
from dar_tui.reformulate import RuleReformulator
from dar_tui.session.events import TurnFailed
from dar_tui.session.saving import Log, Restored
from dar_tui.session.transcript import Prompted

# Set once the turn it was made for is over or cancelled.
Token = threading.Event


class Standing:
    """The state of one session. Its values are replaced, never changed, so that any thread may keep what it read."""

    def __init__(self, log: Log) -> None:
        self.lock = threading.RLock()
        self.dialogue = Dialogue(hemisphere=log.started.hemisphere)
        self.asking: Asking | None = None
        self.prompted: Prompted | None = None
        self.gallery: dict[tuple[int, int], Drawn] = {}
        self._log = log
        self._token = Token()

    def begin(self) -> Token:
        """Cancels the turn that runs, if one does, and lets another change things."""
        with self.lock:
            self._token.set()
            self._token = Token()
            return self._token

    def cancel(self) -> None:
        """Cancels the turn that runs."""
        with self.lock:
            self._token.set()

    def happened(self, event: Event, token: Token | None = None) -> TurnFailed | None:
        """Adds to the dialogue, unless `token` says that it comes too late; returns what failed in saving it."""
        with self.lock:
            if token is not None and token.is_set():
                return None
            self.dialogue = self.dialogue.after(event)
            return self._log.write(event)

    def settle(self, token: Token, asking: Asking) -> Asking:
        """Says what is asked for from now on."""
        with self.lock:
            if not token.is_set():
                self.asking = asking
        return asking

    def prompt(self, token: Token, record: Prompted) -> TurnFailed | None:
        """Says what is being drawn from."""
        with self.lock:
            if token.is_set():
                return None
            self.prompted = record
            return self._log.write(record)

    def accept(self, token: Token, place: tuple[int, int], drawn: Drawn) -> bool:
        """Takes a picture in; False where it comes too late."""
        with self.lock:
            if token.is_set():
                return False
            self.gallery = {**self.gallery, place: drawn}
            return True

    def restore(self, saved: Restored, album: Album) -> None:
        """Puts back what was saved. A picture whose file is gone is left out."""
        with self.lock:
            self.dialogue, self.prompted = saved.dialogue, saved.prompted
            for place, (prompt, seed) in saved.pictured.items():
                imagined = album.find(*place, prompt, seed)
                if imagined is not None and imagined.vector is not None:
                    self.gallery[place] = Drawn(seed, imagined.vector)
            turn = len(self.dialogue.turns) - 1
            if turn >= 0:
                # A message cut off before its query was saved is read by the rules.
                query = saved.queries.get(turn) or RuleReformulator().reformulate(self.dialogue, 0).query
                self.asking = Asking(turn, query, self.dialogue.need())
