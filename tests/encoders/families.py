"""Tiny real models of every family, written to disk in the form their makers publish them in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from transformers import BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval

from indexer.encoders.beit3 import Beit3Shape, names_of

CLIP_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CLIP_VISION = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
PREPROCESSING = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic"}
# Microsoft's layout at a size that a test can hold; heads are 64 wide, as in base and large.
TINY_BEIT3 = Beit3Shape(width=128, layers=2, heads=2, hidden=160, patch=16, side=64, words=310, text_positions=1024)
SENTENCES = (
    "a dog runs on the beach", "two people sit at a table", "a child in a red coat plays with a ball",
    "a man rides a bicycle down the street", "the cat sleeps on a chair by the window", "a black dog and a white dog",
    "people walk in the snow", "a woman holds an umbrella in the rain", "boats on a lake at sunset", "an old car",
)  # fmt: skip


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights that make every part of a model matter: fresh ones start many at nought or one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15 + (parameter.ndim == 1) * 0.5)


def open_clip_folder(folder: Path, vision: dict[str, Any] | None = None, **config: Any) -> Any:
    """A model of open_clip's in a folder as its hub repositories are; returns the model."""
    folder.mkdir(exist_ok=True)
    model_cfg = {"embed_dim": 32, "vision_cfg": vision or CLIP_VISION, "text_cfg": CLIP_TEXT} | config
    content = {"model_cfg": model_cfg, "preprocess_cfg": PREPROCESSING | {"resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False).eval()
    randomise(model, seed=1)
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return model


def word_tokenizer(folder: Path) -> None:
    """A tokenizer of whole words in a folder, as transformers saves one."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *sorted({word for line in SENTENCES for word in line.split()})]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)


def blip_config(layers: int = 2) -> BlipConfig:
    """BLIP with BERT's own vocabulary and heads 64 wide, as both published sizes have."""
    return BlipConfig(
        vision_config={
            "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": layers, "num_attention_heads": 2,
            "image_size": 64, "patch_size": 16, "layer_norm_eps": 1e-6,
        },
        text_config={
            "hidden_size": 64, "encoder_hidden_size": 128, "intermediate_size": 96, "num_hidden_layers": layers,
            "num_attention_heads": 1, "vocab_size": 30524, "max_position_embeddings": 512,
        },
        image_text_hidden_size=32,
    )  # fmt: skip


def blip_model(seed: int = 2, layers: int = 2) -> BlipForImageTextRetrieval:
    """BLIP's retrieval model, of `blip_config`."""
    model = BlipForImageTextRetrieval(blip_config(layers)).eval()
    randomise(model, seed)
    return model


def blip_captioner(seed: int = 3) -> BlipForConditionalGeneration:
    """BLIP's captioner, of `blip_config`."""
    model = BlipForConditionalGeneration(blip_config()).eval()
    randomise(model, seed)
    return model


def salesforce_layout(model: BlipForImageTextRetrieval) -> dict[str, torch.Tensor]:
    """The model's tensors as Salesforce's BLIP_ITM names them, which ChatIR trained."""
    changes = (
        ("vision_model.embeddings.class_embedding", "visual_encoder.cls_token"),
        ("vision_model.embeddings.position_embedding", "visual_encoder.pos_embed"),
        ("vision_model.embeddings.patch_embedding", "visual_encoder.patch_embed.proj"),
        ("vision_model.post_layernorm", "visual_encoder.norm"),
        ("vision_model.encoder.layers", "visual_encoder.blocks"),
        ("self_attn.projection", "attn.proj"),
        ("self_attn.qkv", "attn.qkv"),
        ("layer_norm", "norm"),
    )
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("vision_model"):
            for new, old in changes:
                name = name.replace(new, old)
        tensors[name] = tensor.clone()
    return tensors | {"text_encoder.embeddings.position_ids": torch.arange(512)[None]}


def pretraining_layout(model: BlipForImageTextRetrieval) -> dict[str, torch.Tensor]:
    """The same as BLIP's pretraining and retrieval training leave it: with copies, queues and a decoder beside."""
    own = salesforce_layout(model)
    copies = {
        re.sub(r"^(visual_encoder|text_encoder|vision_proj|text_proj)\.", r"\1_m.", name): tensor
        for name, tensor in own.items()
        if not name.startswith("itm_head")
    }
    queues = {name: torch.zeros(32, 8) for name in ("image_queue", "text_queue", "idx_queue")}
    rest = {
        "queue_ptr": torch.zeros(1, dtype=torch.long), "ptr_queue": torch.zeros(1, dtype=torch.long),
        "temp": torch.tensor(0.07), "text_decoder.cls.predictions.bias": torch.zeros(30524),
    }  # fmt: skip
    return own | copies | queues | rest


def beit3_tensors(shape: Beit3Shape, seed: int = 3) -> dict[str, torch.Tensor]:
    """Random weights under Microsoft's names."""
    generator = torch.Generator().manual_seed(seed)
    way_shapes = beit3_shapes(shape)
    assert set(way_shapes) == names_of(shape)
    return {name: torch.randn(size, generator=generator) * 0.2 for name, size in way_shapes.items()}


def beit3_shapes(shape: Beit3Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor of a retrieval checkpoint of this shape, as Microsoft's modelling code and torchscale name them."""
    width, hidden = shape.width, shape.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "language_head.weight": (width, width),
        "vision_head.weight": (width, width),
        "beit3.text_embed.weight": (shape.words, width),
        "beit3.vision_embed.mask_token": (1, 1, width),
        "beit3.vision_embed.cls_token": (1, 1, width),
        "beit3.vision_embed.proj.weight": (width, 3, shape.patch, shape.patch),
        "beit3.vision_embed.proj.bias": (width,),
        "beit3.encoder.embed_positions.A.weight": ((shape.side // shape.patch) ** 2 + 3, width),
        "beit3.encoder.embed_positions.B.weight": (shape.text_positions, width),
    }
    for way in "AB":
        norms = [f"beit3.encoder.layer_norm.{way}"]
        for number in range(shape.layers):
            layer = f"beit3.encoder.layers.{number}"
            norms += [f"{layer}.{norm}.{way}" for norm in ("self_attn_layer_norm", "final_layer_norm")]
            norms += [f"{layer}.self_attn.inner_attn_ln.{way}"]
            for projection in "qkv":
                shapes[f"{layer}.self_attn.{projection}_proj.{way}.weight"] = (width, width)
                shapes[f"{layer}.self_attn.{projection}_proj.{way}.bias"] = (width,)
            shapes[f"{layer}.self_attn.out_proj.{way}.weight"] = (width, width)
            shapes[f"{layer}.self_attn.out_proj.{way}.bias"] = (width,)
            shapes[f"{layer}.ffn.{way}.fc1.weight"] = (hidden, width)
            shapes[f"{layer}.ffn.{way}.fc1.bias"] = (hidden,)
            shapes[f"{layer}.ffn.{way}.fc2.weight"] = (width, hidden)
            shapes[f"{layer}.ffn.{way}.fc2.bias"] = (width,)
            for part in ("weight", "bias"):
                shapes[f"{layer}.ffn.{way}.ffn_layernorm.{part}"] = (hidden,)
        shapes |= {f"{norm}.{part}": (width,) for norm in norms for part in ("weight", "bias")}
    return shapes


def beit3_vocabulary(path: Path) -> None:
    """A sentencepiece vocabulary with the special words where BEiT-3's are."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 5), model_prefix=str(path.with_suffix("")), vocab_size=80,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    path.with_suffix(".model").rename(path)
