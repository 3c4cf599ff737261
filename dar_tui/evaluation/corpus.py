"""The photos that are searched among, as vectors: encoded once, kept on disk, resumed after an interruption.

Vectors are appended batch by batch in the order of the photos; what counts is the rows that all files hold whole. Knows
no dialogues and no scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL, Encoder, fastest_batch
from indexer.errors import DarError, UnreadablePhoto
from indexer.files import make_private_folder
from indexer.photos.photo import open_photo
from indexer.printable import visible
from indexer.store.disk import disk_errors_named

if TYPE_CHECKING:
    from indexer.encoders import Pixels

Vectors = NDArray[np.float32]
# (photos done, photos in all).
OnProgress = Callable[[int, int], None]

_DECODERS = 2
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class SpaceMoments:
    """Mean (dim,) and covariance (dim, dim) of vectors: enough for the spread of any query's products with them."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Vectors) -> SpaceMoments:
        """Over all rows, in blocks."""
        total = np.zeros(vectors.shape[1])
        squares = np.zeros((vectors.shape[1], vectors.shape[1]))
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float64)
            total += block.sum(axis=0)
            squares += block.T @ block
        mean = total / len(vectors)
        return cls(mean, squares / len(vectors) - np.outer(mean, mean))

    def deviation(self, vector: Vectors) -> float:
        """The standard deviation of the vector's products with all rows."""
        wide = vector.astype(np.float64)
        return float(np.sqrt(np.maximum(wide @ self.covariance @ wide, 0.0)))


@dataclass(frozen=True, eq=False)
class Corpus:
    """(n, dim) `joint` and (n, visual_dim) `visual` unit vectors of the same photos; no visual ones for an encoder that
    has no such space."""

    joint: Vectors
    visual: Vectors | None = None

    @property
    def picture_space(self) -> str:
        """Where pictures are compared with photos."""
        return JOINT if self.visual is None else VISUAL

    def vectors(self, space: str) -> Vectors:
        """The matrix of a space."""
        return self.joint if space == JOINT or self.visual is None else self.visual

    @cached_property
    def both(self) -> Vectors:
        """(n, dim + visual_dim): a product with it is the sum of the products in both spaces."""
        return self.joint if self.visual is None else np.concatenate([self.joint, self.visual], axis=1)

    @cached_property
    def moments(self) -> dict[str, SpaceMoments]:
        """By space."""
        spaces = (JOINT,) if self.visual is None else (JOINT, VISUAL)
        return {space: SpaceMoments.of(self.vectors(space)) for space in spaces}


def encode_corpus(
    paths: Sequence[Path], encoder: Encoder, cache: Path, on_progress: OnProgress = lambda done, total: None
) -> Corpus:
    """The photos' vectors, those that were encoded before read from a folder below `cache`.

    The folder is named by encoder, paths, sizes and times of change. Raises DarError for a photo that cannot be read: a
    benchmark without one of its photos is another benchmark.
    """
    stats = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    key = hashlib.sha256(json.dumps([encoder.id, stats]).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    folder = cache / f"corpus-{key}"
    dims = {JOINT: encoder.dim} | ({VISUAL: encoder.visual_dim} if encoder.visual_dim else {})
    files = {space: folder / f"{space}.f32" for space in dims}
    with disk_errors_named(folder, "folder"):
        make_private_folder(folder)
        done = min(_rows(files[space], dim) for space, dim in dims.items())
        with ExitStack() as stack:
            outputs = {space: stack.enter_context(file.open("ab")) for space, file in files.items()}
            for space, output in outputs.items():
                # What one file holds more than another is of an interrupted batch.
                output.truncate(done * dims[space] * 4)
            on_progress(done, len(paths))
            for batch in _prepared(paths[done:], encoder):
                found = encoder.encode_prepared(batch)
                for space, vectors in ((JOINT, found.joint), (VISUAL, found.visual)):
                    if space in outputs and vectors is not None:
                        outputs[space].write(np.ascontiguousarray(vectors, np.float32).tobytes())
                done += len(batch)
                on_progress(done, len(paths))
    joint, visual = (_mapped(files[space], dims[space]) if space in dims else None for space in (JOINT, VISUAL))
    if joint is None:
        raise RuntimeError("Every encoder has a joint space.")
    return Corpus(joint, visual)


def _prepared(paths: Sequence[Path], encoder: Encoder) -> Iterator[list[Pixels]]:
    def prepare(path: Path) -> Pixels:
        try:
            return encoder.prepare(open_photo(path, encoder.image_size).image)
        except UnreadablePhoto as error:
            raise DarError(f"{visible(path)} cannot be read: {error.message}.", "Get this photo again.") from error

    with ThreadPoolExecutor(_DECODERS, thread_name_prefix="dar-corpus") as pool:
        ahead = None
        size = fastest_batch(encoder)
        for start in range(0, len(paths), size):
            # One batch is decoded while another is encoded.
            waiting = [pool.submit(prepare, path) for path in paths[start : start + size]]
            if ahead is not None:
                yield [future.result() for future in ahead]
            ahead = waiting
        if ahead is not None:
            yield [future.result() for future in ahead]


def _rows(file: Path, dim: int) -> int:
    return file.stat().st_size // (4 * dim) if file.exists() else 0


def _mapped(file: Path, dim: int) -> Vectors:
    return np.memmap(file, np.float32, "r").reshape(-1, dim)
