"""Saved sessions: one file of JSON lines each, a record for every message, question, opinion, page and image, written
as they come.

Knows how records survive a crash: a line counts once its newline is on disk, and what a cut left after the last newline
is ignored on reading and cut off before more is written. Does not know what a session does; images stay where they are,
only their paths are kept. The records' kinds and keys are a file format: a class may be renamed, its kind not.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from dar_tui.dialogue.dialogue import (
    NUMBERED,
    VERSION,
    Dialogue,
    DialogueUnreadable,
    Event,
    Remark,
    UserMessage,
    check_version,
    event_from_json,
    event_to_json,
    hemisphere_from_json,
    json_moment,
    json_number,
    json_numbers,
    json_text,
    json_texts,
)
from dar_tui.language.when import Hemisphere
from dar_tui.reformulate.query import QueryStrategy, QueryText, weighted
from dar_tui.session.events import Part, TurnFailed
from indexer.errors import DarError

logger = logging.getLogger(__name__)

_SUFFIX = ".jsonl"
# What people remember and look for is private: nobody else on the machine may read it.
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


class SessionBusy(DarError):
    """Another process is writing this session."""


@dataclass(frozen=True)
class Started:
    """The session's beginning; always the first record."""

    at: datetime
    library: str = ""
    profile: str = ""
    hemisphere: Hemisphere = Hemisphere.NORTH


@dataclass(frozen=True)
class Prompted:
    """The query text and the prompts with their seeds, of a turn (from 0)."""

    turn: int
    query: tuple[str, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    strategy: QueryStrategy = QueryStrategy.STATEMENTS


@dataclass(frozen=True)
class Pictured:
    """An imagined picture: the `index`-th (from 0) of a turn, and where its file is."""

    turn: int
    index: int
    path: str


@dataclass(frozen=True)
class Shown:
    """The photos shown at a stage ("text", "fused") of a turn, best first, by their names in the library."""

    turn: int
    stage: str
    photos: tuple[str, ...]


Record = Started | Prompted | Pictured | Shown | Event


@dataclass(frozen=True)
class Saved:
    """A session as its file has it: every whole record in order, and the dialogue they add up to."""

    dialogue: Dialogue
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Listed:
    """A session in a folder: its file, when it began, how many messages it has, and the first and last, "" for none."""

    path: Path
    at: datetime
    first_message: str
    messages: int = 0
    last_message: str = ""


class Transcript:
    """The one writer of a session's file; a context manager. Makes the file and its folder, both private."""

    def __init__(self, path: Path) -> None:
        """Raises SessionBusy while another writer has it, DialogueUnreadable where the file is no session."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        self.path = path
        # The operating system releases the lock when a writer dies, so a crash leaves no session locked.
        self._lock = FileLock(path.with_suffix(".lock"), timeout=0, mode=_PRIVATE_FILE, is_singleton=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise SessionBusy(
                f"The session {path.stem} is open in another dar.", "Close that one, or start a new session."
            ) from error
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), _PRIVATE_FILE)
            self._cut_incomplete()
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Writes one record and waits until it is on disk. Raises OSError (a full disk) with the file as before.

        The first record must be Started, and no other: ValueError.
        """
        line = json.dumps(record_to_json(record), ensure_ascii=False, separators=(",", ":"))
        # Lone surrogates, as in file names that are no UTF-8, have no bytes of their own: JSON's escape keeps them.
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        end = os.lseek(self._file, 0, os.SEEK_END)
        if (end == 0) is not isinstance(record, Started):
            raise ValueError("a session starts with Started, and only once")
        try:
            self._write(data)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, end)
            raise

    def close(self) -> None:
        """Lets another writer in."""
        if hasattr(self, "_file"):
            os.close(self._file)
            del self._file
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def _cut_incomplete(self) -> None:
        """Cuts off what a crash left of a record, and makes the folder's entry for the file durable."""
        whole = _whole(self.path.read_bytes())
        _records(whole, self.path)
        os.ftruncate(self._file, len(whole))
        if hasattr(os, "O_DIRECTORY"):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@dataclass(frozen=True)
