"""What this machine has to run models on, and whether a model fits. Asks the driver; imports no torch.

What a model needs is reckoned from its size, not measured.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum

from dar_tui.models.catalogue import Card

_NVIDIA_SECONDS = 3.0

# 16-bit numbers on a GPU, 32-bit ones on a CPU: what `indexer.devices.dtype_for` chooses.
_GPU_BYTES = 2
_CPU_BYTES = 4
# As `dar_tui.imagine.memory` reckons: activations of one picture in 16-bit numbers, and what is left to others.
_BYTES_PER_PIXEL = 3000
_RESERVED = 500_000_000


class Fit(StrEnum):
    """How a model would run here."""

    GPU = "on the GPU"
    TURNS = "on the GPU, its parts taking turns"
    CPU = "on the CPU"
    SLOW = "on the CPU, slowly"
    NO = "too large for this machine"


@dataclass(frozen=True)
class Machine:
    """`gpu_bytes`: the largest GPU's memory, 0 without a GPU that PyTorch can use; `gpu`: its name, or why not."""

    gpu: str
    gpu_bytes: int
    memory_bytes: int


def this_machine() -> Machine:
    """Asks the NVIDIA driver and the system; takes up to 3 s where a driver does not answer."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    name, size = _gpu()
    if size and importlib.metadata.version("torch").endswith("+cpu"):
        return Machine(f"{name}, but this PyTorch is built for CPUs only", 0, memory)
    return Machine(name, size, memory)


def _gpu() -> tuple[str, int]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none found", 0
    try:
        told = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_NVIDIA_SECONDS,
            check=True,
        ).stdout
        found = [line.rsplit(",", 1) for line in told.splitlines() if line.strip()]
        name, mebibytes = max(((name.strip(), int(size)) for name, size in found), key=lambda each: each[1])
    except (OSError, subprocess.SubprocessError, ValueError):
        return "there is an NVIDIA driver that does not answer", 0
    return f"{name}, {mebibytes / 1024:.0f} GB", mebibytes * 1024 * 1024


def fit_of(card: Card, machine: Machine, device: str = "auto") -> Fit:
    """How this model would run on this machine, on the `device` of the settings."""
    scratch = card.pixels * _BYTES_PER_PIXEL + _RESERVED
    if machine.gpu_bytes and device != "cpu":
        if sum(card.parts) * 1_000_000 * _GPU_BYTES + scratch <= machine.gpu_bytes:
            return Fit.GPU
        if max(card.parts) * 1_000_000 * _GPU_BYTES + scratch <= machine.gpu_bytes:
            return Fit.TURNS
    needed = sum(card.parts) * 1_000_000 * _CPU_BYTES + 2 * scratch
    # Unknown memory is no reason to say no.
    if machine.memory_bytes and needed > machine.memory_bytes:
        return Fit.NO
    return Fit.SLOW if card.pixels or sum(card.parts) > _SLOW_MILLIONS else Fit.CPU


# A billion parameters read from memory once for each word, at 20 GB/s, are five words a second.
_SLOW_MILLIONS = 1000
