"""Which device a torch model runs on, and in which number format.

Knows nothing of any model. Imports torch only when asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.errors import ModelUnavailable, UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")


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
