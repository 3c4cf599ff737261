"""BLIP checkpoints as Salesforce's training code wrote them, and ChatIR's after it, as transformers' tensors.

Covers the pretrained (`model_base.pth`, `model_large.pth`, ...), retrieval (`model_base_retrieval_coco.pth`, ...) and
ChatIR (`chatir_weights.ckpt`) files. Every tensor is either renamed, or known not to be needed, or an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.encoders.weights import check_names, renamed
from indexer.errors import ModelUnavailable

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BlipConfig

# Only training needs them: the momentum copies of both encoders, the queues of negatives, the temperature, the decoder
# of captions; and a constant.
_LEFT_OUT = re.compile(
    r"(visual_encoder_m|text_encoder_m|vision_proj_m|text_proj_m|text_decoder)\..+"
    r"|image_queue|text_queue|idx_queue|queue_ptr|ptr_queue|temp"
    r"|text_encoder\.embeddings\.position_ids"
)
_LAYER = r"visual_encoder\.blocks\.(\d+)\."
_NEW_LAYER = r"vision_model.encoder.layers.\1."
_RENAMED = tuple(
    (re.compile(old), new)
    for old, new in (
        (r"visual_encoder\.cls_token", "vision_model.embeddings.class_embedding"),
        (r"visual_encoder\.pos_embed", "vision_model.embeddings.position_embedding"),
        (r"visual_encoder\.patch_embed\.proj\.(\w+)", r"vision_model.embeddings.patch_embedding.\1"),
        (r"visual_encoder\.norm\.(\w+)", r"vision_model.post_layernorm.\1"),
        (_LAYER + r"norm([12])\.(\w+)", _NEW_LAYER + r"layer_norm\2.\3"),
        (_LAYER + r"attn\.qkv\.(\w+)", _NEW_LAYER + r"self_attn.qkv.\2"),
        (_LAYER + r"attn\.proj\.(\w+)", _NEW_LAYER + r"self_attn.projection.\2"),
        (_LAYER + r"mlp\.(fc[12])\.(\w+)", _NEW_LAYER + r"mlp.\2.\3"),
        (r"((?:text_encoder|vision_proj|text_proj|itm_head)\..+)", r"\1"),
    )
)
# One tensor of each part the sizes are read off.
_POSITIONS = "vision_model.embeddings.position_embedding"
_PATCHES = "vision_model.embeddings.patch_embedding.weight"
_WORDS = "text_encoder.embeddings.word_embeddings.weight"
_TEXT_POSITIONS = "text_encoder.embeddings.position_embeddings.weight"
_VISION_MLP = "vision_model.encoder.layers.0.mlp.fc1.weight"
_TEXT_MLP = "text_encoder.encoder.layer.0.intermediate.dense.weight"
_PROJECTION = "vision_proj.weight"
# Both of BLIP's sizes, like BERT and every ViT they started from, have heads 64 wide.
_HEAD = 64


def converted(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors under transformers' names; raises ModelUnavailable naming those that are none of BLIP's."""
    unknown = [name for name in tensors if _new_name(name) is None and not _LEFT_OUT.fullmatch(name)]
    check_names(path, "BLIP retrieval", unknown, ())
    found = renamed(tensors, _new_name)
    needed = (_POSITIONS, _PATCHES, _WORDS, _TEXT_POSITIONS, _VISION_MLP, _TEXT_MLP, _PROJECTION)
    check_names(path, "BLIP retrieval", (), set(needed) - set(found))
    return found


def _new_name(name: str) -> str | None:
    if _LEFT_OUT.fullmatch(name):
        return None
    for old, new in _RENAMED:
        match = old.fullmatch(name)
        if match:
            return match.expand(new)
    return None


def config_of(tensors: Mapping[str, Tensor], path: Path) -> BlipConfig:
    """The sizes of a converted model, read off its tensors."""
    from transformers import BlipConfig

    positions, width = tensors[_POSITIONS].shape[-2:]
    patch = tensors[_PATCHES].shape[-1]
    words, text_width = tensors[_WORDS].shape
    grid = round((positions - 1) ** 0.5)
    if grid * grid + 1 != positions or width % _HEAD or text_width % _HEAD:
        raise ModelUnavailable(
            f"{path} has the tensors of BLIP, but not the shapes: {positions} positions, {width} wide."
        )
    dim = tensors[_PROJECTION].shape[0]
    return BlipConfig(
        vision_config={
            "hidden_size": width,
            "intermediate_size": tensors[_VISION_MLP].shape[0],
            "num_hidden_layers": _layers(tensors, "vision_model.encoder.layers."),
            "num_attention_heads": width // _HEAD,
            "image_size": grid * patch,
            "patch_size": patch,
            # Salesforce's own; transformers' default of 1e-5 is a hundredth of a percent off.
            "layer_norm_eps": 1e-6,
        },
        text_config={
            "hidden_size": text_width,
            "encoder_hidden_size": width,
            "intermediate_size": tensors[_TEXT_MLP].shape[0],
            "num_hidden_layers": _layers(tensors, "text_encoder.encoder.layer."),
            "num_attention_heads": text_width // _HEAD,
            "vocab_size": words,
            "max_position_embeddings": tensors[_TEXT_POSITIONS].shape[0],
            # BERT's special words; transformers' defaults are past the end of a smaller vocabulary.
            "bos_token_id": words - 2,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "sep_token_id": 102,
        },
        image_text_hidden_size=dim,
        projection_dim=dim,
    )


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in tensors if name.startswith(prefix))
