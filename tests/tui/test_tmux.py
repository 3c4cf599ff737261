"""A whole session by keys alone, in a real terminal: tmux at 80x24 and 160x45. Captures stay in the test's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.session.world import World
from tests.tui.pty_app import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

_SECONDS = 90.0
_TMUX_KEYS = {"Enter", "Escape", "Tab", "Right", "Left", "Up", "Down", "C-s", "C-r", "C-l", "C-q", "C-n", "C-u", "F1"}


class Tmux:
    """A tmux server of its own with one window that runs `dar chat`."""

    def __init__(self, folder: Path, size: tuple[int, int], home: Path) -> None:
        self._socket = folder / "tmux"
        self._folder = folder
        self._captures = 0
        self._home = home
        width, height = map(str, size)
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", width, "-y", height, "-s", "dar", "sh")
        self._tmux("set", "-g", "escape-time", "0")

    def run(self, *arguments: str) -> None:
        command = f"cd {REPOSITORY} && env COLORTERM=truecolor DAR_HOME={self._home} {sys.executable} -m"
        self._tmux("send-keys", "-l", f"{command} tests.tui.painted_dar {' '.join(arguments)}; echo ended $?")
        self._tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        """Named keys by their tmux names, everything else letter by letter."""
        for key in keys:
            self._tmux("send-keys", *([key] if key in _TMUX_KEYS else ["-l", key]))
            # A letter within 0.1 s of Esc is Alt and the letter, to every terminal program.
            time.sleep(0.25 if key == "Escape" else 0.05)

    def see(self, *texts: str) -> str:
        """Waits until all of it is on the screen; keeps what was seen."""
        deadline = time.monotonic() + _SECONDS
        while True:
            screen = self._tmux("capture-pane", "-p", "-t", "dar")
            if all(text in screen for text in texts):
                self._captures += 1
                (self._folder / f"{self._captures:02}.txt").write_text(screen, encoding="utf-8")
                return screen
            assert time.monotonic() < deadline, f"{texts} not in\n{screen}"
            time.sleep(0.05)

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


@pytest.fixture(params=[(80, 24), (160, 45)], ids=["80x24", "160x45"])
def tmux(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path, request.param, tmp_path / "home")
    yield terminal
    terminal.close()


def test_a_whole_session_by_keys_alone(tmux: Tmux, world: World, tmp_path: Path) -> None:
    # Index: the first run offers it.
    tmux.run("chat")
    tmux.see("Which photos?")
    tmux.press(str(world.photos), "Enter")
    tmux.see("Indexed: 56 photos")
    # Describe, with hits at once and pictures after.
    tmux.press("something red and white", "Enter")
    tmux.see("message 1", "? ", "s Enter skip")
    # Like the first photo, unlike the second; the page follows.
    tmux.press("Tab", "+")
    tmux.see("♥ liked")
    # Pick and veto imagined pictures.
    tmux.press("Tab", "p", "Right", "x")
    tmux.see("imagined 1 ♥ picked", "imagined 2 ✗ vetoed")
    # Zoom, there and back by numbers and Esc.
    tmux.press("2")
    tmux.see("photo 2 of 40", "size 64 x 64, JPEG")
    tmux.press("Right")
    tmux.see("photo 3 of 40")
    tmux.press("Escape")
    # SkipQuestion a question by a key, answer the next in words.
    tmux.press("s", "Escape", "a stripe in the middle", "Enter")
    tmux.see("message 2")
    # ApplyFilter to a year, look by date, lift it again.
    tmux.press("Tab", "f")
    tmux.see("Search only among photos")
    tmux.press("2020", "Tab", "2021", "Enter")
    tmux.see("only from 2020-01-01, before 2021-01-01", "2020-")
    # Help.
    tmux.press("F1")
    tmux.see("Keys", "show all keys")
    tmux.press("Escape")
    # Save as a page.
    tmux.press("C-s")
    tmux.see("Save the session as a page")
    tmux.press("C-u", str(tmp_path / "page.html"), "Enter")
    deadline = time.monotonic() + _SECONDS
    while not (tmp_path / "page.html").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Quit, and take the session up again.
    tmux.press("C-q")
    tmux.see("ended 0")
    tmux.run("chat", "--resume")
    tmux.see("56 photos", "message 2", "1 ● strong")
    tmux.press("C-q")
    tmux.see("ended 0")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "something red and white" in page and "data:image/png;base64," in page
