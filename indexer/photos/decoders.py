"""Decoders that run in processes of their own: C and C++ that crashes on damaged files, and prints.

Each process is kept for the next file, since to start one takes longer than many a photo (0.12 to 0.2 s of processor
time). Both ends of the pipe are here, dar's and the process's own loop (`serve`); knows no format.

A request: a line of JSON, the arguments; the file in pieces, four bytes with its length before each; an empty piece.
A reply: a line of JSON, whose "bytes" is the length of what follows it.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Timer
from typing import IO, Any, BinaryIO

from indexer.errors import UnreadablePhoto
from indexer.printable import stripped

_PIECE_BYTES = 1 << 20
_LENGTH = struct.Struct(">I")
# The largest photo that is decoded takes 440 MB, its file 400 MB, and decoders hold the picture two or three times.
_MEMORY_BYTES = 4 << 30

Reply = dict[str, object]
# The largest photos take seconds; a file that takes longer is made to.
_SECONDS = 120
# How long a process that has nothing to do may take to end.
_GOODBYE_SECONDS = 5
_ROOT = Path(__file__).parents[2]

Process = subprocess.Popen[bytes]


def write_request(stream: IO[bytes], arguments: Sequence[str], file: BinaryIO) -> None:
    """Sends the rest of the file, however long it is by now. Raises BrokenPipeError."""
    stream.write(json.dumps(list(arguments)).encode() + b"\n")
    while piece := file.read(_PIECE_BYTES):
        stream.write(_LENGTH.pack(len(piece)) + piece)
    stream.write(_LENGTH.pack(0))
    stream.flush()


def read_reply(stream: IO[bytes]) -> tuple[Mapping[str, Any], bytes]:
    """Raises EOFError where it ends early, JSONDecodeError where it is no reply."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    reply = json.loads(line)
    return reply, _exactly(stream, reply["bytes"])


def serve(answer: Callable[[Sequence[str], BinaryIO], tuple[Reply, bytes]]) -> None:
    """Answers requests from stdin until it ends.

    `answer` gets the arguments and the file; it returns the line, as a dict, and the bytes.
    """
    _limit_memory()
    replies = _private_stdout()
    while line := sys.stdin.buffer.readline():
        reply, data = answer(json.loads(line), _read_file(sys.stdin.buffer))
        replies.write(json.dumps({**reply, "bytes": len(data)}).encode() + b"\n")
        replies.write(data)
        replies.flush()


def _read_file(stream: IO[bytes]) -> BinaryIO:
    content = io.BytesIO()
    while length := _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]:
        content.write(_exactly(stream, length))
    content.seek(0)
    return content


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _private_stdout() -> BinaryIO:
    """What was stdout, which no decoder can print to any more."""
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return replies


def _limit_memory() -> None:
    # A crafted file must end its decoder, not the user's desktop. Windows has no such limit, macOS may refuse one.
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


class UnknownKind(UnreadablePhoto):
    """The decoder does not know this kind of file."""


class Decoders:
    """A context manager that ends them all. Safe to use from many threads, each of which gets a process of its own."""

    def __init__(self) -> None:
        self._idle: dict[Path, list[Process]] = defaultdict(list)
        self._lock = Lock()

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        for processes in self._idle.values():
            while processes:
                _end(processes.pop())

    def decode(self, program: Path, arguments: Sequence[str], file: BinaryIO) -> tuple[Mapping[str, Any], bytes]:
        """What the program says of the file, and the bytes after it. Leaves the file at its beginning.

        Raises UnreadablePhoto where it crashed, takes too long, or gave an "error": "unknown" (UnknownKind), "short",
        "large" or "damaged", with a "text".
        """
        process = self._taken(program)
        answered = False
        try:
            reply, data = _asked(process, arguments, file)
            answered = "error" not in reply
        finally:
            # One that met a damaged file is not asked again: what that did to its memory could show in the next photo.
            if answered:
                with self._lock:
                    self._idle[program].append(process)
            else:
                _end(process, at_once=True)
        if not answered:
            raise _refusal(str(reply["error"]), stripped(str(reply["text"]), limit=100))
        return reply, data

    def _taken(self, program: Path) -> Process:
        while True:
            with self._lock:
                idle = self._idle[program]
                process = idle.pop() if idle else None
            if process is None:
                return _started(program)
            if process.poll() is None:
                return process
            _end(process)


def _started(program: Path) -> Process:
    # The directory that dar was imported from, which need not be one that Python looks into by itself.
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-P", str(program)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for dar, which ends in its own time; a file is not broken because its reader was interrupted.
        process_group=0,
    )


def _asked(process: Process, arguments: Sequence[str], file: BinaryIO) -> tuple[Mapping[str, Any], bytes]:
    """Raises UnreadablePhoto if the process ends without an answer, or is ended because it takes too long."""
    assert process.stdin is not None and process.stdout is not None
    late = Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = Timer(_SECONDS, stop)
    timer.daemon = True
    timer.start()
    file.seek(0)
    try:
        write_request(process.stdin, arguments, file)
        return read_reply(process.stdout)
    except (BrokenPipeError, EOFError, json.JSONDecodeError):
        reason = "takes too long to read" if late.is_set() else "is damaged: its decoder crashed"
        raise UnreadablePhoto(reason) from None
    finally:
        timer.cancel()
        file.seek(0)


def _end(process: Process, *, at_once: bool = False) -> None:
    if at_once:
        process.kill()
    # Which also closes its stdin: it has been asked to end.
    try:
        process.communicate(timeout=_GOODBYE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _refusal(error: str, text: str) -> UnreadablePhoto:
    match error:
        case "unknown":
            return UnknownKind("is of a kind that its decoder does not know")
        case "short":
            return UnreadablePhoto("ends early (truncated)")
        case "large":
            return UnreadablePhoto(f"is too large to open safely: {text}" if text else "is too large to open safely")
        case _:
            return UnreadablePhoto(f"is damaged: {text}" if text else "is damaged")
