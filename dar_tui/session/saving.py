"""The saved side of a session: its transcript, begun with the first word said, and what is read back from one.

Knows records and files. Does not know what a session does.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.when import Hemisphere
from dar_tui.reformulate.query import QueryStrategy, QueryText, weighted
from dar_tui.session.events import Part, TurnFailed
from dar_tui.session.transcript import Pictured, Prompted, Record, Started, Transcript, resume, session_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """What a transcript tells: the dialogue, the query of each turn, prompt and seed of each picture by its place.

    `prompted` is what was last drawn from.
    """

    dialogue: Dialogue
    prompted: Prompted | None = None
    queries: Mapping[int, QueryText] = field(default_factory=dict)
    pictured: Mapping[tuple[int, int], tuple[str, int]] = field(default_factory=dict)


class Log:
    """Writes one session's transcript at `path`; no file is made before there is something to save.

    Usable from several threads. Closing it lets another process write the session.
    """

    def __init__(self, path: Path, started: Started) -> None:
        self.path = path
        self.started = started
        self._transcript: Transcript | None = None
        self._lock = threading.Lock()

    @classmethod
    def begin(
        cls, folder: Path, at: datetime, library: str = "", profile: str = "", hemisphere: Hemisphere = Hemisphere.NORTH
    ) -> Log:
        """A new session's log in this folder, of a name that no other gets that begins in the same second."""
        path = session_path(folder, at)
        return cls(path.with_stem(f"{path.stem}-{secrets.token_hex(2)}"), Started(at, library, profile, hemisphere))

    def write(self, record: Record) -> TurnFailed | None:
        """Saves one record; a disk that refuses is told, and costs the saved session, never the turn."""
        with self._lock:
            try:
                if self._transcript is None:
                    self._transcript = self._open()
                self._transcript.append(record)
            except OSError as error:
                logger.warning("The session is not saved: %s", error)
                return not_saved(error)
        return None

    def restored(self) -> Restored:
        """What is saved so far. Raises DialogueUnreadable, or SessionBusy where another process writes it."""
        with self._lock:
            if self._transcript is None:
                saved = resume(self.path)
                # Opened now, so that a session in use elsewhere is refused before anything is shown.
                self._transcript = self._open()
            saved = resume(self.path)
        prompted = [record for record in saved.records if isinstance(record, Prompted)]
        drawn = {each.turn: each for each in prompted}
        pictured: dict[tuple[int, int], tuple[str, int]] = {}
        for record in saved.records:
            if isinstance(record, Pictured) and record.turn in drawn:
                of_turn = drawn[record.turn]
                if record.index < len(of_turn.prompts):
                    pictured[record.turn, record.index] = of_turn.prompts[record.index], of_turn.seeds[record.index]
        # What was encoded counts, not how it came about; texts of one query weigh the same whatever the strategy.
        queries = {each.turn: weighted(QueryStrategy.STATEMENTS, each.query) for each in prompted}
        return Restored(saved.dialogue, prompted[-1] if prompted else None, queries, pictured)

    def close(self) -> None:
        """Lets another process write the session; a later write opens it again."""
        with self._lock:
            if self._transcript is not None:
                self._transcript.close()
                self._transcript = None

    def _open(self) -> Transcript:
        transcript = Transcript(self.path)
        try:
            if self.path.stat().st_size == 0:
                transcript.append(self.started)
        except BaseException:
            transcript.close()
            raise
        return transcript


def not_saved(error: OSError) -> TurnFailed:
    """What the user is told of a session that cannot be saved."""
    return TurnFailed(
        Part.SAVE, f"This session is not being saved: {error.strerror or error}.", "Free some space; searching goes on."
    )
