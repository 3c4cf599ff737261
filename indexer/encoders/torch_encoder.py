"""Any family of two-tower torch models as an encoder: which runtime and number format, towers, batches.

Towers load on first use, apart; the image tower runs in PyTorch or ONNX Runtime, whichever was measured fastest for the
device. Knows nothing of architectures or weight files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from indexer.encoders import ImageEmbeddings, Notify
from indexer.errors import ModelUnavailable, UsageError
from indexer.files import write_whole
from indexer.runtime import cpu_multiplies_bf16, dtype_for, export_graph, lone_threads, open_graph, resolve_device

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from indexer.encoders import Pixels, Vectors

Colour = tuple[float, float, float]

# OpenAI's CLIP, and BLIP after it, normalise pixels by the mean and deviation of CLIP's training pictures.
CLIP_MEAN: Colour = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Colour = (0.26862954, 0.26130258, 0.27577711)
# Each is a runtime and a number format. `auto` is what was measured fastest for the device.
BACKENDS = ("auto", "torch-fp32", "torch-bf16", "torch-fp16", "onnx-fp32")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# ViT-B-32-256 in bf16 does 11.0, 13.6, 14.3 and 15.1 images for a second of one core in batches of 1, 4, 8 and 16 in
# one run, 10.8, 13.7 (of 8) and 12.9 (of 16) in another; BLIP base 4.5 in any. So 8 is enough.
_CPU_BATCH = 8
# Not measured: there was no GPU to measure on.
_CUDA_BATCH = 64
# Peak of activations for each pixel of input in 16-bit numbers: 577 tokens x 768 wide x (4 in the MLP, 3 in the
# attention, 3 around it), and 12 heads of 577 x 577 weights, for a ViT-B/16 at 384 pixels: 17 MB, 114 a pixel.
# Estimated, not measured: where it is wrong, `TorchTower` halves the batch.
_BYTES_PER_PIXEL = 128
_RESERVED_BYTES = 500_000_000  # left to the desktop

# Stacked pixels (n, side, side, 3) uint8 to unit vectors (n, dim) float32.
ImageTower = Callable[[NDArray[np.uint8]], "Vectors"]

# Raised by hand whenever a tower exports to another graph though its weights are the same.
_GRAPH_VERSION = 1
# A graph is one protobuf message, which can be no longer than 2 GB.
_LARGEST_GRAPH = 1_900_000_000

# A turn has a handful of texts; more at once would only pad the short ones further.
_TEXTS_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Tokens:
    """Texts as a text tower reads them: `ids` and `mask`, both (n, longest) int64; `mask` is 0 on padding, else 1."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class Family(Protocol):
    """One model: what it is called, how it reads pictures and words, and where its towers come from.

    `mean` and `std` are what pixels of 0 to 1 are normalised by. Towers come in fp32 and in eval mode: an image tower
    maps normalised pixels (n, 3, side, side), a text tower ids and mask (n, longest) each, to vectors (n, dim) of any
    length. Either is loaded without keeping the other's weights in memory. `transformer` says whether the image tower
    is one, which rounding to 16 bits harms less than a convolutional one.
    """

    id: str
    dim: int
    image_size: int
    max_text_tokens: int
    mean: Colour
    std: Colour
    transformer: bool

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """(side, side, 3), resized and cropped as the model was trained; called from many threads."""
        ...

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """At most `max_text_tokens` of each text."""
        ...

    def load_image_tower(self) -> nn.Module: ...

    def load_text_tower(self) -> nn.Module: ...


