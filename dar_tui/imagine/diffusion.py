"""Any diffusers text-to-image pipeline as a generator: loading, batches, and what is given up when memory runs out.

Weights come from safetensors files that are already here; code that comes with a model is never run. A model's safety
checker is not loaded: it blacks out harmless images, which then match every dark photo, and what is drawn here is seen
by no one but the person who asked. Knows nothing of the cache, or of what images are for.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dar_tui.cancellation import Cancelled
from dar_tui.imagine import Imagined, Notify, OnStep, Recipe
from dar_tui.imagine.cache import flaw, to_image
from dar_tui.imagine.loras import apply_loras, file_of, loras_apart
from dar_tui.imagine.pipelines import images_of, pipeline_class, traits_of, use_solver
from dar_tui.imagine.recipes import Overrides, call_arguments, family_of, recipe_for
from indexer.encoders.conversion import as_safetensors, is_pickled
from indexer.encoders.weights import fingerprint
from indexer.errors import DarError, ModelUnavailable
from indexer.runtime import Checkpoint, dtype_for, find_checkpoint, first_line, quiet_libraries, resolve_device

# Peak of activations for one picture in 16-bit numbers: about 0.8 GB at 512x512 and 3 GB at 1024x1024, most of it in
# the autoencoder's last blocks (128-256 channels at full size, a handful of copies). Reckoned, not measured: where it
# is wrong, `relieve` corrects it.
BYTES_PER_PIXEL = 3000

# Left to the desktop and to the encoder, which shares the GPU.
RESERVED_BYTES = 500_000_000

INDEX = "model_index.json"


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


class DiffusionGenerator:
    """A diffusers pipeline. Threads may share it: they take turns, batch by batch."""

    def __init__(
        self,
        name: str,
        device: str = "auto",
        notify: Notify | None = None,
        *,
        overrides: Overrides | None = None,
        batch_size: int | None = None,
    ) -> None:
        """Loads the pipeline `name`, a hub id or a folder, with the LoRAs named after it (see `loras`).

        `batch_size` sets how many pictures are drawn at once, instead of what memory seems to allow. Raises
        ModelUnavailable where the files are missing, unsafe or not a text-to-image pipeline.
        """
        self._notify: Notify = notify or (lambda line: None)
        self._device = resolve_device(device)
        model, loras = loras_apart(name)
        files = [file_of(lora) for lora in loras]
        checkpoint = find_checkpoint(model, INDEX)
        self._pipeline = _load(checkpoint, self._device, self._notify)
        titles = (*(lora.title for lora in loras), model)
        traits = traits_of(self._pipeline, titles, on_cpu=self._device.type == "cpu")
        self._family = family_of(traits)
        apply_loras(self._pipeline, loras, self._family.lora_weight if self._family else 1.0)
        added = "".join(
            f"+{lora.title}@{fingerprint([file], lora.weight)}" for lora, file in zip(loras, files, strict=True)
        )
        self.id = f"diffusers:{model}@{checkpoint.fingerprint}{added}"
        self._memory = MemoryPlan(self._pipeline, self._device, batch_size)
        self._place()
        if self._family is not None and self._family.solver is not None:
            use_solver(self._pipeline, self._family.solver)
        self.recipe = recipe_for(traits, overrides)
        self._turn = threading.Lock()
        self._cancelled: Cancelled = _never
        self._poll_inside_steps()

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        """As `Generator.generate`. Pictures do not depend on which others are drawn with them (to about 1/255)."""
        waiting = [(k, prompt, seed) for k, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))]
        flaws: list[str] = []
        while waiting:
            batch = waiting[: self._memory.batch_size(len(waiting), self.recipe)]
            drawn = self._draw(batch, on_step, cancelled)
            if isinstance(drawn, _Stopped):
                return
            if isinstance(drawn, _TooLarge):
                self._relieve(len(batch))
                continue
            waiting = waiting[len(batch) :]
            for (k, prompt, seed), pixels in zip(batch, drawn, strict=True):
                if reason := flaw(pixels):
                    flaws.append(reason)
                    self._notify(f"Picture {k + 1} is left out: {reason}.")
                    continue
                yield Imagined(prompt, seed, to_image(pixels))
        if flaws and len(flaws) == len(prompts):
            raise ModelUnavailable(
                f"{self.id} drew no usable picture: {flaws[0]}.", "Try `--device cpu`, or another generator."
            )

    def _draw(
        self, batch: list[tuple[int, str, int]], on_step: OnStep, cancelled: Cancelled
    ) -> NDArray[np.float32] | _Stopped | _TooLarge:
        """(n, height, width, 3) in 0..1. Out of memory is returned, not raised: a traceback would hold the tensors."""

        def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if cancelled():
                raise _Stopped
            for k, _, _ in batch:
                on_step(k, step + 1, len(pipeline.scheduler.timesteps))
            return tensors

        arguments = {
            "prompt": [prompt for _, prompt, _ in batch],
            # One CPU generator for each picture: its noise is the same alone, in any batch and on any device.
            "generator": [torch.Generator("cpu").manual_seed(seed) for _, _, seed in batch],
            **call_arguments(self._family, self.recipe, len(batch)),
            "width": self.recipe.width,
            "height": self.recipe.height,
            # Floats rather than a picture, in which "not a number" would look like black.
            "output_type": "np",
            "callback_on_step_end": after_step,
        }
        known = inspect.signature(self._pipeline.__call__).parameters
        with self._turn, quiet_libraries():
            self._cancelled = cancelled
            try:
                output = self._pipeline(**{name: value for name, value in arguments.items() if name in known})
                return np.asarray(images_of(output), dtype=np.float32)
            # Raised from within a step: `pipeline._interrupt` would still decode the unfinished picture for seconds.
            except _Stopped:
                self._pipeline.maybe_free_model_hooks()
                return _Stopped()
            except (RuntimeError, MemoryError) as error:
                self._pipeline.maybe_free_model_hooks()
                if not is_out_of_memory(error):
                    raise ModelUnavailable(
                        f"{self.id} failed while drawing: {first_line(error)}.", "Try `--device cpu`."
                    ) from error
                return _TooLarge()
            finally:
                self._cancelled = _never

    def _relieve(self, batch: int) -> None:
        with self._turn:
            relief = self._memory.relieve(batch)
        if not relief:
            raise DarError(
                f"{self.id} does not fit into memory, even one picture of {self.recipe.width}x{self.recipe.height} "
                "in slices.",
                "Close other programs, or choose a smaller generator or size.",
            )
        self._notify(relief)

    def _place(self) -> None:
        try:
            self._pipeline.to(self._device)
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if not self._memory.offload():
            raise ModelUnavailable(
                f"{self.id} does not fit into the memory of {self._device}.",
                "Choose a smaller generator, use `--device cpu`, or `pip install accelerate` to load it part by part.",
            )
        self._notify("The generator does not fit into GPU memory at once; its parts take turns (slower).")

    def _poll_inside_steps(self) -> None:
        """Looks for cancellation before every block: on a CPU one step, or the decoding, takes many seconds."""

        def before_block(module: torch.nn.Module, inputs: Any) -> None:
            if self._cancelled():
                raise _Stopped

        parts = [part for part in self._pipeline.components.values() if isinstance(part, torch.nn.Module)]
        lists = [item for part in parts for item in part.modules() if isinstance(item, torch.nn.ModuleList)]
        for block in {block for blocks in lists for block in blocks}:
            block.register_forward_pre_hook(before_block)


class _Stopped(Exception):
    """The caller wants no more pictures."""


class _TooLarge:
    """The batch did not fit into memory."""


def _never() -> bool:
    return False


def _load(checkpoint: Checkpoint, device: torch.device, notify: Notify) -> Any:
    index = _index(checkpoint.folder)
    parts = {name: part for name, part in index.items() if isinstance(part, list) and part}
    arguments: dict[str, Any] = {}
    if parts.get("safety_checker", [None])[0] is not None:
        # Without the second the library warns; pipelines that have no checker know neither.
        arguments = {"safety_checker": None, "requires_safety_checker": False}
        notify("The generator's safety checker is not loaded: nobody sees these pictures but you.")
    variant = _variant(checkpoint.folder)
    if variant:
        arguments["variant"] = variant
    try:
        with quiet_libraries():
            # Parts that are published as pickles only; see `indexer.encoders.conversion`.
            as_safetensors(_pickles(checkpoint.folder))
            pipeline = pipeline_class(index).from_pretrained(
                checkpoint.folder,
                dtype=dtype_for(device),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                **arguments,
            )
    except DarError:
        raise
    # The libraries raise whatever a damaged or foreign file runs into: KeyError, SafetensorError, ImportError ...
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelUnavailable(
                f"{checkpoint.name} does not fit into this machine's memory.", "Choose a smaller generator."
            ) from error
        raise ModelUnavailable(
            f"The generator {checkpoint.name} cannot be loaded: {first_line(error)}.",
            f"It must be a text-to-image pipeline of diffusers; try `dar models pull {checkpoint.name}`.",
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"{folder / INDEX} cannot be read: {first_line(error)}.", "Download the model again."
        ) from error
    if not isinstance(index, dict):
        raise ModelUnavailable(f"{folder / INDEX} is not a pipeline's index.", "Download the model again.")
    return index


def _pickles(folder: Path) -> list[Path]:
    """The pickled weights of parts that have no others."""
    parts = [part for part in folder.iterdir() if part.is_dir() and not any(part.glob("*.safetensors"))]
    return [file for part in sorted(parts) for file in sorted(part.glob("*.bin*")) if is_pickled(file.name)]


def _variant(folder: Path) -> str:
    """`fp16` where the denoiser is there in no other form, as in pulls that took the half-size files."""
    weights = [file.name for part in ("unet", "transformer") for file in (folder / part).glob("*.safetensors")]
    return "fp16" if weights and all(".fp16" in name for name in weights) else ""
