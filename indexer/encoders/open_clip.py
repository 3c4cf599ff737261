"""open_clip's models: CLIP, SigLIP, CoCa and every other architecture the library knows, by tag, folder or file.

The library builds the model, reads the weights, resizes pictures and cuts texts; this module finds the files, keeps
the library off the network, and takes the two towers apart.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from torch import Tensor, nn

from indexer.encoders.conversion import as_safetensors, is_pickled, safe_name
from indexer.encoders.torch_encoder import Colour, Tokens
from indexer.encoders.weights import OPEN_CLIP_FILES, read_tensors, vectors_id
from indexer.errors import ModelUnavailable, UsageError
from indexer.runtime import find_checkpoint, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

CONFIG = "open_clip_config.json"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
_TAGS_SHOWN = 6
# What belongs to neither tower, or to one of them: CLIP keeps its text tower's parts at the top of the model.
_TEXT_PARTS = ("text", "transformer", "token_embedding", "ln_final", "text_projection", "positional_embedding")
_DECODER_PARTS = ("text_decoder",)


@dataclass(frozen=True)
class OpenClipWeights:
    """Where one model is: its files, what they are a model of, and how its pictures are to be prepared.

    `architecture` is a name open_clip knows or `local-dir:FOLDER`; `config` is what that stands for.
    """

    name: str
    architecture: str
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    preprocessing: Mapping[str, Any]
    quick_gelu: bool = False


class OpenClipFamily:
    """One open_clip model; `source` says which."""

    def __init__(self, source: OpenClipWeights) -> None:
        self._source = source
        text, vision = source.config["text_cfg"], source.config["vision_cfg"]
        # open_clip goes by the tower's own size, whatever the preprocessing says; 224 is its default.
        size = {"size": vision.get("image_size", 224)}
        preprocessing = merge_preprocess_dict(merge_preprocess_dict(PreprocessCfg(), source.preprocessing), size)
        self._transform, self.mean, self.std = _split_transform(preprocessing, source.name)
        self.dim = int(source.config["embed_dim"])
        self.transformer = _is_transformer(vision)
        self.image_size = _side(preprocessing["size"], source.name)
        self.max_text_tokens = int(text.get("context_length", 77))
        quick_gelu = source.quick_gelu or bool(source.config.get("quick_gelu", False))
        facts = sorted((name, _plain_value(value)) for name, value in preprocessing.items())
        self.id = vectors_id("open_clip", self, source.weights, quick_gelu, facts)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(self._transform(image))

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        # open_clip's models read texts padded to their full length; whatever masks they need they make themselves.
        ids = self._tokenizer(list(texts)).numpy().astype(np.int64)
        return Tokens(ids, np.ones_like(ids))

    def load_image_tower(self) -> nn.Module:
        model = self._load()
        _drop(model, _TEXT_PARTS + _DECODER_PARTS)
        return _ImageTower(model).eval()

    def load_text_tower(self) -> nn.Module:
        model = self._load()
        _drop(model, ("visual", *_DECODER_PARTS))
        return _TextTower(model).eval()

    @cached_property
    def _tokenizer(self) -> Any:
        text = self._source.config["text_cfg"]
        options = dict(text.get("tokenizer_kwargs", {}))
        wanted = text.get("hf_tokenizer_name")
        if not wanted:
            return open_clip.SimpleTokenizer(context_length=self.max_text_tokens, **options)
        from open_clip.tokenizer import HFTokenizer

        folder = self._source.weights[0].parent
        if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
            folder = find_checkpoint(wanted, _TOKENIZER_FILES[0]).folder
        return HFTokenizer(str(folder), self.max_text_tokens, tokenizer_mode=text.get("tokenizer_mode"), **options)

    def _load(self) -> Any:
        source = self._source
        try:
            with _quiet():
                model = open_clip.create_model(
                    source.architecture,
                    load_weights=False,
                    force_quick_gelu=source.quick_gelu,
                    pretrained_image=False,
                    pretrained_text=False,
                )
                if len(source.weights) == 1:
                    open_clip.load_checkpoint(model, str(source.weights[0]), strict=True, weights_only=True)
                else:
                    pieces = [read_tensors(file) for file in source.weights]
                    model.load_state_dict({name: tensor for piece in pieces for name, tensor in piece.items()})
        except Exception as error:  # open_clip and the libraries under it raise whatever they met
            raise ModelUnavailable(
                f"The model {source.name} cannot be loaded from {source.weights[0]}: {first_line(error)}.",
                "Check that the file holds this architecture's weights; texts of some models need a second model:"
                " `dar models pull` gets both.",
            ) from error
        return model


class _ImageTower(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.model.encode_image(pixels)
        return vectors


class _TextTower(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        vectors: Tensor = self.model.encode_text(ids)
        return vectors


def find_source(spec: str) -> OpenClipWeights:
    """The model that `spec` names: `ARCHITECTURE/TAG`, `ARCHITECTURE:FILE`, a folder with its configuration, or a hub
    id after `hf-hub:`.

    Raises UsageError for a name open_clip does not know, ModelUnavailable where the files are not on this machine.
    """
    if spec.startswith("hf-hub:"):
        return _in_folder(
            find_checkpoint(spec.removeprefix("hf-hub:"), CONFIG, asked=f"open_clip:{spec}").folder,
            spec.removeprefix("hf-hub:"),
        )
    path = Path(spec.removeprefix("local-dir:")).expanduser()
    if path.is_dir():
        return _in_folder(path.resolve(), path.resolve().name)
    if path.is_file():
        return _in_folder(path.resolve().parent, path.stem, path.resolve())
    architecture, separator, rest = spec.partition(":")
    if separator and open_clip.get_model_config(architecture):
        return _file_of(architecture, Path(rest).expanduser())
    return _tagged(spec)


def _in_folder(folder: Path, name: str, weights: Path | None = None) -> OpenClipWeights:
    config = folder / CONFIG
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        model = content["model_cfg"]
        lacking = {"embed_dim", "text_cfg", "vision_cfg"} - set(model)
    except OSError as error:
        raise ModelUnavailable(
            f"{folder} has no {CONFIG}.", "Name the architecture: `open_clip:ViT-B-32:/path/to/weights.safetensors`."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{config} is not a configuration of open_clip's.") from error
    if lacking:
        raise ModelUnavailable(f"{config} lacks {', '.join(sorted(lacking))}.")
    files = (weights,) if weights else _weights_in(folder)
    return OpenClipWeights(_plain(name), f"local-dir:{folder}", model, files, content.get("preprocess_cfg", {}))


def _weights_in(folder: Path, alternatives: Sequence[Sequence[str]] = OPEN_CLIP_FILES) -> tuple[Path, ...]:
    """The files of the first alternative that is there; pickles are converted first, once."""
    for patterns in alternatives:
        files = sorted(file for pattern in patterns for file in folder.glob(pattern) if file.suffix != ".json")
        if files and is_pickled(files[0].name):
            return tuple(as_safetensors(files))
        if files:
            return tuple(files)
    alone = sorted(folder.glob("*.safetensors"))
    if len(alone) != 1:
        raise ModelUnavailable(
            f"{folder} has no {alternatives[0][0]}.", "Give the weights' own path instead of the folder."
        )
    return (alone[0],)


def _file_of(architecture: str, weights: Path) -> OpenClipWeights:
    if not weights.is_file():
        raise ModelUnavailable(f"There is no file {weights}.", "Give the path of the model's weights.")
    return OpenClipWeights(architecture, architecture, _known(architecture), (weights.resolve(),), {})


def _tagged(spec: str) -> OpenClipWeights:
    architecture, tag, settings = known_tag(spec)
    repository, alternatives = hub_weights(settings, spec)
    return OpenClipWeights(
        f"{architecture}-{tag}",
        architecture,
        _known(architecture),
        _weights_in(_hub_folder(repository, alternatives, spec), alternatives),
        settings,
        # open_clip only warns where a tag was trained with another activation than its architecture names.
        quick_gelu=bool(settings.get("quick_gelu", False)),
    )


def known_tag(spec: str) -> tuple[str, str, Mapping[str, Any]]:
    """Architecture, tag and open_clip's settings of `ARCHITECTURE/TAG`; raises UsageError where it knows none."""
    architecture, _, tag = spec.rpartition("/")
    settings = get_pretrained_cfg(architecture, tag) if architecture else {}
    if not settings:
        known = open_clip.list_pretrained_tags_by_model(architecture or tag)
        hint = (
            f"Use one of its tags, such as {', '.join(known[:_TAGS_SHOWN])}."
            if known
            else "`open_clip.list_pretrained()` lists them."
        )
        raise UsageError(f"open_clip knows no model {spec!r}, and no such file or folder exists.", hint)
    return architecture, tag, settings


