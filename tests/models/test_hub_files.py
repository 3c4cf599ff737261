"""Which files of a repository are pulled, by the layouts that models are published in."""

from __future__ import annotations

import pytest

from dar_tui.models.hub_files import HubSource, needed_files, sources_of
from indexer.errors import ModelUnavailable

# As stabilityai/sd-turbo is laid out: whole and half-size weights side by side, and all of it once more at the root.
SD_TURBO = [
    *("README.md", "model_index.json", "sd_turbo.safetensors", "sample.png"),
    *("scheduler/scheduler_config.json", "tokenizer/merges.txt", "tokenizer/vocab.json"),
    *("text_encoder/config.json", "text_encoder/model.safetensors", "text_encoder/model.fp16.safetensors"),
    *("unet/config.json", "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"),
    *("vae/config.json", "vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors"),
]


def test_a_pipeline_with_half_size_weights_is_pulled_in_half() -> None:
    chosen = needed_files(SD_TURBO, HubSource("a/b"))
    weights = [name for name in chosen if name.endswith(".safetensors")]
    assert weights == [
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]
    assert {"model_index.json", "tokenizer/merges.txt", "unet/config.json"} <= set(chosen)
    assert not {"README.md", "sd_turbo.safetensors", "sample.png"} & set(chosen)


def test_half_size_weights_of_some_parts_only_are_left() -> None:
    chosen = needed_files(
        [name for name in SD_TURBO if name != "vae/diffusion_pytorch_model.fp16.safetensors"], HubSource("a/b")
    )
    assert not [name for name in chosen if ".fp16" in name]
    assert sum(name.endswith(".safetensors") for name in chosen) == 3


def test_weights_in_pieces_come_with_their_index_and_the_safety_checker_stays() -> None:
    names = [
        *("model_index.json", "safety_checker/model.safetensors", "safety_checker/config.json"),
        *("text_encoder_3/model-00001-of-00002.safetensors", "text_encoder_3/model-00002-of-00002.safetensors"),
        *("text_encoder_3/model.fp16-00001-of-00002.safetensors", "text_encoder_3/model.safetensors.index.json"),
        *("transformer/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors"),
        *("onnx/unet/model.onnx", "text_encoder_3/pytorch_model.bin"),
    ]
    assert needed_files(names, HubSource("a/b")) == [
        "model_index.json",
        "text_encoder_3/model-00001-of-00002.safetensors",
        "text_encoder_3/model-00002-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.json",
        "transformer/diffusion_pytorch_model.safetensors",
    ]


def test_open_clip_models_are_pulled_without_the_copies_for_other_libraries() -> None:
    names = [
        *("open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin", "config.json"),
        *("model.safetensors", "pytorch_model.bin", "tokenizer.json", "merges.txt", "README.md"),
    ]
    assert needed_files(names, HubSource("a/b")) == [
        *("config.json", "merges.txt", "open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json"),
    ]


