"""The process as the terminal sees it: quitting at once, closed terminals, kills, colours, and no terminal at all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dar_tui.dialogue.dialogue import UserMessage
from dar_tui.session.transcript import Saved, resume
from indexer.library import Library
from tests.session.world import World
from tests.tui.pty_app import REPOSITORY, running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix")

QUIT = b"\x11"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = World(Path(tmp_path_factory.mktemp("world")))
    world.library.close()
    return world.library.path


def saved(library: Path) -> list[Saved]:
    return [resume(path) for path in sorted((library / "sessions").glob("*.jsonl"), key=os.path.getmtime)]


@pytest.mark.parametrize(
    ("environment", "sign"),
    [({"TEST_LOAD_SECONDS": "60"}, "loading the generator"), ({"TEST_STEP_SECONDS": "60"}, "imagining 1/3")],
)
def test_quitting_waits_for_nothing_that_is_going_on(library: Path, environment: dict[str, str], sign: str) -> None:
    with running("chat", "--library", library, **environment) as app:
        if "TEST_STEP_SECONDS" in environment:
            app.wait_for("56 photos")
            app.send(b"something red\r")
        app.wait_for(sign)
        began = time.monotonic()
        app.send(QUIT)
        assert app.wait() == 0
        # What it must not wait for takes a minute; how long it does take, benchmarks.tui measures.
        assert time.monotonic() - began < 45.0
        # The terminal is as it was: main screen, cursor, no mouse, no bracketed paste.
        for code in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l"):
            assert code in app.written


def test_a_closed_terminal_ends_it_and_the_session_is_saved(library: Path) -> None:
    with running("chat", "--library", library, TEST_STEP_SECONDS="60") as app:
        app.wait_for("56 photos")
        app.send(b"something red before the terminal closed\r")
        app.wait_for("imagining 1/3")
        app.hang_up()
        assert app.wait() in (-signal.SIGHUP, 0, 129)
    assert saved(library)[-1].dialogue.turns[0].answer == "something red before the terminal closed"


def test_a_killed_session_is_taken_up_again(library: Path) -> None:
    with running("chat", "--library", library, "--no-questions") as app:
        app.wait_for("56 photos")
        app.send(b"something red and white\r")
        app.wait_for("imagined 3")
        time.sleep(0.3)
        os.kill(app.process.pid, signal.SIGKILL)
        app.wait()
    with running("chat", "--library", library, "--resume") as app:
        app.wait_for("something red and white", "message 1")
        app.send(b"it is blue\r")
        app.wait_for("message 2")
        time.sleep(0.3)
        app.send(QUIT)
        assert app.wait() == 0
    said = [event.text for event in saved(library)[-1].dialogue.events if isinstance(event, UserMessage)]
    assert said == ["something red and white", "it is blue"]


def test_two_apps_on_one_library(library: Path) -> None:
    before = len(saved(library))
    with running("chat", "--library", library) as one, running("chat", "--library", library) as two:
        for app, words in ((one, b"something red\r"), (two, b"something blue\r")):
            app.wait_for("56 photos")
            app.send(words)
            app.wait_for("imagined")
        for app in (one, two):
            app.send(QUIT)
            assert app.wait() == 0
    assert len(saved(library)) == before + 2


def colours_of(written: bytes) -> list[str]:
    """The parameters of every sequence that sets a colour; 39 and 49 are the terminal's own."""
    found = [re.sub(rb"\b[34]9\b", b"", each) for each in re.findall(rb"\x1b\[([\d;:]*)m", written)]
    return [each.decode() for each in found if re.search(rb"(?:^|;)(?:3|4|9|10)[0-9](?:;|$)", each)]


def test_no_color_means_none_at_all(library: Path) -> None:
    with running("chat", "--library", library, NO_COLOR="1") as app:
        app.wait_for("56 photos")
        app.send(b"something red\r")
        app.wait_for("strong")
        app.send(QUIT)
        assert app.wait() == 0
        assert colours_of(app.written) == []
        assert "▀" not in app.written.decode()


def test_without_true_colour_pictures_use_the_256_there_are(library: Path) -> None:
    with running("chat", "--library", library, COLORTERM="") as app:
        app.wait_for("56 photos")
        app.send(b"something red\r")
        app.wait_for("red-", "strong")
        time.sleep(0.5)
        app.send(QUIT)
        assert app.wait() == 0
        assert not any(";2;" in each for each in colours_of(app.written))
        assert any("8;5;" in each for each in colours_of(app.written))


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_show_it_is_refused_with_a_hint(library: Path, term: str) -> None:
    with running("chat", "--library", library, TERM=term) as app:
        assert app.wait() == 2
        assert b"--script" in app.written and b"\x1b" not in app.written


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--images", "crayons"], "--images"), (["--fusion", "magic"], "magic"), (["--resume", "no-such"], "no-such")],
)
def test_what_cannot_be_meant_is_said_before_anything_is_shown(library: Path, arguments: list[str], says: str) -> None:
    with running("chat", "--library", library, *arguments) as app:
        assert app.wait() in (2, 3)
        assert says.encode() in app.written and b"\x1b[?1049h" not in app.written


