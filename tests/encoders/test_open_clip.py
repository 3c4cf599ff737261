"""open_clip's models against open_clip itself: preprocessing, tokenizers, vectors, other architectures."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch.nn import functional as F

from indexer.encoders import load_encoder
from indexer.encoders.open_clip import OpenClipFamily, find_source
from indexer.errors import ModelUnavailable
from tests.encoders import families
from tests.encoders.real_photos import demo_photos

SIGLIP_TEXT = {
    "context_length": 16, "vocab_size": 80, "width": 32, "heads": 2, "layers": 1, "no_causal_mask": True,
    "proj_bias": True, "pool_type": "last", "hf_tokenizer_name": "someone/siglip",
    "tokenizer_kwargs": {"clean": "canonicalize"},
}  # fmt: skip
SIGLIP_VISION = {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none", "image_size": 64}
CONVNEXT = {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear", "image_size": 64}
TEXTS = ["a dog runs on the beach", "Two people sit at a table!"]


def reference(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Image and text vectors as open_clip's own documentation makes them."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.no_grad():
        pixels = torch.stack([preprocess(image) for image in demo_photos().values()])
        images, texts = model.encode_image(pixels), model.encode_text(tokenizer(TEXTS))
    return F.normalize(images, dim=-1).numpy(), F.normalize(texts, dim=-1).numpy()


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
def test_clip_is_as_open_clip_has_it(tmp_path: Path, resize_mode: str) -> None:
    families.open_clip_folder(tmp_path / "clip")
    config = tmp_path / "clip" / "open_clip_config.json"
    config.write_text(config.read_text().replace('"shortest"', f'"{resize_mode}"'))
    encoder = load_encoder(f"open_clip:{tmp_path / 'clip'}", backend="torch-fp32")
    images, texts = reference(tmp_path / "clip")
    # Preprocessing and arithmetic are open_clip's own. Photos are shared among cores, and products of other sizes round
    # otherwise in the last digit.
    np.testing.assert_allclose(encoder.encode_images(list(demo_photos().values())).joint, images, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS), texts)
    assert (encoder.dim, encoder.image_size, encoder.max_text_tokens) == (32, 64, 77)


def test_siglip_with_its_own_tokenizer(tmp_path: Path) -> None:
    folder = tmp_path / "siglip"
    families.open_clip_folder(
        folder, SIGLIP_VISION, embed_dim=64, custom_text=True, init_logit_bias=-10, text_cfg=SIGLIP_TEXT | {"width": 64}
    )
    families.word_tokenizer(folder)
    encoder = load_encoder(f"open_clip:{folder}", backend="torch-fp32")
    images, texts = reference(folder)
    np.testing.assert_allclose(encoder.encode_images(list(demo_photos().values())).joint, images, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=1e-6)
    assert encoder.max_text_tokens == 16


@pytest.mark.parametrize(
    ("architecture", "transformer"),
    [
        ("ViT-B-32", True),
        ("ViT-B-16-SigLIP", True),
        ("EVA02-B-16", True),
        ("RN50", False),
        ("convnext_base_w", False),
        ("MobileCLIP-S1", False),
        ("ViTamin-B", False),
    ],
)
def test_convolutional_towers_are_distinguished_from_transformers(
    architecture: str, transformer: bool, tmp_path: Path
) -> None:
    """By which `auto` chooses how to round."""
    (tmp_path / "weights.safetensors").touch()
    family = OpenClipFamily(find_source(f"{architecture}:{tmp_path / 'weights.safetensors'}"))
    assert family.transformer == transformer


def test_a_convolutional_tower(tmp_path: Path) -> None:
    folder = tmp_path / "convnext"
    families.open_clip_folder(folder, CONVNEXT)
    encoder = load_encoder(f"open_clip:{folder}", backend="torch-fp32")
    np.testing.assert_allclose(
        encoder.encode_images(list(demo_photos().values())).joint, reference(folder)[0], atol=1e-5
    )


def test_cocas_towers_are_its_contrastive_ones(tmp_path: Path) -> None:
    folder = tmp_path / "coca"
    decoder = {"context_length": 76, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
    vision = families.CLIP_VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    text = families.CLIP_TEXT | {"context_length": 76, "embed_cls": True, "output_tokens": True}
    families.open_clip_folder(folder, vision, multimodal_cfg=decoder, custom_text=True, text_cfg=text)
    encoder = load_encoder(f"open_clip:{folder}", backend="torch-fp32")
    images, texts = reference(folder)
    np.testing.assert_allclose(encoder.encode_images(list(demo_photos().values())).joint, images, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=1e-6)


@pytest.mark.slow
def test_a_checkpoint_beside_its_architectures_name(tmp_path: Path) -> None:
    """Also from a training run, which keeps its tensors under `state_dict` and on several GPUs."""
    name = "ViT-S-32-alt"
    torch.manual_seed(4)
    model = open_clip.create_model(name, load_weights=False).eval()
    training = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}
    torch.save(training, tmp_path / "epoch_3.pt")
    encoder = load_encoder(f"open_clip:{name}:{tmp_path / 'epoch_3.pt'}", backend="torch-fp32")
    with torch.no_grad():
        expected = F.normalize(model.encode_text(open_clip.get_tokenizer(name)(TEXTS)), dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=1e-6)
    assert encoder.dim == 256 and encoder.id.startswith("open_clip-256d-224px-")


def test_a_tag_is_found_in_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--timm--vit_base_patch32_clip_224.openai"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    (snapshot / "open_clip_model.safetensors").write_bytes(b"not looked at yet")
    source = find_source("ViT-B-32/openai")
    (weights,) = source.weights
    assert weights.name == "open_clip_model.safetensors" and weights.is_relative_to(snapshot)
    # OpenAI trained with the quick approximation of GELU, which the architecture's name does not say.
    assert source.quick_gelu


@pytest.mark.slow
def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    families.open_clip_folder(folder)
    weights = folder / "open_clip_model.safetensors"
    with pytest.raises(ModelUnavailable, match="ViT-B-16"):
        load_encoder(f"open_clip:ViT-B-16:{weights}").encode_texts(["a dog"])
    shutil.copytree(folder, tmp_path / "cut")
    (tmp_path / "cut" / weights.name).write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelUnavailable, match="cut"):
        load_encoder(f"open_clip:{tmp_path / 'cut'}").encode_texts(["a dog"])
    (folder / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 32}}')
    with pytest.raises(ModelUnavailable, match="text_cfg"):
        load_encoder(f"open_clip:{folder}")
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(ModelUnavailable, match="open_clip_config") as raised:
        load_encoder(f"open_clip:{folder}")
    assert "architecture" in raised.value.hint


def test_each_tower_is_loaded_without_the_other(tmp_path: Path) -> None:
    families.open_clip_folder(tmp_path / "clip")
    family = OpenClipFamily(find_source(str(tmp_path / "clip")))
    image = {name for name, _ in family.load_image_tower().named_parameters()}
    text = {name for name, _ in family.load_text_tower().named_parameters()}
    assert image and text and not image & text - {"model.logit_scale"}
    assert all(".visual." in name or name == "model.logit_scale" for name in image)
