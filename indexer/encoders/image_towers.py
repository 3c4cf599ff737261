"""Image towers that run: stacked pixels in, unit vectors out, on PyTorch or on ONNX Runtime.

Knows nothing of families or of how photos are prepared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from indexer.encoders.onnx_graphs import export_graph, open_graph, write_whole
from indexer.errors import ModelUnavailable
from indexer.lone_threads import lone_threads

if TYPE_CHECKING:
    from indexer.encoders import Notify, Vectors
    from indexer.encoders.backends import Backend
    from indexer.encoders.family import Colour, Family

# Stacked pixels (n, side, side, 3) uint8 to unit vectors (n, dim) float32.
ImageTower = Callable[[NDArray[np.uint8]], "Vectors"]

# Raised by hand whenever a tower exports to another graph though its weights are the same.
_GRAPH_VERSION = 1
# A graph is one protobuf message, which can be no longer than 2 GB.
_LARGEST_GRAPH = 1_900_000_000


class PixelTower(nn.Module):
    """A family's image tower with the arithmetic around it: (n, side, side, 3) uint8 to unit vectors (n, dim) fp32."""

    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module, mean: Colour, std: Colour) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        # Permuted and not copied, pixels are channels-last to PyTorch, and convolutions keep them so: CLIP's RN50 does
        # 7.2 images for a second of one core where contiguous channels do 5.9 (fp32), 14.6 where they do 11.5 (bf16).
        # Division before subtraction, as in torchvision's ToTensor and Normalize, so that the bits are the same.
        x = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        dtype = next(self.inner.parameters()).dtype
        return F.normalize(self.inner(x.to(dtype)).float(), dim=-1)


class TorchTower:
    """Runs a tower with PyTorch; on a GPU, a batch that does not fit is halved, once and for all."""

    def __init__(self, tower: PixelTower, backend: Backend) -> None:
        tower.inner.to(backend.dtype)
        self._tower = tower.to(backend.device)
        self._device = backend.device
        self._limit = 0

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        size = min(len(pixels), self._limit or len(pixels))
        try:
            return np.concatenate([self._run(pixels[start : start + size]) for start in range(0, len(pixels), size)])
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            torch.cuda.empty_cache()
            self._limit = size // 2
        return self(pixels)

    def _run(self, pixels: NDArray[np.uint8]) -> Vectors:
        batch = torch.from_numpy(pixels)
        if self._device.type == "cuda":
            # From pinned memory the copy runs beside what the GPU is doing.
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        with torch.inference_mode():
            vectors: Vectors = self._tower(batch).cpu().numpy()
        return vectors


class SharedTower:
    """Runs a tower with PyTorch on a CPU: every core computes its own share of a batch, alone.

    PyTorch's own way is to spread each product over all cores, which then wait for each other some hundred times a
    batch, spinning; and while photos are decoded on one of these cores, all wait for that one. ViT-B-32-256 in bf16 on
    two cores, by 8: 73 ms of processor a photo this way, 110 to 128 that way, measured together on a busy machine.
    """

    def __init__(self, tower: PixelTower, backend: Backend, cores: int) -> None:
        self._whole = TorchTower(tower, backend)
        self._cores = cores
        self._pool = lone_threads(cores, "dar-encode")

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        if len(pixels) == 1:
            return self._whole(pixels)
        shares = np.array_split(pixels, min(self._cores, len(pixels)))
        return np.concatenate(list(self._pool.map(self._whole, shares)))


class OnnxTower:
    """Runs a prepared graph on ONNX Runtime."""

    def __init__(self, graph: Path, threads: int) -> None:
        self._session: Any = open_graph(graph, threads)
        # The exporter fixes the batch at its example's where a model's code asks for its length as a number.
        size = self._session.get_inputs()[0].shape[0]
        self._fixed = size if isinstance(size, int) else 0

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        if not self._fixed:
            return self._run(pixels)
        missing = -len(pixels) % self._fixed
        whole = np.concatenate([pixels, np.zeros_like(pixels, shape=(missing, *pixels.shape[1:]))])
        parts = [self._run(whole[start : start + self._fixed]) for start in range(0, len(whole), self._fixed)]
        return np.concatenate(parts)[: len(pixels)]

    def _run(self, pixels: NDArray[np.uint8]) -> Vectors:
        vectors: Vectors = self._session.run(["joint"], {"pixels": pixels})[0]
        return vectors


def load_image_tower(family: Family, backend: Backend, cache: Path, notify: Notify, threads: int = 0) -> ImageTower:
    """The family's image tower, ready to run; for ONNX Runtime it is exported once, into `cache`.

    `threads` are the cores ONNX Runtime may use (0: all); PyTorch's are set for the process. A model whose graph would
    be larger than ONNX can hold runs on PyTorch instead. Raises ModelUnavailable where weights or cache cannot be used.
    """
    if backend.runtime == "torch":
        return _torch_tower(_pixel_tower(family), backend)
    graph = cache / f"onnx-{_digest(family)}" / "image.onnx"
    if not graph.is_file():
        tower = _pixel_tower(family)
        if sum(parameter.numel() * 4 for parameter in tower.parameters()) > _LARGEST_GRAPH:
            return _torch_tower(tower, backend)
        _prepare_graph(tower, graph, family, notify)
    return OnnxTower(graph, threads)


def _torch_tower(tower: PixelTower, backend: Backend) -> ImageTower:
    cores = torch.get_num_threads()
    alone = backend.device.type != "cpu" or cores == 1
    return TorchTower(tower, backend) if alone else SharedTower(tower, backend, cores)


def _pixel_tower(family: Family) -> PixelTower:
    return PixelTower(family.load_image_tower(), family.mean, family.std).eval()


def _digest(family: Family) -> str:
    made_from = (_GRAPH_VERSION, family.id, family.mean, family.std, torch.__version__)
    return hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]


def _prepare_graph(tower: PixelTower, graph: Path, family: Family, notify: Notify) -> None:
    try:
        graph.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(graph.with_suffix(".lock")):
            if graph.is_file():
                return
            notify(f"Preparing {family.id} for ONNX Runtime (once, about a minute) ...")
            pixels = torch.zeros((2, family.image_size, family.image_size, 3), dtype=torch.uint8)
            dynamic: dict[int, object] = {0: torch.export.Dim("n")}
            write_whole(graph, lambda target: export_graph(tower, pixels, target, "pixels", ["joint"], dynamic))
    except OSError as error:
        raise ModelUnavailable(
            f"The prepared encoder cannot be written to {graph.parent}: {error.strerror or error}.",
            "Free some space or set DAR_CACHE to a folder that can be written.",
        ) from error
