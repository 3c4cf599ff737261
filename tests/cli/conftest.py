"""Fixtures for the command line: `dar` in this process, `dar_process` in one of its own, and folders of photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dar_tui.cli import main
from tests import photos
from tests.cli.colour_words import COLOURS, load_colours

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, exact bytes of stdout, text of stderr."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Dar = Callable[..., Result]


@pytest.fixture
def dar(capfdbinary: pytest.CaptureFixture[bytes]) -> Dar:
    """Runs a command in this process, with the encoder that knows colours."""

    def run(*arguments: object) -> Result:
        capfdbinary.readouterr()
        given = [os.fsdecode(each) if isinstance(each, bytes) else str(each) for each in arguments]
        code = main(given, encoder_loader=load_colours)
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Result(code, captured.out, captured.err.decode())

    return run


def command(*arguments: object) -> list[str | bytes]:
    """The argument vector of a `dar` of its own."""
    given = [each if isinstance(each, bytes) else str(each) for each in arguments]
    return [sys.executable, "-m", "tests.cli.colour_words", *given]


@pytest.fixture
def dar_process() -> Dar:
    """Runs a command in a process of its own and waits for it."""

    def run(*arguments: object, **environment: str) -> Result:
        done = subprocess.run(
            command(*arguments), cwd=REPOSITORY, env={**os.environ, **environment}, capture_output=True, timeout=120
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder with one photo of each colour, red.jpg and so on, and patterned ones enough to judge strength by."""
    folder = tmp_path / "colours"
    folder.mkdir()
    for year, (name, colour) in enumerate(COLOURS.items(), 2015):
        shaded = Image.blend(Image.new("RGB", (96, 64), colour), photos.picture(year), 0.1)
        photos.jpeg(
            folder / f"{name}.jpg",
            image=shaded,
            taken_at=f"{year}:06:15 12:00:00",
            camera=("Canon", "EOS R5") if name == "red" else ("Apple", "iPhone 11"),
            gps=(48.1372, 11.5756),
        )
    photos.folder_of(folder / "patterns", 12, start=100)
    return folder


@pytest.fixture
def indexed(colours: Path, dar: Dar) -> Path:
    """The folder of colours, indexed into the default library."""
    assert dar("index", colours).code == 0
    return colours
