"""BLIP: its retrieval model as an encoder family, its matching head and its captioner.

The two projections' dot product is BLIP's contrastive similarity; the matching head reads a picture and a text
together: it has no vectors to search by, but decides better which of a few photos is meant. Checkpoints come as
transformers' hub id or folder, or as Salesforce's training code wrote them, and ChatIR's after it: pretrained
(`model_base.pth`, ...), retrieval (`model_base_retrieval_coco.pth`, ...) and ChatIR (`chatir_weights.ckpt`) files.
Every tensor of these is either renamed, or known not to be needed, or an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from indexer.encoders.bundled.backbones import TOKENIZER
from indexer.encoders.conversion import as_safetensors
from indexer.encoders.torch_encoder import CLIP_MEAN, CLIP_STD, Colour, Tokens, padded, squeezed
from indexer.encoders.weights import (
    check_names,
    fingerprint,
    load_into,
    read_tensors,
    renamed,
    resized_positions,
    vectors_id,
)
from indexer.errors import ModelUnavailable, UsageError
from indexer.printable import stripped
from indexer.runtime import dtype_for, find_checkpoint, first_line, quiet_libraries, resolve_device

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
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

_CONFIG = "config.json"
_PREPROCESSING = "preprocessor_config.json"
_SIZE = re.compile(r"(?P<name>.+)@(?P<side>\d+)")

# As BLIP's authors evaluated captions on COCO and NoCaps: beam search over three, five to twenty tokens.
_BEAMS = 3
_MIN_TOKENS = 5
_MAX_TOKENS = 20
# Long enough for twenty word pieces; a tokenizer that came with the model could write anything.
_MAX_CHARACTERS = 200
# What one Ctrl-C waits for on a CPU, where a caption is a matter of seconds; on a GPU what keeps it busy.
_BATCH = {"cpu": 4, "cuda": 32}


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


class BlipFamily:
    """One BLIP model. `config` is its `BlipConfig`, `load` gives its `BlipForImageTextRetrieval` with fp32 weights.

    `side` is the pictures' size where it is not the one the positions were trained for: Salesforce's COCO models were
    tuned at 384 pixels, and ChatIR's evaluation shows all of them 224. `max_text_tokens` is all the positions there
    are, 512, which come from BERT: BLIP itself was trained with texts cut at 35 tokens, ChatIR evaluates with 200, but
    a truncated dialogue loses the newest facts for certain.
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
        return _BlipImageTower(self._fitted(model.vision_model), model.vision_proj).eval()

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
        return _BlipTextTower(model.text_encoder, model.text_proj).eval()

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_text_tokens)
        return tokenizer


class _BlipImageTower(nn.Module):
    def __init__(self, vision: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.vision = vision
        self.projection = projection

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.vision(pixel_values=pixels).last_hidden_state
        vectors: Tensor = self.projection(hidden[:, 0])
        return vectors


class _BlipTextTower(nn.Module):
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
    """The files of the model in `folder`; raises ModelUnavailable where it has no weights.

    Salesforce's own repositories have them as a pickle only, which is converted first, once.
    """
    weights = sorted(folder.glob("model*.safetensors"))
    if not weights:
        as_safetensors(sorted(folder.glob("pytorch_model*.bin*")))
        weights = sorted(folder.glob("model*.safetensors"))
    if not weights:
        raise ModelUnavailable(
            f"{folder} has no model.safetensors.", "Give the folder of a BLIP model as transformers saves it."
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
    tensors = converted(read_tensors(path), path)
    config = config_of(tensors, path)
    # The vocabulary is BERT's, which the bundled encoder's tokenizer reads; BLIP's two further words are never written.
    return BlipFamily(path.stem, config, [path], lambda: _original(path), TOKENIZER.verified(), side)


def _original(path: Path) -> Any:
    from transformers import BlipForImageTextRetrieval

    tensors = converted(read_tensors(path), path)
    with torch.device("meta"):
        model: Any = BlipForImageTextRetrieval(config_of(tensors, path))
    load_into(model, tensors, path, "BLIP retrieval")
    positions = model.config.text_config.max_position_embeddings
    # A buffer that is not saved, and so stayed without values on the meta device.
    model.text_encoder.embeddings.register_buffer("position_ids", torch.arange(positions)[None], persistent=False)
    return model


class BlipCaptioner:
    """A `Captioner` on one device. Loading raises ModelUnavailable where the folder holds no BLIP captioner."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        parts = folder_parts(folder)
        self._device = resolve_device(device)
        self._dtype = dtype_for(self._device)
        self._model = _captioner(folder).to(self._device, self._dtype)
        self._mean, self._std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) for each in (parts.mean, parts.std)
        )
        self._tokenizer = _tokenizer(parts.tokenizer)
        self.image_size = int(self._model.config.vision_config.image_size)
        self.batch_size = _BATCH.get(self._device.type, _BATCH["cpu"])
        facts = (self.image_size, parts.mean, parts.std, _BEAMS, _MIN_TOKENS, _MAX_TOKENS)
        self.id = f"blip-captions-{fingerprint(parts.weights, *facts)}"

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        if not images:
            return []
        pixels = np.stack([squeezed(image, self.image_size) for image in images])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
        batch = ((batch - self._mean) / self._std).to(self._dtype)
        with torch.inference_mode(), quiet_libraries():
            written = self._model.generate(
                pixel_values=batch, num_beams=_BEAMS, min_length=_MIN_TOKENS, max_length=_MAX_TOKENS
            )
        return [
            stripped(self._tokenizer.decode(each, skip_special_tokens=True), _MAX_CHARACTERS)
            for each in written.tolist()
        ]


def _captioner(folder: Path) -> Any:
    from transformers import BlipForConditionalGeneration

    return pretrained(BlipForConditionalGeneration, folder, "a BLIP captioner", "BLIP captioning").eval()


def _tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))
