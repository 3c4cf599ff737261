"""Decoders that run in a process of their own: C and C++ that crashes on damaged files, and prints.

A decoder's program reads the file from its stdin and writes a line of JSON, then bytes. Knows no format. What a process
costs, 0.12 to 0.2 s of processor time a file, buys that a file which crashes its decoder is one line in the problems.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from indexer.errors import UnreadablePhoto
from indexer.printable import stripped

# The largest photos take seconds; a file that takes longer is made to.
_SECONDS = 120


class UnknownKind(UnreadablePhoto):
    """The decoder does not know this kind of file."""


def decode_apart(program: Path, arguments: list[str], file: BinaryIO) -> tuple[Mapping[str, Any], bytes]:
    """What the program says of the file, which must be one of the system's, and the bytes after it.

    Raises UnreadablePhoto where it crashed, takes too long, or gave an "error": "unknown" (UnknownKind), "short",
    "large" or "damaged", with a "text".
    """
    # The program shares the file's place, which `file` counts on to be where it left it.
    descriptor = file.fileno()
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(program), *arguments],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            # Ctrl-C is for dar, which ends in its own time; a file is not broken because its reader was interrupted.
            process_group=0,
        )
    except subprocess.TimeoutExpired:
        raise UnreadablePhoto("takes too long to read") from None
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    if done.returncode:
        raise UnreadablePhoto("is damaged: its decoder crashed")
    line, _, data = done.stdout.partition(b"\n")
    told = json.loads(line)
    if "error" not in told:
        return told, data
    text = stripped(told["text"], limit=100)
    match told["error"]:
        case "unknown":
            raise UnknownKind("is of a kind that its decoder does not know")
        case "short":
            raise UnreadablePhoto("ends early (truncated)")
        case "large":
            raise UnreadablePhoto(f"is too large to open safely: {text}" if text else "is too large to open safely")
        case _:
            raise UnreadablePhoto(f"is damaged: {text}" if text else "is damaged")
