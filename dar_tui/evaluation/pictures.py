"""The pictures of a benchmark's dialogues: given in a folder, or drawn into one and found there after an interruption.

Both folders have one form: `{dialogue}_{turn}.jpg`, or `{dialogue}_{turn}_{k}.png` for several; where a generator gives
the vector itself, `{dialogue}_{turn}_{k}.npy` with that. Knows neither fusion nor ranks.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dar_tui.cancellation import never
from dar_tui.evaluation.datasets import BadBenchmark, Case, TurnWords, seed_of
from dar_tui.fusion.evidence import QueryEncoder
from dar_tui.imagine import ConditionedGenerator, Conditions, Generator, Imagined
from dar_tui.imagine.cache import Origin, save_png
from indexer.encoders import Encoder, fastest_batch
from indexer.errors import DarError, UnreadablePhoto
from indexer.files import make_private_folder, write_atomically
from indexer.photos.photo import open_photo
from indexer.printable import visible
from indexer.store.disk import disk_errors_named

if TYPE_CHECKING:
    from PIL import Image

Vectors = NDArray[np.float32]

_NAME = re.compile(r"(?P<dialogue>\d+)_(?P<turn>\d+)(?:_(?P<k>\d+))?\.(?:jpe?g|png|webp|npy)", re.IGNORECASE)


class Pictures(Protocol):
    """Where a case's pictures come from."""

    @property
    def digest(self) -> str:
        """What names these pictures among others."""
        ...

    def vectors(self, case: Case, words: Sequence[TurnWords]) -> list[list[Vectors]]:
        """For each turn its pictures' unit vectors in the encoder's picture space. Raises DarError."""
        ...


@dataclass(frozen=True, eq=False)
class GivenPictures:
    """Pictures that someone else drew."""

    folder: Path
    encoder: Encoder
    _files: Mapping[tuple[int, int], tuple[Path, ...]] = field(default_factory=dict)

    @classmethod
    def check(cls, folder: Path, encoder: Encoder, cases: Sequence[Case]) -> GivenPictures:
        """Raises BadBenchmark for the first turn that has no picture."""
        files = files_in(folder)
        for case in cases:
            for turn in range(len(case.texts)):
                if (case.number, turn) not in files:
                    name = f"{case.number}_{turn}.jpg or {case.number}_{turn}_0.png"
                    raise BadBenchmark(
                        f"{visible(folder)}: entry {case.number}: turn {turn} has no picture, {name}.",
                        "Draw it, or let dar draw with --imagine.",
                    )
        return cls(folder, encoder, files)

    @property
    def digest(self) -> str:
        stats = [
            (path.name, path.stat().st_size, path.stat().st_mtime_ns) for each in self._files.values() for path in each
        ]
        return hashlib.sha256(json.dumps(sorted(stats)).encode()).hexdigest()

    def vectors(self, case: Case, words: Sequence[TurnWords]) -> list[list[Vectors]]:
        """As `Pictures`; of every picture in the folder."""
        paths = [(turn, path) for turn in range(len(words)) for path in self._files[case.number, turn]]
        return _by_turn(len(words), [turn for turn, _ in paths], seen(self.encoder, [path for _, path in paths]))