def test_language_models_are_pulled_from_the_root_only() -> None:
    names = [
        *("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        *("model.safetensors.index.json", "tokenizer.model", "chat_template.jinja", "modeling_phi3.py", "LICENSE"),
        *("original/consolidated.00.safetensors", "onnx/model.onnx", "adapter_model.safetensors"),
    ]
    chosen = needed_files(names, HubSource("a/b"))
    assert set(names[:6]) == set(chosen)


def test_one_gguf_file_of_many() -> None:
    names = ["README.md", "x-q4.gguf", "x-q8.gguf"]
    assert needed_files(names, HubSource("a/b", "x-q4.gguf")) == ["x-q4.gguf"]
    with pytest.raises(ModelUnavailable, match=r"no file x-q5\.gguf"):
        needed_files(names, HubSource("a/b", "x-q5.gguf"))


# What the hub listed of these repositories, stored at the commits named; READMEs, pictures and .gitattributes left out.
# https://huggingface.co/Salesforce/blip-itm-base-coco/tree/7eaa90c11850c0b17fc38c6a11e7d88bd6ac231f
BLIP_ITM = [
    *("config.json", "preprocessor_config.json", "pytorch_model.bin", "special_tokens_map.json", "tf_model.h5"),
    *("tokenizer.json", "tokenizer_config.json", "vocab.txt"),
]
# https://huggingface.co/laion/CLIP-ViT-g-14-laion2B-s12B-b42K/tree/4b0305adc6802b2632e11cbe6606a9bdd43d35c9
VIT_G_14 = [
    *("config.json", "merges.txt", "model.safetensors", "open_clip_config.json", "open_clip_pytorch_model.bin"),
    *("open_clip_pytorch_model.safetensors", "preprocessor_config.json", "pytorch_model.bin"),
    *("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"),
]
# https://huggingface.co/PixArt-alpha/PixArt-Alpha-DMD-XL-2-512x512/tree/57df7bb32daad69bc1d6c825a275935113802169
PIXART_DMD = [
    *("model_index.json", "scheduler/scheduler_config.json", "transformer/config.json"),
    "transformer/diffusion_pytorch_model.bin",
]
# https://huggingface.co/black-forest-labs/FLUX.2-klein-4B/tree/main/text_encoder, and its configurations
KLEIN_TEXT = [
    *("config.json", "generation_config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
    "model.safetensors.index.json",
]
BLIP_FILES = [name for name in BLIP_ITM if name != "tf_model.h5"]


def source_of(spec: str) -> HubSource:
    (source,) = sources_of(spec)
    return source


@pytest.mark.parametrize(
    ("listed", "source", "wanted"),
    [
        (BLIP_ITM, source_of("Salesforce/blip-itm-base-coco"), BLIP_FILES),
        (BLIP_ITM, source_of("blip:Salesforce/blip-itm-base-flickr@224"), BLIP_FILES),
        # Once somebody has added them, the pickle stays where it is.
        ([*BLIP_ITM, "model.safetensors"], source_of("blip:Salesforce/blip-itm-base-flickr"),
         [*(name for name in BLIP_FILES if name != "pytorch_model.bin"), "model.safetensors"]),
        (VIT_G_14, source_of("open_clip:ViT-g-14/laion2b_s12b_b42k"), ["open_clip_pytorch_model.safetensors"]),
        (VIT_G_14, source_of("open_clip:hf-hub:laion/CLIP-ViT-g-14-laion2B-s12B-b42K"),
         ["merges.txt", "open_clip_config.json", "open_clip_pytorch_model.safetensors", "special_tokens_map.json",
          "tokenizer.json", "tokenizer_config.json", "vocab.json"]),
        (["pytorch_model.bin", "config.json"], source_of("open_clip:ViTamin-S/datacomp1b"), ["pytorch_model.bin"]),
        (PIXART_DMD, HubSource("PixArt-alpha/PixArt-Alpha-DMD-XL-2-512x512"), PIXART_DMD),
        (["model_index.json", *(f"text_encoder/{name}" for name in KLEIN_TEXT)], HubSource("a/b"),
         ["model_index.json", *(f"text_encoder/{name}" for name in KLEIN_TEXT)]),
    ],
)  # fmt: skip
def test_a_pull_takes_exactly_what_loading_needs(listed: list[str], source: HubSource, wanted: list[str]) -> None:
    assert needed_files(listed, source) == sorted(wanted)


def test_an_index_comes_with_its_pieces_only() -> None:
    names = [
        *("model_index.json", "unet/model.safetensors.index.json", "unet/model.safetensors.index.fp16.json"),
        *("unet/model.fp16-00001-of-00002.safetensors", "unet/model.fp16-00002-of-00002.safetensors"),
        *("unet/model-00001-of-00002.safetensors", "unet/model-00002-of-00002.safetensors"),
    ]
    assert needed_files(names, HubSource("a/b")) == sorted([names[0], *names[2:5]])
    rest = [name for name in names if "-00002-of" not in name or "fp16" not in name]
    assert "unet/model.safetensors.index.json" in needed_files([*rest, "vae/model.safetensors"], HubSource("a/b"))


@pytest.mark.parametrize(
    "names",
    [["config.json", "tf_model.h5"], ["model_index.json", "unet/x.bin"], ["open_clip_config.json"], [],
     ["training_args.bin", "config.json"]],
)  # fmt: skip
def test_without_weights_nothing_is_pulled(names: list[str]) -> None:
    with pytest.raises(ModelUnavailable, match="neither safetensors"):
        needed_files(names, HubSource("a/b"))


def test_patterns_of_an_encoder_are_taken_as_they_are() -> None:
    names = ["config.json", "model.safetensors", "tf_model.h5", "vocab.txt", "sub/model.safetensors"]
    weights = (("model.safetensors",), ("pytorch_model.bin",))
    assert needed_files(names, HubSource("a/b", patterns=("vocab*",), weights=weights)) == [
        "model.safetensors",
        "vocab.txt",
    ]
    # A repository that lends nothing but its tokenizer needs no weights.
    assert needed_files(names, HubSource("a/b", patterns=("vocab*",))) == ["vocab.txt"]
    with pytest.raises(ModelUnavailable, match="neither safetensors"):
        needed_files(names[2:4], HubSource("a/b", patterns=("vocab*",), weights=weights))
