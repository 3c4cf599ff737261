"""A hub of our own on this machine, the client pointed to it, and an empty cache for what is pulled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imagine.conftest import stable_diffusion  # noqa: F401 - a fixture
from tests.models.hub import Hub, running


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hub's client keeps models: empty, and nobody's own."""
    import huggingface_hub.constants

    folder = tmp_path / "hub-cache"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


@pytest.fixture
def hub(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one tiny pipeline, one language model and one open_clip model; the client knows no other hub."""
    import huggingface_hub.constants

    weights = os.urandom(300_000)
    content = Hub(
        {
            "someone/tiny-sd": {
                "model_index.json": b"{}",
                "README.md": b"about it",
                "tiny-sd.safetensors": weights,
                "unet/config.json": b'{"a": 1}',
                "unet/diffusion_pytorch_model.safetensors": weights,
                "unet/diffusion_pytorch_model.bin": b"pickle" * 500,
                "vae/config.json": b"{ }",
                "vae/diffusion_pytorch_model.safetensors": os.urandom(5000),
            },
            "someone/pickled": {"config.json": b"{}", "pytorch_model.bin": b"pickle" * 500},
        }
    )
    with running(content):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", content.url)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            content.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        # The client writes 10 MB at a time, more than our models have.
        monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
        yield content