def test_no_terminal_and_no_script_is_refused(library: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tui.painted_dar", "chat", "--library", library],
        cwd=REPOSITORY, capture_output=True, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == (
        "dar: `dar chat` needs a terminal. Give the messages with --script FILE, or --script - to read them from stdin."
    )


def test_what_libraries_print_goes_to_the_log_and_not_onto_the_screen(tmp_path: Path) -> None:
    """Writes as C code does, on the descriptors themselves, and as Python's logging does."""
    code = (
        "import logging, os, sys\n"
        "from pathlib import Path\n"
        "from dar_tui.tui.terminal import shielded\n"
        f"with shielded(Path({str(tmp_path / 'log')!r})):\n"
        "    os.write(1, b'noise on one\\n'); os.write(2, b'noise on two\\n')\n"
        "    logging.getLogger('lib').warning('a warning')\n"
        "    sys.__stdout__.write('the app\\n'); sys.__stderr__.write('the screen\\n')\n"
        "print('afterwards')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert (done.stdout, done.stderr) == ("the app\nthe screen\nafterwards\n", "")
    log = (tmp_path / "log").read_text()
    assert "noise on one" in log and "noise on two" in log and "WARNING lib: a warning" in log


def test_the_first_run_makes_a_library_in_the_app(library: Path, tmp_path: Path) -> None:
    photos = library.parent / "photos"
    with running("chat", DAR_HOME=str(tmp_path / "home")) as app:
        app.wait_for("Which photos?")
        app.send(bytes(photos) + b"\r")
        app.wait_for("Indexed: 56 photos")
        app.send(QUIT)
        assert app.wait() == 0
    with Library.open(tmp_path / "home" / "libraries" / "default") as made:
        assert made.info().photos == 56
    script = tmp_path / "script.txt"
    script.write_text("something red\n")
    done = subprocess.run(
        [sys.executable, "-m", "tests.tui.painted_dar", "chat", "--script", script, "--json"],
        cwd=REPOSITORY, capture_output=True, check=True, env={**os.environ, "DAR_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[0])["hits"]


def test_who_types_on_fast_sends_what_came_before_enter(library: Path) -> None:
    with running("chat", "--library", library) as app:
        app.wait_for("56 photos")
        app.send(b"something red\rand blue")
        app.wait_for("1 ● strong", "and blue")
        app.send(b"\t+")
        app.wait_for("liked")
        app.send(QUIT)
        assert app.wait() == 0
    assert saved(library)[-1].dialogue.turns[0].answer == "something red"


@pytest.mark.parametrize(("answer", "shown"), [(b"\x1b_Gi=4211;OK\x1b\\", True), (b"", False)])
def test_kitty_pictures_are_used_where_the_terminal_takes_them(library: Path, answer: bytes, shown: bool) -> None:
    with running("chat", "--library", library, "--no-imagine", TERM="xterm-kitty") as app:
        app.wait_for("\x1b_Ga=T,U=1,i=4211")
        app.send(answer)
        app.wait_for("56 photos")
        app.send(b"something red\r")
        app.wait_for("red-", "strong")
        time.sleep(0.7)
        app.send(QUIT)
        assert app.wait() == 0
    sent = re.findall(rb"\x1b_Ga=p,i=(\d+),", app.written)
    deleted = re.findall(rb"\x1b_Ga=d,d=I,i=(\d+),q=2", app.written)
    assert bool(sent) is shown
    assert set(sent) <= set(deleted)
    assert ("\U0010eeee".encode() in app.written) is shown


@pytest.mark.parametrize("asked", [False, True])
def test_what_is_typed_from_the_first_moment_on_reaches_the_prompt(library: Path, asked: bool) -> None:
    """Letter by letter while Python imports the app, asks the terminal (which answers nothing here) and paints."""
    letters = b"abcdefghijklmnopqrstuvwxyz0123456789"
    terminal = {"TERM": "xterm", "VTE_VERSION": ""} if asked else {}
    with running("chat", "--library", library, "--no-imagine", **terminal) as app:
        for each in letters:
            app.send(bytes([each]))
            time.sleep(0.03)
        app.send(b"\r")
        app.wait_for("message 1")
        assert (b"\x1b[c" in app.written) is asked
        app.send(QUIT)
        assert app.wait() == 0
    assert saved(library)[-1].dialogue.turns[0].answer == letters.decode()


@pytest.mark.parametrize("junk", [b"\x1b[M \xc80", b"\xe9", b"\xff\xfe", b"caf\xe9 "])
def test_bytes_that_are_no_utf8_end_nothing_and_lose_no_text(library: Path, junk: bytes) -> None:
    """An old-style mouse report after a reattach, and Latin-1 letters."""
    with running("chat", "--library", library, "--no-imagine") as app:
        app.wait_for("56 photos")
        app.send(b"something " + junk + b"red\r")
        app.wait_for("strong")
        app.send(QUIT)
        assert app.wait() == 0
    message = saved(library)[-1].dialogue.turns[0].answer
    assert message.startswith("something ") and message.endswith("red")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_ends_it_leaves_the_terminal_as_it_was(library: Path, number: int, code: int) -> None:
    with running("chat", "--library", library) as app:
        app.wait_for("56 photos")
        os.kill(app.process.pid, number)
        assert app.wait() == code
        for sequence in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l"):
            assert sequence in app.written


def test_ctrl_z_suspends_and_comes_back(library: Path) -> None:
    with running("chat", "--library", library) as app:
        app.wait_for("56 photos")
        app.send(b"\x1a")
        app.wait_for("\x1b[?1049l", "\x1b[?25h")
        assert os.WIFSTOPPED(os.waitpid(app.process.pid, os.WUNTRACED)[1])
        os.kill(app.process.pid, signal.SIGCONT)
        app.wait_for("\x1b[?1049h", "56 photos")
        app.send(b"something red\r")
        app.wait_for("message 1", "imagined")
        app.send(QUIT)
        assert app.wait() == 0


def test_an_error_in_the_app_itself_is_never_exit_code_0(library: Path) -> None:
    with running("chat", "--library", library, TEST_CRASH="1") as app:
        app.wait_for("56 photos")
        app.send(b"crash\r")
        assert app.wait() == 1
        assert b"dar: Unexpected error: a test's own" in app.written and b"Traceback" not in app.written
        assert b"\x1b[?1049l" in app.written
