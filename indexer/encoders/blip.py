"""BLIP for image-text retrieval: transformers' models by hub id or folder, Salesforce's and ChatIR's own files.

Knows the two projections whose dot product is BLIP's contrastive similarity, and its matching head, which
reads a picture and a text together: it has no vectors to search by, but tells better which of a few photos is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from indexer.checkpoints import find_checkpoint, first_line, quiet_libraries
from indexer.encoders import salesforce
from indexer.encoders.bundled.backbones import TOKENIZER
from indexer.encoders.family import CLIP_MEAN, CLIP_STD, Colour, Tokens, padded, squeezed
from indexer.encoders.weights import check_names, load_into, read_tensors, resized_positions, vectors_id
from indexer.errors import ModelUnavailable, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_CONFIG = "config.json"
_PREPROCESSING = "preprocessor_config.json"
_SIZE = re.compile(r"(?P<name>.+)@(?P<side>\d+)")


class BlipFamily:
    """One BLIP model. `config` is its `BlipConfig`, `load` gives its `BlipForImageTextRetrieval` with fp32 weights.

    `side` is the pictures' size where it is not the one the positions were trained for: Salesforce's COCO models were
    tuned at 384 pixels, and ChatIR's evaluation shows all of them 224. `max_text_tokens` is all the positions there
    are, 512, which come from BERT: BLIP itself was trained with texts cut at 35 tokens, ChatIR evaluates with 200, but
    a dialogue cut short loses the newest facts for certain.
    """

    transformer = True

    def __init__(
        self,
        name: str,
        config: Any,
        weights: Sequence[Path],
        load: Callable[[], Any],
        tokenizer: Path,
        side: int = 0,
        mean: Colour = CLIP_MEAN,
        std: Colour = CLIP_STD,
    ) -> None:
        vision = config.vision_config
        self.image_size = side or int(vision.image_size)
        if self.image_size % vision.patch_size:
            raise UsageError(
                f"{name} reads pictures in patches of {vision.patch_size} pixels, which {side} is no multiple of."
            )
        self._config = config
        self._load = load
        self._tokenizer_file = tokenizer
        self.dim = int(config.image_text_hidden_size)
        self.max_text_tokens = int(config.text_config.max_position_embeddings)
        self.mean, self.std = mean, std
        self.id = vectors_id("blip", self, weights, mean, std)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return squeezed(image, self.image_size)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        encoded = self._tokenizer.encode_batch(list(texts))
        return padded([each.ids for each in encoded], int(self._config.text_config.pad_token_id))

    def load_image_tower(self) -> nn.Module:
        model = self._load()
        return _ImageTower(self._fitted(model.vision_model), model.vision_proj).eval()

    def load_matcher(self) -> nn.Module:
        """Normalised pixels (n, 3, side, side), ids and mask (n, longest) to (n,) chances that they match."""
        model = self._load()
        return _Matcher(self._fitted(model.vision_model), model.text_encoder, model.itm_head).eval()

    def _fitted(self, vision: Any) -> Any:
        table = vision.embeddings.position_embedding
        grid = self.image_size // self._config.vision_config.patch_size
        vision.embeddings.position_embedding = nn.Parameter(resized_positions(table.detach(), grid, extra=1))
        return vision

    def load_text_tower(self) -> nn.Module:
        model = self._load()
        for layer in model.text_encoder.encoder.layer:
            # A third of the text encoder attends to pictures, for the matching head.
            del layer.crossattention
        return _TextTower(model.text_encoder, model.text_proj).eval()

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_text_tokens)
        return tokenizer


class _ImageTower(nn.Module):
    def __init__(self, vision: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.vision = vision
        self.projection = projection

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.vision(pixel_values=pixels).last_hidden_state
        vectors: Tensor = self.projection(hidden[:, 0])
        return vectors


class _TextTower(nn.Module):
    def __init__(self, encoder: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        vectors: Tensor = self.projection(hidden[:, 0])
        return vectors


class _Matcher(nn.Module):
    def __init__(self, vision: nn.Module, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.vision = vision
        self.encoder = encoder
        self.head = head

    def forward(self, pixels: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        seen = self.vision(pixel_values=pixels).last_hidden_state
        everything = torch.ones(seen.shape[:-1], dtype=torch.long, device=seen.device)
        hidden = self.encoder(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=seen, encoder_attention_mask=everything
        ).last_hidden_state
        # The head's two answers are "does not match" and "matches".
        chances: Tensor = self.head(hidden[:, 0]).float().softmax(-1)[:, 1]
        return chances


def find_blip(spec: str) -> BlipFamily:
    """The model that `spec` names: a hub id, a folder of transformers', or a file of Salesforce's or ChatIR's.

    `@SIZE` may follow any of them. Raises UsageError or ModelUnavailable where there is no such model here.
    """
    sized = _SIZE.fullmatch(spec)
    name, side = (sized["name"], int(sized["side"])) if sized else (spec, 0)
    path = Path(name).expanduser()
    if path.is_file() or path.suffix in {".pth", ".ckpt"}:
        return _of_file(path, side)
    return _of_folder(find_checkpoint(name, _CONFIG, asked=f"blip:{name}").folder, path.name, side)


@dataclass(frozen=True)
class FolderParts:
    """What a folder of transformers' has for any BLIP: weights, tokenizer, and what pixels are normalised by."""

    weights: tuple[Path, ...]
    tokenizer: Path
    mean: Colour
    std: Colour