@dataclass(frozen=True, eq=False)
class DrawnPictures:
    """Pictures drawn as they are needed, K a turn, and kept in a folder below `cache`."""

    cache: Path
    encoder: Encoder
    generator: Generator | ConditionedGenerator
    k: int
    seed: int
    """Whose dialogues these are: the digest of the files they come from."""
    source: str

    @property
    def digest(self) -> str:
        conditioned = self.encoder.id if isinstance(self.generator, ConditionedGenerator) else ""
        parts = [self.generator.id, asdict(self.generator.recipe), self.k, self.seed, self.source, conditioned]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where they are kept; `--generated` reads it as well, unless it holds vectors."""
        return self.cache / f"pictures-{self.digest[:24]}"

    def vectors(self, case: Case, words: Sequence[TurnWords]) -> list[list[Vectors]]:
        """As `Pictures`; draws what is not there. A turn in which nothing is wanted has none."""
        with disk_errors_named(self.folder, "folder"):
            make_private_folder(self.folder)
            if isinstance(self.generator, ConditionedGenerator):
                return self._from_vectors(self.generator, case, words)
            return self._from_prompts(self.generator, case, words)

    def _from_vectors(
        self, generator: ConditionedGenerator, case: Case, words: Sequence[TurnWords]
    ) -> list[list[Vectors]]:
        reader = QueryEncoder(self.encoder)
        places = [(turn, k) for turn, said in enumerate(words) for k in range(len(said.prompts))]
        paths = [self._path(case, turn, k, "npy") for turn, k in places]
        if not all(path.exists() for path in paths):
            # All turns in one batch, which is several times as fast; and all again where one is missing, since what is
            # drawn in another batch differs in the last digit.
            wanted: list[Conditions] = []
            for said in words:
                if said.prompts:
                    wanted += [reader.conditions(said.wants)] * len(said.prompts)
            prompts = [prompt for said in words for prompt in said.prompts]
            seeds = [seed_of(self.seed, case.number, turn, k) for turn, k in places]
            for imagined in generator.generate_from(wanted, prompts, seeds, _unseen, never):
                buffer = io.BytesIO()
                np.save(buffer, reader.picture(imagined).astype(np.float32), allow_pickle=False)
                write_atomically(paths[seeds.index(imagined.seed)], buffer.getvalue())
        there = [(turn, path) for (turn, _), path in zip(places, paths, strict=True) if path.exists()]
        return _by_turn(len(words), [turn for turn, _ in there], [_load(path) for _, path in there])

    def _from_prompts(self, generator: Generator, case: Case, words: Sequence[TurnWords]) -> list[list[Vectors]]:
        wanted = {
            (turn, k): (prompt, seed_of(self.seed, case.number, turn, k))
            for turn, said in enumerate(words)
            for k, prompt in enumerate(said.prompts)
        }
        missing = {place: asked for place, asked in wanted.items() if not self._path(case, *place, "png").exists()}
        places = {asked: place for place, asked in missing.items()}
        # All turns at once, so that the generator can fill its batches.
        asked = list(missing.values())
        for imagined in generator.generate(
            [prompt for prompt, _ in asked], [seed for _, seed in asked], _unseen, never
        ):
            self._keep(self._path(case, *places[imagined.prompt, imagined.seed], "png"), imagined, generator)
        there = [(turn, path) for turn, k in wanted if (path := self._path(case, turn, k, "png")).exists()]
        return _by_turn(len(words), [turn for turn, _ in there], seen(self.encoder, [path for _, path in there]))

    def _keep(self, path: Path, imagined: Imagined, generator: Generator) -> None:
        save_png(imagined.image, path, Origin(generator.id, imagined.prompt, imagined.seed, generator.recipe))

    def _path(self, case: Case, turn: int, k: int, suffix: str) -> Path:
        return self.folder / f"{case.number}_{turn}_{k}.{suffix}"


def files_in(folder: Path) -> dict[tuple[int, int], tuple[Path, ...]]:
    """The pictures of a folder by (dialogue, turn), in the order of k. Raises BadBenchmark where it is no folder."""
    if not folder.is_dir():
        raise BadBenchmark(f"{visible(folder)}: it is not a folder.", "Give the folder with the pictures.")
    found: dict[tuple[int, int], list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match and path.suffix.lower() != ".npy":
            k = int(match["k"]) if match["k"] else 0
            found.setdefault((int(match["dialogue"]), int(match["turn"])), []).append((k, path))
    return {place: tuple(path for _, path in sorted(paths)) for place, paths in found.items()}


def seen(encoder: Encoder, paths: Sequence[Path]) -> list[Vectors]:
    """Each picture as the encoder sees it, in its picture space. Raises BadBenchmark for one that cannot be read."""
    found: list[Vectors] = []
    size = fastest_batch(encoder)
    for start in range(0, len(paths), size):
        embeddings = encoder.encode_images([_open(path, encoder.image_size) for path in paths[start : start + size]])
        found += list(embeddings.joint if embeddings.visual is None else embeddings.visual)
    return found


def _open(path: Path, side: int) -> Image.Image:
    try:
        return open_photo(path, side).image
    except UnreadablePhoto as error:
        raise BadBenchmark(f"{visible(path)}: it cannot be read: {error.message}.", "Draw it again.") from error


def _by_turn(turns: int, of: Sequence[int], vectors: Sequence[Vectors]) -> list[list[Vectors]]:
    found: list[list[Vectors]] = [[] for _ in range(turns)]
    for turn, vector in zip(of, vectors, strict=True):
        found[turn].append(vector)
    return found


def _load(path: Path) -> Vectors:
    try:
        vector: Vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DarError(f"{visible(path)} cannot be read: {error}.", "Delete it; it will be drawn again.") from error
    return vector


def _unseen(k: int, step: int, steps: int) -> None:
    """Nobody watches a picture of a benchmark."""
