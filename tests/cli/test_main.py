"""The edge: help, version, exit codes, one-line errors, tracebacks only when asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dar_tui.cli import main
from tests.cli.conftest import REPOSITORY, Dar
from tests.cli.terminal import run_in_terminal


@pytest.mark.parametrize(
    "arguments",
    [(), ("index",), ("search",), ("doctor",), ("library",), ("library", "verify"), ("config",), ("config", "set")],
)
def test_every_command_explains_itself(dar: Dar, arguments: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        done = dar(*arguments, flag)
        assert done.code == 0 and done.text.startswith("Usage: dar") and done.err == ""
        assert max(map(len, done.text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "position", "offered"), [("dar lib", 1, "library"), ("dar index --iex", 2, "--iexclude")]
)
def test_a_shell_is_offered_commands_and_options(words: str, position: int, offered: str) -> None:
    asked = {"_DAR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    script = "from dar_tui.cli import main; raise SystemExit(main())"
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == [offered] and done.stderr == ""


def test_completion_can_be_installed(dar: Dar) -> None:
    done = dar("--help")
    assert "--install-completion" in done.text and "--show-completion" in done.text


def test_version_is_the_packages(dar: Dar) -> None:
    from importlib.metadata import version

    assert dar("--version").text == f"dar {version('dar')}\n"


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("search", "--nonsense"), ("config", "set"), ("search", "-k", "0")]
)
def test_usage_errors_are_exit_2_on_stderr(dar: Dar, arguments: tuple[str, ...]) -> None:
    done = dar(*arguments)
    assert done.code == 2 and done.out == b"" and "Error: " in done.err


def test_an_error_is_one_line_with_what_to_do_and_a_traceback_only_when_asked(dar: Dar, tmp_path: Path) -> None:
    done = dar("search", "red", "--library", tmp_path / "none")
    assert done.code == 3
    assert done.err == f"dar: There is no library at {tmp_path / 'none'}. Run `dar index FOLDER` to make one.\n"
    for arguments in (("--verbose", "search", "red"), ("search", "red", "--verbose")):
        loud = dar(*arguments, "--library", tmp_path / "none")
        assert loud.code == 3 and "Traceback" in loud.err and "LibraryNotFound" in loud.err


def test_an_error_nobody_foresaw_is_one_line_too(dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("surprise\x1b[31m")

    monkeypatch.setattr("indexer.library.Library.search", broken)
    done = dar("search", "red")
    assert (
        done.code == 1 and done.err.count("\n") == 1 and "ValueError: surprise" in done.err and "--verbose" in done.err
    )
    assert "\x1b" not in done.err and "Traceback" in dar("search", "red", "--verbose").err


def test_ctrl_c_before_anything_begins_is_exit_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dar_tui.cli.state.State.open_library", interrupted)
    assert main(["search", "red"]) == 130


def test_the_script_is_installed() -> None:
    script = Path(sys.executable).with_name("dar")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("dar ")


def test_help_in_a_small_terminal_has_no_escapes() -> None:
    code, written = run_in_terminal([sys.executable, "-m", "dar_tui.cli", "--help"], cwd=REPOSITORY, columns=40)
    assert code == 0 and b"\x1b" not in written
