"""What every family must do, on a tiny model loaded as a user loads one: vectors, batches, precision, the whole way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from indexer.encoders import Encoder, absolute_spec, load_encoder
from indexer.encoders.families import hub_files
from indexer.errors import ModelUnavailable, UsageError
from indexer.indexing.events import Finished
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library
from indexer.search.ranking import Query, Term
from tests.encoders import families
from tests.encoders.real_photos import demo_photos, save_photos

Load = Callable[..., Encoder]
SPECS = ("open_clip:clip", "blip:folder", "blip:model_base.pth", "beit3:beit3_tiny.pth")
TEXTS = ["a dog runs on the beach", "people", "a woman holds an umbrella in the rain and a child in a red coat plays"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    families.open_clip_folder(folder / "clip")
    blip = families.blip_model()
    blip.save_pretrained(folder / "folder")
    torch.save({"model": families.pretraining_layout(blip), "epoch": 19}, folder / "model_base.pth")
    torch.save({"model": families.beit3_tensors(families.TINY_BEIT3)}, folder / "beit3_tiny.pth")
    families.beit3_vocabulary(folder / "beit3.spm")
    return folder


@pytest.fixture
def load(models: Path) -> Load:
    def loaded(spec: str, backend: str = "torch-fp32") -> Encoder:
        family, _, name = spec.partition(":")
        return load_encoder(f"{family}:{models / name}", cache=Path(os.environ["DAR_CACHE"]), backend=backend)

    return loaded


@pytest.mark.parametrize("spec", SPECS)
def test_vectors_are_unit_and_as_long_as_declared(load: Load, spec: str) -> None:
    encoder = load(spec)
    images = encoder.encode_images(list(demo_photos().values()))
    texts = encoder.encode_texts(TEXTS)
    assert images.visual is None and encoder.visual_dim == 0
    assert images.joint.shape == (4, encoder.dim) and texts.shape == (3, encoder.dim)
    for vectors in (images.joint, texts):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        # Different things have different vectors.
        cosines = vectors @ vectors.T
        assert cosines[~np.eye(len(cosines), dtype=bool)].max() < 0.9999
    assert encoder.encode_images([]).joint.shape == encoder.encode_texts([]).shape == (0, encoder.dim)


@pytest.mark.parametrize("spec", SPECS)
def test_neither_batch_nor_padding_changes_a_vector(load: Load, spec: str) -> None:
    encoder = load(spec)
    photos = list(demo_photos().values())
    many = encoder.encode_images(photos * 3).joint
    np.testing.assert_allclose(many[:4], many[8:], atol=1e-6)
    np.testing.assert_allclose(encoder.encode_images(photos[2:3]).joint[0], many[2], atol=1e-5)
    together = encoder.encode_texts(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], vector, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_long_and_odd_texts_are_cut_and_not_refused(load: Load, spec: str) -> None:
    encoder = load(spec)
    endless = "a dog runs on the beach " * 300
    vectors = encoder.encode_texts([endless, endless + "and a cat", "", "\udcff \x00 日本", "x" * 5000])
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_a_library_is_indexed_and_searched_with_it(load: Load, spec: str, tmp_path: Path) -> None:
    encoder = load(spec)
    photos = save_photos(tmp_path / "photos")
    *_, finished = index(tmp_path / "library", [tmp_path / "photos"], encoder, IndexOptions(encoder_spec=spec))
    assert isinstance(finished, Finished)
    assert (finished.summary.added, finished.summary.encoder) == (4, encoder.id)
    with Library.open(tmp_path / "library") as library:
        for path in photos.values():
            with Image.open(path) as image:
                vector = encoder.encode_images([image.convert("RGB")]).joint[0]
            hits = library.search(Query((Term(vector),)), k=4, fold=False)
            # Indexing decodes JPEGs to about the encoder's size, so the score is not quite 1.
            assert hits[0].path == path and hits[0].score > 0.99
        assert len(library.search(Query((Term(encoder.encode_texts(["a cat"])[0]),)), k=4, fold=False)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["open_clip:clip", "blip:model_base.pth", "beit3:beit3_tiny.pth"])
def test_other_backends_give_the_same_vectors(load: Load, spec: str) -> None:
    photos = list(demo_photos().values())
    exact = load(spec).encode_images(photos).joint
    graph = load(spec, "onnx-fp32")
    np.testing.assert_allclose(graph.encode_images(photos).joint, exact, atol=1e-4)
    np.testing.assert_allclose(graph.encode_images(photos[:1]).joint, exact[:1], atol=1e-4)
    rounded = load(spec, "torch-bf16").encode_images(photos).joint
    assert (rounded * exact).sum(1).min() > 0.99
    assert load(spec).id == graph.id == load(spec, "torch-bf16").id


def test_a_copy_of_the_weights_has_the_same_id_and_other_weights_another(models: Path, tmp_path: Path) -> None:
    tensors = families.salesforce_layout(families.blip_model())
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
    torch.save({"model": tensors}, tmp_path / "one" / "m.pth")
    (tmp_path / "two" / "renamed.pth").write_bytes((tmp_path / "one" / "m.pth").read_bytes())
    tensors["vision_proj.bias"] = tensors["vision_proj.bias"] + 1
    torch.save({"model": {name: tensor * 1.01 for name, tensor in tensors.items()}}, tmp_path / "three" / "m.pth")
    one, two, three = (
        load_encoder(f"blip:{tmp_path / each}").id for each in ("one/m.pth", "two/renamed.pth", "three/m.pth")
    )
    assert one == two != three
    assert load_encoder(f"blip:{tmp_path / 'one' / 'm.pth'}@96").id != one


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        (
            "open_clip:ViT-B-32/laion2b_s34b_b79k",
            ModelUnavailable,
            "dar models pull open_clip:ViT-B-32/laion2b_s34b_b79k",
        ),
        ("open_clip:hf-hub:someone/clip", ModelUnavailable, "dar models pull open_clip:hf-hub:someone/clip"),
        ("open_clip:ViT-B-32/no_such_tag", UsageError, "laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32:/no/such/file.pt", ModelUnavailable, "path"),
        (
            "blip:Salesforce/blip-itm-base-coco@224",
            ModelUnavailable,
            "dar models pull blip:Salesforce/blip-itm-base-coco",
        ),
        ("blip:/no/such/model_base.pth", ModelUnavailable, "Salesforce"),
        ("beit3:/no/such/beit3.pth", ModelUnavailable, "Microsoft"),
        ("open_clip:", UsageError, "bundled"),
        ("clap:x", UsageError, "bundled"),
    ],
)
def test_a_missing_model_is_one_line_and_what_to_do(
    spec: str, error: type[Exception], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(error) as raised:
        load_encoder(spec)
    assert says in raised.value.hint  # type: ignore[attr-defined]
    assert "\n" not in raised.value.message + raised.value.hint  # type: ignore[attr-defined]


def test_a_backend_that_is_none_is_refused() -> None:
    for backend in ("torch-int8", "onnx"):
        with pytest.raises(UsageError, match="backend"):
            load_encoder("blip:x/y", backend=backend)


def test_paths_in_specs_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.pth").touch()
    monkeypatch.chdir(tmp_path)
    assert absolute_spec("blip:m.pth@224") == f"blip:{tmp_path}/m.pth@224"
    assert absolute_spec("open_clip:ViT-B-32:./m.pth") == f"open_clip:ViT-B-32:{tmp_path}/m.pth"
    assert absolute_spec("open_clip:local-dir:.") == f"open_clip:local-dir:{tmp_path}"
    for spec in (
        "bundled",
        "open_clip:ViT-B-32/openai",
        "blip:Salesforce/blip-itm-base-coco@224",
        "blip:gone.pth",
        "x:y",
    ):
        assert absolute_spec(spec) == spec


def test_what_a_pull_has_to_fetch() -> None:
    (clip,) = hub_files("open_clip:ViT-B-32/laion2b_s34b_b79k")
    assert clip.repository == "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    # open_clip has CLIP's tokenizer itself.
    assert clip.weights[0] == ("open_clip_model.safetensors",) and clip.patterns == ()
    _, text = hub_files("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k")
    assert text.repository == "roberta-base" and "config.json" in text.patterns
    (blip,) = hub_files("blip:Salesforce/blip-itm-base-coco@224")
    assert blip.repository == "Salesforce/blip-itm-base-coco"
    assert hub_files("bundled") == hub_files("blip:/here/model_base.pth") == hub_files("beit3:/here/beit3.pth") == ()
