"""Pickled weights into safetensors, once: for models that are published in no other form.

A pickle is opened with PyTorch's `weights_only`, which builds tensors and runs nothing, and that in a process of its
own, which has none of this one's secrets in its environment. What comes out lies beside the original; a record keeps
both files' digests. Knows nothing of any one architecture.

`python -m indexer.encoders.conversion SOURCE TARGET ...` is that process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from indexer.errors import DarError, ModelUnavailable
from indexer.files import write_atomically, write_whole
from indexer.runtime import first_line

PICKLED = ".bin"
# Beside what was converted: by each new file's name its own SHA-256, the original's name, and the original's SHA-256.
RECORD = "converted.json"

_INDEX = ".index.json"
# transformers' names; diffusers and open_clip call both forms alike.
_TRANSFORMERS = re.compile(r"pytorch_model(?=[.-])")
# 7 billion parameters take a minute; a file that takes this long is none.
_SECONDS = 1800
_ROOT = Path(__file__).parents[2]
# Neither tokens nor anything else that a crafted file could be after.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")


def safe_name(name: str) -> str:
    """What the safetensors form of a file of pickled weights, or of an index of several, is called."""
    plain = _TRANSFORMERS.sub("model", name) if name.startswith("pytorch_model") else name
    return plain.replace(PICKLED, ".safetensors")


def is_pickled(name: str) -> bool:
    """Whether a file is called as pickled weights are, or as their index."""
    return name.endswith((PICKLED, PICKLED + _INDEX)) and "training_args" not in name


def as_safetensors(sources: Iterable[Path], *, check: bool = False) -> list[Path]:
    """The safetensors forms of files of pickled weights, beside them; those that are not there yet are made.

    With `check`, those made before are compared with their record, and made again where they differ. Raises
    ModelUnavailable where a file holds more than weights, or its folder cannot be written.
    """
    targets = {source: source.with_name(safe_name(source.name)) for source in sources}
    missing = {}
    for source, target in targets.items():
        if source.name.endswith(_INDEX):
            if not target.exists():
                _convert_index(source, target)
        elif not target.exists() or (check and _differs(source, target)):
            missing[source] = target
    if missing:
        _convert(missing)
    return list(targets.values())


def _differs(source: Path, target: Path) -> bool:
    """Whether a file that was made here is no longer what its record says."""
    record = _record(target.parent).get(target.name)
    return record is not None and record != _digests(source, target)


def _record(folder: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _digests(source: Path, target: Path) -> dict[str, str]:
    return {"sha256": _sha256(target), "from": source.name, "from_sha256": _sha256(source)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(targets: Mapping[Path, Path]) -> None:
    _in_own_process([str(path) for pair in targets.items() for path in pair])
    for source, target in targets.items():
        record = _record(target.parent) | {target.name: _digests(source, target)}
        write_atomically(target.with_name(RECORD), json.dumps(record, indent=1).encode())


def _in_own_process(paths: Sequence[str]) -> None:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), environment.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, *paths],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(f"{paths[0]} takes too long to read as weights.") from error
    if done.returncode:
        lines = done.stdout.decode(errors="replace").splitlines()
        message, hint = (*lines, "", "")[:2]
        raise ModelUnavailable(message or f"{paths[0]} cannot be read as weights: its reader crashed.", hint)


def _convert_index(index: Path, target: Path) -> None:
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        content["weight_map"] = {name: safe_name(file) for name, file in content["weight_map"].items()}
        write_atomically(target, json.dumps(content, indent=1).encode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{index} is no index of weights that can be converted.") from error


def convert_file(source: Path, target: Path) -> None:
    """Reads a pickle's tensors and writes them as safetensors, whole or not at all.

    Raises ModelUnavailable for more than weights, and where the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from indexer.encoders.weights import read_tensors

    seen: set[int] = set()
    tensors = {}
    for name, tensor in read_tensors(source).items():
        # Tied weights are one storage under two names, and views share one: safetensors stores each by itself.
        storage = tensor.untyped_storage()
        whole = tensor.is_contiguous() and storage.nbytes() == tensor.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        tensors[name] = tensor if whole else tensor.contiguous().clone()
    try:
        write_whole(target, lambda temporary: save_file(tensors, temporary, metadata={"format": "pt"}))
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(
            f"{source} is a pickle, and its safetensors form cannot be written beside it: {first_line(error)}.",
            "Make the folder writable or free some space, once; or copy the folder.",
        ) from error


def _main(paths: Sequence[str]) -> int:
    try:
        for source, target in zip(paths[::2], paths[1::2], strict=True):
            convert_file(Path(source), Path(target))
    except DarError as error:
        print(error.message)
        print(error.hint)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
