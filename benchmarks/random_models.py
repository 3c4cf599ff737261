"""Models of the true architectures with random weights, on disk as their makers publish them, to measure speed by."""

from __future__ import annotations

import json
import logging
from pathlib import Path

BLIP_BASE = "blip-base"
BEIT3_BASE = "beit3-base"


def write_model(name: str, folder: Path) -> str:
    """Writes the model under `folder` and returns its spec for `load_encoder`.

    `name` is an architecture of open_clip's, `blip-base` (224 pixels, as the paper has it) or `beit3-base` (224).
    """
    import torch

    torch.manual_seed(0)
    target = folder / name
    target.mkdir(parents=True)
    if name == BLIP_BASE:
        return _blip(target)
    if name == BEIT3_BASE:
        return _beit3(target)
    return _open_clip(name, target)


def _open_clip(name: str, target: Path) -> str:
    import open_clip
    from safetensors.torch import save_file

    config = open_clip.get_model_config(name)
    logging.disable(logging.WARNING)  # open_clip remarks that the weights are random
    model = open_clip.create_model(name, load_weights=False, pretrained_text=False)
    tensors = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    save_file(tensors, target / "open_clip_model.safetensors")
    (target / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return f"open_clip:{target}"


def _blip(target: Path) -> str:
    from transformers import BlipConfig, BlipForImageTextRetrieval

    config = BlipConfig(vision_config={"image_size": 224}, text_config={"num_attention_heads": 12})
    BlipForImageTextRetrieval(config).save_pretrained(target)
    return f"blip:{target}"


def _beit3(target: Path) -> str:
    import torch

    from indexer.encoders.beit3 import BASE, VOCABULARY, Beit3ImageTower, Beit3TextTower, original_name

    tensors = {
        original_name(name, way): tensor
        for way, tower in (("A", Beit3ImageTower(BASE)), ("B", Beit3TextTower(BASE)))
        for name, tensor in tower.state_dict().items()
    }
    unused = {"beit3.vision_embed.mask_token": torch.zeros(1, 1, BASE.width), "logit_scale": torch.zeros(())}
    torch.save({"model": tensors | unused}, target / "beit3_base_patch16_224.pth")
    # Only pictures are encoded; the vocabulary is not opened.
    (target / VOCABULARY).touch()
    return f"beit3:{target}"
