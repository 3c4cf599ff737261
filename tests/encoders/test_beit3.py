"""BEiT-3: Microsoft's names and sizes, the architecture written out once more from the paper, and its tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision import transforms

from indexer.encoders import Encoder, load_encoder
from indexer.encoders.beit3 import BASE, LARGE, Beit3Family, Beit3ImageTower, Beit3Shape, Beit3TextTower, names_of
from indexer.errors import ModelUnavailable
from tests.encoders import families
from tests.encoders.real_photos import demo_photos

TINY = families.TINY_BEIT3
TEXTS = ["a dog runs on the beach", "people", "an old car and two boats on a lake at sunset"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.save({"model": families.beit3_tensors(TINY)}, tmp_path / "beit3_base_patch16_64_retrieval.pth")
    families.beit3_vocabulary(tmp_path / "beit3.spm")
    return tmp_path


def load(spec: str | Path) -> Encoder:
    return load_encoder(f"beit3:{spec}", backend="torch-fp32")


@pytest.mark.parametrize(
    ("shape", "published"),
    # "#parameters" of the README's retrieval and contrastively tuned checkpoints, in millions; 674 is cut, not rounded.
    [(BASE, 222), (replace(BASE, side=384), 222), (LARGE, 674), (replace(LARGE, side=384), 675)],
)
def test_sizes_are_the_published_ones(shape: Beit3Shape, published: int) -> None:
    sizes = families.beit3_shapes(shape)
    assert int(sum(np.prod(size) for size in sizes.values()) / 1e6) == published
    assert set(sizes) == names_of(shape)
    with torch.device("meta"):
        towers = Beit3ImageTower(shape), Beit3TextTower(shape)
    in_towers = sum(parameter.numel() for tower in towers for parameter in tower.parameters())
    # All but the stand-in for masked patches and the temperature.
    assert in_towers == sum(np.prod(size) for size in sizes.values()) - shape.width - 1


def by_the_paper(tensors: dict[str, Tensor], x: Tensor, way: str, seen: Tensor) -> Tensor:
    """Magneto's encoder as the paper's equations have it, one token sequence of one kind: (n, tokens, width)."""

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"], 1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    x = x + tensors[f"beit3.encoder.embed_positions.{way}.weight"][2 : 2 + x.shape[1]]
    for number in range(TINY.layers):
        layer = f"beit3.encoder.layers.{number}"
        y = norm(x, f"{layer}.self_attn_layer_norm.{way}")
        query, key, value = (linear(y, f"{layer}.self_attn.{each}_proj.{way}") for each in "qkv")
        heads = []
        for head in range(TINY.heads):
            part = slice(head * 64, head * 64 + 64)
            weights = query[..., part] @ key[..., part].mT / 64**0.5
            weights = weights.masked_fill(~seen[:, None, :], -torch.inf).softmax(-1)
            heads.append(weights @ value[..., part])
        attended = norm(torch.cat(heads, -1), f"{layer}.self_attn.inner_attn_ln.{way}")
        x = x + linear(attended, f"{layer}.self_attn.out_proj.{way}")
        y = F.gelu(linear(norm(x, f"{layer}.final_layer_norm.{way}"), f"{layer}.ffn.{way}.fc1"))
        x = x + linear(norm(y, f"{layer}.ffn.{way}.ffn_layernorm"), f"{layer}.ffn.{way}.fc2")
    return norm(x, f"beit3.encoder.layer_norm.{way}")[:, 0]


def test_the_image_tower_is_the_papers_on_pictures_prepared_as_in_microsofts_code(folder: Path) -> None:
    tensors = families.beit3_tensors(TINY)
    prepare = transforms.Compose(
        [
            transforms.Resize((64, 64), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ]
    )
    pixels = torch.stack([prepare(photo) for photo in demo_photos().values()])
    patches = F.conv2d(
        pixels, tensors["beit3.vision_embed.proj.weight"], tensors["beit3.vision_embed.proj.bias"], stride=16
    )
    x = torch.cat([tensors["beit3.vision_embed.cls_token"].expand(4, -1, -1), patches.flatten(2).mT], 1)
    first = by_the_paper(tensors, x, "A", torch.ones(4, 17, dtype=torch.bool))
    expected = F.normalize(first @ tensors["vision_head.weight"].T, dim=-1)
    encoder = load(folder / "beit3_base_patch16_64_retrieval.pth")
    np.testing.assert_allclose(encoder.encode_images(list(demo_photos().values())).joint, expected, atol=1e-5)


def test_the_text_tower_is_the_papers_whatever_padding_follows(folder: Path) -> None:
    tensors = families.beit3_tensors(TINY)
    family = Beit3Family(folder / "beit3_base_patch16_64_retrieval.pth", folder / "beit3.spm")
    tokens = family.tokenize(TEXTS)
    assert tokens.mask.min() == 0
    ids, seen = torch.tensor(tokens.ids), torch.tensor(tokens.mask).bool()
    first = by_the_paper(tensors, tensors["beit3.text_embed.weight"][ids], "B", seen)
    expected = F.normalize(first @ tensors["language_head.weight"].T, dim=-1)
    np.testing.assert_allclose(load(folder).encode_texts(TEXTS), expected, atol=1e-5)
    tower = family.load_text_tower()
    more = F.pad(ids, (0, 30), value=1), F.pad(seen.long(), (0, 30))
    with torch.no_grad():
        np.testing.assert_allclose(tower(*more), tower(ids, seen.long()), atol=1e-5)


def test_tokens_are_xlm_robertas(folder: Path) -> None:
    from transformers.convert_slow_tokenizer import XLMRobertaConverter

    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    source = SimpleNamespace(vocab_file=str(folder / "beit3.spm"), convert_tokens_to_ids=special.__getitem__)
    reference = XLMRobertaConverter(source).converted()
    family = Beit3Family(folder / "beit3_base_patch16_64_retrieval.pth", folder / "beit3.spm")
    for text in (*TEXTS, "  A   DOG,\tx ", "日本 café ½", ""):
        tokens = family.tokenize([text])
        assert tokens.ids[0].tolist() == reference.encode(text).ids
    long = family.tokenize(["dog " * 200])
    assert long.ids.shape == (1, 64) and long.ids[0, -1] == 2


def test_a_checkpoint_with_a_tensor_too_few_or_too_many_is_refused_by_name(folder: Path) -> None:
    path = folder / "beit3_base_patch16_64_retrieval.pth"
    tensors = families.beit3_tensors(TINY)
    # The pretrained models have a vocabulary head instead of retrieval's two.
    torch.save({"model": {**tensors, "mlm_head.weight": torch.zeros(3)}}, path)
    with pytest.raises(ModelUnavailable, match=r"unknown mlm_head\.weight"):
        load(path)
    for name in ("vision_head.weight", "beit3.encoder.layers.1.ffn.B.fc2.bias", "beit3.text_embed.weight"):
        torch.save({"model": {key: tensor for key, tensor in tensors.items() if key != name}}, path)
        with pytest.raises(ModelUnavailable, match=f"missing {name}"):
            load(path)


def test_the_vocabulary_has_to_lie_beside_the_checkpoint(folder: Path) -> None:
    (folder / "beit3.spm").unlink()
    with pytest.raises(ModelUnavailable, match=r"beit3\.spm"):
        load(folder)
    (folder / "beit3.spm").write_bytes(b"not a vocabulary")
    with pytest.raises(ModelUnavailable, match="sentencepiece"):
        load(folder).encode_texts(["a dog"])


def test_another_picture_size_resizes_the_positions(folder: Path) -> None:
    encoder = load(f"{folder}@96")
    assert encoder.image_size == 96
    vectors = encoder.encode_images(list(demo_photos().values())).joint
    own = load(folder).encode_images(list(demo_photos().values())).joint
    assert vectors.shape == own.shape and not np.allclose(vectors, own, atol=1e-3)
