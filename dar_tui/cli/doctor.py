"""`dar doctor`: what is here, what is not, and the command that fixes it.

Looks, changes nothing, loads no model.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dar_tui.cli.options import JsonOption
from dar_tui.cli.state import state_of
from indexer.errors import DarError, LibraryNotFound
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.models.catalogue import Machine
    from dar_tui.settings import Settings

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
_MARKS = {"ok": "ok", "note": "--", "broken": "!!"}


class CheckStatus(StrEnum):
    """`BROKEN` fails the command; `NOTE` is worth knowing."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and the command that fixes it ("" if nothing needs to be)."""

    name: str
    status: CheckStatus
    text: str
    fix: str = ""

    @property
    def as_json(self) -> dict[str, str]:
        """As docs/json.md has it, where the command has an older name."""
        return {"name": self.name, "status": self.status, "text": self.text, "mend": self.fix}


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
    import platform

    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count() or 1} cores"
    supported = (3, 11) <= sys.version_info[:2] < (3, 14)
    if supported:
        return Finding("python", CheckStatus.OK, text)
    return Finding("python", CheckStatus.BROKEN, f"{text}; dar needs 3.11 to 3.13", "python3.12 -m venv .venv")


def _packages() -> Iterator[Finding]:
    import importlib.metadata

    found: list[str] = []
    missing: list[str] = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    yield Finding("packages", CheckStatus.OK, ", ".join(found))
    if missing:
        yield Finding(
            "packages", CheckStatus.BROKEN, f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )


def _formats() -> Iterator[Finding]:
    """The formats that need an extra."""
    import importlib.util

    for name, packages in _EXTRA_FORMATS.items():
        if all(importlib.util.find_spec(module) is not None for module in packages):
            yield Finding(name, CheckStatus.OK, "can be read")
        else:
            yield Finding(
                name, CheckStatus.NOTE, "such photos are left out", f"pip install {' '.join(packages.values())}"
            )


def _bundled_encoder(settings: Settings) -> Iterator[Finding]:
    from indexer.encoders.bundled.graphs import PreparedGraphs

    name = "bundled encoder"
    try:
        graphs = PreparedGraphs(settings.cache)
    except DarError as error:
        yield Finding(name, CheckStatus.BROKEN, error.message, error.hint)
        return
    problems = 0
    for file in graphs.shape.files:
        try:
            file.verified()
        except DarError as error:
            problems += 1
            yield Finding(name, CheckStatus.BROKEN, error.message, error.hint)
    if problems:
        return
    ready = graphs.are_ready()
    state = "prepared" if ready else "will be prepared on first use, which takes about 20 s"
    yield Finding(name, CheckStatus.OK, f"weights are whole; {state}")


def _models(settings: Settings) -> Iterator[Finding]:
    """What would run where, and why."""
    from dar_tui.models.catalogue import this_machine
    from dar_tui.models.profiles import chosen_profile, reason

    machine = this_machine()
    if machine.gpu_bytes:
        yield Finding("GPU", CheckStatus.OK, machine.gpu)
    else:
        yield Finding("GPU", CheckStatus.NOTE, f"{machine.gpu}; the bundled models need none")
    profile = chosen_profile(settings, machine=machine)
    yield Finding("profile", CheckStatus.OK, f"{profile.name}. {reason(settings, machine)}")
    for part, spec in profile.parts:
        chosen = settings.encoder if part == "encoder" and settings.encoder else spec
        yield _model(part, chosen, settings, machine)


def _model(part: str, spec: str, settings: Settings, machine: Machine) -> Finding:
    from dar_tui.models.catalogue import RunsOn, card_of, fit_of
    from dar_tui.models.hub_files import check_here

    if spec in ("bundled", "rules"):
        return Finding(part, CheckStatus.OK, f"{spec}, on the CPU")
    try:
        check_here(spec)
    except DarError as error:
        return Finding(part, CheckStatus.BROKEN, error.message, f"dar models pull {spec}")
    card = card_of(spec)
    if card is None:
        return Finding(part, CheckStatus.OK, spec)
    fit = fit_of(card, machine, settings.device)
    if fit is RunsOn.NO:
        return Finding(part, CheckStatus.NOTE, f"{spec} is {fit}", "dar config set profile bundled")
    return Finding(part, CheckStatus.OK, f"{spec}, {fit}")


def _terminal(environment: Mapping[str, str]) -> Finding:
    if not sys.stdout.isatty():
        return Finding("terminal", CheckStatus.NOTE, "stdout is not one")
    size = shutil.get_terminal_size()
    colours = "no colours (NO_COLOR)" if environment.get("NO_COLOR") else _colours(environment)
    text = f"{environment.get('TERM', 'unknown')}, {size.columns}x{size.lines}, {colours}, {_pictures(environment)}"
    return Finding("terminal", CheckStatus.OK, text)


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
        status = CheckStatus.OK if free > 1 else CheckStatus.NOTE
        return Finding(name, status, f"{visible(folder)}, {free:.0f} GB free")
    return Finding(name, CheckStatus.BROKEN, f"{visible(folder)} cannot be written", f"export {variable}=FOLDER")


def _config(settings: Settings) -> Finding:
    if settings.config_file.exists():
        return Finding("config file", CheckStatus.OK, visible(settings.config_file))
    return Finding("config file", CheckStatus.OK, f"{visible(settings.config_file)} (not there; defaults are used)")


def _library(settings: Settings) -> Iterator[Finding]:
    from dar_tui.models.hub_files import is_here
    from indexer.library import Library

    name, path = "library", settings.library
    try:
        with Library.open(path) as library:
            info, problems = library.info(), library.verify()
    except LibraryNotFound:
        yield Finding(name, CheckStatus.NOTE, f"none at {visible(path)} yet", "dar index FOLDER")
        return
    except DarError as error:
        yield Finding(name, CheckStatus.BROKEN, error.message, error.hint)
        return
    yield Finding(name, CheckStatus.OK, f"{visible(path)}: {info.photos:,} photos, {info.problems:,} unreadable files")
    if info.encoder is not None and not is_here(info.encoder.spec):
        text = f"it was made with {info.encoder.spec}, which is not on this machine: it cannot be searched by text"
        yield Finding(name, CheckStatus.BROKEN, text, f"dar models pull {info.encoder.spec}")
    for problem in problems:
        yield Finding(name, CheckStatus.BROKEN, problem, "dar library repair")
    for root in info.roots:
        if not root.present:
            fix = f"dar library move {visible(root.path)} WHERE_IT_IS_NOW"
            yield Finding(name, CheckStatus.NOTE, f"{visible(root.path)} is not there now", fix)


def doctor(context: typer.Context, json: JsonOption = False) -> None:
    """Look for what is broken or missing. Exit code 1 if something is broken."""
    state = state_of(context)
    found = []
    for finding in findings(state.settings):
        found.append(finding)
        if not json:
            state.output.result(f"{_MARKS[finding.status]}  {finding.name}: {finding.text}")
            if finding.fix:
                state.output.result(
                    f"      fix: {finding.fix}" if finding.status == CheckStatus.BROKEN else f"      try: {finding.fix}"
                )
            state.output.flush()
    broken = any(finding.status is CheckStatus.BROKEN for finding in found)
    if json:
        state.output.json({"broken": broken, "findings": [finding.as_json for finding in found]})
    if broken:
        raise typer.Exit(1)
