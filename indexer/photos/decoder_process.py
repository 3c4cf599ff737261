"""What a decoder's process and dar say to each other, and the process's own loop.

A request: a line of JSON, the arguments; the file in pieces, four bytes with its length before each; an empty piece.
A reply: a line of JSON, whose "bytes" is the length of what follows it. Knows Python's own library and nothing of dar.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, BinaryIO

_PIECE_BYTES = 1 << 20
_LENGTH = struct.Struct(">I")
# The largest photo that is decoded takes 440 MB, its file 400 MB, and decoders hold the picture two or three times.
_MEMORY_BYTES = 4 << 30

Told = dict[str, object]


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
    told = json.loads(line)
    return told, _exactly(stream, told["bytes"])


def serve(answer: Callable[[Sequence[str], BinaryIO], tuple[Told, bytes]]) -> None:
    """Answers requests from stdin until it ends.

    `answer` gets the arguments and the file; it returns the line, as a dict, and the bytes.
    """
    _limit_memory()
    replies = _private_stdout()
    while line := sys.stdin.buffer.readline():
        told, data = answer(json.loads(line), _read_file(sys.stdin.buffer))
        replies.write(json.dumps({**told, "bytes": len(data)}).encode() + b"\n")
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
