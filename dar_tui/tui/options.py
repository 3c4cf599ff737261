"""How the app is to run: everything that whoever opens it decides beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.tui.graphics.choice import Graphics

if TYPE_CHECKING:
    from dar_tui.tui.screens.filters import ParseDate


@dataclass(frozen=True)
class Options:
    """How the app is to run. `home`: dar's data folder; `keys`: the user's own keys; `session`: one to take up again.

    `pages`: the folder that saved pages are suggested for; `typed`: what was typed before the app began.
    """

    home: Path
    keys: Path
    pages: Path
    graphics: Graphics
    parse_date: ParseDate
    session: Path | None = None
    colours: bool = True
    typed: str = ""
    now: Callable[[], datetime] = datetime.now
