"""Ctrl-C at any moment, kill -9, and two runs at once."""

from __future__ import annotations

import builtins
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dar_tui.cli import main
from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command
from tests.cli.searched import default_library, goes_on
from tests.cli.terminal import run_in_terminal


def started(*arguments: object, pause: str, **pipes: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own, whose encoder takes at least `pause` seconds."""
    environment = {**os.environ, "TEST_ENCODER_PAUSE": pause}
    process: subprocess.Popen[bytes] = subprocess.Popen(command(*arguments), cwd=REPOSITORY, env=environment, **pipes)
    return process


def interrupt_after(pattern: bytes, number: int = signal.SIGINT) -> Callable[[bytes, subprocess.Popen[bytes]], None]:
    """Sends a signal once the output shows the pattern."""
    sent: list[bool] = []

    def watch(written: bytes, process: subprocess.Popen[bytes]) -> None:
        if not sent and re.search(pattern, written):
            sent.append(True)
            process.send_signal(number)

    return watch


def test_ctrl_c_while_indexing_keeps_what_is_done(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 150)
    code, written = run_in_terminal(
        command("index", folder, "--workers", 1),
        cwd=REPOSITORY,
        watch=interrupt_after(rb"\+[1-9]\d"),
        TEST_ENCODER_PAUSE="0.02",
    )
    assert code == 130
    assert b"Interrupted." in written and b"Traceback" not in written
    goes_on(dar, folder, 150)


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.15, 0.3, 0.6])
def test_ctrl_c_at_any_moment_is_exit_130_without_a_traceback(dar: Dar, tmp_path: Path, moment: float) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 60)
    process = started("index", folder, pause="0.05", stderr=subprocess.PIPE)
    assert process.stderr is not None
    first = process.stderr.readline()
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 130
    assert b"Looking through" in first and b"Interrupted." in rest and b"Traceback" not in rest
    assert dar("library", "verify").code == 0
    assert dar("index", folder, "--json").json["photos"] == 60


def test_a_second_ctrl_c_does_not_wait(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 60)
    process = started("index", folder, "--batch-size", 8, pause="1", stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 130 and b"Traceback" not in rest
    assert dar("library", "verify").code == 0


def test_ctrl_c_while_the_command_itself_is_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def interrupted(name: str, *arguments: object, **options: object) -> object:
        if name == "dar_tui.cli.app":
            raise KeyboardInterrupt
        return importing(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert main(["--help"]) == 130


def test_ctrl_c_while_searching(dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indexer.library.Library.search", interrupted)
    done = dar("search", "red")
    assert done.code == 130 and done.out == b"" and "Traceback" not in done.err


def test_kill_9_while_indexing_loses_a_batch_at_most(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 300)
    process = started("index", folder, "--workers", 1, pause="0.01", stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    kept = 0
    while kept == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        shown = dar("library", "info", "--json")
        kept = shown.json["photos"] if shown.code == 0 else 0
    process.kill()
    process.wait()
    goes_on(dar, folder, 300)


def test_two_runs_at_once_name_the_other_and_leave_it_alone(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 100)
    process = started("index", folder, "--json", pause="0.05", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (default_library() / "writer.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    done = dar("index", folder)
    assert done.code == 1 and f"process {process.pid}" in done.err and done.err.count("\n") == 1
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and b'"added": 100' in out
