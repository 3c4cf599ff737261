"""Where a model's files are on this machine: a local folder, or the copy the hub's client keeps.

Nothing here reaches the network: fetching models is `dar_tui.models`. Knows nothing of what the files hold.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import ModelUnavailable, UsageError
from indexer.paths import at_home

# The hub's own rule for "owner/name", without its length limits.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Checkpoint:
    """One model's files. `fingerprint` changes with the weights: the hub's commit, or a digest of sizes and times."""

    name: str
    folder: Path
    fingerprint: str


def find_checkpoint(name: str, marker: str, *, asked: str = "") -> Checkpoint:
    """Finds the folder that holds `name`, a folder or a hub id, and in it the file `marker`.

    Nothing leaves this machine. `asked` is what the user called the model, if not by `name`. Raises UsageError for a
    name that can be neither, ModelUnavailable where the files are not here.
    """
    if not name.strip():
        raise UsageError("The model has no name.", "Give a hub id such as `stabilityai/sd-turbo`, or a folder.")
    folder = at_home(Path(name))
    if folder.is_dir():
        if not (folder / marker).is_file():
            raise ModelUnavailable(f"The folder {folder} holds no {marker}.", "Give the folder that has this file.")
        folder = folder.resolve()
        return Checkpoint(name, folder, _folder_fingerprint(folder))
    if not HUB_ID.fullmatch(name):
        raise ModelUnavailable(f"There is no folder {name}.", "Give a folder that exists, or a hub id `owner/name`.")
    folder = _hub_folder(name, marker, asked or name)
    return Checkpoint(name, folder, folder.name[:12])


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps the model libraries' own progress bars and warnings off the terminal, which belongs to the interface."""
    # Only those that are loaded: a language model needs no diffusers, whose import takes a second.
    names = ("diffusers.utils.logging", "transformers.utils.logging")
    loggers = [sys.modules[name] for name in names if name in sys.modules]
    before = [(logger, logger.get_verbosity(), logger.is_progress_bar_enabled()) for logger in loggers]
    try:
        for logger in loggers:
            logger.set_verbosity_error()
            logger.disable_progress_bar()
        yield
    finally:
        for logger, level, bar in before:
            logger.set_verbosity(level)
            if bar:
                logger.enable_progress_bar()


def _hub_folder(name: str, marker: str, asked: str) -> Path:
    # The marker's own snapshot rather than `snapshot_download`: a pull fetches only the files a model needs, which the
    # hub's client would call incomplete. And this rather than `hf_hub_download`, which asks the hub what to call its
    # caller even where it is told to keep to local files.
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, marker)
    except HFValidationError:
        found = None
    if not isinstance(found, str):
        raise ModelUnavailable(
            f"The model {name} is not on this machine.", f"Download it with `dar models pull {asked}`."
        )
    return Path(found).parent


def _folder_fingerprint(folder: Path) -> str:
    # Sizes and times rather than contents: hashing gigabytes at every start would take longer than a picture does.
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".safetensors", ".gguf", ".json"}:
            facts = path.stat()
            digest.update(
                f"{path.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="replace")
            )
    return digest.hexdigest()[:12]


def first_line(error: BaseException) -> str:
    """What a library's error says, short enough for one line of ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]
