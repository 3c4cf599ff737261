"""Decoders' processes: kept for the next photo, ended after a bad one, and nothing of theirs left when dar is done."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from indexer.errors import UnreadablePhoto
from indexer.photos.decoders import Decoders, UnknownKind

# Answers with its process and what it was given; bad files and long ones do what they say.
PROGRAM = """
import os, time
from indexer.photos.decoders import serve

def answer(arguments, file):
    content = file.read()
    os.write(1, b"noise on stdout")
    os.write(2, b"noise on stderr")
    if content.startswith(b"error "):
        return {"error": content[6:].decode(), "text": "words"}, b""
    if content == b"crash":
        os.abort()
    if content == b"memory":
        return {}, bytes(8 << 30)
    return {"process": os.getpid(), "arguments": arguments}, content[::-1]

serve(answer)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with Decoders() as made:
        yield made


def process_of(decoders: Decoders, program: Path, content: bytes = b"a photo") -> int:
    told, data = decoders.decode(program, ["x", "1"], io.BytesIO(content))
    assert told["arguments"] == ["x", "1"] and data == content[::-1]
    return int(told["process"])


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_process_decodes_many_files_of_any_length(decoders: Decoders, program: Path) -> None:
    long = bytes(range(256)) * 20_000
    assert len({process_of(decoders, program, content) for content in (b"", b"a", long, b"b")}) == 1


def test_the_file_is_read_from_its_beginning_and_left_there(decoders: Decoders, program: Path) -> None:
    file = io.BytesIO(b"photo")
    file.seek(3)
    assert decoders.decode(program, [], file)[1] == b"otohp" and file.tell() == 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"error damaged", "is damaged: words"),
        (b"error short", "ends early (truncated)"),
        (b"error large", "is too large to open safely: words"),
        (b"crash", "is damaged: its decoder crashed"),
        pytest.param(
            b"memory",
            "is damaged: its decoder crashed",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux is sure to limit memory"),
        ),
    ],
)
def test_a_bad_file_is_refused_and_its_process_not_used_again(
    decoders: Decoders, program: Path, capfd: pytest.CaptureFixture[str], content: bytes, expected: str
) -> None:
    before = process_of(decoders, program)
    with pytest.raises(UnreadablePhoto) as caught:
        decoders.decode(program, [], io.BytesIO(content))
    assert caught.value.message == expected and not is_alive(before)
    assert process_of(decoders, program) != before
    assert capfd.readouterr() == ("", "")


def test_a_kind_nobody_knows_can_be_told_from_damage(decoders: Decoders, program: Path) -> None:
    with pytest.raises(UnknownKind):
        decoders.decode(program, [], io.BytesIO(b"error unknown"))


def test_a_process_that_somebody_ended_costs_no_photo(decoders: Decoders, program: Path) -> None:
    before = process_of(decoders, program)
    os.kill(before, signal.SIGKILL)
    # Until it is gone its stdin still takes what is written.
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert process_of(decoders, program) != before


def test_each_thread_has_a_process_and_none_is_left(program: Path) -> None:
    together = Barrier(3)

    class Slow(io.BytesIO):
        """Held until every thread is decoding."""

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                together.wait(timeout=60)
            return super().read(size)

    def decode(number: int) -> int:
        told, data = decoders.decode(program, [], Slow(b"%d" % number))
        assert data == b"%d" % number
        return int(told["process"])

    with Decoders() as decoders, ThreadPoolExecutor(3) as threads:
        processes = set(threads.map(decode, range(3)))
        assert len(processes) == 3 and all(map(is_alive, processes))
    assert not any(map(is_alive, processes))
