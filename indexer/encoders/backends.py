"""What runs an image tower: PyTorch or ONNX Runtime, where, in which number format, in batches of which size.

Knows nothing of any one model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from indexer.devices import cpu_multiplies_bf16, dtype_for, resolve_device
from indexer.errors import UsageError

# Each is a runtime and a number format. `auto` is what was measured fastest for the device.
BACKENDS = ("auto", "torch-fp32", "torch-bf16", "torch-fp16", "onnx-fp32")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# ViT-B-32-256 in bf16 does 11.0, 13.6, 14.3 and 15.1 images for a second of one core in batches of 1, 4, 8 and 16 in
# one run, 10.8, 13.7 (of 8) and 12.9 (of 16) in another; BLIP base 4.5 in any. So 8 is enough.
_CPU_BATCH = 8
# Not measured: no GPU was at hand.
_CUDA_BATCH = 64
# Peak of activations for each pixel of input in 16-bit numbers: 577 tokens x 768 wide x (4 in the MLP, 3 in the
# attention, 3 around it), and 12 heads of 577 x 577 weights, for a ViT-B/16 at 384 pixels: 17 MB, 114 a pixel.
# Reckoned, not measured: where it is wrong, `TorchTower` halves the batch.
_BYTES_PER_PIXEL = 128
_RESERVED_BYTES = 500_000_000  # left to the desktop


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
