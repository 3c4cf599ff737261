"""Two indexers, ten searchers and a chat at once on one library, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command

SEARCHERS = 10
LATER = 400


def start(*arguments: object, pause: str = "0") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TEST_ENCODER_PAUSE": pause, "OMP_NUM_THREADS": "1"},
    )


def names(hits: list[dict[str, Any]]) -> set[str]:
    """Of all photos found, those that are folded into another's line too."""
    return {Path(each["path"]).name for hit in hits for each in (hit, *hit["similar"])}


def found(dar: Dar) -> set[str]:
    return names(dar("search", "red", "-k", 999, "--json").json["hits"])


@pytest.mark.usefixtures("indexed")
def test_two_indexers_ten_searchers_and_a_chat_at_once(dar: Dar, colours: Path, tmp_path: Path) -> None:
    before = found(dar)
    photos.folder_of(colours / "later", LATER, start=500)
    script = tmp_path / "script.txt"
    script.write_text("red\nno\nactually blue\n/like 1\n")
    # Slow enough to be at work, committing twice a second, while all others come and go; then it is interrupted.
    first = start("index", colours, "--batch-size", 4, "--workers", 1, pause="0.12")
    lock = Path(os.environ["DAR_HOME"]) / "libraries" / "default" / "writer.json"
    deadline = time.monotonic() + 60
    while not lock.exists() and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.02)
    second = start("index", colours)
    chat = start("chat", "--script", script, "--json", "--no-imagine")
    searchers = [start("search", "red", "-k", 999, "--json") for _ in range(SEARCHERS)]
    ended = [each.communicate(timeout=120) for each in (*searchers, chat, second)]
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=120)
    assert first.returncode in (0, 130), err.decode()

    known = before | {path.name for path in (colours / "later").iterdir()}
    for process, (out, complaints) in zip(searchers, ended, strict=False):
        assert process.returncode == 0, complaints.decode()
        hits = json.loads(out)["hits"]
        assert before <= names(hits) <= known and Path(hits[0]["path"]).name == "red.jpg"
        assert len({hit["path"] for hit in hits}) == len(hits)
        assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert second.returncode == 1 and f"process {first.pid}".encode() in ended[-1][1]
    turns = [json.loads(line) for line in ended[-2][0].splitlines()]
    assert chat.returncode == 0 and len(turns) == 4, ended[-2][1].decode()
    assert all(turn["hits"] for turn in turns) and Path(turns[0]["hits"][0]["path"]).name == "red.jpg"

    assert dar("library", "verify", "--deep").code == 0
    assert dar("index", colours, "--json").json["photos"] == len(known)
    assert found(dar) == known