def squeezed(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """(side, side, 3): the whole picture squeezed into a square by Pillow's bicubic filter, as torchvision's `Resize`
    does for BLIP and BEiT-3."""
    import numpy as np
    from PIL import Image as pillow

    return np.asarray(image.convert("RGB").resize((side, side), pillow.Resampling.BICUBIC))


def padded(sequences: Sequence[Sequence[int]], padding: int) -> Tokens:
    """Token ids of several lengths as one batch, padded at the end up to the longest."""
    import numpy as np

    longest = max(len(sequence) for sequence in sequences)
    ids = np.full((len(sequences), longest), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return Tokens(ids, mask)


@dataclass(frozen=True)
class Backend:
    """`runtime` is "torch" or "onnx"; ONNX Runtime runs on the CPU in fp32 only."""

    runtime: str
    device: torch.device
    dtype: torch.dtype

    @property
    def text_dtype(self) -> torch.dtype:
        """A turn encodes a handful of texts: on a CPU nothing is gained by rounding them."""
        return self.dtype if self.device.type == "cuda" else torch.float32

    def batch_size(self, image_size: int) -> int:
        """How many images to encode at once."""
        if self.device.type != "cuda":
            return _CPU_BATCH
        free, _ = torch.cuda.mem_get_info(self.device)
        image = image_size**2 * _BYTES_PER_PIXEL * self.dtype.itemsize // 2
        return int(max(1, min(_CUDA_BATCH, (free - _RESERVED_BYTES) // image)))


def choose_backend(name: str, device: str, transformer: bool = True) -> Backend:
    """The backend called `name` on `device`; `auto` is the fastest of those that were measured to find the same photos
    (`python -m benchmarks.encode`).

    `transformer` says that the image tower is one, and not convolutional. Raises UsageError for a name that is none of
    `BACKENDS` or does not run on the device, and what `resolve_device` raises.
    """
    if name not in BACKENDS:
        raise UsageError(f"There is no backend {name!r}.", f"Use one of {', '.join(BACKENDS)}.")
    resolved = resolve_device(device)
    if name == "auto":
        return _measured_best(resolved, transformer)
    runtime, _, precision = name.partition("-")
    if runtime == "onnx" and resolved.type != "cpu":
        raise UsageError("ONNX Runtime encodes on the CPU only.", "Use `--device cpu`, or another backend.")
    return Backend(runtime, resolved, _DTYPES[precision])


def _measured_best(device: torch.device, transformer: bool) -> Backend:
    # What bf16 leaves of fp32's ten nearest: 0.999 in ViT-B-32-256 with random weights (96 photos), 0.992 in
    # all-MiniLM-L6, a trained transformer (500 sentences), but only 0.957 in a trained EfficientNet-Lite2 (300 photos):
    # convolutional towers stay in fp32.
    low = transformer and (device.type == "cuda" or cpu_multiplies_bf16())
    # Images for a second of one core with AVX512-BF16, in batches of 8: ViT-B-32-256 7.2 in torch fp32, 8.5 on ONNX
    # Runtime, 14.3 in torch bf16; BLIP base at 224 pixels 2.3, 2.4 and 4.5. CUDA was not measured.
    if device.type == "cuda":
        return Backend("torch", device, dtype_for(device) if low else torch.float32)
    return Backend("torch", device, torch.bfloat16) if low else Backend("onnx", device, torch.float32)


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


class TorchEncoder:
    """Runs `family` on `backend`; `cache` keeps what is prepared once. Has no visual space of its own.

    Loading a tower raises ModelUnavailable where its weights cannot be used.
    """

    visual_dim = 0

    def __init__(self, family: Family, backend: Backend, cache: Path, notify: Notify | None = None) -> None:
        self._family = family
        self._backend = backend
        self._cache = cache
        self._notify = notify or (lambda _line: None)
        self._images: ImageTower | None = None
        self._texts: nn.Module | None = None
        self._loading = Lock()
        self.id = family.id
        self.dim = family.dim
        self.image_size = family.image_size
        self.max_text_tokens = family.max_text_tokens
        self.batch_size = backend.batch_size(family.image_size)

    def prepare(self, image: Image.Image) -> Pixels:
        return self._family.prepare(image)

    def encode_prepared(self, batch: Sequence[Pixels]) -> ImageEmbeddings:
        if not batch:
            return ImageEmbeddings(_empty(self.dim))
        tower = self._image_tower()
        parts = [
            tower(np.stack(batch[start : start + self.batch_size])) for start in range(0, len(batch), self.batch_size)
        ]
        return ImageEmbeddings(np.concatenate(parts))

    def encode_images(self, images: Sequence[Image.Image]) -> ImageEmbeddings:
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return _empty(self.dim)
        tower = self._text_tower()
        # A file name or a terminal can hand over lone surrogates, which tokenizers refuse.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        parts = []
        for start in range(0, len(clean), _TEXTS_AT_ONCE):
            tokens = self._family.tokenize(clean[start : start + _TEXTS_AT_ONCE])
            ids, mask = (torch.from_numpy(array).to(self._backend.device) for array in (tokens.ids, tokens.mask))
            with torch.inference_mode():
                parts.append(F.normalize(tower(ids, mask).float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)

    def _image_tower(self) -> ImageTower:
        with self._loading:
            if self._images is None:
                self._images = load_image_tower(self._family, self._backend, self._cache, self._notify)
            return self._images

    def _text_tower(self) -> nn.Module:
        with self._loading:
            if self._texts is None:
                self._texts = self._family.load_text_tower().to(self._backend.device, self._backend.text_dtype)
            return self._texts


def _empty(width: int) -> Vectors:
    return np.zeros((0, width), dtype=np.float32)