def hub_weights(settings: Mapping[str, Any], spec: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The hub id of a tag's weights, and what they can be in, as `OPEN_CLIP_FILES`."""
    place = settings.get("hf_hub", "")
    if not place:
        raise ModelUnavailable(
            f"The weights of {spec} are not on the hub.", f"Download {settings.get('url', 'them')} and give its path."
        )
    repository, _, file = place.rpartition("/")
    if not file:
        return repository, OPEN_CLIP_FILES
    # A tag may name a pickle where the repository has a safetensors file of the same name by now.
    names = dict.fromkeys((re.sub(r"\.(bin|pt|pth)$", ".safetensors", file), safe_name(file), file))
    return repository, tuple((name,) for name in names)


def _hub_folder(repository: str, alternatives: Sequence[Sequence[str]], spec: str) -> Path:
    """Where a pull has put a tag's weights, in whichever form; raises ModelUnavailable where it has not."""
    for patterns in alternatives:
        # The last of several names no piece but their index.
        with suppress(ModelUnavailable):
            return find_checkpoint(repository, patterns[-1], asked=f"open_clip:{spec}").folder
    return find_checkpoint(repository, alternatives[0][0], asked=f"open_clip:{spec}").folder


def other_repositories(architecture: str) -> set[str]:
    """The hub ids of models that lend an architecture their tokenizer or their text tower's configuration."""
    text = _known(architecture)["text_cfg"]
    return {str(text[key]) for key in ("hf_tokenizer_name", "hf_model_name") if text.get(key)}


def _known(architecture: str) -> Mapping[str, Any]:
    config: Mapping[str, Any] = open_clip.get_model_config(architecture)
    return config


def _split_transform(settings: Mapping[str, Any], name: str) -> tuple[Any, Colour, Colour]:
    """open_clip's own preprocessing up to where pictures become numbers, and the numbers after that."""
    *resizing, _to_tensor, normalise = image_transform_v2(PreprocessCfg(**settings), is_train=False).transforms
    if not hasattr(normalise, "mean"):
        raise ModelUnavailable(f"The installed open_clip prepares pictures for {name} in a way dar does not know.")
    from torchvision.transforms import Compose

    return Compose(resizing), _colour(normalise.mean), _colour(normalise.std)


def _colour(values: Sequence[float]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _is_transformer(vision: Mapping[str, Any]) -> bool:
    name = str(vision.get("timm_model_name", ""))
    if name:
        return name.startswith(("vit_", "eva_", "eva02_"))
    # open_clip's own ResNets list the depth of each stage.
    return isinstance(vision.get("layers", 12), int)


def _side(size: int | Sequence[int], name: str) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ModelUnavailable(f"The model {name} takes pictures of {size} pixels; dar makes square ones only.")
    return sides.pop()


def _drop(model: Any, parts: Sequence[str]) -> None:
    for part in parts:
        if hasattr(model, part):
            delattr(model, part)


def _plain_value(value: Any) -> Any:
    """A setting as open_clip's own table has it, so that a model has one id by its tag and by its folder: JSON knows no
    tuples, and may write a number without its point."""
    if isinstance(value, list | tuple):
        return tuple(float(each) for each in value)
    return value


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps open_clip's remarks on models built without weights off the terminal: they get theirs a line later."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
