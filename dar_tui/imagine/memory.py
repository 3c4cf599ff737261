"""How many pictures are drawn at once, and what is given up, in order, when memory runs out.

Works on any diffusers pipeline; knows nothing of prompts.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from dar_tui.imagine import Recipe

# Peak of activations for one picture in 16-bit numbers: about 0.8 GB at 512x512 and 3 GB at 1024x1024, most of it in
# the autoencoder's last blocks (128-256 channels at full size, a handful of copies). Reckoned, not measured: where it
# is wrong, `relieve` mends it.
BYTES_PER_PIXEL = 3000

# Left to the desktop and to the encoder, which shares the GPU.
RESERVED_BYTES = 500_000_000


class MemoryPlan:
    """The batch size that fits, learnt as pictures are drawn. What was given up once stays given up."""

    def __init__(self, pipeline: Any, device: torch.device, batch_size: int | None = None) -> None:
        self._pipeline = pipeline
        self._device = device
        self._limit = batch_size
        self._fixed = batch_size is not None
        self._sliced = False
        self._offloaded = False

    def batch_size(self, waiting: int, recipe: Recipe) -> int:
        """How many of the waiting pictures to draw together, at least 1."""
        limit = waiting if self._limit is None else min(waiting, self._limit)
        if self._fixed:
            return limit
        if self._device.type != "cuda":
            # Together they would take as long as one by one, and the first would come last.
            return 1
        free, _ = torch.cuda.mem_get_info(self._device)
        # The allocator keeps what it freed; the driver counts that as taken.
        free += torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        picture = recipe.width * recipe.height * BYTES_PER_PIXEL
        return max(1, min(limit, (free - RESERVED_BYTES) // picture))

    def relieve(self, batch: int) -> str:
        """Gives up the next thing after a batch did not fit; returns what, as a line for the user, or "" at the end."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if batch > 1:
            self._limit = batch // 2
            return f"Memory ran out drawing {batch} pictures at once; drawing {self._limit} at a time."
        if not self._offloaded and self.offload():
            return "GPU memory ran out; keeping the parts of the model not in use in main memory (slower)."
        if not self._sliced:
            self._slice()
            return "Memory ran out drawing one picture; drawing it in slices (slower)."
        return ""

    def offload(self) -> bool:
        """Lets each part of the model visit the GPU only while it works; False where that cannot be done."""
        if self._device.type != "cuda" or not self._pipeline.model_cpu_offload_seq:
            return False
        if importlib.util.find_spec("accelerate") is None:
            return False
        self._pipeline.enable_model_cpu_offload(device=self._device)
        self._offloaded = True
        return True

    def _slice(self) -> None:
        self._sliced = True
        self._pipeline.enable_attention_slicing()
        vae = getattr(self._pipeline, "vae", None)
        for method in ("enable_slicing", "enable_tiling"):
            if hasattr(vae, method):
                getattr(vae, method)()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch says that the GPU's or the machine's memory is used up."""
    # torch's CPU allocator raises a plain RuntimeError, recognisable by its text alone.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )
