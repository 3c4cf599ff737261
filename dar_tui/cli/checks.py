"""What `dar doctor` looks at: one function for each thing that can be wrong, each with the command that mends it.

Imports no model library and no torch: what is installed is read from package metadata, what is there from the disk.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.settings import Settings
from indexer.errors import DarError, LibraryNotFound
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.models.catalogue import Machine

# Packages whose versions decide whether dar works, in the order of how soon they are missed.
_PACKAGES = (
    *("numpy", "pillow", "hnswlib", "numkong", "onnxruntime", "tokenizers", "typer", "rich", "textual", "term-image"),
    *("torch", "diffusers", "transformers", "open_clip_torch", "timm", "safetensors"),
)
# What each extra lets dar read: modules, and the packages that bring them.
_EXTRA_FORMATS = {
    "HEIC and AVIF": {"pillow_heif": "pillow-heif", "pillow_avif": "pillow-avif-plugin"},
    "camera raw": {"rawpy": "rawpy"},
}


class Status(StrEnum):
    """`BROKEN` fails the command; `NOTE` is worth knowing."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and the command that mends it ("" if nothing needs to be)."""

    name: str
    status: Status
    text: str
    mend: str = ""


def findings(settings: Settings, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """All findings, each as soon as it is there."""
    yield _python()
    yield from _packages()
    yield from _formats()
    yield from _bundled_encoder(settings)
    yield from _models(settings)
    yield _terminal(environment)
    yield _folder("data folder", settings.home, "DAR_HOME")
    yield _folder("cache folder", settings.cache, "DAR_CACHE")
    yield _config(settings)
    yield from _library(settings)


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count() or 1} cores"
    supported = (3, 11) <= sys.version_info[:2] < (3, 14)
    if supported:
        return Finding("python", Status.OK, text)
    return Finding("python", Status.BROKEN, f"{text}; dar needs 3.11 to 3.13", "python3.12 -m venv .venv")


