"""What has been measured so far, one line for each dialogue, so that an interrupted run goes on where it was.

A line counts once it ends; a line cut short by a crash is dropped. Knows nothing of what the figures mean.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import UsageError
from indexer.printable import visible
from indexer.store.disk import disk_errors_named, make_private_folder

Settings = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class Entry:
    """One dialogue: by arm its (ranks, ties) turn by turn, and the seconds its parts took."""

    number: int
    places: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    seconds: Mapping[str, float]


class Journal:
    """A file of entries, headed by the settings that decide them."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Opens or begins the file. Raises UsageError where it was begun with other settings."""
        self._path = path
        self._settings = dict(settings)
        with disk_errors_named(path, "file"):
            make_private_folder(path.parent)
            whole = _whole_lines(path)
            if whole:
                self._check(json.loads(whole[0]))
            self.entries = {entry.number: entry for entry in map(_entry, whole[1:])}
            with path.open("wb") if not whole else path.open("r+b") as file:
                if whole:
                    file.truncate(sum(len(line) + 1 for line in whole))
                else:
                    file.write(_line({"settings": self._settings}))

    def add(self, entries: Sequence[Entry]) -> None:
        """Appends entries; they are on disk when this returns."""
        with disk_errors_named(self._path, "file"), self._path.open("ab") as file:
            for entry in entries:
                file.write(_line({"number": entry.number, "places": entry.places, "seconds": entry.seconds}))
            file.flush()
            os.fsync(file.fileno())
        self.entries |= {entry.number: entry for entry in entries}

    def _check(self, head: object) -> None:
        before = head.get("settings") if isinstance(head, dict) else None
        if before == json.loads(json.dumps(self._settings)):
            return
        changed = sorted(
            key
            for key in {*(before or {}), *self._settings}
            if not isinstance(before, dict) or before.get(key) != self._settings.get(key)
        )
        raise UsageError(
            f"{visible(self._path)} holds a run with another {', '.join(changed)}.",
            "Choose another folder with --out, or delete this one.",
        )


def _line(value: object) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that end and are JSON, up to the first that is not."""
    try:
        *ended, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    whole = []
    for line in ended:
        try:
            json.loads(line)
        except ValueError:
            break
        whole.append(line)
    return whole


def _entry(line: bytes) -> Entry:
    value = json.loads(line)
    places = {name: (tuple(ranks), tuple(ties)) for name, (ranks, ties) in value["places"].items()}
    return Entry(int(value["number"]), places, dict(value["seconds"]))
