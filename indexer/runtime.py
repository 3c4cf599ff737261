"""What models run on: where their files are on this machine, devices, number formats, threads, ONNX graphs.

Nothing here reaches the network: fetching models is `dar_tui.models`. Knows nothing of what the files hold or a graph
computes; imports torch and ONNX Runtime only when asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

from indexer.errors import ModelUnavailable, UsageError
from indexer.paths import at_home

if TYPE_CHECKING:
    import torch
    from torch import nn

# The hub's own rule for "owner/name", without its length limits.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Checkpoint:
    """One model's files. `fingerprint` changes with the weights: the hub's commit, or a digest of sizes and times."""

    name: str
    folder: Path
    fingerprint: str


def find_checkpoint(name: str, marker: str, *, asked: str = "") -> Checkpoint:
    """Finds the folder that holds `name`, a folder or a hub id, and in it the file `marker`.

    Nothing leaves this machine. `asked` is what the user called the model, if not by `name`. Raises UsageError for a
    name that can be neither, ModelUnavailable where the files are not here.
    """
    if not name.strip():
        raise UsageError("The model has no name.", "Give a hub id such as `stabilityai/sd-turbo`, or a folder.")
    folder = at_home(Path(name))
    if folder.is_dir():
        if not (folder / marker).is_file():
            raise ModelUnavailable(f"The folder {folder} holds no {marker}.", "Give the folder that has this file.")
        folder = folder.resolve()
        return Checkpoint(name, folder, _folder_fingerprint(folder))
    if not HUB_ID.fullmatch(name):
        raise ModelUnavailable(f"There is no folder {name}.", "Give a folder that exists, or a hub id `owner/name`.")
    folder = _hub_folder(name, marker, asked or name)
    return Checkpoint(name, folder, folder.name[:12])


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps the model libraries' own progress bars and warnings off the terminal, which belongs to the interface."""
    # Only those that are loaded: a language model needs no diffusers, whose import takes a second.
    names = ("diffusers.utils.logging", "transformers.utils.logging")
    loggers = [sys.modules[name] for name in names if name in sys.modules]
    before = [(logger, logger.get_verbosity(), logger.is_progress_bar_enabled()) for logger in loggers]
    try:
        for logger in loggers:
            logger.set_verbosity_error()
            logger.disable_progress_bar()
        yield
    finally:
        for logger, level, bar in before:
            logger.set_verbosity(level)
            if bar:
                logger.enable_progress_bar()


def _hub_folder(name: str, marker: str, asked: str) -> Path:
    # The marker's own snapshot rather than `snapshot_download`: a pull fetches only the files a model needs, which the
    # hub's client would call incomplete. And this rather than `hf_hub_download`, which asks the hub what to call its
    # caller even where only local files are wanted.
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, marker)
    except HFValidationError:
        found = None
    if not isinstance(found, str):
        raise ModelUnavailable(
            f"The model {name} is not on this machine.", f"Download it with `dar models pull {asked}`."
        )
    return Path(found).parent


def _folder_fingerprint(folder: Path) -> str:
    # Sizes and times rather than contents: hashing gigabytes at every start would take longer than a picture does.
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".safetensors", ".gguf", ".json"}:
            facts = path.stat()
            digest.update(
                f"{path.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="replace")
            )
    return digest.hexdigest()[:12]


def first_line(error: BaseException) -> str:
    """What a library's error says, short enough for one line of ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]


def resolve_device(device: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N` as a device this machine has; `auto` is CUDA where there is some.

    Raises UsageError for another name and ModelUnavailable for a GPU that is not there.
    """
    import torch

    family, _, index = device.partition(":")
    if family not in DEVICES or (index and not (family == "cuda" and index.isdecimal())):
        raise UsageError(f"There is no device {device!r}.", f"Use one of {', '.join(DEVICES)}.")
    if family == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if family == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ModelUnavailable(f"PyTorch finds no {device} on this machine.", "Use `--device cpu` or `--device auto`.")
    return torch.device(device)


def dtype_for(device: torch.device) -> torch.dtype:
    """The number format models are loaded in.

    fp32 on CPUs: few of them have bf16 instructions, and without those bf16 is slower than fp32. bf16 on GPUs, whose
    range is that of fp32 (Stable Diffusion 2.1 and the SDXL autoencoder overflow fp16 into black pictures); fp16 only
    where a GPU older than 2020 has no bf16.
    """
    import torch

    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def cpu_multiplies_bf16() -> bool:
    """Whether this processor has instructions for bf16 products (AVX512-BF16 or AMX: Zen 4, Cooper Lake, later Xeons).

    Without them torch emulates bf16, slower than fp32.
    """
    import torch

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def lone_threads(count: int, name: str) -> ThreadPoolExecutor:
    """`count` of them, begun; they end with the process, or when the pool is let go."""
    import torch

    everywhere = torch.get_num_threads()
    begun = Barrier(count + 1)

    def begin() -> None:
        # A thread takes the process's number when it first asks or computes, whatever was set before.
        torch.get_num_threads()
        torch.set_num_threads(1)
        begun.wait()

    pool = ThreadPoolExecutor(count, name, begin)
    for _ in range(count):
        pool.submit(int)
    begun.wait()
    # What a thread sets holds for itself and for all threads that begin later: those get back what they had.
    torch.set_num_threads(everywhere)
    return pool


def open_graph(path: Path, threads: int) -> Any:
    """An ONNX Runtime session on the CPU that uses `threads` cores (0: all); raises ModelUnavailable if it cannot."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Spinning workers gain nothing at these sizes and burn the core that decodes photos or paints the screen.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare pybind exceptions with no common base
        raise ModelUnavailable(
            f"The prepared graph {path} cannot be loaded: {error}", f"rm -r '{path.parent}' and run the command again."
        ) from error


def export_graph(
    module: nn.Module, example: object, target: Path, input_name: str, outputs: list[str], dynamic: dict[int, object]
) -> None:
    """Writes `module` as a graph; `dynamic` are the `torch.export.Dim`s of its one input, by axis."""
    import torch

    # The exporter reports its own progress on stdout, where only results may go.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            target,
            input_names=[input_name],
            output_names=outputs,
            dynamic_shapes=(dynamic,),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def available_cores() -> int:
    """The cores this process may use: a container or `taskset` may allow fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
