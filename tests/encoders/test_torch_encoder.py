"""What runs an image tower where, and what happens when memory or the cache runs out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from indexer.encoders import fastest_batch, torch_encoder
from indexer.encoders.torch_encoder import (
    Backend,
    PixelTower,
    SharedTower,
    TorchTower,
    choose_backend,
    load_image_tower,
)
from indexer.errors import ModelUnavailable, UsageError

CPU = Backend("torch", torch.device("cpu"), torch.float32)
CUDA = Backend("torch", torch.device("cuda"), torch.float16)
GREY = (0.5, 0.5, 0.5)


def pixels(count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


class Mean(nn.Module):
    """A tower that notes the sizes of its batches and takes no more than `most` pictures at once."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.most = most
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("no room")
        return x.mean((2, 3)) * self.scale


class MeanFamily:
    id, dim, image_size, max_text_tokens, mean, std = "mean-1", 3, 8, 1, GREY, GREY

    transformer = False

    def load_image_tower(self) -> nn.Module:
        return Mean()


def test_the_fastest_measured_backend_is_chosen_by_what_the_processor_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_encoder, "cpu_multiplies_bf16", lambda: True)
    assert choose_backend("auto", "cpu") == Backend("torch", torch.device("cpu"), torch.bfloat16)
    # Rounding changed what a trained convolutional network finds.
    assert choose_backend("auto", "cpu", transformer=False) == Backend("onnx", torch.device("cpu"), torch.float32)
    monkeypatch.setattr(torch_encoder, "cpu_multiplies_bf16", lambda: False)
    assert choose_backend("auto", "cpu") == Backend("onnx", torch.device("cpu"), torch.float32)
    assert choose_backend("torch-fp32", "cpu") == CPU
    # Texts are few; on a CPU they are encoded exactly.
    assert choose_backend("torch-bf16", "cpu").text_dtype == torch.float32
    assert CUDA.text_dtype == torch.float16


def test_onnx_runtime_is_for_the_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_encoder, "resolve_device", torch.device)
    with pytest.raises(UsageError, match="CPU only"):
        choose_backend("onnx-fp32", "cuda")


def test_batches_on_a_gpu_are_as_large_as_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for gigabytes, at_224, at_384 in ((0.1, 1, 1), (0.7, 31, 10), (8, 64, 64)):
        monkeypatch.setattr(
            torch.cuda, "mem_get_info", lambda _device, free=gigabytes: (int(free * 1e9), 8_000_000_000)
        )
        assert (CUDA.batch_size(224), CUDA.batch_size(384)) == (at_224, at_384)
    assert CPU.batch_size(224) == CPU.batch_size(384) >= 1


def test_a_batch_that_does_not_fit_is_halved_for_good() -> None:
    expected = TorchTower(PixelTower(Mean(), GREY, GREY), CPU)(pixels())
    cramped = Mean(most=2)
    tower = TorchTower(PixelTower(cramped, GREY, GREY), CPU)
    np.testing.assert_allclose(tower(pixels()), expected, atol=1e-6)
    tower(pixels())
    assert cramped.sizes == [5, 2, 2, 1, 2, 2, 1]
    with pytest.raises(torch.OutOfMemoryError):
        TorchTower(PixelTower(Mean(most=0), GREY, GREY), CPU)(pixels())


def test_cores_share_a_batch_and_each_computes_alone() -> None:
    class Telling(Mean):
        def forward(self, x: Tensor) -> Tensor:
            threads.append(torch.get_num_threads())
            return super().forward(x)

    threads: list[int] = []
    expected = TorchTower(PixelTower(Mean(), GREY, GREY), CPU)(pixels())
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        tower = SharedTower(PixelTower(Telling(), GREY, GREY), CPU, cores=3)
        np.testing.assert_array_equal(tower(pixels()), expected)
        np.testing.assert_array_equal(tower(pixels()[:2]), expected[:2])
        assert threads == [1] * 5
        # One photo, such as a picture just imagined, has all cores; so has every other thread, of before and after.
        np.testing.assert_array_equal(tower(pixels()[:1]), expected[:1])
        with ThreadPoolExecutor(1) as later:
            assert threads[5:] == [torch.get_num_threads()] == [later.submit(torch.get_num_threads).result()] == [3]
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_graph_is_prepared_once_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    onnx = Backend("onnx", torch.device("cpu"), torch.float32)
    first = load_image_tower(MeanFamily(), onnx, tmp_path, said.append)  # type: ignore[arg-type]
    again = load_image_tower(MeanFamily(), onnx, tmp_path, said.append)  # type: ignore[arg-type]
    assert len(said) == 1 and "mean-1" in said[0]
    expected = TorchTower(PixelTower(Mean(), GREY, GREY), CPU)(pixels())
    for tower in (first, again):
        # `Mean` asks for the length of its batch, so its graph takes two pictures at a time, no more and no fewer.
        np.testing.assert_allclose(tower(pixels()), expected, atol=1e-6)
        np.testing.assert_allclose(tower(pixels()[:2]), expected[:2], atol=1e-6)
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnavailable, match="cannot be written"):
        load_image_tower(MeanFamily(), onnx, tmp_path / "file", said.append)  # type: ignore[arg-type]


def test_an_encoder_may_say_how_many_photos_it_wants() -> None:
    assert fastest_batch(None) == 8
    assert fastest_batch(type("Wide", (), {"batch_size": 64})()) == 64  # type: ignore[arg-type]
