"""How many pictures are drawn at once, and the order in which things are given up; a GPU's figures, without a GPU."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch

from dar_tui.imagine import Recipe
from dar_tui.imagine.diffusion import MemoryPlan, is_out_of_memory

CUDA = torch.device("cuda", 0)
MEGAPIXEL = Recipe(1024, 1024, 28, 7.0)
SMALL = Recipe(512, 512, 4, 0.0)
GB = 1_000_000_000


class Pipeline:
    """Takes what a pipeline is told when memory is short, and remembers it."""

    model_cpu_offload_seq = "text_encoder->unet->vae"
    vae = None

    def __init__(self) -> None:
        self.told: list[str] = []

    def enable_model_cpu_offload(self, device: torch.device) -> None:
        self.told.append(f"offload {device}")

    def enable_attention_slicing(self) -> None:
        self.told.append("slice")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A GPU of 24 GB whose figures a test may change."""
    figures = {"free": 20 * GB, "reserved": 0, "allocated": 0}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (figures["free"], 24 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: figures["reserved"])
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: figures["allocated"])
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return figures


def with_accelerate(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: (object() if installed else None) if name == "accelerate" else find(name, package),
    )


@pytest.mark.parametrize(
    ("free", "recipe", "batch"),
    [(20 * GB, MEGAPIXEL, 3), (8 * GB, MEGAPIXEL, 2), (2 * GB, MEGAPIXEL, 1), (0, MEGAPIXEL, 1), (4 * GB, SMALL, 3)],
)
def test_a_gpu_draws_as_many_as_fit(free: int, recipe: Recipe, batch: int, gpu: dict[str, int]) -> None:
    gpu["free"] = free
    assert MemoryPlan(Pipeline(), CUDA).batch_size(3, recipe) == batch


def test_what_the_allocator_keeps_counts_as_free(gpu: dict[str, int]) -> None:
    gpu.update(free=GB, reserved=16 * GB, allocated=4 * GB)
    assert MemoryPlan(Pipeline(), CUDA).batch_size(3, MEGAPIXEL) == 3


def test_a_cpu_draws_one_by_one() -> None:
    assert MemoryPlan(Pipeline(), torch.device("cpu")).batch_size(3, SMALL) == 1


def test_things_are_given_up_in_order(gpu: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    with_accelerate(monkeypatch, True)
    pipeline = Pipeline()
    plan = MemoryPlan(pipeline, CUDA)
    assert "drawing 1 at a time" in plan.relieve(3)
    assert plan.batch_size(3, SMALL) == 1
    assert "main memory" in plan.relieve(1) and pipeline.told == ["offload cuda:0"]
    assert "in slices" in plan.relieve(1) and pipeline.told == ["offload cuda:0", "slice"]
    assert plan.relieve(1) == ""


def test_without_accelerate_nothing_is_offloaded(gpu: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    with_accelerate(monkeypatch, False)
    pipeline = Pipeline()
    plan = MemoryPlan(pipeline, CUDA)
    assert "in slices" in plan.relieve(1) and pipeline.told == ["slice"]
    assert plan.relieve(1) == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("DefaultCPUAllocator"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Any, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
