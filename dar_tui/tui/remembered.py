"""What the app remembers from one run to the next besides sessions: the theme. Losing it loses nothing else."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.files import make_private_folder, write_atomically

_NAME = "interface.json"


@dataclass(frozen=True)
class Remembered:
    """`theme`: the name of one of Textual's; "" for the app's own choice."""

    theme: str = ""


def recall(home: Path) -> Remembered:
    """What was remembered; the defaults where nothing was, or nothing readable."""
    try:
        values = json.loads((home / _NAME).read_text(encoding="utf-8"))
        return Remembered(str(values["theme"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Remembered()


def remember(home: Path, remembered: Remembered) -> None:
    """Writes it down. A disk that refuses is no reason to say anything."""
    with contextlib.suppress(OSError):
        make_private_folder(home)
        write_atomically(home / _NAME, json.dumps(asdict(remembered)).encode("utf-8"), sync=False)
