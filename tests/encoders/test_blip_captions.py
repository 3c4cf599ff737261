"""BLIP's captioner against transformers' own, and `dar index --captions` with it from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from dar_tui.cli.results import table
from indexer.encoders.bundled.backbones import TOKENIZER
from indexer.errors import ModelUnavailable
from indexer.indexing.captioning import find_captioner, load_captioner
from indexer.search.hits import Hit
from indexer.search.strength import Strength
from tests import photos
from tests.cli.colour_words import dar
from tests.encoders import families
from tests.encoders.real_photos import demo_photos


@pytest.fixture(scope="module")
def model() -> BlipForConditionalGeneration:
    return families.blip_captioner()


@pytest.fixture
def folder(model: BlipForConditionalGeneration, tmp_path: Path) -> Path:
    model.save_pretrained(tmp_path / "captioner")
    return tmp_path / "captioner"


def test_captions_are_transformers_own(model: BlipForConditionalGeneration, folder: Path) -> None:
    pictures = list(demo_photos().values())[:3]
    pixels = BlipImageProcessorPil(size={"height": 64, "width": 64})(pictures, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        written = model.generate(pixel_values=pixels, num_beams=3, min_length=5, max_length=20)
    tokenizer = Tokenizer.from_file(str(TOKENIZER.verified()))
    expected = [" ".join(tokenizer.decode(each, skip_special_tokens=True).split()) for each in written.tolist()]
    captioner = load_captioner(str(folder), "cpu")
    assert captioner.caption(pictures) == expected and all(expected)
    assert captioner.caption([]) == []


def test_its_id_is_that_of_its_weights(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert load_captioner(str(tmp_path / "copy"), "cpu").id == load_captioner(str(folder), "cpu").id
    families.blip_captioner(seed=9).save_pretrained(tmp_path / "other")
    assert load_captioner(str(tmp_path / "other"), "cpu").id != load_captioner(str(folder), "cpu").id


def test_a_folder_that_lacks_tensors_or_holds_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("crossattention.self.query.weight"))
    save_file(
        {name: each for name, each in tensors.items() if name != lost}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelUnavailable, match="crossattention"):
        load_captioner(str(folder), "cpu")
    families.blip_model().save_pretrained(tmp_path / "retrieval")
    with pytest.raises(ModelUnavailable):
        load_captioner(str(tmp_path / "retrieval"), "cpu")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"no model\.safetensors"):
        load_captioner(str(folder), "cpu")


def test_a_captioner_that_is_not_here_is_named_with_the_command_that_pulls_it() -> None:
    with pytest.raises(ModelUnavailable) as refused:
        find_captioner()
    assert "dar models pull Salesforce/blip-image-captioning-base" in refused.value.hint


def test_captions_go_into_the_library_and_into_results(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos.folder_of(tmp_path / "photos", 3)
    index = ("index", str(tmp_path / "photos"), "--captioner", str(folder), "--device", "cpu", "--json")
    code, out, _ = dar(capfd, *index)
    assert code == 0 and json.loads(out)["captioned"] == 3
    code, out, _ = dar(capfd, *index)
    assert json.loads(out)["captioned"] == 0
    code, out, _ = dar(capfd, "search", "red", "--json")
    captions = [hit["caption"] for hit in json.loads(out)["hits"]]
    assert len(captions) == 3 and all(captions)
    code, out, _ = dar(capfd, "search", "red")
    assert all(f"\n   {caption}\n" in out for caption in captions)


def test_a_missing_captioner_ends_the_run_before_it_begins(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    photos.folder_of(tmp_path / "photos", 1)
    code, out, err = dar(capfd, "index", str(tmp_path / "photos"), "--captions")
    assert code == 1 and out == ""
    assert err.count("\n") == 1 and "`dar models pull Salesforce/blip-image-captioning-base`" in err
    assert dar(capfd, "search", "red")[0] == 3


def test_a_caption_cannot_drive_the_terminal() -> None:
    hostile = "a \x1b[2Jdog\n\u202eon the beach"
    hit = Hit(
        1, Path("/p.jpg"), 0.5, 1, Strength.WEAK, Path("/t"), None, "", None, None, "", 1, 1, "JPEG", caption=hostile
    )
    assert table([hit])[1].splitlines()[1].strip() == "a [2Jdog on the beach"