def _packages() -> Iterator[Finding]:
    found: list[str] = []
    missing: list[str] = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    yield Finding("packages", Status.OK, ", ".join(found))
    if missing:
        yield Finding("packages", Status.BROKEN, f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")


def _formats() -> Iterator[Finding]:
    """The formats that need an extra."""
    for name, packages in _EXTRA_FORMATS.items():
        if all(importlib.util.find_spec(module) is not None for module in packages):
            yield Finding(name, Status.OK, "can be read")
        else:
            yield Finding(name, Status.NOTE, "such photos are left out", f"pip install {' '.join(packages.values())}")


def _bundled_encoder(settings: Settings) -> Iterator[Finding]:
    from indexer.encoders.bundled.graphs import PreparedGraphs

    name = "bundled encoder"
    try:
        graphs = PreparedGraphs(settings.cache)
    except DarError as error:
        yield Finding(name, Status.BROKEN, error.message, error.hint)
        return
    problems = 0
    for file in graphs.shape.files:
        try:
            file.verified()
        except DarError as error:
            problems += 1
            yield Finding(name, Status.BROKEN, error.message, error.hint)
    if problems:
        return
    ready = graphs.are_ready()
    state = "prepared" if ready else "will be prepared on first use, which takes about 20 s"
    yield Finding(name, Status.OK, f"weights are whole; {state}")


def _models(settings: Settings) -> Iterator[Finding]:
    """What would run where, and why."""
    from dar_tui.models.catalogue import this_machine
    from dar_tui.models.profiles import chosen_profile, reason

    machine = this_machine()
    if machine.gpu_bytes:
        yield Finding("GPU", Status.OK, machine.gpu)
    else:
        yield Finding("GPU", Status.NOTE, f"{machine.gpu}; the bundled models need none")
    profile = chosen_profile(settings, machine=machine)
    yield Finding("profile", Status.OK, f"{profile.name}. {reason(settings, machine)}")
    for part, spec in profile.parts:
        chosen = settings.encoder if part == "encoder" and settings.encoder else spec
        yield _model(part, chosen, settings, machine)


def _model(part: str, spec: str, settings: Settings, machine: Machine) -> Finding:
    from dar_tui.models.catalogue import RunsOn, card_of, fit_of
    from dar_tui.models.hub_files import check_here

    if spec in ("bundled", "rules"):
        return Finding(part, Status.OK, f"{spec}, on the CPU")
    try:
        check_here(spec)
    except DarError as error:
        return Finding(part, Status.BROKEN, error.message, f"dar models pull {spec}")
    card = card_of(spec)
    if card is None:
        return Finding(part, Status.OK, spec)
    fit = fit_of(card, machine, settings.device)
    if fit is RunsOn.NO:
        return Finding(part, Status.NOTE, f"{spec} is {fit}", "dar config set profile bundled")
    return Finding(part, Status.OK, f"{spec}, {fit}")


def _terminal(environment: Mapping[str, str]) -> Finding:
    if not sys.stdout.isatty():
        return Finding("terminal", Status.NOTE, "stdout is not one")
    size = shutil.get_terminal_size()
    colours = "no colours (NO_COLOR)" if environment.get("NO_COLOR") else _colours(environment)
    text = f"{environment.get('TERM', 'unknown')}, {size.columns}x{size.lines}, {colours}, {_pictures(environment)}"
    return Finding("terminal", Status.OK, text)


def _colours(environment: Mapping[str, str]) -> str:
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256" in environment.get("TERM", "") else "16 colours"


def _pictures(environment: Mapping[str, str]) -> str:
    """A guess from the environment; asking the terminal itself would take it over."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "kitty" in term or "KITTY_WINDOW_ID" in environment or program in ("ghostty", "WezTerm"):
        return "pictures by the kitty protocol"
    if "foot" in term or "mlterm" in term or program in ("iTerm.app", "contour") or "WT_SESSION" in environment:
        return "pictures by Sixel"
    return "pictures as half-blocks"


def _folder(name: str, folder: Path, variable: str) -> Finding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        free = shutil.disk_usage(there).free / 1e9
        status = Status.OK if free > 1 else Status.NOTE
        return Finding(name, status, f"{visible(folder)}, {free:.0f} GB free")
    return Finding(name, Status.BROKEN, f"{visible(folder)} cannot be written", f"export {variable}=FOLDER")


def _config(settings: Settings) -> Finding:
    if settings.config_file.exists():
        return Finding("config file", Status.OK, visible(settings.config_file))
    return Finding("config file", Status.OK, f"{visible(settings.config_file)} (not there; defaults are used)")


def _library(settings: Settings) -> Iterator[Finding]:
    from dar_tui.models.hub_files import is_here
    from indexer.library import Library

    name, path = "library", settings.library
    try:
        with Library.open(path) as library:
            info, problems = library.info(), library.verify()
    except LibraryNotFound:
        yield Finding(name, Status.NOTE, f"none at {visible(path)} yet", "dar index FOLDER")
        return
    except DarError as error:
        yield Finding(name, Status.BROKEN, error.message, error.hint)
        return
    yield Finding(name, Status.OK, f"{visible(path)}: {info.photos:,} photos, {info.problems:,} unreadable files")
    if info.encoder is not None and not is_here(info.encoder.spec):
        text = f"it was made with {info.encoder.spec}, which is not on this machine: it cannot be searched by text"
        yield Finding(name, Status.BROKEN, text, f"dar models pull {info.encoder.spec}")
    for problem in problems:
        yield Finding(name, Status.BROKEN, problem, "dar library repair")
    for root in info.roots:
        if not root.present:
            mend = f"dar library move {visible(root.path)} WHERE_IT_IS_NOW"
            yield Finding(name, Status.NOTE, f"{visible(root.path)} is not there now", mend)