def folder_parts(folder: Path) -> FolderParts:
    """The files of the model in `folder`; raises ModelUnavailable where its weights are not there as safetensors."""
    weights = sorted(folder.glob("model*.safetensors"))
    if not weights:
        raise ModelUnavailable(
            f"{folder} has no model.safetensors.", "Pickled weights of transformers' are not opened; convert them."
        )
    own = folder / "tokenizer.json"
    return FolderParts(
        tuple(weights), own if own.is_file() else TOKENIZER.verified(), *_colours(folder / _PREPROCESSING)
    )


def _of_folder(folder: Path, name: str, side: int) -> BlipFamily:
    from transformers import BlipConfig

    config = BlipConfig.from_pretrained(folder, local_files_only=True)
    parts = folder_parts(folder)
    return BlipFamily(
        name, config, parts.weights, lambda: _retrieval(folder), parts.tokenizer, side, parts.mean, parts.std
    )


def pretrained(architecture: Any, folder: Path, called: str, part: str) -> Any:
    """A BLIP folder through one of transformers' model classes, every tensor of it known; `called` and `part` name it
    in errors. Raises ModelUnavailable."""
    try:
        with quiet_libraries():
            model, loaded = architecture.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelUnavailable(f"{folder} cannot be loaded as {called}: {first_line(error)}.") from error
    # transformers fills what is missing with random numbers, and says so in a warning.
    check_names(folder, part, loaded["unexpected_keys"], loaded["missing_keys"])
    return model


def _retrieval(folder: Path) -> Any:
    from transformers import BlipForImageTextRetrieval

    return pretrained(BlipForImageTextRetrieval, folder, "BLIP", "BLIP retrieval")


def _colours(file: Path) -> tuple[Colour, Colour]:
    """The mean and deviation that a folder's preprocessing names; those BLIP was trained with where it names none."""
    try:
        named = json.loads(file.read_text(encoding="utf-8"))
        (r, g, b), (x, y, z) = named["image_mean"], named["image_std"]
        return (float(r), float(g), float(b)), (float(x), float(y), float(z))
    except (OSError, ValueError, KeyError, TypeError):
        return CLIP_MEAN, CLIP_STD


def _of_file(path: Path, side: int) -> BlipFamily:
    if not path.is_file():
        raise ModelUnavailable(f"There is no file {path}.", "Give a checkpoint of Salesforce's or ChatIR's.")
    path = path.resolve()
    tensors = salesforce.converted(read_tensors(path), path)
    config = salesforce.config_of(tensors, path)
    # The vocabulary is BERT's, which the bundled encoder's tokenizer reads; BLIP's two further words are never written.
    return BlipFamily(path.stem, config, [path], lambda: _original(path), TOKENIZER.verified(), side)


def _original(path: Path) -> Any:
    from transformers import BlipForImageTextRetrieval

    tensors = salesforce.converted(read_tensors(path), path)
    with torch.device("meta"):
        model: Any = BlipForImageTextRetrieval(salesforce.config_of(tensors, path))
    load_into(model, tensors, path, "BLIP retrieval")
    positions = model.config.text_config.max_position_embeddings
    # A buffer that is not saved, and so stayed without values on the meta device.
    model.text_encoder.embeddings.register_buffer("position_ids", torch.arange(positions)[None], persistent=False)
    return model
