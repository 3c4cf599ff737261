"""The demo: its own photos or yours, in a terminal and without one, everything it makes in one folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dar_tui.demo import PICTURES, SEARCHES, main
from tests import photos
from tests.cli.colour_words import load_colours
from tests.cli.conftest import REPOSITORY
from tests.cli.terminal import run_in_terminal


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
    assert main([], encoder_loader=load_colours) == 0
    shown = capfd.readouterr()
    count = sum(len(names) for _, _, names in PICTURES)
    assert f"{count} added" in shown.err
    assert shown.out.count("path\n") == len(SEARCHES) and "chelsea.png" in shown.out
    assert all(f"dar search '{text}'" in shown.err for text in SEARCHES)
    assert [path.name for path in elsewhere.iterdir()] == [".dar-demo"]
    assert (elsewhere / ".dar-demo" / ".gitignore").read_text() == "*\n"


def test_a_second_time_nothing_is_indexed_again(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([""], encoder_loader=load_colours) == main([], encoder_loader=load_colours) == 0
    assert "unchanged" in capfd.readouterr().err


def test_with_a_folder_it_uses_that_one_and_leaves_it_alone(elsewhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = photos.folder_of(elsewhere / "my photos", 5)
    before = {path: path.stat() for path in made}
    assert main([str(elsewhere / "my photos")], encoder_loader=load_colours) == 0
    assert "5 added" in capfd.readouterr().err
    assert {path: path.stat() for path in (elsewhere / "my photos").iterdir()} == before


def test_a_folder_that_is_not_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["no such folder"], encoder_loader=load_colours) == 1
    assert "There is no folder" in capfd.readouterr().err


def test_without_the_packages_it_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dar_tui.demo.find_spec", lambda _: None)
    assert main([], encoder_loader=load_colours) == 1
    assert "dar[demo]" in capfd.readouterr().err


def test_in_a_terminal_it_shows_pictures_and_lets_one_search(elsewhere: Path) -> None:
    photos.folder_of(elsewhere / "photos", 4)
    code = "import sys; from dar_tui.demo import main; from tests.cli.colour_words import load_colours; "
    code += "sys.exit(main(['photos'], encoder_loader=load_colours))"
    exit_code, written = run_in_terminal(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        typed=b"red\n-- blue\n\n",
        PYTHONPATH=str(REPOSITORY),
    )
    assert exit_code == 0
    assert "\u2580".encode() in written and b"Describe a photo" in written
    assert written.count(b"score") == 3 + 2


def test_every_photo_is_credited() -> None:
    credits = (REPOSITORY / "docs" / "demo-photos.md").read_text()
    assert all(f"`{name}`" in credits for _, _, names in PICTURES for name in names)