class Restored:
    """What a transcript holds: the dialogue, the query of each turn, prompt and seed of each image by its place.

    `prompted` is what images were last generated from.
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
        self._unsaved: deque[Record] = deque()
        self._lock = threading.Lock()

    @classmethod
    def begin(
        cls,
        folder: Path,
        at: datetime,
        library: str = "",
        profile: str = "",
        hemisphere: Hemisphere = Hemisphere.NORTH,
    ) -> Log:
        """A new session's log in this folder, of a name that no other gets that begins in the same second."""
        path = session_path(folder, at)
        return cls(path.with_stem(f"{path.stem}-{secrets.token_hex(2)}"), Started(at, library, profile, hemisphere))

    def write(self, record: Record) -> TurnFailed | None:
        """Saves one record; a disk that refuses is reported, and costs the saved session, never the turn.

        What was refused is written before anything later: a file that lacks a message would count the others wrong.
        """
        with self._lock:
            self._unsaved.append(record)
            try:
                if self._transcript is None:
                    self._transcript = self._open()
                while self._unsaved:
                    self._transcript.append(self._unsaved[0])
                    self._unsaved.popleft()
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
                try:
                    self._transcript = self._open()
                except OSError as error:
                    # Whoever may only read can look at it all the same; the first record says that it is not saved.
                    logger.warning("The session cannot be written: %s", error)
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
        # A query counts for the dialogue it was made from, and not for one that has gone on.
        queries: dict[int, QueryText] = {}
        for record in saved.records:
            if isinstance(record, NUMBERED) and (not isinstance(record, Remark) or record.changes_need):
                queries = {}
            elif isinstance(record, Prompted):
                queries[record.turn] = weighted(record.strategy, record.query)
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


def session_path(folder: Path, at: datetime) -> Path:
    """A file name for a session begun at `at` that no other session in the folder has; sorts by time."""
    name = at.strftime("%Y-%m-%d-%H%M%S")
    path = folder / f"{name}{_SUFFIX}"
    count = 2
    while path.exists():
        path = folder / f"{name}-{count}{_SUFFIX}"
        count += 1
    return path


def resume(path: Path) -> Saved:
    """Reads a session up to its last whole record.

    Raises DialogueUnreadable where there is no such session, another version wrote it, or a whole record is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DialogueUnreadable(
            f"The session {path.stem} cannot be read ({error.strerror}).", "See `dar chat --resume` for the sessions."
        ) from error
    records = _records(_whole(data), path)
    events = tuple(record for record in records if not isinstance(record, (Started, Prompted, Pictured, Shown)))
    hemisphere = records[0].hemisphere if records and isinstance(records[0], Started) else Hemisphere.NORTH
    return Saved(Dialogue(events, hemisphere), records)


def sessions(folder: Path) -> list[Listed]:
    """The sessions in a folder, latest first. Files that are no sessions, or that cannot be read, are left out."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []:
        try:
            records = resume(path).records
        except DialogueUnreadable:
            continue
        if records and isinstance(records[0], Started):
            texts = [record.text for record in records if isinstance(record, UserMessage)]
            first, last = (texts[0], texts[-1]) if texts else ("", "")
            found.append(Listed(path, records[0].at, first, len(texts), last))
    return sorted(found, key=lambda each: (each.at.timestamp(), each.path.name), reverse=True)


def record_to_json(record: Record) -> dict[str, Any]:
    """One record as JSON values, its kind under "kind"."""
    match record:
        case Started():
            return {"kind": "started", "version": VERSION, **asdict(record), "at": record.at.isoformat()}
        case Prompted() | Pictured() | Shown():
            return {"kind": type(record).__name__.lower(), **asdict(record)}
        case _:
            return event_to_json(record)


def record_from_json(data: Mapping[str, Any]) -> Record:
    """The record that `record_to_json` wrote. Raises DialogueUnreadable for anything else."""
    try:
        match data["kind"]:
            case "started":
                check_version(data["version"])
                library, profile = json_text(data["library"]), json_text(data["profile"])
                return Started(json_moment(data["at"]), library, profile, hemisphere_from_json(data))
            case "prompted":
                query, prompts = json_texts(data["query"]), json_texts(data["prompts"])
                seeds = json_numbers(data["seeds"])
                if len(seeds) != len(prompts):
                    raise ValueError("each prompt has one seed")
                strategy = QueryStrategy(data.get("strategy", QueryStrategy.STATEMENTS))
                return Prompted(json_number(data["turn"]), query, prompts, seeds, strategy)
            case "pictured":
                turn, index = json_number(data["turn"]), json_number(data["index"])
                return Pictured(turn, index, json_text(data["path"]))
            case "shown":
                return Shown(json_number(data["turn"]), json_text(data["stage"]), json_texts(data["photos"]))
            case _:
                return event_from_json(data)
    except (KeyError, TypeError, ValueError) as error:
        raise DialogueUnreadable(f"The saved session holds something that is no record ({error}).") from error


def not_saved(error: OSError) -> TurnFailed:
    """The report that the session cannot be saved."""
    denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    hint = "Make its folder writable; searching goes on." if denied else "Free some space; searching goes on."
    return TurnFailed(Part.SAVE, f"This session is not being saved: {error.strerror or error}.", hint)


def _whole(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _records(data: bytes, path: Path) -> tuple[Record, ...]:
    records: list[Record] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            raise DialogueUnreadable(
                f"Line {number} of the session {path.stem} is damaged.", f"Remove the line, or the file {path}."
            ) from error
        record = record_from_json(value)
        if (number == 1) is not isinstance(record, Started):
            raise DialogueUnreadable(f"The session {path.stem} has no beginning.", f"Remove the file {path}.")
        records.append(record)
    return tuple(records)
