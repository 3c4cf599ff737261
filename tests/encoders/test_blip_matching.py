"""BLIP's matching head against transformers' own, and `dar search --rerank` with it from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import BlipForImageTextRetrieval
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from indexer.encoders.bundled.backbones import TOKENIZER
from indexer.encoders.matching import Matcher
from indexer.errors import UsageError
from tests import photos
from tests.cli.colour_words import dar
from tests.encoders import families
from tests.encoders.real_photos import demo_photos


@pytest.fixture(scope="module")
def model() -> BlipForImageTextRetrieval:
    return families.blip_model()


@pytest.fixture
def spec(model: BlipForImageTextRetrieval, tmp_path: Path) -> str:
    model.save_pretrained(tmp_path / "blip")
    return f"blip:{tmp_path / 'blip'}"


def test_chances_are_transformers_own(model: BlipForImageTextRetrieval, spec: str) -> None:
    pictures, text = list(demo_photos().values()), "a dog runs on the beach"
    pixels = BlipImageProcessorPil(size={"height": 64, "width": 64})(pictures, return_tensors="pt")["pixel_values"]
    tokenizer = Tokenizer.from_file(str(TOKENIZER.verified()))
    tokenizer.no_padding()
    ids = torch.tensor([tokenizer.encode(text).ids]).expand(len(pictures), -1)
    with torch.inference_mode():
        logits = model(
            input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids), use_itm_head=True
        ).itm_score
    expected = logits.softmax(-1)[:, 1].tolist()
    found = Matcher(spec, "cpu").chances(text, pictures)
    assert found == pytest.approx(expected, abs=1e-5) and len({round(each, 4) for each in found}) > 1


def test_a_model_without_the_head_is_refused() -> None:
    with pytest.raises(UsageError, match="no matching head"):
        Matcher("open_clip:ViT-B-32/laion2b_s34b_b79k")


def test_the_best_are_ranked_again_and_unreadable_photos_keep_their_place(
    spec: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos.folder_of(tmp_path / "photos", 6)
    assert dar(capfd, "index", str(tmp_path / "photos"))[0] == 0
    before = json.loads(dar(capfd, "search", "red", "--json")[1])
    second = before["hits"][1]["path"]
    Path(second).write_bytes(b"not a photo any more")
    code, out, err = dar(capfd, "search", "red", "--json", "--reranker", spec)
    told = json.loads(out)
    assert code == 0 and told["stage"] == "reranked"
    assert "The best 5 were ranked again" in err and "1 could not be opened" in err
    hits = told["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert hits[1]["path"] == second and "matching" not in hits[1]
    chances = [hit["matching"] for hit in hits if hit["path"] != second]
    assert chances == sorted(chances, reverse=True) and len(set(chances)) > 1
    assert {hit["path"] for hit in hits} == {hit["path"] for hit in before["hits"]}
    # What is shown is the best of all that were looked at, not of the page alone.
    top = json.loads(dar(capfd, "search", "red", "--json", "-k", "1", "--reranker", spec)[1])["hits"]
    assert [hit["path"] for hit in top] == [hits[0]["path"]]


def test_re_ranking_needs_a_text_and_a_model_that_is_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (photo,) = photos.folder_of(tmp_path / "photos", 1)
    assert dar(capfd, "index", str(tmp_path / "photos"))[0] == 0
    code, out, err = dar(capfd, "search", "red", "--rerank")
    assert (code, out, err.count("\n")) == (1, "", 1) and "`dar models pull blip:Salesforce/blip-itm-base-coco`" in err
    assert dar(capfd, "search", "--like", str(photo), "--rerank")[0] == 2
