"""Streams that are closed: `dar` started without stdin, stdout or stderr."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import REPOSITORY, Dar, command


def run_with(redirections: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A `dar` of its own that a shell starts with its streams redirected so."""
    shell = ["sh", "-c", f'exec "$0" "$@" {redirections}', *command(*arguments)]
    return subprocess.run(shell, cwd=REPOSITORY, env=dict(os.environ), capture_output=True, timeout=120)


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_ends_nothing_and_spoils_nothing(dar: Dar, indexed: Path, redirections: str) -> None:
    done = run_with(redirections, "search", "red", "--paths", "-k", "1")
    assert done.returncode == 0 and done.stderr == b""
    assert (done.stdout == os.fsencode(indexed / "red.jpg") + b"\n") == (">&-" not in redirections.split())
    # A note in the catalog, which would have got the number of the missing stderr, is damage.
    (indexed / "broken.jpg").write_bytes(b"no photo")
    assert run_with(redirections, "index").returncode == 0
    assert dar("library", "verify", "--deep").code == 0


@pytest.mark.parametrize("arguments", [("chat",), ("chat", "--script", "-")])
def test_chat_without_stdin_says_nothing_unforeseen(indexed: Path, arguments: tuple[str, ...]) -> None:
    done = run_with("<&-", *arguments)
    assert done.returncode == (2 if arguments == ("chat",) else 0)
    assert b"Unexpected error" not in done.stderr and b"Traceback" not in done.stderr
