"""Pickled weights turned into safetensors: once, whole, by a process of their own, and nothing but weights."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BlipForConditionalGeneration

from indexer.encoders import load_encoder
from indexer.encoders.conversion import RECORD, as_safetensors, safe_name
from indexer.encoders.open_clip import OpenClipFamily, find_source
from indexer.errors import ModelUnavailable
from indexer.indexing.captioning import load_captioner
from tests.encoders import families
from tests.encoders.real_photos import demo_photos


class Evil:
    """What a crafted pickle would do to whoever opens it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.trace),))


def as_published(model: torch.nn.Module, folder: Path) -> None:
    """A folder as Salesforce's repositories are: a pickle with buffers that are no weights any more, and no more."""
    model.save_pretrained(folder)  # type: ignore[operator]
    tensors = dict(model.state_dict())
    tensors |= {"text_encoder.embeddings.position_ids": torch.arange(512)[None]} if "itm_head.weight" in tensors else {}
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("pickled", "safe"),
    [
        ("pytorch_model.bin", "model.safetensors"),
        ("pytorch_model-00001-of-00002.bin", "model-00001-of-00002.safetensors"),
        ("pytorch_model.bin.index.json", "model.safetensors.index.json"),
        ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"),
        ("open_clip_pytorch_model.bin", "open_clip_pytorch_model.safetensors"),
    ],
)
def test_names_are_those_that_loaders_look_for(pickled: str, safe: str) -> None:
    assert safe_name(pickled) == safe


def test_a_retrieval_model_that_is_published_as_a_pickle(tmp_path: Path) -> None:
    model = families.blip_model()
    model.save_pretrained(tmp_path / "safe")
    as_published(model, tmp_path / "pickled")
    safe, pickled = (load_encoder(f"blip:{tmp_path / name}", backend="torch-fp32") for name in ("safe", "pickled"))
    photos = list(demo_photos().values())[:2]
    np.testing.assert_array_equal(pickled.encode_images(photos).joint, safe.encode_images(photos).joint)
    np.testing.assert_array_equal(pickled.encode_texts(["a dog"]), safe.encode_texts(["a dog"]))
    # What was made is not made again, and both files' digests are kept.
    made = tmp_path / "pickled" / "model.safetensors"
    before = made.stat().st_mtime_ns
    assert load_encoder(f"blip:{tmp_path / 'pickled'}").id == pickled.id and made.stat().st_mtime_ns == before
    record = json.loads((made.parent / RECORD).read_text())["model.safetensors"]
    assert record["from"] == "pytorch_model.bin" and len(record["sha256"]) == len(record["from_sha256"]) == 64


def test_a_captioner_whose_weights_are_tied(tmp_path: Path) -> None:
    model = families.blip_captioner()
    as_published(model, tmp_path / "captioner")
    photo = list(demo_photos().values())[:1]
    assert load_captioner(str(tmp_path / "captioner"), "cpu").caption(photo)
    loaded = BlipForConditionalGeneration.from_pretrained(tmp_path / "captioner")
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_pieces_are_converted_with_their_index_and_again_once_they_changed(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": torch.zeros(3)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    places = {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    *pieces, index = as_safetensors(sorted(tmp_path.glob("pytorch_model*")))
    assert [list(load_file(piece)) for piece in pieces] == [["a"], ["b"]]
    assert json.loads(index.read_text())["weight_map"] == {"a": pieces[0].name, "b": pieces[1].name}

    whole = pieces[0].read_bytes()
    pieces[0].write_bytes(whole[:-1] + b"\x01")
    as_safetensors(sorted(tmp_path.glob("pytorch_model*")))
    assert pieces[0].read_bytes() != whole
    as_safetensors(sorted(tmp_path.glob("pytorch_model*")), check=True)
    assert pieces[0].read_bytes() == whole


def test_a_pickle_that_holds_more_than_weights_runs_nothing(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2), "more": Evil(tmp_path / "trace")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="more than weights") as caught:
        as_safetensors([tmp_path / "pytorch_model.bin"])
    assert caught.value.hint and "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


def in_hub(cache: Path, hub_id: str, folder: Path) -> Path:
    """The folder as a pull leaves it in the hub's cache."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree(folder, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return snapshot


def test_weights_named_in_any_way_are_one_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag, its hub folder, a local folder and a file: an index made by one name is searched by another."""
    import huggingface_hub.constants
    import open_clip

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    hub_id, spec = "timm/vit_base_patch32_clip_224.openai", "ViT-B-32/openai"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "open_clip_model.safetensors").write_bytes(os.urandom(1000))
    colours = {"mean": list(open_clip.OPENAI_DATASET_MEAN), "std": list(open_clip.OPENAI_DATASET_STD)}
    content = {
        "model_cfg": open_clip.get_model_config("ViT-B-32") | {"quick_gelu": True},
        "preprocess_cfg": {**colours, "interpolation": "bicubic", "resize_mode": "shortest"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    in_hub(tmp_path / "hub", hub_id, folder)
    names = (spec, f"hf-hub:{hub_id}", str(folder), str(folder / "open_clip_model.safetensors"))
    assert len({OpenClipFamily(find_source(name)).id for name in names}) == 1


@pytest.mark.parametrize("form", ["open_clip_pytorch_model.safetensors", "pieces", "open_clip_pytorch_model.bin"])
def test_open_clips_weights_in_any_form(tmp_path: Path, form: str) -> None:
    model = families.open_clip_folder(tmp_path / "clip")
    whole = load_encoder(f"open_clip:{tmp_path / 'clip'}", backend="torch-fp32").encode_texts(["a dog"])
    first = tmp_path / "clip" / "open_clip_model.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if form == "pieces":
        from huggingface_hub import save_torch_state_dict

        save_torch_state_dict(
            tensors, tmp_path / "clip", filename_pattern="open_clip_model{suffix}.safetensors", max_shard_size=200_000
        )
        first.unlink(missing_ok=True)
    elif form.endswith(".bin"):
        torch.save(tensors, first.with_name(form))
        first.unlink()
    else:
        first.rename(first.with_name(form))
    encoder = load_encoder(f"open_clip:{tmp_path / 'clip'}", backend="torch-fp32")
    np.testing.assert_array_equal(encoder.encode_texts(["a dog"]), whole)
