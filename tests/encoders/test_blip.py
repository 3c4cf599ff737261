"""BLIP against transformers and torchvision, and the checkpoints of Salesforce and ChatIR against transformers' own."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision import transforms
from transformers import BlipForImageTextRetrieval
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from indexer.encoders import Encoder, load_encoder
from indexer.encoders.bundled.backbones import TOKENIZER
from indexer.encoders.weights import resized_positions
from indexer.errors import ModelUnavailable, UsageError
from tests.encoders import families
from tests.encoders.real_photos import demo_photos

TEXTS = ["a dog runs on the beach", "two people", "is there a child? yes, in a red coat " * 8]
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def model() -> BlipForImageTextRetrieval:
    return families.blip_model()


@pytest.fixture
def folder(model: BlipForImageTextRetrieval, tmp_path: Path) -> Path:
    model.save_pretrained(tmp_path / "blip")
    return tmp_path / "blip"


def load(spec: str | Path) -> Encoder:
    return load_encoder(f"blip:{spec}", backend="torch-fp32")


def save(path: Path, tensors: Tensors, **beside: object) -> Path:
    torch.save({"model": tensors, **beside}, path)
    return path


def photo_vectors(encoder: Encoder) -> np.ndarray:
    return encoder.encode_images(list(demo_photos().values())).joint


def test_both_towers_are_transformers_own(model: BlipForImageTextRetrieval, folder: Path) -> None:
    encoder = load(folder)
    pixels = BlipImageProcessorPil(size={"height": 64, "width": 64})(
        images=list(demo_photos().values()), return_tensors="pt"
    )["pixel_values"]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(TOKENIZER.path()))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    images, texts = photo_vectors(encoder), encoder.encode_texts(TEXTS)
    for text, vector in zip(TEXTS, texts, strict=True):
        with torch.no_grad():
            ids = torch.tensor([tokenizer.encode(text).ids])
            scores = model(input_ids=ids, pixel_values=pixels, use_itm_head=False).itm_score[:, 0]
        np.testing.assert_allclose(images @ vector, scores.numpy(), atol=1e-5)


def test_pictures_are_prepared_as_in_the_paper(folder: Path) -> None:
    """Salesforce's and ChatIR's evaluation: the whole picture squeezed, bicubic, CLIP's mean and deviation."""
    encoder = load(folder)
    paper = transforms.Compose(
        [
            transforms.Resize((64, 64), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )
    mean, std = (torch.tensor(each)[:, None, None] for each in (encoder._family.mean, encoder._family.std))  # type: ignore[attr-defined]
    for photo in demo_photos().values():
        ours = (torch.tensor(encoder.prepare(photo)).permute(2, 0, 1) / 255 - mean) / std
        assert torch.equal(ours, paper(photo))


@pytest.mark.parametrize(
    ("file", "layout"),
    [
        ("model_base.pth", families.pretraining_layout),
        ("model_base_retrieval_coco.pth", families.pretraining_layout),
        ("chatir_weights.ckpt", families.salesforce_layout),
    ],
)
def test_original_checkpoints_give_the_same_vectors(
    model: BlipForImageTextRetrieval,
    folder: Path,
    file: str,
    layout: Callable[[BlipForImageTextRetrieval], Tensors],
    tmp_path: Path,
) -> None:
    path = save(tmp_path / file, layout(model), epoch=5, args=argparse.Namespace(lr=1e-5))
    original, own = load(path), load(folder)
    assert (original.dim, original.image_size, original.max_text_tokens) == (32, 64, 512)
    # transformers' default epsilon is 1e-5 where Salesforce's is 1e-6; the folder has it in its configuration.
    np.testing.assert_allclose(photo_vectors(original), photo_vectors(own), atol=1e-5)
    np.testing.assert_allclose(original.encode_texts(TEXTS), own.encode_texts(TEXTS), atol=1e-5)


def test_unknown_and_missing_tensors_are_named(model: BlipForImageTextRetrieval, tmp_path: Path) -> None:
    tensors = families.salesforce_layout(model)
    with pytest.raises(ModelUnavailable, match=r"unknown visual_encoder\.blocks\.0\.adapter\.weight"):
        load(save(tmp_path / "a.pth", tensors | {"visual_encoder.blocks.0.adapter.weight": torch.zeros(2)}))
    for name in (
        "text_proj.weight",
        "visual_encoder.blocks.1.attn.qkv.bias",
        "itm_head.bias",
        "visual_encoder.norm.bias",
    ):
        less = {key: tensor for key, tensor in tensors.items() if key != name}
        with pytest.raises(ModelUnavailable, match="missing") as raised:
            load(save(tmp_path / "b.pth", less)).encode_texts(["a dog"])
        assert name.split(".")[-1] in raised.value.message
    with pytest.raises(ModelUnavailable, match="shapes"):
        wrong = tensors | {"vision_proj.bias": torch.zeros(33)}
        photo_vectors(load(save(tmp_path / "c.pth", wrong)))
    with pytest.raises(ModelUnavailable, match="missing"):
        load(save(tmp_path / "d.pth", {"visual_encoder.cls_token": torch.zeros(1, 1, 128)}))


def test_a_folder_that_lacks_tensors_is_refused(model: BlipForImageTextRetrieval, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["text_proj.bias"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"missing text_proj\.bias"):
        load(folder).encode_texts(["a dog"])


class _Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/this-must-not-run"),))


def test_a_file_with_code_in_it_is_not_opened(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pth"
    torch.save({"model": {"a": torch.zeros(1)}, "extra": _Harmful()}, bad)
    with pytest.raises(ModelUnavailable, match="more than weights"):
        load(bad)
    for content in (b"", b"not a checkpoint", pickle.dumps(["a"])):
        bad.write_bytes(content)
        with pytest.raises(ModelUnavailable):
            load(bad)


def test_another_picture_size_resizes_the_positions(model: BlipForImageTextRetrieval, folder: Path) -> None:
    encoder = load(f"{folder}@96")
    assert encoder.image_size == 96 and encoder.prepare(demo_photos()["coffee"]).shape == (96, 96, 3)
    pixels = BlipImageProcessorPil(size={"height": 96, "width": 96})(
        images=list(demo_photos().values()), return_tensors="pt"
    )["pixel_values"]
    with torch.no_grad():
        hidden = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
        expected = F.normalize(model.vision_proj(hidden[:, 0]), dim=-1).numpy()
    np.testing.assert_allclose(photo_vectors(encoder), expected, atol=1e-5)
    with pytest.raises(UsageError, match="16 pixels"):
        load(f"{folder}@100")


def test_positions_that_fit_stay_as_they_are() -> None:
    table = torch.randn(1, 17, 8)
    assert torch.equal(resized_positions(table, 4, extra=1), table)
    assert resized_positions(table, 6, extra=1).shape == (1, 37, 8)


def test_texts_keep_their_newest_facts_up_to_512_tokens(folder: Path) -> None:
    encoder = load(folder)
    assert encoder.max_text_tokens == 512
    words = ["dog"] * 509  # and a start and an end
    vectors = encoder.encode_texts([" ".join([*words, each]) for each in ("ball", "car", "dog ball", "dog car")])
    # The 510th word is read, the 511th is not.
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-6
    np.testing.assert_array_equal(vectors[2], vectors[3])
