"""The demo: its own photos or yours, in a terminal and without one, everything it makes in one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dar_tui.demo import DIALOGUE, DIALOGUE_IN_OWN, PICTURES, SEARCHES, SEARCHES_IN_OWN
from dar_tui.demo import main as demo
from tests import photos
from tests.cli.colour_words import load_colours
from tests.cli.conftest import REPOSITORY
from tests.cli.terminal import run_in_terminal
from tests.session.world import PaintGenerator


def main(arguments: list[str]) -> int:
    """The demo with small models."""
    return demo(arguments, encoder_loader=load_colours, generator_loader=lambda *spec, **options: PaintGenerator())


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of its own, and an environment that is put back after the demo has changed it."""
    monkeypatch.setenv("DAR_CACHE", os.environ["DAR_CACHE"])
    monkeypatch.setenv("DAR_HOME", os.environ["DAR_HOME"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_terminal_it_indexes_and_searches_the_shipped_photos(
    elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    shown = capfd.readouterr()
    count = sum(len(names) for _, _, names in PICTURES)
    assert f"{count} added" in shown.err
    assert shown.out.count("path\n") == len(SEARCHES) + len(DIALOGUE) and "chelsea.png" in shown.out
    assert all(f"dar search '{text}'" in shown.err for text in SEARCHES)
    assert [path.name for path in elsewhere.iterdir()] == [".dar-demo"]
    assert (elsewhere / ".dar-demo" / ".gitignore").read_text() == "*\n"


def test_without_a_terminal_a_dialogue_is_played_and_its_pictures_are_kept(
    elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    out = capfd.readouterr().out
    played = out[out.index("[0] ") :]
    assert [f"[{turn}] {line}" for turn, line in enumerate(DIALOGUE)] == [
        line for line in played.splitlines() if line.startswith("[")
    ]
    pictures = [Path(line.split(": ")[1]) for line in played.splitlines() if line.startswith("    imagined: ")]
    assert len(pictures) == 3 * len(DIALOGUE) and len(set(pictures)) == len(pictures)
    assert all(path.is_file() and elsewhere / ".dar-demo" in path.parents for path in pictures)


def test_a_second_time_nothing_is_indexed_again(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([""]) == main([]) == 0
    assert "unchanged" in capfd.readouterr().err


def test_with_a_folder_it_uses_that_one_and_leaves_it_alone(elsewhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = photos.folder_of(elsewhere / "my photos", 5)
    # Reading a photo may change the time of its last access, and nothing else.
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in made}
    assert main([str(elsewhere / "my photos")]) == 0
    assert "5 added" in capfd.readouterr().err
    found = (elsewhere / "my photos").iterdir()
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in found} == before


def test_a_folder_that_is_not_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["no such folder"]) == 1
    assert "There is no folder" in capfd.readouterr().err


def test_without_the_packages_it_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dar_tui.demo.find_spec", lambda _: None)
    assert main([]) == 1
    assert "pip install scikit-image scikit-learn" in capfd.readouterr().err


def in_terminal(
    elsewhere: Path, watch: Callable[[bytes, subprocess.Popen[bytes]], bytes | None] | None = None, **environment: str
) -> tuple[int, bytes]:
    photos.folder_of(elsewhere / "photos", 4)
    code = "import sys; from dar_tui.demo import main; from tests.cli.colour_words import load_colours; "
    code += "from tests.session.world import PaintGenerator; "
    code += "load = lambda *a, **k: PaintGenerator(); "
    code += "sys.exit(main(['photos'], encoder_loader=load_colours, generator_loader=load))"
    return run_in_terminal(
        [sys.executable, "-c", code], cwd=elsewhere, watch=watch, PYTHONPATH=str(REPOSITORY), **environment
    )


@pytest.mark.slow
def test_in_a_terminal_it_shows_pictures_and_opens_the_app(elsewhere: Path) -> None:
    opened = b"\x1b[?1049h"

    def quit_the_app(written: bytes, process: subprocess.Popen[bytes]) -> bytes | None:
        return b"\x11" if b"4 photos" in written.partition(opened)[2] else None

    exit_code, written = in_terminal(elsewhere, quit_the_app)
    assert exit_code == 0
    before, _, app = written.partition(opened)
    assert "\u2580".encode() in before and before.count(b"score") == len(SEARCHES_IN_OWN) and b"$ dar chat" in before
    assert b"\x1b[?1049l" in app


def test_in_a_terminal_that_cannot_show_the_app_the_script_is_played(elsewhere: Path) -> None:
    exit_code, written = in_terminal(elsewhere, TERM="dumb")
    assert exit_code == 0
    assert all(line.encode() in written for line in DIALOGUE_IN_OWN) and b"\x1b[?1049h" not in written


def test_every_photo_is_credited() -> None:
    credits = (REPOSITORY / "docs" / "demo-photos.md").read_text()
    assert all(f"`{name}`" in credits for _, _, names in PICTURES for name in names)
