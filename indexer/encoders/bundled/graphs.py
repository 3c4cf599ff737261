"""The two ONNX graphs the bundled encoder runs on: made once from the backbones and our heads, then kept in the cache.

Knows when a graph is out of date (its folder is named by the hashes of all it was made from) and how to make it with
torch. Knows nothing of photos or texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from indexer.encoders import Notify
from indexer.encoders.bundled.backbones import LITE2, TEXT_FILES, BackboneFile, ImageBackbone, image_backbones
from indexer.errors import ModelUnavailable
from indexer.files import write_whole
from indexer.runtime import export_graph

# The integers every head file declares.
SIZES = ("dim", "visual_dim", "sentence_dim", "image_size", "max_text_tokens")

HEADS_FILE = Path(__file__).with_name("heads.safetensors")

# Raised by hand whenever the exported graphs change while backbones and heads do not.
GRAPH_VERSION = 2


@dataclass(frozen=True)
class Shape:
    """What a head file declares in its metadata: sizes, and the image backbones it stands on."""

    dim: int
    visual_dim: int
    sentence_dim: int
    image_size: int
    max_text_tokens: int
    backbones: tuple[ImageBackbone, ...] = (LITE2,)

    @property
    def files(self) -> tuple[BackboneFile, ...]:
        """The files of all backbones."""
        return (*(each.weights for each in self.backbones), *TEXT_FILES)


@dataclass(frozen=True)
class Retired:
    """Heads that shipped before: what their graphs were made from, so that those still in a cache can be found."""

    digest: str
    shape: Shape
    graph_version: int


# By the encoder's id. New heads add those they replace: libraries that have vectors of these are searched with the
# graphs in the cache until `dar index` has made vectors of the new ones.
RETIRED: dict[str, Retired] = {
    "bundled-4f3b474d842e": Retired(
        "4f3b474d842e861560b34bdbe83f2cfe178e1261a338d9dd99574a8bab9ed8ea", Shape(512, 512, 384, 260, 128), 2
    ),
}


class PreparedGraphs:
    """The prepared graphs under `cache`, made when first asked for; those of retired heads only if they are there.

    Raises ModelUnavailable where heads or backbones are missing or altered, or where the cache cannot be written.
    """

    def __init__(
        self,
        cache: Path,
        notify: Notify | None = None,
        heads: Path = HEADS_FILE,
        retired: Retired | None = None,
    ) -> None:
        self._heads = heads
        self._notify = notify or (lambda _line: None)
        self._retired = retired is not None
        self.shape, self.heads_digest = (retired.shape, retired.digest) if retired else read_heads(heads)
        version = retired.graph_version if retired else GRAPH_VERSION
        made_from = "\n".join([str(version), self.heads_digest, *(file.sha256 for file in self.shape.files)])
        self.folder = cache / f"bundled-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}"

    def image(self) -> Path:
        """Takes `pixels` (n, 260, 260, 3) uint8; gives `joint` (n, dim) and `visual` (n, visual_dim), unit float32."""
        return self._ready("image.onnx", _export_image_tower)

    def text(self) -> Path:
        """Takes `ids` (1, tokens) int64; gives `joint` (1, dim) and `sentence` (1, sentence_dim), unit float32."""
        return self._ready("text.onnx", _export_text_tower)

    def are_ready(self) -> bool:
        """Whether both graphs are in the cache, so that neither torch nor waiting is needed."""
        return all((self.folder / name).is_file() for name in ("image.onnx", "text.onnx"))

    def _ready(self, name: str, export: Callable[[Path, Path], None]) -> Path:
        path = self.folder / name
        if path.is_file():
            return path
        if self._retired:
            raise ModelUnavailable(
                f"The graph {path} of an earlier version of dar is gone.", "Run `dar index` to encode the photos again."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Two first runs at once would otherwise both spend the memory and the 20 seconds.
            with FileLock(self.folder / f"{name}.lock"):
                if not path.is_file():
                    self._notify(f"Preparing the bundled encoder's {path.stem} tower (once, about 15 seconds) ...")
                    write_whole(path, lambda target: export(self._heads, target))
        except OSError as error:
            raise ModelUnavailable(
                f"The prepared encoder cannot be written to {self.folder}: {error.strerror or error}.",
                "Free some space (110 MB) or set DAR_CACHE to a folder that can be written.",
            ) from error
        return path


def read_heads(path: Path) -> tuple[Shape, str]:
    from safetensors import SafetensorError, safe_open

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
        sizes = {field: int(metadata[field]) for field in SIZES}
        return Shape(**sizes, backbones=image_backbones(metadata)), digest
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelUnavailable(
            f"The bundled encoder's heads {path} cannot be read: {error}.", "Install dar again."
        ) from error


def _export_image_tower(heads: Path, target: Path) -> None:
    import torch

    from indexer.encoders.bundled.towers import load_image_tower

    tower = load_image_tower(heads)
    side = read_heads(heads)[0].image_size
    pixels = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    export_graph(tower, pixels, target, "pixels", ["joint", "visual"], {0: torch.export.Dim("n")})


def _export_text_tower(heads: Path, target: Path) -> None:
    import torch

    from indexer.encoders.bundled.towers import load_text_tower

    ids = torch.ones((1, 8), dtype=torch.int64)
    longest = read_heads(heads)[0].max_text_tokens
    export_graph(
        load_text_tower(heads), ids, target, "ids", ["joint", "sentence"], {1: torch.export.Dim("tokens", max=longest)}
    )
